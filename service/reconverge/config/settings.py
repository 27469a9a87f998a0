"""Settings: what may differ between two installations of the service, and nothing of its logic.

Read from ``RECONVERGE_*`` variables, a ``.env`` file and the flags of a command, the last having
the last word. Thresholds are not here: they are policy, versioned and hashed (``core.policy``).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from socket import gethostname
from typing import Any, Final, Literal, Self

from pydantic import Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from reconverge.config.topics import QUARANTINE, TOPICS

PREFIX: Final = "RECONVERGE_"

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsRefused(ValueError):
    """Settings that are wrong or contradict each other; ``problems`` names all of them."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """Every setting; docs/configuration.md is generated from the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    bootstrap_servers: str = Field(
        default="localhost:9092", min_length=1, description="Kafka brokers, `host:port`, by comma."
    )
    group_id: str = Field(
        default="reconverge",
        min_length=1,
        description="Consumer group that shares out the partitions. One per installation.",
    )
    member: str = Field(
        default_factory=gethostname,
        min_length=1,
        description="Name of this process in logs and claims. The host name unless given.",
    )
    topic_prefix: str = Field(
        default="", pattern=r"^[a-zA-Z0-9._-]*$", description="Put before every topic's name."
    )
    topic_names: dict[str, str] = Field(
        default_factory=dict,
        description="Whole names of single topics, where a desk's own rules ask for them (JSON):"
        ' `{"order-entry": "fix.orders"}`. The prefix does not apply to these.',
    )
    policy_file: FilePath | None = Field(
        default=None, description="Policy (TOML) to start with; the default policy if none."
    )
    http_host: str = Field(
        default="127.0.0.1", description="Address of the HTTP port; loopback unless told otherwise."
    )
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="HTTP port; 0 takes a free one and logs it."
    )
    log_level: LogLevel = Field(default="info", description="Least severe level that is logged.")
    log_format: Literal["auto", "json", "pretty"] = Field(
        default="auto", description="`auto` is pretty on a terminal and JSON elsewhere."
    )
    session_timeout_ms: int = Field(
        default=10_000,
        ge=1_000,
        le=300_000,
        description="A process silent for this long is taken for dead and its partitions go to"
        " others. The broker sets bounds of its own (`group.min.session.timeout.ms`).",
    )
    fetch_wait_ms: int = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Longest that a broker may hold back an empty answer. Kafka answers as soon as"
        " there is a record; a broker that only speaks its protocol may not.",
    )
    batch_records_max: int = Field(
        default=1_000, ge=1, le=100_000, description="Most records folded in one batch."
    )
    snapshot_records: int = Field(
        default=200_000,
        ge=1,
        description="Records after which a new snapshot is due: bounds the time of a restore.",
    )
    audit_every_s: float = Field(
        default=0,
        ge=0,
        description="Pause between two audits of a random session served here, seconds; 0 for none"
        " (docs/audit.md).",
    )

    security_protocol: SecurityProtocol = Field(
        default="PLAINTEXT", description="How to speak to the brokers."
    )
    ssl_cafile: FilePath | None = Field(
        default=None, description="Authorities to trust (PEM); the system's if none."
    )
    ssl_certfile: FilePath | None = Field(
        default=None, description="Our certificate (PEM), for mutual TLS."
    )
    ssl_keyfile: FilePath | None = Field(
        default=None, description="Its private key (PEM), if not in the same file."
    )
    ssl_key_password: SecretStr | None = Field(
        default=None, description="Password of the private key."
    )
    ssl_key_password_file: FilePath | None = Field(
        default=None, description="File that holds it, instead."
    )
    sasl_mechanism: SaslMechanism = Field(
        default="PLAIN", description="How to log in, with a `SASL_` protocol."
    )
    sasl_username: str | None = Field(default=None, description="User, for PLAIN and SCRAM.")
    sasl_password: SecretStr | None = Field(
        default=None, description="Password, for PLAIN and SCRAM."
    )
    sasl_password_file: FilePath | None = Field(
        default=None, description="File that holds it, instead."
    )
    sasl_token: str | None = Field(
        default=None,
        pattern=r"^[\w.]+:\w+$",
        description="`module:function` that returns an OAUTHBEARER token; plain or async. Called at"
        " each login, so it should keep a token while it is valid.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = tuple(_contradictions(self))
        if problems:
            raise SettingsRefused(problems)
        return self

    def topic(self, name: str) -> str:
        """The Kafka name of a topic of ``reconverge.config.topics``."""
        if name in self.topic_names:
            return self.topic_names[name]
        if name.startswith(QUARANTINE):
            return QUARANTINE + self.topic(name.removeprefix(QUARANTINE))
        return self.topic_prefix + name


def load(flags: Mapping[str, Any]) -> Settings:
    """The settings under a command's flags; a flag that is None was not given.

    Raises SettingsRefused, with every problem in terms of the variables that a person sets.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsRefused(tuple(_told(error))) from None
    except SettingsError as error:  # a variable that should be JSON and is not
        raise SettingsRefused((f"{error}: {error.__cause__}",)) from None


def secret(value: SecretStr | None, file: Path | None) -> str | None:
    """A secret given as itself or as a file; the line end that editors add is not part of it."""
    if file is not None:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    return value.get_secret_value() if value is not None else None


def _told(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_input=False):
        cause = fault.get("ctx", {}).get("error")
        if isinstance(cause, SettingsRefused):
            yield from cause.problems
        else:
            name = "_".join(map(str, fault["loc"]))
            yield f"{PREFIX}{name.upper()}: {fault['msg']}"


def _contradictions(settings: Settings) -> Iterator[str]:
    yield from _brokers(settings.bootstrap_servers)
    known = {topic.name for topic in TOPICS}
    for name in settings.topic_names:
        if name not in known:
            yield f"{PREFIX}TOPIC_NAMES: no topic is called {name!r}"
    yield from _twice(settings, "sasl_password")
    yield from _twice(settings, "ssl_key_password")
    if not settings.security_protocol.endswith("SSL"):
        yield from _useless(settings, "ssl_", "a TLS protocol (SSL, SASL_SSL)")
    if settings.security_protocol.startswith("SASL_"):
        yield from _login_lacks(settings)
    else:
        yield from _useless(settings, "sasl_", "a SASL protocol (SASL_SSL, SASL_PLAINTEXT)")


def _brokers(given: str) -> Iterator[str]:
    for broker in given.split(","):
        host, _, port = broker.strip().rpartition(":")
        if "://" in broker:
            yield f"{PREFIX}BOOTSTRAP_SERVERS: {broker!r} is a URL; name the broker as host:port"
        elif not host or not port.isdecimal() or not 0 < int(port) <= _PORT_MAX:
            yield f"{PREFIX}BOOTSTRAP_SERVERS: {broker!r} is not host:port"


_PORT_MAX: Final = 65_535


def _twice(settings: Settings, name: str) -> Iterator[str]:
    if getattr(settings, name) is not None and getattr(settings, f"{name}_file") is not None:
        variable = f"{PREFIX}{name.upper()}"
        yield f"{variable} and {variable}_FILE are both set; keep one"


def _useless(settings: Settings, prefix: str, need: str) -> Iterator[str]:
    # A credential that is silently not used is how a service ends up speaking in the clear.
    for name in sorted(settings.model_fields_set):
        if name.startswith(prefix):
            yield f"{PREFIX}{name.upper()} needs {need} in {PREFIX}SECURITY_PROTOCOL"


def _login_lacks(settings: Settings) -> Iterator[str]:
    if settings.sasl_mechanism == "OAUTHBEARER":
        if settings.sasl_token is None:
            yield f"{PREFIX}SASL_TOKEN is needed for OAUTHBEARER"
        return
    if settings.sasl_username is None:
        yield f"{PREFIX}SASL_USERNAME is needed for {settings.sasl_mechanism}"
    if settings.sasl_password is None and settings.sasl_password_file is None:
        yield f"{PREFIX}SASL_PASSWORD (or _FILE) is needed for {settings.sasl_mechanism}"


def table() -> str:
    """Every setting as a Markdown table, for docs/configuration.md."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    empty = field.default_factory is not None or field.default in (None, "")
    return "" if empty else f"`{field.default}`"
