"""Why a partition is not served: policies, core versions and journal records that are refused."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest

from reconverge.stream.history.records import Claim
from reconverge.stream.options import Options
from tests.sim.toy import ToyFold, ToyFolds
from tests.stream.stage import Run, Stage, scene


@scene
async def test_refused_policies_are_a_refusal(stage: Stage) -> None:
    refusal = await stage.refusal(policies=[{"id": "bad"}])
    assert refusal.condition == "policy_missing"


class Stricter(ToyFolds):
    """A version that refuses what the one before accepted."""

    def new(self) -> ToyFold:
        fold = super().new()
        fold.set_policies = _refuse  # type: ignore[method-assign]
        return fold


def _refuse(documents: object, now_ns: int) -> None:
    raise Stricter.rejection("no")


@scene
async def test_a_claim_whose_policies_are_refused_now_is_a_refusal(stage: Stage) -> None:
    await stage.history(released=False)
    assert (await stage.refusal(Stricter())).condition == "policy_missing"


@scene
async def test_batches_of_another_core_are_folded_only_by_consent(stage: Stage) -> None:
    await stage.history(released=False)
    assert (await stage.refusal(ToyFolds("toy-2"))).condition == "core_unknown"
    run = stage.start(ToyFolds("toy-2"), options=accepting(stage, "toy-1"))
    await run.settled()
    assert run.worker.ready
    assert stage.notes.conditions == ["core_accepted"]
    claims = [entry.record for entry in await stage.journal() if isinstance(entry.record, Claim)]
    assert claims[-1].accepted == ("toy-1",)


@scene
async def test_consent_is_needed_once(stage: Stage) -> None:
    """What was folded by other rules becomes a snapshot of ours at once."""
    await stage.history(released=False)
    run = stage.start(ToyFolds("toy-2"), options=accepting(stage, "toy-1"))
    await run.settled()
    await run.crash()
    run = stage.start(ToyFolds("toy-2"))
    await run.settled()
    assert run.worker.ready
    assert stage.notes.conditions == ["core_accepted"]


@scene
async def test_snapshots_of_a_core_accepted_are_passed_over_for_one_s_own(stage: Stage) -> None:
    """The way back: our own last snapshot, and what the other version took since."""
    await stage.history()
    run = stage.start(ToyFolds("toy-2", reads=["toy-1"]))
    stage.feed(4)
    await run.settled()
    await run.release()
    assert (await stage.refusal()).condition == "core_unknown"
    run = stage.start(options=accepting(stage, "toy-2"))
    await run.settled()
    assert stage.notes.restores[-1].records == 4
    assert toy(run).sessions["s"].count == 9


@scene
async def test_without_a_snapshot_of_one_s_own_the_inputs_are_folded_again(stage: Stage) -> None:
    await stage.history()
    await stage.history()
    run = stage.start(ToyFolds("toy-2"), options=accepting(stage, "toy-1"))
    await run.settled()
    assert stage.notes.conditions == ["core_accepted"]
    assert toy(run).sessions["s"].count == 10


@scene
async def test_where_the_first_inputs_are_gone_folding_begins_behind_a_foreign_snapshot(
    stage: Stage,
) -> None:
    await stage.history()
    await stage.history(released=False)
    stage.cluster.trim("order-entry", 0, 5)
    run = stage.start(ToyFolds("toy-2"), options=accepting(stage, "toy-1"))
    await run.settled()
    assert stage.notes.conditions == ["core_accepted"]
    assert toy(run).sessions["s"].count == 5
    assert toy(run).lost


def accepting(stage: Stage, core: str) -> Options:
    return replace(stage.options, cores_accepted=frozenset({core}))


def toy(run: Run) -> ToyFold:
    assert isinstance(run.worker.fold, ToyFold)
    return run.worker.fold


@scene
async def test_a_released_snapshot_carries_a_partition_into_a_new_core(stage: Stage) -> None:
    await stage.history()
    assert (await stage.refusal(ToyFolds("toy-2"))).condition == "core_unknown"
    run = stage.start(ToyFolds("toy-2", reads=["toy-1"]))
    await run.settled()
    assert run.worker.ready


@pytest.mark.parametrize(
    "record", [b"{", b'{"kind":"treaty","v":1}', b'{"kind":"claim","v":2}', None]
)
@scene
async def test_a_journal_record_nobody_knows_is_a_refusal(
    stage: Stage, record: bytes | None
) -> None:
    await stage.history(released=False)
    stage.cluster.write("journal", 0, None, record)
    assert (await stage.refusal()).condition == "journal_unreadable"


class Forgetful(ToyFolds):
    """A core that is not a function of its inputs."""

    _next = count(100)

    def load(self, rows: Iterable[list[object]]) -> ToyFold:
        return self._disturbed(super().load(rows))

    def new(self) -> ToyFold:
        return self._disturbed(super().new())

    def _disturbed(self, fold: ToyFold) -> ToyFold:
        self_order = next(self._next)
        settle = fold.settle

        def settled(now_ns: int) -> object:
            for session in fold.sessions.values():
                session.order ^= self_order
            return settle(now_ns)

        fold.settle = settled  # type: ignore[assignment, method-assign]
        return fold


@scene
async def test_a_state_that_comes_out_otherwise_is_told_once(stage: Stage) -> None:
    run = stage.start(Forgetful())
    stage.feed()
    await run.settled()
    await run.crash()
    await stage.start(Forgetful()).settled()
    assert stage.notes.conditions == ["derivation_mismatch"]
