"""Live-set similarity by itself (DOMAIN §6): the forms, the three clocks of doubt, what counts."""

from reconverge.core.messages.units import ONE
from reconverge.core.orders import Agreement, Watch
from reconverge.core.orders.doubt import WORDS_MAX
from reconverge.core.orders.log import SWEEP_MIN
from tests.core.order_script import MS_NS, START_NS, Script

GRACE_NS = 500 * MS_NS
HARD_NS = 5_000 * MS_NS
PRICE = 10 * ONE
BOTH = ("<", "DC<")


def watched() -> tuple[Script, Watch]:
    """A session with one order open in both views, and a policy that watches."""
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    for on in BOTH:
        script.line(f"{on} new X 0/100 @10")
    return script, watch


def test_nothing_working_anywhere_is_agreement() -> None:
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    total = script.orders.total
    assert (total.similarity, total.quantity) == (1, 1)
    assert watch.agreement() == watch.symbol("S") == watch.symbol("") == Agreement(1, 1, 0, 0, 0, 0)
    assert watch.next_deadline_ns is script.orders.oldest_disagreement_ns is None


def test_raw_and_weighted_by_hand() -> None:
    """Two of three orders in both views; 160 of 300 open quantity agreed."""
    script, watch = watched()
    script.run(
        """
        < new Y 0/100 id=W
        DC< trade Y 40 40/60 id=W
        DC< new Z 0/100 id=U
        """
    )
    total = script.orders.total
    assert total.similarity == 2 / 3
    assert total.quantity == 160 / 300
    assert (total.union, total.both, total.in_play) == (3, 2, 3)
    script.line("@0.501 tick")
    assert watch.agreement()[:2] == (2 / 3, 160 / 300)


def test_the_least_quantity_works_like_any_other() -> None:
    """R20: an order with 10^-9 open works, also when its instrument or a partial end is learnt."""
    script = Script()
    least = "0.000000001"
    for on in BOTH:
        script.run(f"{on} new X 0/{least} sym=-")
    script.run(f"< canceled X 0/{least} status=new sym=S")
    for tally in (script.orders.total, script.orders.symbol("S")):
        assert (tally.union, tally.both, tally.sum_max) == (1, 1, 1)
    assert script.orders.working(venue=False) == script.orders.working(venue=True) == ["V"]


def test_what_order_entry_lacks_counts_by_age_alone() -> None:
    """The path we trade on is never excused, whatever drop copy was heard to say."""
    script, watch = watched()
    script.line("DC< trade X 40 40/60")
    assert watch.next_deadline_ns == START_NS + GRACE_NS
    script.line("@0.499 tick covered=0")
    assert watch.agreement().quantity == 1
    script.line("@0.5 tick covered=0")
    assert watch.agreement() == Agreement(1, 0.6, 0.4, 1, 1, 1)
    script.line("< trade X 40 40/60")
    assert watch.agreement() == Agreement(1, 1, 0, 0, 1, 1)


def test_what_drop_copy_lacks_counts_once_it_was_heard_late_enough_after_the_word() -> None:
    script, watch = watched()
    script.line("< trade X 40 40/60")
    assert not watch.next_deadline_ns  # nobody required drop copy yet
    script.line("@3 tick covered=0.5")
    assert watch.agreement().quantity == 1
    assert watch.next_deadline_ns == START_NS + HARD_NS
    script.settle(START_NS + GRACE_NS + 1)
    assert watch.agreement() == Agreement(1, 0.6, 0.4, 1, 1, 1)
    script.line("@3.001 tick covered=0.1")  # a lateness that grows takes nothing back
    assert watch.agreement().quantity == 0.6


def test_a_word_that_is_very_old_counts_though_drop_copy_was_not_heard_since() -> None:
    script, watch = watched()
    script.run("< trade X 40 40/60\n@4.999 tick covered=0")
    assert watch.agreement().quantity == 1
    script.line("@5 tick covered=0")
    assert watch.agreement().quantity == 0.6


def test_without_a_required_drop_copy_its_silence_is_no_evidence() -> None:
    """R29: nor is it any more once the last channel is retired; and it is again when one comes."""
    script, watch = watched()
    script.run("< trade X 40 40/60\n@9 tick uncovered")
    assert watch.agreement().quantity == 1
    assert script.orders.oldest_owed_ns == START_NS
    script.line("@9.001 tick")
    assert watch.agreement().quantity == 0.6
    script.line("@9.002 tick uncovered")
    assert watch.agreement().quantity == 1
    assert watch.symbols() == []
    script.line("@9.003 tick")
    assert watch.agreement().quantity == 0.6


