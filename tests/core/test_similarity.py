"""Live-set similarity by itself (DOMAIN §6): the forms, the grace, the log that graces read."""

from reconverge.core.messages.units import ONE
from tests.core.order_script import MS_NS, START_NS, Script

GRACE_NS = 500 * MS_NS


def test_nothing_working_anywhere_is_agreement() -> None:
    script = Script()
    grace = script.orders.watch_grace(GRACE_NS)
    total = script.orders.total
    assert (total.similarity, total.quantity) == (1, 1)
    assert (grace.similarity, grace.quantity, grace.ambiguous_notional) == (1, 1, 0)
    assert grace.symbol("S") == (1, 1, 0)
    assert grace.next_deadline_ns is script.orders.oldest_disagreement_ns is None


def test_raw_and_weighted_by_hand() -> None:
    """Two of three orders in both views; 160 of 300 open quantity agreed."""
    script = Script()
    script.run(
        """
        < X new new 100 0 100
        < X new new 100 0 100 on:DC
        < Y new new 100 0 100 order:W
        < Y trade partially_filled 100 40 60 40 order:W on:DC
        < Z new new 100 0 100 order:U on:DC
        """
    )
    total = script.orders.total
    assert total.similarity == 2 / 3
    assert total.quantity == 160 / 300
    assert (total.union, total.both) == (3, 2)


def test_the_least_quantity_works_like_any_other() -> None:
    """R20: an order with 10^-9 open works, also when its instrument or a partial end is learnt."""
    script = Script()
    least = "0.000000001"
    for on in ("", " on:DC"):
        script.run(f"< X new new {least} 0 {least} sym:-{on}")
    script.run(f"< X canceled new {least} 0 {least} sym:S")
    for tally in (script.orders.total, script.orders.symbol("S")):
        assert (tally.union, tally.both, tally.sum_max) == (1, 1, 1)
    assert script.orders.working(venue=False) == script.orders.working(venue=True) == ["V"]


def test_a_disagreement_counts_once_it_outlasts_the_grace_and_no_longer_than_it_lasts() -> None:
    script = Script()
    grace = script.orders.watch_grace(GRACE_NS)
    script.run("< X new new 100 0 100 px:10\n< Y new new 100 0 100 order:W sym:T")
    assert grace.next_deadline_ns == START_NS + GRACE_NS
    script.run("@ 499\n< Y new new 100 0 100 order:W sym:T on:DC")
    assert (grace.similarity, grace.disagreeing, grace.symbols()) == (1, 0, [])
    script.run("@ 500")
    assert (grace.similarity, grace.quantity, grace.disagreeing) == (0.5, 0.5, 1)
    assert grace.symbols() == ["S"]
    assert grace.symbol("S") == (0, 0, 1)
    assert grace.symbol("T") == (1, 1, 0)
    assert grace.ambiguous_notional == grace.open_notional == 1_000 * 10**18
    assert not grace.next_deadline_ns
    script.run("< X trade partially_filled 100 40 60 40")
    assert grace.ambiguous_notional == 600 * 10**18
    script.run("< X trade partially_filled 100 40 60 40 on:DC")
    assert (grace.similarity, grace.disagreeing, grace.symbols()) == (1, 0, [])


def test_the_clock_runs_through_changes_and_starts_anew_after_agreement() -> None:
    script = Script()
    grace = script.orders.watch_grace(GRACE_NS)
    script.run("< X new new 100 0 100\n@ 400\n< X trade partially_filled 100 40 60 40\n@ 500")
    assert grace.disagreeing == 1
    script.run("< X order_status new 100 40 60 on:DC\n@ 600\n< X canceled canceled 100 40 0")
    assert grace.disagreeing == 0
    assert grace.next_deadline_ns == START_NS + 600 * MS_NS + GRACE_NS
    assert script.orders.oldest_disagreement_ns == START_NS + 600 * MS_NS


def test_a_request_in_flight_is_ambiguous_as_a_whole_after_the_grace() -> None:
    """R29: whether the venue acted on it is not known."""
    script = Script()
    grace = script.orders.watch_grace(GRACE_NS)
    script.run("> new X 100 px:10")
    assert script.orders.total.open_notional == 1_000 * 10**18
    assert script.orders.total.union == 0
    script.run("@ 500")
    assert grace.ambiguous_notional == 1_000 * 10**18
    assert grace.similarity == 1
    script.run("< X new new 100 0 100\n< X new new 100 0 100 on:DC\n> replace Y X 300\n@ 1000")
    assert grace.ambiguous_notional == grace.open_notional == 3_000 * 10**18
    for on in ("", " on:DC"):  # as of when it was sent: more than is open by now, never less
        script.run(f"< X trade partially_filled 100 40 60 40{on}")
    assert grace.ambiguous_notional == grace.open_notional == 3_000 * 10**18
    script.run("< no Y,X new")
    assert grace.ambiguous_notional == 0
    assert grace.open_notional == 600 * 10**18
    script.run("> replace Q X 300")
    assert grace.open_notional == 2_600 * 10**18
    script.run("< no Q,X new\n> cancel D X\n@ 1500")
    assert grace.ambiguous_notional == grace.open_notional == 600 * 10**18
    script.run("< no D,X new\n< Z new new 100 0 100 order:W px:10")
    script.run("< Z done_for_day done_for_day 100 0 100 order:W\n> cancel C Z\n@ 2000")
    assert (grace.disagreeing, grace.ambiguous_notional) == (1, 0)
    assert grace.open_notional == 600 * 10**18


