"""Bounds, forgetting and persistence of orders."""

import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import orjson
import pytest

from reconverge.core.orders import Orders, counts, store
from reconverge.core.orders.counts import OVER_NS
from reconverge.core.orders.identity import OrdersFull
from reconverge.core.orders.index import IDS_MAX
from reconverge.core.orders.sent import REQUESTS_MAX
from reconverge.core.orders.snapshots import UNDER_WAY_MAX
from reconverge.core.orders.view import FILLS_MAX
from tests.core.order_script import MS_NS, SECOND_NS, Script, run, view

ROW_BYTES_MAX = 256 * 1024
BUSY = """
    > new X 100 parent=P
    > new Y 100 sym=T seg=s
    < new X 0/100
    DC< new X 0/100 seg=s
    < trade X 30 30/70 exec=a
    < trade X 10 40/60 exec=b
    < trade_correct X 5 35/65 exec=c ref=b
    < new Y 0/100 id=W sym=T
    < restated Y 0/100 id=W2 sym=T
    > replace Z of Y 999999999999999999
    > mass-cancel M
    < new U 0/10 id=U
    < canceled U 0/0 qty=10 id=U
    > new U 77777777777.000000001
    > new N 5 #-
    < mass-status Q
    < row Q X 35/65 status=pending_replace
    < new K 0/10 id=K sym=T
    DC< mass-status R sym=T
    DC< mass-end R 1 ! snapshot_incomplete
    < mass-cancel-report N 3 V W more
    < switched backup
    DC< trade Z 5 5/45 id=W2 sym=T
    DC2< trade Z 5 5/45 id=W2 sym=T
    < order_status X 35/65 seg=s
    > cancel C of Z seg=s
"""


def stored(orders: Orders) -> list[list[Any]]:
    return [orjson.loads(orjson.dumps(row)) for row in orders.dump()]


COUNTERS = (
    "ambiguous_notional", "both", "difference", "disagreeing", "in_flight", "open_notional",
    "orders", "sum_max", "union",
)  # fmt: skip


def counted(orders: Orders) -> list[list[int]]:
    tallies = [orders.total, *map(orders.symbol, orders.symbols())]
    return [[getattr(tally, name) for name in COUNTERS] for tally in tallies]


def test_a_dump_restores_everything_and_is_plain_json() -> None:
    script = Script()
    script.run(BUSY)
    grace = script.orders.watch(500 * MS_NS, 5_000 * MS_NS)
    script.line("@0.6 tick")
    loaded = Orders.load(stored(script.orders))
    again = loaded.watch(500 * MS_NS, 5_000 * MS_NS)
    assert stored(loaded) == stored(script.orders)
    assert counted(loaded) == counted(script.orders)
    assert [again.symbol(s) for s in "ST"] == [grace.symbol(s) for s in "ST"]
    assert again.next_deadline_ns == grace.next_deadline_ns
    twin = Script(loaded)
    twin.now_ns, twin.words.numbers = script.now_ns, dict(script.words.numbers)
    for line in (
        "< trade_cancel X - 30/70 status=new exec=d ref=b",
        "< reject ref_seq=2",
        "< not-applied 1 9 seg=s",
        "< mass-cancel-report N 3 U",
        "< mass-end Q 1",
        "DC< row R Z 5/45 id=W2 sym=T",
        "< logon reset",
        "@5 tick",
    ):
        for each in (script, twin):
            each.act(line.split())
        assert twin.orders.findings == script.orders.findings
        assert stored(twin.orders) == stored(script.orders)
        assert twin.orders.disagreements(9) == script.orders.disagreements(9)
    assert view(twin.orders, "K") == ("open", 10, 0)  # absent, but from drop copy's snapshot alone


def test_numbers_that_json_carries_are_stored_as_such_larger_ones_as_text() -> None:
    for qty, column in (
        ("9223372036.854775807", [2**63 - 1]),
        ("9223372036.854775808", ["9223372036854775808"]),
    ):
        rows = stored(run(f"> new X {qty}\n< trade X {qty} status=partially_filled exec=a"))
        ((_, fields),) = [row for row in rows if row[0] == "orders"]
        assert column in fields
        assert ["fills", [[0, 0, "a", *column]]] in rows
        assert stored(Orders.load(rows)) == rows


