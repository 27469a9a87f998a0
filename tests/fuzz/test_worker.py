"""Histories at the bounds of the schemas through a whole worker, journal and restore included."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings

from reconverge.stream.core_fold import CoreFolds
from reconverge.stream.options import INPUTS
from tests.fuzz.folding import STEPS, Step
from tests.sim import cluster
from tests.stream.stage import Stage, play


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_no_history_that_the_schemas_admit_stops_a_worker(steps: Sequence[Step]) -> None:
    async def scene(stage: Stage) -> None:
        run = stage.start(CoreFolds(), [])
        for place, step in enumerate(steps):
            for value in step.values:
                stage.cluster.write(INPUTS[place % len(INPUTS)], 0, b"k", value)
            await run.settled(0.7)
        await run.crash()
        run = stage.start(CoreFolds(), [])
        await run.settled()
        await run.release()
        assert stage.notes.conditions == []
        refused = {disposition for _, disposition in stage.notes.set_aside}
        assert refused <= {"rejected", "malformed"}  # an order of points, a schema cannot say
        await stage.start(CoreFolds(), []).settled()
        assert stage.notes.restores[-1].records == 0, "all of it is in the snapshot"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "RECORD_BYTES_MAX", 1_000_000)  # as Kafka's own is
        play(scene)
