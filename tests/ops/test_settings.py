"""Settings: precedence, secrets in files, and every contradiction named at once."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconverge.config.connection import connection
from reconverge.config.settings import Settings, SettingsRefused, load


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env of the developer's own


def problems(**flags: object) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as refusal:
        load(flags)
    return refusal.value.problems


def test_flags_beat_variables_beat_the_env_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(
        "RECONVERGE_GROUP_ID=file\nRECONVERGE_MEMBER=file\nRECONVERGE_TOPIC_PREFIX=file.\nOTHER=1\n"
    )
    monkeypatch.setenv("RECONVERGE_GROUP_ID", "variable")
    monkeypatch.setenv("RECONVERGE_MEMBER", "variable")
    settings = load({"group_id": "flag", "member": None})
    assert (settings.group_id, settings.member, settings.topic_prefix) == (
        "flag",
        "variable",
        "file.",
    )


def test_http_stays_on_loopback_unless_told_otherwise() -> None:
    assert load({}).http_host == "127.0.0.1"


def test_topic_names_take_the_prefix_or_a_name_of_their_own() -> None:
    settings = load({"topic_prefix": "desk1.", "topic_names": {"drop-copy": "fix.dc"}})
    assert settings.topic("order-entry") == "desk1.order-entry"
    assert settings.topic("dlq.order-entry") == "dlq.desk1.order-entry"
    assert settings.topic("drop-copy") == "fix.dc"
    assert settings.topic("dlq.drop-copy") == "dlq.fix.dc"


def test_every_problem_is_named_in_terms_of_the_variables() -> None:
    port, batch = problems(http_port="x", batch_records_max=0)
    assert port.startswith("RECONVERGE_HTTP_PORT: ")
    assert batch.startswith("RECONVERGE_BATCH_RECORDS_MAX: ")
    topic, tls, sasl = problems(
        topic_names={"orders": "x"}, sasl_username="me", ssl_cafile=__file__
    )
    assert topic == "RECONVERGE_TOPIC_NAMES: no topic is called 'orders'"
    assert tls.startswith("RECONVERGE_SSL_CAFILE needs a TLS protocol")
    assert sasl.startswith("RECONVERGE_SASL_USERNAME needs a SASL protocol")


def test_a_variable_that_should_be_json_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECONVERGE_TOPIC_NAMES", "{")
    assert "topic_names" in problems()[0]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_login_needs_user_and_password(mechanism: str) -> None:
    assert len(problems(security_protocol="SASL_SSL", sasl_mechanism=mechanism)) == 2


def test_a_token_login_needs_its_function() -> None:
    assert problems(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER") == (
        "RECONVERGE_SASL_TOKEN is needed for OAUTHBEARER",
    )


def test_a_secret_comes_from_itself_or_from_a_file_but_not_both(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret with spaces \n")
    login = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "me"}
    kept = connection(load(login | {"sasl_password_file": file}))
    assert kept["sasl_plain_password"] == "s3cret with spaces "
    assert connection(load(login | {"sasl_password": "x"}))["sasl_plain_password"] == "x"
    assert len(problems(**login, sasl_password="x", sasl_password_file=file)) == 1


def test_no_secret_is_ever_printed() -> None:
    settings = load(
        {"security_protocol": "SASL_SSL", "sasl_username": "me", "sasl_password": "s3cret"}
    )
    assert "s3cret" not in f"{settings!r}{settings}{settings.model_dump_json()}"
    for problem in problems(security_protocol="nonsense", sasl_password="s3cret"):
        assert "s3cret" not in problem


def test_plaintext_sends_no_credentials() -> None:
    assert connection(load({"bootstrap_servers": "a:1,b:2"})) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("not a certificate")
    with pytest.raises(SettingsRefused, match="TLS files"):
        connection(load({"security_protocol": "SSL", "ssl_cafile": broken}))


TOKENS = """
import itertools
_count = itertools.count(1)
def plain(): return f"plain-{next(_count)}"
async def later(): return "later"
not_a_function = 7
"""


@pytest.fixture
def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "desk_tokens.py").write_text(TOKENS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("desk_tokens", None)


def token_settings(path: str) -> Settings:
    return load(
        {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER", "sasl_token": path}
    )


def test_tokens_come_from_the_desks_own_function(tokens: None) -> None:
    async def scenario() -> list[str]:
        plain = connection(token_settings("desk_tokens:plain"))["sasl_oauth_token_provider"]
        later = connection(token_settings("desk_tokens:later"))["sasl_oauth_token_provider"]
        return [await plain.token(), await plain.token(), await later.token()]

    assert asyncio.run(scenario()) == ["plain-1", "plain-2", "later"]


@pytest.mark.parametrize("path", ["no_such:f", "desk_tokens:none", "desk_tokens:not_a_function"])
def test_a_token_function_that_is_none_is_refused(tokens: None, path: str) -> None:
    with pytest.raises(SettingsRefused, match="SASL_TOKEN"):
        connection(token_settings(path))
