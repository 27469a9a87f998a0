"""The incident as the repository shows it: told without Kafka, hence the same everywhere."""

from functools import cache
from pathlib import Path

from reconverge.demo.account import Account, account
from reconverge.demo.picture import draw
from reconverge.demo.recording import SESSION, demo_policy, load, played
from reconverge.demo.story import tell
from reconverge.demo.timeline import Timeline
from reconverge.demo.trace import Trace, rehearse

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "incident.svg"


@cache
def rehearsed(speed: float = 1.0) -> Trace:
    recording = load()
    timeline = Timeline(recording.begin_ns, recording.begin_ns, speed)
    inputs = played(recording, timeline, demo_policy())
    return rehearse(SESSION, timeline, (event for _, event in inputs))


@cache
def incident(speed: float = 1.0) -> Account:
    return account(rehearsed(speed))


def story() -> str:
    return f"```text\n{tell(incident())}```"


if __name__ == "__main__":
    draw(incident(), tell(incident()), PICTURE)
