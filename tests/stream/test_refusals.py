"""Why a partition is not served: policies, core versions and journal records that are refused."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest

from tests.sim.toy import ToyFold, ToyFolds
from tests.stream.stage import Stage, scene


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
    consent = replace(stage.options, cores_accepted=frozenset({"toy-1"}))
    run = stage.start(ToyFolds("toy-2"), options=consent)
    await run.settled()
    assert run.worker.ready


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
