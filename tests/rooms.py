"""The rooms of the house as data: what each holds and which others it may import.

`test_architecture.py` holds the code to this table, and the tables of `docs/architecture.md` are
made from it. A room comes into being with its folder; rows of rooms still to come are ready below.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import reconverge

ROOT = Path(__file__).parents[1]
PACKAGE = Path(reconverge.__file__).parent


class Room(NamedTuple):
    """One room: a folder of the package, or some modules of one."""

    name: str
    holds: str
    imports: tuple[str, ...]
    """Rooms that it may import. `core` stands for every room of the core, `*` for any room."""
    places: tuple[str, ...] = ()
    """Modules and folders, where the room is not the folder that has its name."""
    front: bool = True
    """Whether other rooms import it by its `__init__` alone. If not, they name its modules."""

    @property
    def modules(self) -> tuple[str, ...]:
        """What the names of its modules begin with."""
        return tuple(f"reconverge.{place}" for place in self.places or (self.name,))

    @property
    def is_folder(self) -> bool:
        """Whether the room is one folder."""
        return not self.places and (PACKAGE / self.name.replace(".", "/")).is_dir()


CORE = (
    Room("core.messages", "the contract: every input and output, and how bytes become one", (),
         front=False),
    Room("core.terms", "what the rooms of truth share: kinds of finding, a venue's profile", (),
         front=False, places=("core.findings", "core.venue")),
    Room("core.sequences", "which numbers are seen, missing, lost; what is being resent",
         ("core.messages", "core.terms")),
    Room("core.orders", "one order seen by two views; the live sets and their similarity",
         ("core.messages", "core.terms"), front=False),
    Room("core.truth", "one session's truth: numbers, orders, the path, snapshots, parents",
         ("core.messages", "core.orders", "core.sequences", "core.terms"),
         places=("core.truth", "core.path", "core.source", "core.sources", "core.parents")),
    Room("core.control", "one policy over one truth: confidence, machine, caps, alerts, episodes",
         ("core.messages", "core.orders", "core.terms", "core.truth")),
    Room("core.session", "one session: its truth, its control, its shadow policies",
         ("core.control", "core.messages", "core.terms", "core.truth")),
    Room("core.partition", "all sessions of a partition: the front of the core",
         ("core.control", "core.messages", "core.orders", "core.session", "core.terms")),
)  # fmt: skip
"""From the lowest to the highest: what stands above imports what stands below."""

STREAM = (
    Room("stream.seam", "what the shell asks of a log, and its options, clock and observer",
         ("core",), front=False,
         places=("stream.log", "stream.options", "stream.conditions", "stream.observer",
                 "stream.clock", "stream.merge", "stream.intake", "stream.memory")),
    Room("stream.kafka", "Kafka, spelt out: requests, the log, membership", ("stream.seam",),
         front=False),
    Room("stream.history", "what was folded, and folding it again: journal, snapshot, restore",
         ("core", "stream.seam"), front=False,
         places=("stream.history", "stream.folding", "stream.inputs")),
    Room("stream.worker", "one partition served: fold, journal, publish, quarantine",
         ("core", "stream.history", "stream.seam"), front=False,
         places=("stream.worker", "stream.core_fold", "stream.publish", "stream.quarantine",
                 "stream.service")),
)  # fmt: skip
"""Likewise."""

HOUSE = (
    Room("core", "pure decisions: no await, clock, chance, environment, logging, metrics, Kafka",
         (), front=False),
    Room("config", "settings, the connection to Kafka, the topics", (), front=False),
    Room("stream", "the Kafka shell: membership, worker, journal, restore, publish, quarantine",
         ("core",)),
    Room("tap", "adapters that turn real feeds into events", ("config", "core")),
    Room("contract", "JSON Schema and AsyncAPI, generated from the models of `core`",
         ("config", "core")),
    Room("client", "what a router imports: the cap subscription that fails safe", ("core",)),
    Room("audit", "history read again: proof of what was published, reasons for it, incidents",
         ("core", "stream")),
    Room("tables", "the tables of history as data: columns, and where files lie", ()),
    Room("sink", "history written as tables", ("audit", "core", "stream", "tables")),
    Room("tca", "what it cost: reads tables, never Kafka", ("core", "tables")),
    Room("guard", "guardrails: results in, evidence and safe mode out",
         ("config", "core", "stream", "sink", "tca")),
    Room("ops", "metrics, health, HTTP, logging", ("core", "stream")),
    Room("console", "a read-only web page of what is published", ("config", "core", "ops")),
    Room("demo", "the recorded incident, played and told", ("client", "config", "core", "tap")),
    Room("lab", "closed-loop venue, market and router; drills; what-if",
         ("client", "config", "core", "demo", "sink", "stream", "tap", "tca")),
    Room("cli", "composes them; one file a command", ("*",)),
)  # fmt: skip
"""Likewise. A room without a folder yet is one to come: whoever builds it mends its row."""

ROOMS = (*CORE, *STREAM, *HOUSE)


def module_name(path: Path) -> str:
    """`service/reconverge/tap/run.py` is `reconverge.tap.run`, a front the name of its folder."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def within(module: str, place: str) -> bool:
    """Whether a module is a place or lies in it."""
    return module == place or module.startswith(f"{place}.")


