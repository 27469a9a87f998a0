"""What both engine processes need of QuickFIX: settings, messages out of pairs, sequence numbers.

Imported by the engine processes alone, so that no test process loads the binding.
"""

import sys
from pathlib import Path
from typing import Any

import quickfix as fix

from tests.engines.link import Event
from tests.engines.messages import BEGIN_STRING, MSG_TYPE, POSS_RESEND, Fields, Version, pairs

# The sdist installs its dictionaries here; with them the engines refuse what FIX does not allow.
DICTIONARIES = Path(sys.prefix) / "share" / "quickfix"
_HEADER_TAGS = {MSG_TYPE, POSS_RESEND}


def settings(config: Event, sessions: list[dict[str, object]]) -> Any:
    """Write and read a QuickFIX settings file in the process's own directory."""
    version: Version = config["version"]
    directory = Path(config["directory"])
    fixt = version == "5.0SP2"
    default: dict[str, object] = {
        "BeginString": BEGIN_STRING[version],
        "NonStopSession": "Y",
        "ReconnectInterval": 1,
        "FileLogPath": directory / "log",
        "FileStorePath": config["store"],
        "SocketNodelay": "Y",
        "SocketReuseAddress": "Y",
        # FIX before 5.0 writes milliseconds; 5.0SP2 allows microseconds.
        "TimestampPrecision": 6 if fixt else 3,
        "AllowUnknownMsgFields": "Y",  # ClOrdLinkID is younger than FIX 4.2
        **(_fixt_dictionaries() if fixt else {"DataDictionary": _dictionary(f"FIX{version}")}),
    }
    blocks = [("DEFAULT", default), *(("SESSION", session) for session in sessions)]
    text = "\n".join(
        f"[{name}]\n" + "\n".join(f"{key}={value}" for key, value in block.items())
        for name, block in blocks
    )
    path = directory / "engine.cfg"
    path.write_text(text + "\n")
    return fix.SessionSettings(str(path))


def message(fields: Fields) -> Any:
    """Build a QuickFIX message from (tag, value) pairs."""
    built = fix.Message()
    for tag, value in fields:
        target = built.getHeader() if tag in _HEADER_TAGS else built
        target.setField(fix.StringField(tag, value))
    return built


def read(received: Any) -> Fields:
    """Return a QuickFIX message as pairs, header and trailer included."""
    return pairs(received.toString())


def kept(session_id: Any) -> Any:
    """Copy a session id that the engine lends for one call only."""
    return fix.SessionID(
        session_id.getBeginString().getString(),
        session_id.getSenderCompID().getString(),
        session_id.getTargetCompID().getString(),
    )


def expected(session_id: Any) -> dict[str, int]:
    """Return the engine's next outgoing (sender) and next expected incoming (target) numbers."""
    session = fix.Session.lookupSession(session_id)
    return {"sender": session.getExpectedSenderNum(), "target": session.getExpectedTargetNum()}


def _dictionary(name: str) -> Path:
    return DICTIONARIES / f"{name.replace('.', '')}.xml"


def _fixt_dictionaries() -> dict[str, object]:
    return {
        "DefaultApplVerID": "FIX.5.0SP2",
        "TransportDataDictionary": _dictionary("FIXT1.1"),
        "AppDataDictionary": _dictionary("FIX5.0SP2"),
    }
