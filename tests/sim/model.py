"""The protocol as an explicit-state model, small enough to try every interleaving.

Two workers, some inputs, a journal, a network. A worker may rest between any two of its steps for
as long as others like (a zombie is no special case); within budgets it may crash, an
acknowledgement may be lost, and what was sent may be applied long after its sender gave up.
`explore` visits every state that can be reached and checks the invariants of docs/protocol.md in
each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

INPUTS = 2
CLAIMS_MAX = 4


class Entry(NamedTuple):
    """A journal record. A claim has `after` None."""

    epoch: int | None
    after: int | None
    taken: int
    """The input it took; -1 for a claim."""
    published: int
    """Inputs below this had their outputs acknowledged."""


Step = Literal["idle", "claiming", "ready", "appending", "publishing"]


class Worker(NamedTuple):
    """One worker's memory, and its request on the way."""

    step: Step = "idle"
    epoch: int = -1
    last: int = -1
    position: int = 0
    published: int = 0
    unpublished: tuple[int, ...] = ()
    request: Entry | None = None
    """Sent and not yet applied."""
    answer: int = -1
    """The offset that its request was applied at, on its way back."""


class State(NamedTuple):
    """Everything."""

    workers: tuple[Worker, Worker]
    journal: tuple[Entry, ...] = ()
    orphans: tuple[Entry, ...] = ()
    """Requests on the way whose senders gave up."""
    outputs: frozenset[int] = frozenset()
    """Inputs whose outputs were published."""
    accepted: tuple[int, int] = (-1, -1)
    """What a router holds: (epoch, input)."""
    claims: int = 0
    crashes: int = 1
    losses: int = 1


class Broken(Exception):
    """An invariant does not hold; the message says which, the state shows where."""


@dataclass(frozen=True)
class Rules:
    """The protocol, and ways to get it wrong."""

    check_claims: bool = True
    journal_first: bool = True
    only_what_counts: bool = True
    send_again: bool = True


def explore(rules: Rules) -> int:
    """Visit every reachable state; how many there are. Raises `Broken`.

    Also: from each of them a state in which all inputs are journalled can still be reached.
    """
    start = State((Worker(), Worker()))
    before: dict[State, list[State]] = {start: []}
    frontier, done = [start], []
    while frontier:
        state = frontier.pop()
        if sum(e.taken >= 0 for e in _history(state.journal, rules)) == INPUTS:
            done.append(state)
        for following in _steps(state, rules):
            if following not in before:
                before[following] = []
                _check(following)
                frontier.append(following)
            before[following].append(state)
    _check_progress(before, done)
    return len(before)


def _check_progress(before: dict[State, list[State]], done: list[State]) -> None:
    hopeful = set(done)
    while done:
        for earlier in before[done.pop()]:
            if earlier not in hopeful:
                hopeful.add(earlier)
                done.append(earlier)
    stuck = next((s for s in before if s not in hopeful and _can_claim(s)), None)
    if stuck:
        raise Broken(f"nothing more can happen: {stuck}")


def _can_claim(state: State) -> bool:
    """The model bounds claims; a state that ran out of them is no protocol's fault."""
    return state.claims < CLAIMS_MAX


def _history(journal: tuple[Entry, ...], rules: Rules = Rules()) -> list[Entry]:
    """What counts of a journal."""
    if not rules.only_what_counts:
        return list(journal)
    return [e for offset, e in enumerate(journal) if e.after is None or e.after == offset - 1]


def _check(state: State) -> None:
    """The invariants."""
    newest_claim, expected = -1, 0
    for offset, entry in enumerate(state.journal):
        if entry.after is None:
            newest_claim = offset
        elif entry.after == offset - 1:
            if entry.epoch != newest_claim:
                raise Broken(f"a record counts that is not of the newest claim: {state}")
            if entry.taken != expected:
                raise Broken(f"an input is lost or doubled: {state}")
            if any(index not in state.outputs for index in range(entry.published)):
                raise Broken(f"a record vouches for outputs that never left: {state}")
            expected += 1
    if any(index >= expected for index in state.outputs):
        raise Broken(f"an output is visible whose batch is not journalled: {state}")


def _steps(state: State, rules: Rules) -> Iterator[State]:
    yield from _network_steps(state)
    for index in (0, 1):
        yield from _worker_steps(state, index, rules)