def test_a_drop_copy_that_is_always_late_is_late_and_not_wrong() -> None:
    """A fill every 300 ms, told 600 ms later: never without a word owed, and never in doubt."""
    script, watch = watched()
    for n in range(1, 31):
        script.line(f"@{300 * n / 1000} tick covered={(300 * n - 600) / 1000}")
        script.line(f"< trade X 1 {n}/{100 - n} qty=100 exec=e{n}")
        if n > 2:
            at = n - 2
            script.line(f"DC< trade X 1 {at}/{100 - at} qty=100 exec=e{at}")
            assert script.orders.echo_ns == START_NS + 300 * at * MS_NS
            assert script.orders.oldest_owed_ns == START_NS + 300 * (at + 1) * MS_NS
        assert watch.agreement() == Agreement(1, 1, 0, 0, 1, 1)


def test_replaces_do_not_make_a_lost_fill_younger() -> None:
    """A clock starts anew only when the side that lacks makes progress on that very fact."""
    script, watch = watched()
    script.line("< trade X 90 90/10 exec=a")
    former = "X"
    for n in range(1, 5):
        script.line(f"@{300 * n / 1000} tick")
        qty = 100 + n
        script.line(f"> replace R{n} of {former} {qty}")
        script.line(f"< replaced R{n} of {former} 90/{10 + n} qty={qty} status=replaced")
        script.line(f"DC< replaced R{n} of {former} qty={qty} status=replaced")
        former = f"R{n}"
        assert script.orders.oldest_owed_ns == START_NS
    assert watch.agreement().quantity == 14 / 104


def test_each_kind_of_doubt_has_a_grace_of_its_own() -> None:
    """A replace waits for its answer; a fill that ends it is seen on drop copy 20 ms later."""
    script, watch = watched()
    script.run("> replace Y of X 90\n@2.7 tick")
    assert watch.agreement() == Agreement(1, 1, 1, 1, 1, 1)
    assert script.orders.oldest_unanswered_ns == START_NS
    script.line("< trade X 100 100/0 exec=a")
    assert watch.agreement() == Agreement(1, 1, 0, 0, 1, 1)
    script.run("@2.72 tick\nDC< trade X 100 100/0 exec=a")
    assert script.orders.oldest_disagreement_ns is None
    assert script.orders.echo_ns == START_NS + 2_700 * MS_NS


def test_an_answer_leaves_the_clock_to_the_next_request_that_waits() -> None:
    script, watch = watched()
    script.run(
        "> cancel C of X\n@0.4 tick\n> cancel D of X\n"
        "@0.45 tick\n< cancel-reject C of X status=new\n@0.6 tick"
    )
    assert watch.agreement().ambiguous_orders == 0
    assert watch.next_deadline_ns == START_NS + 400 * MS_NS + GRACE_NS
    script.line("@0.9 tick")
    assert watch.agreement() == Agreement(1, 1, 1, 1, 1, 1)


def test_only_a_live_word_of_drop_copy_says_how_late_it_is() -> None:
    script, _ = watched()
    script.run("< trade X 10 10/90 exec=a\n@0.6 tick")
    script.line("DC< trade X 10 10/90 #9 dup exec=a")
    assert script.orders.echo_ns is None
    script.run("< trade X 10 20/80 exec=b\n@2 tick\n< mass-status Q")
    script.line("< row Q X 20/80")
    assert script.orders.oldest_owed_ns is None
    assert script.orders.echo_ns is None


def test_sides_that_sum_fills_up_differently_catch_up_all_the_same() -> None:
    script, watch = watched()
    script.run("< trade X 10 10/90\n@0.1 tick\n< trade X - 30/70")
    script.line("DC< trade X 20 20/80")
    assert script.orders.echo_ns == START_NS
    assert script.orders.oldest_owed_ns == START_NS + 100 * MS_NS
    script.line("DC< trade X 5 25/75")
    assert not script.orders.echo_ns
    script.line("DC< trade X 5 30/70")
    assert script.orders.echo_ns == START_NS + 100 * MS_NS
    assert watch.agreement().quantity == 1


def test_a_side_that_says_more_than_it_owed_makes_the_other_owe() -> None:
    script, watch = watched()
    script.run("< trade X 10 10/90\n@0.3 tick")
    script.line("DC< trade X 30 40/60")
    assert script.orders.oldest_owed_ns is None
    assert watch.next_deadline_ns == START_NS + 300 * MS_NS + GRACE_NS