def test_graces_are_shared_and_one_watched_late_sees_what_it_would_have() -> None:
    script = Script()
    early = script.orders.watch_grace(GRACE_NS)
    script.run("< X new new 100 0 100\n@ 300\n< Y new new 100 0 100 order:W\n@ 600")
    assert script.orders.watch_grace(GRACE_NS) is early
    late = script.orders.watch_grace(200 * MS_NS)
    assert (early.disagreeing, late.disagreeing) == (1, 2)
    script.run("< X new new 100 0 100 on:DC")
    assert (early.disagreeing, late.disagreeing) == (0, 1)
    script.run("< Y trade partially_filled 100 40 60 40 order:W")
    assert (early.session.difference, late.session.difference) == (0, 60 * ONE)
    script.run("< Y canceled canceled 100 40 0 order:W")
    assert (early.disagreeing, late.disagreeing) == (0, 0)


def test_what_began_at_this_very_moment_never_counts() -> None:
    script = Script()
    grace = script.orders.watch_grace(0)
    script.run("< X new new 100 0 100\n@ 0")
    assert grace.disagreeing == 0
    assert grace.next_deadline_ns == START_NS + 1
    grace.settle(START_NS + 1)
    assert grace.disagreeing == 1


def test_an_order_that_moves_keeps_its_clock() -> None:
    """R22: learning its instrument, or merging, does not make a disagreement young again."""
    script = Script()
    grace = script.orders.watch_grace(GRACE_NS)
    script.run("< X new new 100 0 100 sym:- order:-\n@ 400\n> new Y 100\n@ 450")
    script.run("< X trade partially_filled 100 40 60 40 order:V")
    assert grace.next_deadline_ns == START_NS + GRACE_NS
    script.run("@ 500")
    assert grace.symbols() == ["S"]
    script.run("< - new new 80 40 40 order:U on:DC\n@ 600")
    script.run("< X order_status partially_filled 100 40 60 order:U")
    assert script.orders.oldest_disagreement_ns == START_NS
    assert grace.disagreeing == 1
    script.run("@ 900")
    assert grace.disagreeing == 2


def test_one_that_moves_at_the_moment_it_begins_to_count_counts() -> None:
    script = Script()
    grace = script.orders.watch_grace(GRACE_NS)
    script.run("< X new new 100 0 100 sym:-\n@ 500")
    assert (grace.disagreeing, grace.symbols()) == (1, [""])
    script.run("< X new new 100 0 100 sym:S")
    assert (grace.disagreeing, grace.symbols()) == (1, ["S"])


def test_a_clock_may_begin_at_zero() -> None:
    """R22, R29: what began then goes on in a moved and in a merged order, and is a moment ago."""
    script = Script()
    script.now_ns = 0
    script.run("< Z new new 100 0 100 order:U\n< Z new new 100 0 100 order:U on:DC")
    assert script.orders.total.disagreeing == 0
    assert not script.orders.disagreements(9)
    script.run("< X new new 100 0 100 sym:- order:-\n< X new new 100 0 100 sym:S order:-")
    script.run("< - new new 80 0 80 order:V on:DC")
    script.run("< Y new new 100 0 100 order:W\n< Y new new 100 0 100 order:W on:DC")
    script.run("< Y canceled canceled 100 0 0 order:W on:DC")
    assert script.orders.total.disagreeing == 3
    script.run("< snapshot Q\n< row Q Y new 100 0 100 order:W\n? W venue canceled 0 0")
    script.now_ns = 1
    script.run("< X order_status new 100 0 100 order:V\n? orders 3")
    assert script.orders.total.disagreeing == 2
    assert script.orders.oldest_disagreement_ns == 0
    assert {row.since_ns for row in script.orders.disagreements(9)} == {0}


def test_the_log_is_swept_so_a_hot_order_costs_no_memory() -> None:
    """One order that disagrees and agrees for ever, within one settled moment or over many."""
    script = Script()
    grace = script.orders.watch_grace(GRACE_NS)
    script.run("< Y new new 100 0 100 order:W")
    log = script.orders.counts.disagreements
    for n in range(3_000):
        if n == 1_500:
            script.run("@ 400")
        script.run("< X restated new 100 0 100\n< X restated new 100 0 100 on:DC")
        script.run("< X restated new 90 0 90\n< X restated new 90 0 90 on:DC")
    assert len(log.entries) < 2_100
    assert grace.next_deadline_ns == START_NS + GRACE_NS
    script.run("@ 500")
    assert grace.disagreeing == 1
    assert script.orders.oldest_disagreement_ns == START_NS


def test_the_log_holds_at_most_twice_what_disagrees() -> None:
    script = Script()
    lasting = 1_000
    for n in range(lasting):
        script.line(f"< Y{n} new new 100 0 100 order:W{n}")
    longest = 0
    for n in range(2 * lasting):
        quantities = f"{100 + n} 0 {100 + n}"
        script.run(f"< X restated new {quantities}\n< X restated new {quantities} on:DC")
        longest = max(longest, len(script.orders.counts.disagreements.entries))
    assert lasting < longest < 2 * (lasting + 1)
    assert script.orders.total.disagreeing == lasting
