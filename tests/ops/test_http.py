"""The HTTP port, through a real server on an ephemeral port."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from urllib.parse import quote

import aiohttp
import orjson
import pytest
from msgspec import structs
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families

from reconverge.contract.examples import EXAMPLES
from reconverge.core.messages.effects import Alert, Cap, Episode, State, Transition
from reconverge.ops.catalogue import CATALOGUE, PREFIX, SESSION
from reconverge.ops.http import Port, application
from reconverge.ops.metrics import Metrics, samples
from reconverge.ops.status import SessionStatus, SourceStatus
from reconverge.stream import BatchSeen, RestoreSeen

DESK_A = SessionStatus(
    session="DESK-A",
    life_cycle="open",
    retires_ns=None,
    link="up",
    logged_on=True,
    gateway="primary",
    venue="nyse",
    witness={"mode": "drop_copy", "heard": True, "required": ["DC1"]},
    state="REPLAY_SYNCING",
    cap=0.31,
    catchup_multiple_max=1.66,
    freeze_expansion=True,
    safe_mode=False,
    parked=False,
    parked_reason=None,
    confidence=0.62,
    components={
        "similarity": 0.9,
        "quantity": 1.0,
        "replay": 0.69,
        "freshness": 1.0,
        "in_flight": 1.0,
    },
    binding="replay",
    lss={"raw": 0.97, "settled": 0.98, "quantity": 0.99},
    working={"both": 40, "either": 41},
    in_flight=2,
    rwh={
        "entry": SourceStatus(14, [(14, 17), (30, None)], 5, 0, 0.25, 6),
        "DC1": SourceStatus(502, [], 0, 3, None, 0),
    },
    oldest_gap_s=1.5,
    divergence_s=2.5,
    symbol_caps=1,
    policy={"id": "default", "version": 1, "hash": "0123456789abcdef"},
    episode_id="DESK-A/e1",
    event_ns=1,
)


class Service:
    """What the port reads: a process with two sessions, ill or busy as a test says."""

    def __init__(self) -> None:
        self.ill: list[str] = []
        self.busy: list[str] = []
        self.metrics = Metrics()
        self.read: list[str] = []

    def sessions(self) -> Mapping[str, Callable[[], SessionStatus]]:
        found = [DESK_A, replace(DESK_A, session='DESK "B"\n', state="HEALTHY")]
        return {each.session: partial(self._read, each) for each in found}

    def _read(self, session: SessionStatus) -> SessionStatus:
        self.read.append(session.session)
        return session

    def port(self) -> Port:
        app = application(self.metrics, self.sessions, lambda: self.ill, lambda: self.busy)
        return Port(app, "127.0.0.1", 0)


async def get(port: Port, path: str, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port.number}", headers=headers) as client,
        client.get(path) as response,
    ):
        return response.status, await response.text()


async def test_health_is_progress_and_readiness_more() -> None:
    service = Service()
    async with service.port() as port:
        assert await get(port, "/healthz") == (200, '{"ok":true,"reasons":[]}')
        service.busy = ["partition 3 is being restored"]
        assert (await get(port, "/healthz"))[0] == 200
        assert await get(port, "/readyz") == (
            503,
            '{"ok":false,"reasons":["partition 3 is being restored"]}',
        )
        service.ill = ["partition 0: no progress for 31 s"]
        assert (await get(port, "/healthz"))[0] == 503
        assert (await get(port, "/readyz"))[0] == 503


async def test_status_shows_each_session_or_those_asked_for() -> None:
    async with Service().port() as port:
        everything = orjson.loads((await get(port, "/status"))[1])
        one = orjson.loads((await get(port, "/status?session=DESK-A"))[1])
    assert set(everything["sessions"]) == {"DESK-A", 'DESK "B"\n'}
    shown = one["sessions"]["DESK-A"]
    assert shown["binding"] == "replay"
    assert shown["rwh"]["entry"]["open_gaps"] == [[14, 17], [30, None]]


async def test_status_reads_only_what_is_asked_for() -> None:
    service = Service()
    async with service.port() as port:
        await get(port, "/status?session=DESK-A&session=NOBODY")
        assert service.read == ["DESK-A"]


async def test_status_comes_in_pages() -> None:
    service = Service()
    async with service.port() as port:
        pages: list[list[str]] = []
        after: str | None = ""
        while after is not None:
            page = orjson.loads((await get(port, f"/status?limit=1&after={quote(after)}"))[1])
            pages.append(list(page["sessions"]))
            after = page["next"]
        assert pages == [['DESK "B"\n'], ["DESK-A"]]
        assert service.read == ['DESK "B"\n', "DESK-A"]
        for wrong in ("0", "x", "1001"):
            assert (await get(port, f"/status?limit={wrong}"))[0] == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/status"])
async def test_there_is_no_write_surface(method: str, path: str) -> None:
    async with Service().port() as port, aiohttp.ClientSession() as client:
        url = f"http://127.0.0.1:{port.number}{path}"
        async with client.request(method, url) as response:
            assert response.status == 405


async def test_a_taken_port_is_an_error_that_says_so() -> None:
    service = Service()
    async with service.port() as port:
        app = application(service.metrics, service.sessions, list, list)
        with pytest.raises(OSError, match=str(port.number)):
            await Port(app, "127.0.0.1", port.number).__aenter__()


def feed(metrics: Metrics) -> None:
    """Every call of the shell once, with the published examples as effects."""
    metrics.owned(0, owned=True)
    metrics.batch(BatchSeen(0, 250, 3, 0.001, 0.002, 0.004, 0.5, 77))
    metrics.batch(BatchSeen(0, 0, 1, 0.0001, 0.002, 0.0, 0.0, 0))
    effects = [e for e in EXAMPLES.values() if isinstance(e, Cap | Transition | Alert | Episode)]
    metrics.effects(effects)
    metrics.effects([structs.replace(e, status="open") for e in effects if isinstance(e, Episode)])
    metrics.quarantined(0, "order-entry", "malformed")
    metrics.restored(RestoreSeen(0, 1_000, 4, 2_048, 0.3))
    metrics.snapshot(0, 2_048, 0.01)
    metrics.condition(None, "superseded", "by claim 12")


async def test_metrics_are_those_of_the_catalogue() -> None:
    service = Service()
    feed(service.metrics)
    async with service.port() as port:
        _, text = await get(port, "/metrics")
    families = {
        f.name: f for f in text_string_to_metric_families(text) if f.name.startswith(PREFIX)
    }
    expected = {PREFIX + m.name.removesuffix("_total"): m for m in CATALOGUE}
    assert set(families) == set(expected)
    for name, metric in expected.items():
        assert families[name].type == metric.kind
        assert families[name].samples, name
        labels = set(families[name].samples[0].labels) - {"le"}
        assert labels == set(metric.labels)


async def test_the_values_are_the_ones_told() -> None:
    service = Service()
    feed(service.metrics)
    value = service.metrics.registry.get_sample_value
    assert value("reconverge_records_total", {"partition": "0"}) == 250
    assert value("reconverge_effects_total", {"partition": "0"}) == 4
    assert value("reconverge_batch_records_count") == 1  # a tick is no batch of records
    # Of the checked example: failure 0.011 s before it was told, re-entry 6.1 s after that.
    assert value("reconverge_episode_fds_seconds_sum") == 0.011
    assert value("reconverge_episode_reentry_processing_seconds_sum") == 6.1
    assert value("reconverge_episode_dark_seconds_count") == 1
    assert value("reconverge_episode_divergence_seconds_sum") == 2.102


def test_a_sessions_samples_are_its_status() -> None:
    told = {(name, labels): value for name, labels, value in samples(DESK_A)}
    for state in State:
        assert told["session_state", (state.value,)] == (state is State.REPLAY_SYNCING)
    assert told["session_rwh_outstanding", ("entry",)] == 5
    assert told["session_source_refused", ("entry",)] == 6
    assert told["session_cap_ratio", ()] == 0.31
    assert ("session_source_silence_seconds", ("DC1",)) not in told


async def test_a_partition_that_went_elsewhere_leaves_no_series() -> None:
    metrics = Metrics()
    feed(metrics)
    metrics.owned(0, owned=False)
    metrics.owned(5, owned=False)  # never had any
    value = metrics.registry.get_sample_value
    assert value("reconverge_lag_records", {"partition": "0"}) is None
    assert value("reconverge_partition_owned", {"partition": "0"}) == 0


async def test_a_scraper_that_prefers_openmetrics_gets_it() -> None:
    service = Service()
    async with service.port() as port:
        _, text = await get(port, "/metrics", Accept="application/openmetrics-text;version=1.0.0")
    families = open_metrics(text)  # type: ignore[no-untyped-call]
    assert any(family.name == "reconverge_session_state" for family in families)


def test_names_follow_the_conventions_and_no_label_names_an_order() -> None:
    units = ("_seconds", "_bytes", "_ratio", "_records")
    labels = {"session", "source", "form", "held", "component", "state", "partition", "topic"}
    labels |= {"disposition", "condition", "cause", "name", "from_state", "to_state"}
    for metric in CATALOGUE:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name
        assert "_ms" not in metric.name
        if metric.kind == "histogram":
            assert metric.name.endswith(units), metric.name
            assert list(metric.buckets) == sorted(metric.buckets)
        if metric.name != "build_info":
            assert labels.issuperset(metric.labels), metric.name
    assert len({metric.name for metric in CATALOGUE}) == len(CATALOGUE)
    assert all(metric.labels[0] == "session" for metric in SESSION)