def test_both_sides_may_owe_at_once() -> None:
    """A fill told on order entry alone, a restatement on drop copy alone."""
    script, watch = watched()
    script.run("< trade X 40 40/60 exec=a\n@0.3 tick")
    script.line("DC< restated X 0/80")
    script.line("@0.6 tick covered=0.3")
    assert watch.agreement().ambiguous_orders == 0
    script.line("@0.8 tick covered=0.3")
    assert watch.agreement() == Agreement(1, 0.75, 20 / 80, 1, 1, 1)


def test_a_bust_is_a_word_like_any_other() -> None:
    script, watch = watched()
    for on in BOTH:
        script.line(f"{on} trade X 40 40/60 exec=a")
    script.run("@0.1 tick\n< trade_cancel X - 0/100 exec=b ref=a\n@5.099 tick covered=0")
    assert watch.agreement().quantity == 1
    assert script.orders.oldest_owed_ns == START_NS + 100 * MS_NS
    script.line("DC< trade_cancel X - 0/100 exec=b ref=a")
    assert script.orders.oldest_owed_ns is None


def test_a_side_that_owes_very_much_seems_older_never_younger() -> None:
    script, _ = watched()
    for n in range(1, 2 * WORDS_MAX):
        script.line(f"@{n / 1000} tick")
        script.line(f"< trade X 1 {n}/{100 - n} qty=100 exec=e{n}")
    for n in range(1, 2 * WORDS_MAX - 1):
        script.line(f"DC< trade X 1 {n}/{100 - n} qty=100 exec=e{n}")
        owed_ns = script.orders.oldest_owed_ns
        assert owed_ns == START_NS + min(n + 1, WORDS_MAX) * MS_NS


def test_executed_quantities_that_differ_on_an_order_that_is_over_are_a_doubt() -> None:
    """An immediate fill that a live drop copy never tells; its source's word ends the doubt."""
    script, watch = watched()
    script.line("< trade Y 50 50/0 @10 id=W exec=y")
    assert script.orders.total.disagreeing == 1
    script.line("@0.501 tick")
    assert watch.agreement() == Agreement(1, 100 / 150, 50 / 150, 1, 2, 2)
    assert [order.name for order in watch.executed_found] == ["W"]
    script.line("DC< trade Y 50 50/0 id=W exec=y")
    assert watch.agreement() == Agreement(1, 1, 0, 0, 1, 1)


def test_an_attestation_ends_a_doubt_about_what_was_executed() -> None:
    """R17."""
    script, watch = watched()
    script.run("< trade Y 50 50/0 @10 id=W\n@0.501 tick\nattest orders=W")
    assert watch.agreement() == Agreement(1, 1, 0, 0, 1, 1)
    script.run("? W entry filled 50/0\n? W venue unknown 50/0")


def test_before_drop_copy_was_ever_heard_it_owes_nothing_of_orders_that_are_over() -> None:
    """R40: unknown is not empty."""
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    script.run("< trade Y 50 50/0 id=W\n< new X 0/100 @1\nDC< logon\n@0.501 tick")
    assert watch.agreement() == Agreement(0, 0, 1, 1, 1, 1)


def test_a_request_in_flight_is_ambiguous_as_a_whole_after_the_grace() -> None:
    """R29: whether the venue acted on it is not known."""
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    script.run("> new X 100 @10")
    total = script.orders.total
    assert (total.open_notional, total.union, total.in_play) == (100 * ONE * PRICE, 0, 1)
    script.run("@0.5 tick")
    assert watch.agreement() == Agreement(1, 1, 1, 1, 1, 0)
    for on in BOTH:
        script.line(f"{on} new X 0/100")
    script.run("> replace Y of X 300\n@1 tick")
    assert watch.session.ambiguous_notional == total.open_notional == 300 * ONE * PRICE
    for on in BOTH:  # as of when it was sent: more than is open by now, never less
        script.run(f"{on} trade X 40 40/60")
    assert watch.session.ambiguous_notional == total.open_notional == 300 * ONE * PRICE
    script.run("< cancel-reject Y of X status=new")
    assert watch.session.ambiguous_notional == 0
    assert total.open_notional == 60 * ONE * PRICE


def test_an_order_without_a_price_or_at_price_zero_counts_as_an_order() -> None:
    """R39: a weight never decides existence."""
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    script.run("> new X 100 price=-\n> new Y 100 @0\n> new Z 100 @10\n@0.5 tick")
    assert watch.agreement() == Agreement(1, 1, 1, 3, 3, 0)
    script.run("< rejected Z 0/0 qty=100 id=U")
    assert watch.agreement() == Agreement(1, 1, 0, 2, 2, 0)


