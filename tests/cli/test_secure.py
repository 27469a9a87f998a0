"""TLS and SASL through the settings a desk would set, against Apache Kafka that insists on them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Run
from tests.kafka.broker import PASSWORD, USER, KafkaCluster

pytestmark = pytest.mark.kafka

TOKENS = """
import asyncio
from tests.kafka.broker import UnsignedToken
async def token(): return await UnsignedToken().token()
"""


@pytest.fixture(scope="module")
def secure_kafka() -> Iterator[KafkaCluster]:
    with KafkaCluster(secure=True) as cluster:
        yield cluster


@pytest.fixture
def secure(secure_kafka: KafkaCluster) -> dict[str, str]:
    return {
        "RECONVERGE_BOOTSTRAP_SERVERS": secure_kafka.bootstrap,
        "RECONVERGE_SECURITY_PROTOCOL": "SASL_SSL",
        "RECONVERGE_SSL_CAFILE": str(secure_kafka.certificates.authority),
    }


def verdict(done: Done) -> tuple[str, str]:
    broker = next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "broker")
    return broker["verdict"], broker["found"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_password_from_a_file_lets_us_in(
    run: Run, secure: dict[str, str], mechanism: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    login = {
        "RECONVERGE_SASL_MECHANISM": mechanism,
        "RECONVERGE_SASL_USERNAME": USER,
        "RECONVERGE_SASL_PASSWORD_FILE": "password",
    }
    done = run("topics", "--create", "--json", **secure, **login)
    assert json.loads(done.stdout)["equal"]
    assert verdict(run("doctor", "--json", **secure, **login))[0] == "ok"
    assert run("watch", "--once", **secure, **login).returncode == 0


def test_a_token_function_lets_us_in(
    run: Run, secure: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secure_tokens.py").write_text(TOKENS)
    monkeypatch.syspath_prepend(tmp_path)
    login = {
        "RECONVERGE_SASL_MECHANISM": "OAUTHBEARER",
        "RECONVERGE_SASL_TOKEN": "secure_tokens:token",
    }
    assert verdict(run("doctor", "--json", **secure, **login))[0] == "ok"


def test_a_wrong_password_is_named_and_never_shown(run: Run, secure: dict[str, str]) -> None:
    login = {"RECONVERGE_SASL_USERNAME": USER, "RECONVERGE_SASL_PASSWORD": "wr0ng"}
    done = run("doctor", "--json", **secure, **login)
    told, found = verdict(done)
    assert told == "failed"
    assert "the login is refused" in found
    assert "wr0ng" not in done.stdout + done.stderr


def test_a_broker_that_an_unknown_authority_vouches_for_is_refused(
    run: Run, secure: dict[str, str]
) -> None:
    del secure["RECONVERGE_SSL_CAFILE"]
    login = {"RECONVERGE_SASL_USERNAME": USER, "RECONVERGE_SASL_PASSWORD": PASSWORD}
    told, found = verdict(run("doctor", "--json", **secure, **login))
    assert told == "failed"
    assert "certificate is not trusted" in found
    assert "RECONVERGE_SSL_CAFILE" in found