@pytest.mark.parametrize(
    "columns", [(3,), range(11), (12,), range(11, 18), (20,), range(18, 25)], ids=str
)
def test_stored_columns_that_do_not_agree_in_length_are_refused(columns: Iterable[int]) -> None:
    """An order is never made of the fields of two."""
    rows = stored(run("< new X 0/100\n< new Y 0/100 id=W"))
    ((_, fields),) = [row for row in rows if row[0] == "orders"]
    for column in columns:
        fields[column].append(fields[column][-1])
    with pytest.raises(ValueError, match="zip"):
        Orders.load(rows)


@pytest.mark.source
def test_a_version_that_remembers_fewer_loads_all_that_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = (f"< canceled X{n} 0/0 qty=9 id=V{n}" for n in range(3))
    rows = stored(run("\n".join(lines)))
    monkeypatch.setattr(counts, "OVER_MAX", 1)
    loaded = Orders.load(rows)
    assert loaded.total.orders == 3
    assert stored(loaded) == rows
    Script(loaded).run("< canceled Y 0/0 qty=9 id=W\n? orders 1")


def test_rows_stay_below_the_record_limit() -> None:
    script = Script()
    for n in range(300):
        script.line(f"> new {'c' * 200}{n} 100 parent={'p' * 200}{n}")
        script.line(f"< new {'c' * 200}{n} 0/100 id={'v' * 200}{n}")
    for n in range(3_000):
        script.line(f"< trade {'c' * 200}0 0 0/100 exec={'e' * 100}{n} id={'v' * 200}0")
    sizes = [len(orjson.dumps(row)) for row in script.orders.dump()]
    assert max(sizes) < ROW_BYTES_MAX
    assert len(sizes) < 10  # nor is there one for each item
    assert stored(Orders.load(stored(script.orders))) == stored(script.orders)


