"""The table of topics agrees with the shell that uses them, and with itself."""

from reconverge.cli.run import options
from reconverge.config.settings import load
from reconverge.config.topics import INPUTS, TOPICS
from reconverge.stream.options import INPUTS as SHELL_INPUTS

BY_NAME = {topic.name: topic for topic in TOPICS}


def retention_ms(name: str) -> int:
    return int(BY_NAME[name].config["retention.ms"])


def test_the_shell_reads_and_writes_these_topics_and_no_others() -> None:
    topics = options(load({"topic_prefix": "desk1."})).topics
    settings = load({"topic_prefix": "desk1."})
    own = {settings.topic(name) for name, topic in BY_NAME.items() if topic.partitions is None}
    assert {*topics.inputs, *topics.outputs} == own
    assert SHELL_INPUTS == INPUTS
    assert topics.inputs == tuple(settings.topic(name) for name in INPUTS)


def test_roles_follow_direction() -> None:
    assert tuple(t.name for t in TOPICS if t.role == "input") == INPUTS
    assert {t.name for t in TOPICS if t.role == "internal"} == {
        "journal", "snapshots", "tap-positions",
    }  # fmt: skip
    assert {t.name for t in TOPICS if t.role == "market"} == {"marks"}


def test_last_value_topics_are_compacted_and_no_other() -> None:
    compacted = {t.name for t in TOPICS if t.config["cleanup.policy"] == "compact"}
    assert compacted == {"caps", "shadow-caps", "tap-positions"}


def test_the_journal_outlives_the_inputs_it_speaks_of() -> None:
    for name in INPUTS:
        assert retention_ms("journal") > retention_ms(name)
        assert retention_ms("snapshots") >= retention_ms("journal")
