"""The client's health as metrics in the router's own registry. Needs ``prometheus-client``.

from prometheus_client import REGISTRY
from reconverge.client.prometheus import Collector

REGISTRY.register(Collector(caps))
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Base

from reconverge.client.book import CapBook
from reconverge.client.view import Health, Why

_PREFIX: Final = "reconverge_client_"
_COUNTERS: Final = {
    "records": "Records read from the caps topic.",
    "unreadable": "Records that could not be read.",
    "dropped": "Records that were not above what was known.",
    "reconnects": "Connections to Kafka after the first.",
    "acknowledged": "Acknowledgements that Kafka has.",
}
_GAUGES: Final = {
    "connected": ("connected", "1 while Kafka answers."),
    "record_age_s": ("record_age_seconds", "Time since the last record came."),
    "lag": ("lag_records", "Records in the topic and not yet read."),
    "skew_s": ("clock_skew_seconds", "This machine's wall clock minus the service's, estimated."),
    "unacknowledged": ("unacknowledged", "Acknowledgements on their way."),
}


class _Followed(Protocol):
    @property
    def book(self) -> CapBook: ...

    @property
    def health(self) -> Health: ...


class Collector(Base):
    """Reads ``health`` and the sessions' views when it is scraped; costs nothing in between."""

    def __init__(self, caps: _Followed) -> None:
        self._caps = caps

    def collect(self) -> Iterator[Metric]:
        """The metrics; a figure that is not known is left out."""
        health = self._caps.health
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(_PREFIX + name, text, value=getattr(health, name))
        for name, (shown, text) in _GAUGES.items():
            value = getattr(health, name)
            if value is not None:
                yield GaugeMetricFamily(_PREFIX + shown, text, value=float(value))
        yield self._sessions()

    def _sessions(self) -> Metric:
        book = self._caps.book
        count = Counter(book.cap(session).why for session in book.sessions())
        family = GaugeMetricFamily(
            _PREFIX + "sessions", "Sessions by why their cap is the safe one.", labels=["why"]
        )
        for why in (None, *Why):
            family.add_metric([why or "valid"], count[why])
        return family