def test_the_same_events_give_the_same_bytes_under_every_hash_seed() -> None:
    """Determinism: no output depends on the order of a set."""
    program = (
        "import orjson; from tests.core import test_orders_store as t; from tests.core.order_script"
        " import Script; s = Script(); s.run(t.BUSY);"
        " s.run('@0.6 tick'); s.orders.watch(1, 9); d = [*s.orders.dump()];"
        " print(orjson.dumps(d), s.orders.disagreements(9))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(outputs) == 1


# -- bounds -------------------------------------------------------------------------------------


def test_orders_full_changes_nothing() -> None:
    script = Script(Orders(orders_max=1))
    script.run("< new X 0/100")
    before = stored(script.orders)
    for line in ("> new Y 100", "< new Z 0/100 id=W", "> cancel C of Q"):
        with pytest.raises(OrdersFull, match="1 orders"):
            script.line(line)
        assert stored(script.orders) == before


def test_of_too_many_requests_for_one_order_only_so_many_are_followed() -> None:
    script = Script()
    script.run("< new X 0/100")
    for n in range(REQUESTS_MAX):
        script.line(f"> cancel C{n} of X")
    script.line("> cancel D of X ! requests_full")
    assert script.orders.in_flight_total == REQUESTS_MAX
    script.line("< cancel-reject D of X status=new")
    assert script.orders.in_flight_total == REQUESTS_MAX


def test_the_id_in_force_and_those_in_flight_are_never_forgotten() -> None:
    """R22, R30: however often a cancel of the order is tried and rejected."""
    script = Script()
    script.run("> new X 100\n< new X 0/100\n> replace Y of X 200")
    for n in range(2 * IDS_MAX):
        script.run(f"> cancel C{n} of X\n< cancel-reject C{n} of X status=new")
    script.run("? same X Y\n< replaced Y of X 0/200 status=replaced\n? in-flight 0\n? orders 1")
    assert script.orders.find("C0") is None


def test_ids_of_a_quote_replaced_all_day_are_bounded() -> None:
    """R22: only the newest client and order ids are remembered; the order stays one."""
    script = Script()
    script.run("> new X0 100\n< new X0 0/100 id=V0")
    for n in range(1, 3 * IDS_MAX):
        script.line(f"> replace X{n} of X{n - 1} {100 + n}")
        script.line(
            f"< replaced X{n} of X{n - 1} 0/{100 + n} qty={100 + n} status=replaced id=V{n}"
        )
        named = script.orders.find(f"V{n}")
        assert named is not None
        assert len(named.cl_ord_ids) == min(n + 1, IDS_MAX)
    orders, last = script.orders, 3 * IDS_MAX - 1
    assert orders.total.orders == 1
    assert orders.find("X0") is orders.find("V0") is None
    order = orders.find(f"X{last}")
    assert order is orders.find(f"V{last - IDS_MAX}")
    assert order is not None
    assert len(order.cl_ord_ids) == len(order.former_ids) == IDS_MAX
    assert view(orders, f"V{last}") == ("open", 100 + last, 0)
    script.run(f"> replace Y of X{last} 500\n< canceled X{last - 5} 0/0 qty=100 id=V{last}")
    assert view(orders, f"V{last}") == ("open", 100 + last, 0)
    script.run("< new - 0/500 id=W\n< restated Y 0/500 id=W\n? orders 1")
    script.run(f"DC< trade X{last - 5} 10 10/276 exec=a id=W")
    script.run(f"? same X{last} W\n? W entry open 0/500\n? W venue open 10/276")


def test_executions_of_one_order_are_bounded_the_oldest_half_goes() -> None:
    script = Script()
    script.run("< new X 0/100000")
    for n in range(FILLS_MAX + 1):
        script.line(f"< trade X 1 status=partially_filled exec=e{n}")
    order = script.orders.find("V")
    assert order is not None
    assert order.entry.fills is not None
    assert len(order.entry.fills) == FILLS_MAX // 2 + 1
    assert "e0" not in order.entry.fills
    assert order.entry.cum == order.entry.booked


def test_snapshots_and_mass_cancels_under_way_are_bounded() -> None:
    script = Script()
    for n in range(UNDER_WAY_MAX):
        script.run(f"< mass-status Q{n}\n< mass-cancel-report M{n} 2 A more")
    script.line("< mass-status R ! snapshot_incomplete")
    script.run("< mass-cancel-report N 2 A more\n< new X 0/100 id=A")
    script.run(
        "< mass-end Q0 0 ! snapshot_incomplete\n"
        "< mass-cancel-report M0 2 A ! mass_cancel_incomplete"
    )
    script.run("? A entry open 0/100\n< mass-cancel-report N 2 A\n? A entry mass_canceled 0/0")
    script.run("< new Y 0/100 id=B\n< mass-cancel-report M1 2 B\n? B entry mass_canceled 0/0")


# -- forgetting ---------------------------------------------------------------------------------


def test_a_finished_order_is_forgotten_after_a_day_not_before() -> None:
    """What may still come for it comes within the day: a bust, a duplicate."""
    day_ms = OVER_NS // MS_NS
    script = Script()
    script.run("< new X 0/100 sym=T\n< trade X 100 100/0 exec=a")
    script.run(f"@{(day_ms - 1) / 1000} tick\n< new Y 0/1 id=W\n< canceled Y 0/0 qty=1 id=W")
    script.run("? V entry filled 100/0")
    script.run(f"@{day_ms / 1000} tick\n< new Z 0/1 id=U\n< canceled Z 0/0 qty=1 id=U")
    assert script.orders.find("V") is script.orders.find("X") is None
    assert script.orders.symbols() == ["S"]
    script.run("? orders 2\n< trade X 100 100/0 exec=a sym=T\n? V entry filled 100/0")


def test_a_finished_order_that_works_again_is_not_forgotten() -> None:
    script = Script()
    script.run("< new X 0/100\n< trade X 100 100/0 exec=a")
    script.run("< trade_cancel X - 0/100 exec=b ref=a")
    script.run(f"@{2 * OVER_NS / SECOND_NS} tick\n< canceled Y 0/0 qty=1 id=W")
    script.run("? V entry open 0/100\n? orders 2")


def test_an_order_that_ended_for_now_is_not_forgotten_with_a_cancel_in_flight() -> None:
    """R28, R29: what the venue made of the request is not known."""
    script = Script()
    script.run("< new X 0/100\n< done_for_day X 0/100\n> cancel C of X")
    script.run(f"@{2 * OVER_NS / SECOND_NS} tick\n< canceled Y 0/0 qty=1 id=W")
    script.run("? in-flight 1\n? orders 2\n< canceled C of X 0/0 qty=100\n? V entry canceled 0/0")


def test_of_many_finished_orders_the_longest_finished_go_first() -> None:
    script = Script()
    script.orders.counts.over_max = 3
    for n in range(9):
        script.run(f"< new X{n} 0/9 id=V{n}\n< canceled X{n} 0/0 qty=9 id=V{n}")
    remembered = [n for n in range(9) if script.orders.find(f"V{n}")]
    assert remembered == [6, 7, 8]


def test_a_forgotten_order_is_not_stored_with_a_snapshot_under_way() -> None:
    script = Script()
    script.orders.counts.over_max = 0
    script.run("< mass-status Q\n< canceled X 0/0 qty=9\n< new Y 0/9 id=W")
    loaded = Script(Orders.load(stored(script.orders)))
    loaded.words.numbers = dict(script.words.numbers)
    loaded.run("< row Q Z 0/9 id=U\n< mass-end Q 1\n? working entry W,U venue U")


def test_an_order_of_unknown_instrument_is_forgotten_too() -> None:
    script = Script()
    script.orders.counts.over_max = 0
    script.run("< new X 0/9 sym=-\n< canceled X 0/0 qty=9 sym=-\n? orders 0")


def test_an_id_taken_over_survives_the_order_that_had_it() -> None:
    """R14: ids come back; forgetting the old order must not forget the new one's id."""
    script = Script()
    script.orders.counts.over_max = 1
    script.run(
        """
        < new X 0/100
        < canceled X 0/0 qty=100
        < new Y 0/200
        @0.001 tick
        > new X 300
        < new Z 0/9 id=W
        < canceled Z 0/0 qty=9 id=W
        ? V entry open 0/200
        ? X entry sent 0/0
        ? orders 3
        """
    )
    assert stored(Orders.load(stored(script.orders))) == stored(script.orders)


def test_an_id_of_the_venues_taken_over_is_the_new_orders_after_a_restore_too() -> None:
    """R14: though the order that has it now was known before the one that had it."""
    script = Script()
    script.run(
        """
        > new Y 200
        > new X 100
        < new X 0/100 id=V
        < canceled X 0/0 qty=100 id=V
        < new Y 0/200 id=V
        > new B 200
        > new A 100
        < new A 0/100 id=U
        < restated A 0/100 id=T
        < canceled A 0/0 qty=100 id=T
        < new B 0/200 id=U
        """
    )
    loaded = Orders.load(stored(script.orders))
    for orders in (script.orders, loaded):
        Script(orders).run("? same Y V\n? apart X V\n? V entry open 0/200\n? X entry canceled 0/0")
        Script(orders).run("? same B U\n? apart A U\n? same A T")
    assert stored(loaded) == stored(script.orders)


def test_an_id_whose_new_owner_is_forgotten_first_is_nobodys() -> None:
    script = Script()
    script.orders.counts.over_max = 1
    script.run(
        """
        < new X 0/100
        < canceled X 0/0 qty=100
        @0.001 tick
        > new X 300
        < restated - 0/100 id=V
        """
    )
    script.run("< rejected X 0/0 qty=300 id=U\n< canceled Z 0/0 qty=9 id=W")
    loaded = Orders.load(stored(script.orders))
    assert stored(loaded) == stored(script.orders)
    assert loaded.find("X") is script.orders.find("X") is None


def test_an_id_that_two_had_before_its_owner_was_forgotten_is_nobodys_after_a_restore() -> None:
    script = Script()
    script.orders.counts.over_max = 1
    script.run(
        """
        < new X 0/100 id=V
        < canceled X 0/0 qty=100 id=V
        @0.001 tick
        > new X 300
        < restated - 0/100 id=V
        < canceled X 0/0 qty=300 id=W
        @0.002 tick
        > new X 400
        < restated - 0/300 id=W
        < canceled X 0/0 qty=400 id=U
        < canceled Z 0/0 qty=9 id=T
        """
    )
    loaded = Orders.load(stored(script.orders))
    assert loaded.working(venue=False) == ["V", "W"]
    assert loaded.find("X") is script.orders.find("X") is None
    assert stored(loaded) == stored(script.orders)


def test_so_is_the_later_id_of_a_chain() -> None:
    script = Script()
    script.orders.counts.over_max = 1
    script.run(
        """
        < new X 0/100
        < replaced Y of X 0/100 status=replaced
        < canceled Y 0/0 qty=100
        @0.001 tick
        > new Y 300
        < restated - 0/100
        < canceled Y 0/0 qty=300 id=U
        < canceled Z 0/0 qty=9 id=T
        ? same X V
        """
    )
    loaded = Orders.load(stored(script.orders))
    assert loaded.find("Y") is script.orders.find("Y") is None
    assert loaded.find("X") is loaded.find("V") is not None


# -- readings -----------------------------------------------------------------------------------


def test_disagreements_read_as_a_person_would_say_them() -> None:
    orders = run("> new X 100\n< new X 0/100\n> cancel C of X\n> new Y 5")
    lines = [str(row) for row in orders.disagreements(9)]
    assert lines == [
        "V S: entry open 100, venue unknown 0, in flight: cancel C",
        "Y S: entry sent 0, venue unknown 0, in flight: new Y",
    ]
    orders = run("> new X 100\n< new X 0/100\n> cancel C of X\n> replace Z of X 50")
    assert str(*orders.disagreements(9)).endswith("in flight: cancel C, replace Z")
    orders = run("< new X 0/100")
    assert [str(row) for row in orders.disagreements(9)] == ["V S: entry open 100, venue unknown 0"]
    assert not orders.disagreements(0)


def test_a_snapshot_is_under_way_from_its_begin_to_its_end() -> None:
    script = Script()
    progress = [script.orders.snapshot_under_way]
    for line in ("< mass-status Q", "< row Q X 0/100", "< mass-end Q 1"):
        script.line(line)
        progress.append(script.orders.snapshot_under_way)
    assert progress == [False, True, True, False]


def test_prices_weigh_what_is_open() -> None:
    """Limit price, else the mid at decision, else the last fill; magnitudes, as spreads may be
    negative."""
    script = Script()
    unit = 10**18
    script.run("> new X 100 @-5\n< new X 0/100")
    assert script.orders.total.open_notional == 500 * unit
    script.run("> new Y 10 price=- mid=7")
    assert script.orders.symbol("S").open_notional == 570 * unit
    assert script.orders.symbol("S").ambiguous_notional == 570 * unit
    script.run("< trade Z 1 1/9 id=W last_px=3")
    assert script.orders.total.open_notional == 597 * unit
    script.run("< restated Z 1/9 @4 #9 id=W")
    assert script.orders.total.open_notional == 606 * unit
    script.run("< restated Z 1/9 @5 #8 dup id=W")  # R10
    assert script.orders.total.open_notional == 606 * unit
    script.run("DC< new - 0/100 @6 id=U\n< new X 0/100 id=U")
    script.run("? orders 3")
    assert script.orders.total.open_notional == 606 * unit
    script.run("< new Q 0/50 price=- id=-\nDC< new - 0/50 @8 id=T")
    script.run("< new Q 0/50 price=- id=T\n? orders 4")
    assert script.orders.total.open_notional == 1_006 * unit
    assert script.orders.symbol("NONE").orders == 0


def test_stored_orders_are_in_order_of_first_appearance() -> None:
    orders = run(BUSY.replace("< switched backup", "< logon"))
    ranks = [rank for kind, *items in orders.dump() if kind == "orders" for rank in items[0][0]]
    assert all(before < after for before, after in pairwise(ranks))
    assert store.INT_MAX == 2**63 - 1
