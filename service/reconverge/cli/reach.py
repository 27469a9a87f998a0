"""Why no broker lets us in: the client tells only that none does."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

_TRY_S: Final = 3.0
"""One broker's name, connection and login; a person is waiting."""


async def cause(options: Mapping[str, Any]) -> str:
    """What keeps us from each broker that was given, and what to do; ``options`` are aiokafka's."""
    servers = options["bootstrap_servers"]
    told = await asyncio.gather(*(_cause(server.strip(), options) for server in servers))
    return "; ".join(dict.fromkeys(told))


async def _cause(server: str, options: Mapping[str, Any]) -> str:
    host, _, port = server.rpartition(":")
    try:
        async with asyncio.timeout(_TRY_S):
            loop = asyncio.get_running_loop()
            await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
            rest = {name: value for name, value in options.items() if name != "bootstrap_servers"}
            conn = await create_conn(host.strip("[]"), int(port), **rest)
            conn.close()
    except socket.gaierror as error:
        return f"{host}: no such host ({error.strerror}). Look at the name, and at DNS"
    except (AuthenticationFailedError, SaslAuthenticationFailed) as error:
        return f"{server}: the login is refused ({error}). Look at user, password and mechanism"
    except UnsupportedSaslMechanismError as error:
        return f"{server}: it does not know the SASL mechanism ({error})"
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        return f"{server}: its certificate is not trusted ({why}). Look at RECONVERGE_SSL_CAFILE"
    except (TimeoutError, KafkaError, OSError) as error:
        return f"{server}: {_unanswered(error)}"
    return f"{server}: it answers, but no broker that it names does. Look at advertised.listeners"


def _unanswered(error: Exception) -> str:
    listener = "does its listener speak RECONVERGE_SECURITY_PROTOCOL?"
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens there (connection refused). Is the broker running?"
    if isinstance(error, ssl.SSLError):
        return f"no TLS there ({error.reason or error}); {listener}"
    if isinstance(error, TimeoutError):
        return f"no answer within {_TRY_S:g} s. Is a firewall in between, and {listener}"
    return f"{str(error) or type(error).__name__}; {listener}"