def test_the_reference_price_is_the_limit_else_the_last_trade_else_the_stamped_mid() -> None:
    """R39."""
    script = Script()
    script.line("> new X 1 @0 mid=8")
    order = script.orders.find("X")
    assert order is not None
    assert order.price == 8 * ONE
    script.line("< trade X 0.2 0.2/0.8 @0 exec=a last_px=9")
    script.line("< trade X 0.2 0.4/0.6 exec=b last_px=7")
    assert order.price == 7 * ONE
    script.line("< restated X 0.4/0.6 @12")
    script.line("< trade X 0.1 0.5/0.5 exec=c last_px=11")
    assert order.price == 12 * ONE


def test_an_acknowledgement_as_pending_is_an_answer() -> None:
    """R41: both views know the order, and waiting is no doubt; nor does a failure count it."""
    script, watch = watched()
    script.run("> new Y 100 @10\n@0.4 tick")
    for on in BOTH:
        script.line(f"{on} pending_new Y 0/100 id=W")
    script.run("> replace Z of X 150\n< pending_replace Z of X 0/100\n@9 tick")
    assert watch.agreement() == Agreement(1, 1, 0, 0, 2, 2)
    assert script.orders.in_flight_total == 0
    script.orders.mark_failure()
    assert script.orders.unanswered_of_failure == 0


def test_a_request_of_unknown_size_or_about_many_orders_is_of_unknown_instrument() -> None:
    """R37: it may be of any."""
    script, watch = watched()
    script.run("> unmodelled Y\n> mass-cancel M\n@0.5 tick")
    assert watch.unknown_in_doubt
    assert watch.symbol("") == Agreement(1, 1, 0, 2, 2, 0)
    assert watch.agreement() == Agreement(1, 1, 0, 2, 3, 1)
    script.run("< mass-cancel-report M\n< reject ref_id=Y")
    assert watch.symbols() == []
    assert watch.agreement() == Agreement(1, 1, 0, 0, 1, 1)
    assert script.orders.total.orders == 2


def test_requests_of_a_failure_are_held_until_answered_lost_or_vouched_for() -> None:
    script, _ = watched()
    script.run("> new A 1 price=-\n> cancel C of X\n> mass-cancel M\n> replace R of X 9")
    script.orders.mark_failure()
    script.run("> new B 1")
    assert script.orders.unanswered_of_failure == 4
    script.run("< cancel-reject C of X status=new")
    assert script.orders.unanswered_of_failure == 3
    script.run("< mass-cancel-report M")
    assert script.orders.unanswered_of_failure == 2
    script.run("@5 tick\n< mass-status Q\n< row Q X 0/100\n< mass-end Q 1\n? A entry absent 0/0")
    assert script.orders.unanswered_of_failure == 0
    script.run("> new D 1")
    script.orders.mark_failure()
    assert script.orders.unanswered_of_failure == 1
    script.run("attest orders=D")
    assert script.orders.unanswered_of_failure == 0


def test_watches_are_shared_and_one_made_late_sees_what_it_would_have() -> None:
    script = Script()
    early = script.orders.watch(GRACE_NS, HARD_NS)
    script.run("< new X 0/100\n@0.3 tick\n< new Y 0/100 id=W\n@0.6 tick")
    assert script.orders.watch(GRACE_NS, HARD_NS) is early
    late = script.orders.watch(200 * MS_NS, HARD_NS)
    assert (early.disagreeing, late.disagreeing) == (1, 2)
    script.run("DC< new X 0/100")
    assert (early.disagreeing, late.disagreeing) == (0, 1)
    script.run("< trade Y 40 40/60 id=W")
    assert (early.session.difference, late.session.difference) == (0, 60 * ONE)
    script.run("< canceled Y 40/0 qty=100 id=W")
    assert (early.disagreeing, late.disagreeing) == (0, 1)  # what was executed still differs
    assert late.session.executed == 40 * ONE


def test_what_began_at_this_very_moment_never_counts() -> None:
    script = Script()
    watch = script.orders.watch(0, HARD_NS)
    script.run("> new X 100\n@0 tick")
    assert watch.disagreeing == 0
    assert watch.next_deadline_ns == START_NS + 1
    watch.settle(START_NS + 1, None)
    assert watch.disagreeing == 1