def room_of(module: str, rooms: tuple[Room, ...] = HOUSE) -> Room | None:
    """Where a module lives; None for the package itself and for fronts of other floors."""
    homes = [room for room in rooms for place in room.modules if within(module, place)]
    return homes[0] if homes else None


@cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_bytes(), filename=str(path))


def imports(path: Path) -> Iterator[str]:
    """Absolute names of imported modules, ours resolved as deep as they are modules."""
    package = module_name(path).split(".") if path.is_relative_to(PACKAGE) else []
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            inner = {alias.name for alias in node.names} - offered(name)
            deeper = {f"{name}.{alias}" for alias in inner} & MODULES.keys()
            yield from deeper or {name}


def offered(front: str) -> set[str]:
    """The names that a front offers from its modules; one may be called as a module is."""
    if front not in MODULES:
        return set()
    return {
        alias.asname or alias.name
        for node in parse(MODULES[front]).body
        if isinstance(node, ast.ImportFrom) and node.module != front
        for alias in node.names
    }


def crossings(rooms: tuple[Room, ...] = HOUSE) -> Iterator[tuple[str, str, Room, Room]]:
    """Imports from one room into another: the two modules and the two rooms."""
    for module, path in MODULES.items():
        home = room_of(module, rooms)
        for imported in imports(path):
            other = room_of(imported, rooms)
            if home and other and home != other:
                yield module, imported, home, other


def arrows(rooms: tuple[Room, ...]) -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    return {(home.name, other.name) for _, _, home, other in crossings(rooms)}


def standing(rooms: tuple[Room, ...]) -> list[Room]:
    """The rooms that are there."""
    return [room for room in rooms if any(room_of(module, rooms) == room for module in MODULES)]


def table(rooms: tuple[Room, ...]) -> str:
    """For docs/architecture.md: what each room holds and imports."""
    here = standing(rooms)
    names = {room.name: _shown(room) for room in here} | {"*": "any", "core": "`core/`"}
    rows = ["| room | what it holds | what it may import |", "|---|---|---|"]
    for room in here:
        modules = ", ".join(f"`{place.split('.')[-1]}`" for place in room.places)
        allowed = ", ".join(names[name] for name in room.imports if name in names)
        rows.append(
            f"| {_shown(room)} | {room.holds}{modules and f' ({modules})'}"
            f" | {allowed or 'nothing of ours'} |"
        )
    return "\n".join(rows)


def _shown(room: Room) -> str:
    """A folder with a slash, a module with its ending, and a group of modules by its name."""
    name = room.name.split(".")[-1]
    if room.places:
        return name
    return f"`{name}/`" if room.is_folder else f"`{name}.py`"
