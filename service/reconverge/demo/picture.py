"""The picture of an incident: state, likeness, missing numbers, confidence and cap over one axis of
time. Draws what the account says, and decides only how it looks.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reconverge.core.messages.effects import State
from reconverge.demo.account import Account

_SIZE_IN: Final = (12.0, 9.0)
_BEFORE_S: Final = 4.0
"""Time shown before the failure: enough to see what normal looks like."""
_LEFT: Final = 0.045
_LETTER_S: Final = 0.27
"""Width of a letter in the band of states."""
_AFTER_S: Final = 2.5
"""Time shown after the episode has closed."""

_INK, _MUTED, _RULE = "#1f2933", "#66727f", "#d5dbe1"
_BLUE, _TEAL, _GREY, _ORANGE, _VIOLET = "#1f5fa8", "#16897d", "#a3adb8", "#c96a06", "#6447b0"
_DOWN, _DIVERGED, _BROWN = "#c0392b", "#f9e8ca", "#96640f"
_STATES: Final = {
    State.HEALTHY: "#8cc28a",
    State.FAILOVER_DETECTED: "#c0392b",
    State.STATE_DIVERGED: "#e08562",
    State.REPLAY_SYNCING: "#efbf6b",
    State.CONTROLLED_REENTRY: "#86b6d9",
    State.STABLE: "#b3d9ad",
}
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "svg.hashsalt": "reconverge",
}
Series = Sequence[tuple[float, float]]
"""Values over seconds; each holds until the next."""


def draw(account: Account, story: str, *paths: Path) -> None:
    """Write the picture to each path, in the format that its suffix names.

    An SVG file carries the story, for those who cannot see it.
    """
    with mpl.rc_context(_STYLE):
        figure = _figure(account)
        FigureCanvasAgg(figure)
        for path in paths:
            # Without the date the same incident gives the same file.
            told = {"Title": _clocks(account), "Description": story, "Date": None}
            metadata = told if path.suffix == ".svg" else None
            figure.savefig(path, dpi=100, metadata=metadata)


def _figure(a: Account) -> Figure:
    figure = Figure(figsize=_SIZE_IN, facecolor="white")
    ratios = {"height_ratios": [0.42, 2.6, 1.2, 1.2, 2.2], "hspace": 0.33}
    band, likeness, gaps, confidence, cap = figure.subplots(5, 1, sharex=True, gridspec_kw=ratios)
    figure.subplots_adjust(left=_LEFT, right=0.975, top=0.845, bottom=0.065)
    end_s = a.steps[-1].at_s + _AFTER_S
    cap.set_xlim(-_BEFORE_S, end_s)
    _title(figure, a)
    _state_band(band, a, end_s)
    _likeness(likeness, a, end_s)
    _gaps(gaps, a, end_s)
    _confidence(confidence, a, end_s)
    _cap(cap, a, end_s)
    for axes in (likeness, gaps, confidence, cap):
        axes.axvspan(*_link_down(a), color=_DOWN, alpha=0.25, linewidth=0, zorder=0.5)
        axes.axvspan(*_diverged(a), color=_DIVERGED, linewidth=0, zorder=0)
        axes.tick_params(length=0)
    cap.set_xlabel("seconds since the failure", color=_MUTED)
    return figure


def _link_down(a: Account) -> tuple[float, float]:
    return 0.0, a.link_down_s


def _diverged(a: Account) -> tuple[float, float]:
    return a.diverged_from_s, a.diverged_from_s + a.diverged_s


def _title(figure: Figure, a: Account) -> None:
    count = len(a.misled.believed_not_working) + len(a.misled.working_not_believed)
    socket = f"When the socket was back, a router that trusted it was wrong about {count} orders."
    figure.text(_LEFT, 0.951, _clocks(a), fontsize=20, fontweight="bold")
    figure.text(_LEFT, 0.917, socket, fontsize=12, color=_MUTED)


def _clocks(a: Account) -> str:
    link = f"The link was down for {a.link_down_s:.1f} s."
    return f"{link} The state was diverged for {a.diverged_s:.1f} s."


def _state_band(axes: Axes, a: Account, end_s: float) -> None:
    axes.set_axis_off()
    axes.set_ylim(0, 1)
    steps = [(-_BEFORE_S, State.HEALTHY), *((step.at_s, step.state) for step in a.steps)]
    brief = []
    for (begin_s, state), (until_s, _) in pairwise([*steps, (end_s, State.HEALTHY)]):
        axes.axvspan(begin_s, until_s, color=_STATES[state], linewidth=0)
        name = state.replace("_", " ")
        if until_s - begin_s < len(name) * _LETTER_S:
            brief.append(name)  # told above the band, where they begin
        else:
            middle_s = (begin_s + until_s) / 2
            axes.text(middle_s, 0.45, name, ha="center", va="center", fontsize=9.5)
    axes.text(0, 1.2, ", ".join(brief), va="bottom", fontsize=9.5, color=_DOWN)


def _likeness(axes: Axes, a: Account, end_s: float) -> None:
    _panel(axes, "Live-set similarity: the router's orders against the venue's", 1)
    _step(axes, [(p.at_s, p.raw) for p in a.points], end_s, _GREY, width=1.0)
    _step(axes, [(p.at_s, p.quantity) for p in a.points], end_s, _TEAL)
    _step(axes, [(p.at_s, p.settled) for p in a.points], end_s, _BLUE, width=2.4)
    worst = min(a.points, key=lambda p: p.settled)
    _say(axes, worst.at_s + 0.3, worst.settled + 0.12, "settled", _BLUE)
    _say(axes, worst.at_s + 2.1, min(p.quantity for p in a.points) + 0.02, "by quantity", _TEAL)
    _say(axes, 0.55 * end_s, 0.83, "raw: also what is merely in flight", _MUTED)
    _span(axes, *_link_down(a), 0.13, f"link down {a.link_down_s:.2f} s", _DOWN)
    _span(axes, *_diverged(a), 0.03, f"state diverged {a.diverged_s:.2f} s", _BROWN)
    if a.snapshot:
        told = "a mass status settles\nwhat no replay could"
        _say(axes, a.snapshot.complete_s + 0.25, 0.5, told, _MUTED)


def _gaps(axes: Axes, a: Account, end_s: float) -> None:
    top = max(p.outstanding for p in a.points)
    _panel(axes, "Replay watermark horizon: messages still missing", top)
    _step(axes, [(p.at_s, p.outstanding) for p in a.points], end_s, _ORANGE, fill=True)
    told = f"replay complete, {a.replay.closed_s:.1f} s"
    _say(axes, max(a.replay.closed_s, _diverged(a)[1]) + 0.25, 0.14 * top, told, _MUTED)


def _confidence(axes: Axes, a: Account, end_s: float) -> None:
    _panel(axes, "Confidence", 1)
    _step(axes, [(c.at_s, c.confidence) for c in a.caps], end_s, _VIOLET, fill=True)


def _cap(axes: Axes, a: Account, end_s: float) -> None:
    _panel(axes, "Participation cap that the router obeys", 1)
    _step(axes, [(c.at_s, c.cap) for c in a.caps], end_s, _INK, width=2.4, fill=True)
    _step(axes, [(c.at_s, c.instrument_cap) for c in a.caps], end_s, _MUTED, width=1.2)
    reentry_s = next(s.at_s for s in a.steps if s.state is State.CONTROLLED_REENTRY)
    _span(axes, 0, reentry_s, 0.86, f"to re-entry {a.reentry_s:.1f} s", _INK, beside="above")
    if a.sdl_reentry_s is not None and a.acknowledged_s is not None:
        told = f"acknowledged in {a.sdl_reentry_s:.1f} s"
        begin_s = a.acknowledged_s - a.sdl_reentry_s
        _span(axes, begin_s, a.acknowledged_s, 0.64, told, _INK, beside="left")
    _say(axes, reentry_s + 4.3, 0.42, "thin: an instrument in no doubt", _MUTED)
    stable_s = next(s.at_s for s in a.steps if s.state is State.STABLE)
    _say(axes, stable_s + 0.3, 0.82, "the ceiling rises once the SLA was held", _MUTED)
    first_s = next((c.at_s for c in a.caps if -_BEFORE_S < c.at_s < 0 and c.cap < 1), None)
    if first_s is not None:
        told = "requests without\nan answer: the\ncap falls before\nthe socket breaks"
        _say(axes, -_BEFORE_S + 0.15, 0.42, told, _MUTED)


def _say(axes: Axes, at_s: float, level: float, words: str, colour: str) -> None:
    axes.text(at_s, level, words, color=colour, fontsize=9.5, va="center", linespacing=1.25)


def _span(  # noqa: PLR0913 - a line, its name and where that stands
    axes: Axes,
    begin_s: float,
    end_s: float,
    level: float,
    words: str,
    colour: str,
    *,
    beside: Literal["right", "left", "above"] = "right",
) -> None:
    """A length of time and its name."""
    axes.plot(
        [begin_s, end_s], [level, level], color=colour, linewidth=1.6, marker="|", markersize=8
    )
    at_s = {"right": end_s + 0.25, "left": begin_s - 0.25, "above": (begin_s + end_s) / 2}[beside]
    across = {"right": "left", "left": "right", "above": "center"}[beside]
    up = "bottom" if beside == "above" else "center"
    axes.text(at_s, level, words, color=colour, fontweight="bold", ha=across, va=up)


def _panel(axes: Axes, title: str, top: float) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold", pad=5)
    axes.set_ylim(-0.03 * top, 1.06 * top)
    axes.set_yticks([0, top / 2, top] if top <= 1 else [0, top])
    axes.grid(axis="y", color=_RULE, linewidth=0.7)
    axes.spines["left"].set_visible(False)


def _step(
    axes: Axes, series: Series, end_s: float, colour: str, *, width: float = 1.8, fill: bool = False
) -> None:
    at_s, values = zip(*_within(series, end_s), strict=True)
    axes.step(at_s, values, where="post", color=colour, linewidth=width, solid_joinstyle="miter")
    if fill:
        axes.fill_between(at_s, values, step="post", color=colour, alpha=0.13, linewidth=0)


def _within(series: Series, end_s: float) -> Iterator[tuple[float, float]]:
    """The part that is shown, begun and ended at the edges of the picture."""
    held = [value for at_s, value in series if at_s <= -_BEFORE_S]
    yield -_BEFORE_S, held[-1]
    last = held[-1]
    for at_s, value in series:
        if -_BEFORE_S < at_s < end_s and value != last:
            last = value
            yield at_s, value
    yield end_s, last
