"""The house rules that a machine can check: who may import whom, what the core may touch, sizes."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "service" / "reconverge"
FUNCTION_LINES_MAX = 70  # a screen
FILE_LINES_MAX = 500

# Where a result could come to depend on the machine, the moment or the hash seed.
IMPURE_MODULES = (
    {"asyncio", "concurrent", "multiprocessing", "selectors", "signal", "subprocess", "threading"}
    | {"io", "locale", "os", "pathlib", "platform", "socket", "ssl", "sys", "tempfile"}
    | {"random", "secrets", "time", "uuid"}
    | {"aiohttp", "aiokafka", "confluent_kafka", "logging", "prometheus_client", "structlog"}
)
IMPURE_CALLS = {"breakpoint", "hash", "id", "input", "open", "print"}

# What only this machine or this network could know.
LOCAL = re.compile(
    r"(?<![\w.~])/(?:work|root|home|Users|tmp/\w)[/\w]"
    r"|--(?:extra-)?index-url|--find-links"
    r"|pypi\.org|pythonhosted\.org|registry\.npmjs|repo1?\.maven|deb\.debian\.org|proxy\.golang"
)


def committed() -> list[Path]:
    """Every file of the repository, those not yet added included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in names.splitlines() if (path := ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in committed() if path.suffix == ".py"]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}


def room(module: str) -> str:
    """`reconverge.core.orders.orders` lives in `core`; the package itself in no room."""
    return module.split(".")[1] if "." in module else ""


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
            deeper = {f"{name}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from deeper or {name}


def our_imports() -> Iterator[tuple[str, str]]:
    """Pairs (importing module, imported module) that cross from one room into another."""
    for name, path in MODULES.items():
        for imported in imports(path):
            if imported.split(".")[0] == "reconverge" and room(imported) != room(name):
                yield name, imported


def test_the_core_imports_nothing_of_ours() -> None:
    assert [pair for pair in our_imports() if room(pair[0]) == "core"] == []


def test_nothing_imports_the_command_line() -> None:
    assert [pair for pair in our_imports() if room(pair[1]) == "cli"] == []


def test_rooms_use_each_other_by_their_front_doors() -> None:
    """Only the command line, which composes, and users of the core may name an inner module."""
    inside = [
        (name, imported)
        for name, imported in our_imports()
        if imported.count(".") > 1
        and room(imported) not in {"core", "config"}
        and room(name) != "cli"
    ]
    assert inside == []


def test_rooms_depend_on_each_other_without_cycles() -> None:
    below: dict[str, set[str]] = {}
    for name, imported in our_imports():
        if room(imported) and room(name):
            below.setdefault(room(name), set()).add(room(imported))
    TopologicalSorter(below).prepare()


@pytest.mark.parametrize("module", sorted(m for m in MODULES if room(m) == "core"))
def test_the_core_touches_no_clock_chance_environment_or_network(module: str) -> None:
    path = MODULES[module]
    assert {name.split(".")[0] for name in imports(path)} & IMPURE_MODULES == set()
    nodes = list(ast.walk(parse(path)))
    calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert calls & IMPURE_CALLS == set()
    waits = (ast.Await, ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith)
    assert not [node.lineno for node in nodes if isinstance(node, waits)]


def test_importing_the_core_loads_no_client_of_anything() -> None:
    script = "import sys, reconverge.core; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert (
        set(done.stdout.split()) & {"aiohttp", "aiokafka", "prometheus_client", "structlog"}
        == set()
    )


def test_functions_fit_a_screen() -> None:
    functions = (
        (path.relative_to(ROOT), node.name, lines)
        for path in python_files()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    )
    assert [f"{path}: {name} has {lines} lines" for path, name, lines in functions] == []


def test_files_can_be_read_in_one_sitting() -> None:
    sizes = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in python_files()}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES_MAX} == {}


def test_every_module_says_what_may_be_in_it() -> None:
    assert [
        p.name for p in python_files() if p.stat().st_size and not ast.get_docstring(parse(p))
    ] == []


def test_no_package_is_empty() -> None:
    fronts = [path for path in MODULES.values() if path.name == "__init__.py"]
    assert [front for front in fronts if len(list(front.parent.rglob("*.py"))) < 2] == []


def test_no_machine_path_or_registry_is_committed() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in committed()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if LOCAL.search(line)
    ]
    assert found == []