def _network_steps(state: State) -> Iterator[State]:
    """A request nobody waits for any more is applied after all."""
    for orphan in set(state.orphans):
        left = list(state.orphans)
        left.remove(orphan)
        yield state._replace(orphans=tuple(left), journal=(*state.journal, orphan))


def _worker_steps(state: State, index: int, rules: Rules) -> Iterator[State]:
    worker = state.workers[index]
    if state.crashes and worker.step != "idle":
        yield _dropped(state, index)._replace(crashes=state.crashes - 1)
    if worker.request:
        yield from _request_steps(state, index, worker, worker.request)
    elif worker.step == "idle" and state.claims < CLAIMS_MAX:
        claiming = worker._replace(step="claiming", request=Entry(None, None, -1, 0))
        yield _with(state, index, claiming)._replace(claims=state.claims + 1)
    elif worker.step == "claiming":
        yield _with(state, index, _restored(state.journal, worker.answer, rules))
    elif worker.step == "ready":
        yield from _ready(state, index, worker, rules)
    elif worker.step == "appending":
        yield _with(state, index, _appended(state, worker, rules))
    elif worker.step == "publishing":
        published = _publish(state, worker.epoch, worker.position - 1)
        yield _with(published, index, worker._replace(step="ready", published=worker.position))


def _request_steps(state: State, index: int, worker: Worker, request: Entry) -> Iterator[State]:
    """It is applied; its answer may be lost; or its sender gives up before it is applied."""
    applied = state._replace(journal=(*state.journal, request))
    answered = worker._replace(request=None, answer=len(state.journal))
    yield _with(applied, index, answered)
    if state.losses:
        yield _with(applied, index, Worker())._replace(losses=state.losses - 1)
        yield _dropped(state, index)._replace(losses=state.losses - 1)


def _dropped(state: State, index: int) -> State:
    """A worker forgets everything; what it sent is still on its way."""
    request = state.workers[index].request
    orphans = (*state.orphans, request) if request else state.orphans
    return _with(state._replace(orphans=tuple(sorted(orphans, key=repr))), index, Worker())


def _ready(state: State, index: int, worker: Worker, rules: Rules) -> Iterator[State]:
    if worker.unpublished:
        state = state._replace(outputs=state.outputs | set(worker.unpublished))
        yield _with(state, index, worker._replace(unpublished=(), published=worker.position))
    elif worker.position < INPUTS:
        if not rules.journal_first:
            state = _publish(state, worker.epoch, worker.position)
        entry = Entry(worker.epoch, worker.last, worker.position, worker.published)
        yield _with(state, index, worker._replace(step="appending", request=entry))


def _restored(journal: tuple[Entry, ...], epoch: int, rules: Rules) -> Worker:
    owned = [entry for entry in _history(journal[:epoch], rules) if entry.after is not None]
    position = len(owned)
    vouched = owned[-1].published if owned and rules.send_again else position
    return Worker("ready", epoch, epoch, position, vouched, tuple(range(vouched, position)))


def _appended(state: State, worker: Worker, rules: Rules) -> Worker:
    """Ours if nothing came between.

    Over if a claim did; else a zombie's record did, and we write again.
    """
    between = state.journal[worker.last + 1 : worker.answer]
    if not between:
        position = worker.position + 1
        return worker._replace(step="publishing", last=worker.answer, position=position)
    if any(entry.after is None for entry in between) and rules.check_claims:
        return Worker()
    again = Entry(worker.epoch, worker.answer, worker.position, worker.published)
    return worker._replace(last=worker.answer, request=again)


def _publish(state: State, epoch: int, taken: int) -> State:
    if (epoch, taken) > state.accepted and taken <= state.accepted[1]:
        raise Broken(f"a router is told of input {taken} again: {state}")
    accepted = max(state.accepted, (epoch, taken))
    return state._replace(outputs=state.outputs | {taken}, accepted=accepted)


def _with(state: State, index: int, worker: Worker) -> State:
    """With a worker's new memory. The two are alike, so their order is fixed: half the states."""
    workers = sorted((worker, state.workers[1 - index]), key=repr)
    return state._replace(workers=(workers[0], workers[1]))