def test_only_instruments_whose_reading_may_have_changed_are_named() -> None:
    """Of hundreds in doubt, an event names its own; those in perfect order are never named."""
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    for n in range(300):
        script.line(f"< new X{n} 0/100 id=V{n} sym=S{n}")
    for on in BOTH:
        script.line(f"{on} new Y 0/100 id=W sym=T")
    assert watch.changed_symbols() == []
    script.line("@0.501 tick")
    assert len(watch.changed_symbols()) == 300
    script.line("@0.502 tick")
    for on in BOTH:
        script.line(f"{on} trade Y 10 10/90 id=W sym=T")
    assert watch.changed_symbols() == []
    script.line("< trade X7 10 10/90 id=V7 sym=S7")
    script.line("DC< new X9 0/100 id=V9 sym=S9")
    assert watch.changed_symbols() == ["S7", "S9"]
    assert len(watch.symbols()) == 299


def test_an_order_that_moves_keeps_its_clocks() -> None:
    """R22: learning its instrument, or merging, does not make a doubt young again."""
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    script.run("< new X 0/100 sym=- id=-\n@0.4 tick covered=0\n> new Y 100\n@0.45 tick covered=0")
    script.run("< trade X 40 40/60 id=V")
    assert script.orders.oldest_owed_ns == START_NS
    script.run("@0.501 tick")
    assert watch.symbols() == ["S"]
    script.run("DC< new - 0/80 id=U\n@0.6 tick")
    script.run("< order_status X 40/60 id=U")
    assert script.orders.oldest_disagreement_ns == START_NS
    script.run("@0.9 tick")
    assert watch.disagreeing == 2


def test_one_that_moves_at_the_moment_it_begins_to_count_counts() -> None:
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    script.run("< new X 0/100 sym=-\n@0.501 tick")
    assert (watch.disagreeing, watch.symbols()) == (1, [""])
    script.run("< new X 0/100 sym=S")
    assert (watch.disagreeing, watch.symbols()) == (1, ["S"])


def test_a_clock_may_begin_at_zero() -> None:
    """R22, R29: what began then goes on in a moved and in a merged order, and is a moment ago."""
    script = Script()
    script.now_ns = 0
    script.run("< new Z 0/100 id=U\nDC< new Z 0/100 id=U")
    assert script.orders.total.disagreeing == 0
    assert not script.orders.disagreements(9)
    script.run("< new X 0/100 sym=- id=-\n< new X 0/100 sym=S id=-")
    script.run("DC< new - 0/80 id=V")
    script.run("< new Y 0/100 id=W\nDC< new Y 0/100 id=W")
    script.run("DC< canceled Y 0/0 qty=100 id=W")
    assert script.orders.total.disagreeing == 3
    script.run("< mass-status Q\n< row Q Y 0/100 id=W\n? W venue canceled 0/0")
    script.now_ns = 1
    script.run("< order_status X 0/100 id=V\n? orders 3")
    assert script.orders.total.disagreeing == 2
    assert script.orders.oldest_disagreement_ns == 0
    assert {row.since_ns for row in script.orders.disagreements(9)} == {0}


def test_the_logs_are_swept_so_a_hot_order_costs_no_memory() -> None:
    """One order that disagrees and agrees for ever, within one settled moment or over many."""
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    script.run("< new Y 0/100 id=W\n> new Z 1")
    logs = script.orders.counts.doubts.logs
    for n in range(3_000):
        if n == 1_500:
            script.run("@0.4 tick")
        script.run("< restated X 0/100\nDC< restated X 0/100")
        script.run("DC< restated X 0/90\n< restated X 0/90")
        script.run(f"> cancel C{n} of X\n< cancel-reject C{n} of X status=new")
    assert all(0 < len(log.entries) < 2_100 for log in logs)
    assert watch.next_deadline_ns == START_NS + GRACE_NS
    script.run("@0.501 tick")
    assert watch.disagreeing == 2
    assert script.orders.oldest_disagreement_ns == START_NS


def test_however_many_are_in_doubt_none_is_swept_with_the_stale() -> None:
    script = Script()
    watch = script.orders.watch(GRACE_NS, HARD_NS)
    many = SWEEP_MIN + 100
    for n in range(many):
        script.run(f"> new R{n} 1\n< new X{n} 0/1 id=V{n}")
        script.line(f"DC< new Y{n} 0/1 id=W{n}")
    script.line("@0.501 tick")
    assert watch.disagreeing == 3 * many


def test_a_log_holds_at_most_twice_what_is_in_doubt() -> None:
    script = Script()
    lasting = 1_000
    for n in range(lasting):
        script.line(f"< new Y{n} 0/100 id=W{n}")
    longest = 0
    for n in range(2 * lasting):
        script.run(f"< restated X 0/{100 + n}\nDC< restated X 0/{100 + n}")
        longest = max(longest, *(len(log.entries) for log in script.orders.counts.doubts.logs))
    assert lasting < longest < 2 * (lasting + 1)
    assert script.orders.total.disagreeing == lasting
