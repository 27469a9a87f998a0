"""How every Kafka client of ours reaches the brokers, security included."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any, cast

from aiokafka.abc import AbstractTokenProvider
from aiokafka.helpers import create_ssl_context

from reconverge.config.settings import Settings, SettingsRefused, secret


def connection(settings: Settings) -> dict[str, Any]:
    """Keyword arguments common to aiokafka's consumer, producer and admin client.

    Raises SettingsRefused when a certificate, key or token function cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap_servers.split(","),
        "security_protocol": settings.security_protocol,
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    if settings.security_protocol.startswith("SASL_"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options |= _login(settings)
    return options


def _tls(settings: Settings) -> object:
    try:
        return create_ssl_context(
            cafile=settings.ssl_cafile,
            certfile=settings.ssl_certfile,
            keyfile=settings.ssl_keyfile,
            password=secret(settings.ssl_key_password, settings.ssl_key_password_file),
        )
    except OSError as error:  # ssl.SSLError is one
        raise SettingsRefused((f"TLS files cannot be used: {error}",)) from error


def _login(settings: Settings) -> dict[str, Any]:
    if settings.sasl_token is not None:
        return {"sasl_oauth_token_provider": TokenProvider(_function(settings.sasl_token))}
    try:
        password = secret(settings.sasl_password, settings.sasl_password_file)
    except (OSError, UnicodeDecodeError) as error:
        told = f"RECONVERGE_SASL_PASSWORD_FILE: {settings.sasl_password_file}: {error}"
        raise SettingsRefused((told,)) from error
    return {"sasl_plain_username": settings.sasl_username, "sasl_plain_password": password}


def _function(path: str) -> Callable[[], Any]:
    module, _, name = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SettingsRefused((f"RECONVERGE_SASL_TOKEN: {error}",)) from error
    if not callable(function):
        raise SettingsRefused((f"RECONVERGE_SASL_TOKEN: {path} is not a function",))
    return cast("Callable[[], Any]", function)


class TokenProvider(AbstractTokenProvider):
    """Hands aiokafka the desk's own token function, plain or async."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function

    async def token(self) -> str:
        """The token, as the function returns it."""
        token = self._function()
        return str(await token) if inspect.isawaitable(token) else str(token)
