"""The reference routers of clients/: built, held to the vectors, and run against a real Kafka."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from tests.client.heartbeats import Service
from tests.client.vectors import FOLDER, vectors
from tests.kafka.broker import KafkaCluster

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
LINE_S_MAX = 60.0  # a cold JVM on a busy machine needs ten

Command = list[str | Path]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Command]:
    """How to start each router, built with warnings as errors."""
    out = tmp_path_factory.mktemp("routers")
    provision: Command = [ROOT / "tools" / "provision", "routers"]
    jars = subprocess.run(provision, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    javac: Command = ["javac", "-Xlint:all", "-Werror", "-cp", f"{jars}/*", "-d", out]
    subprocess.run([*javac, CLIENTS / "java" / "Router.java"], check=True)
    router = out / "router"
    cpp: Command = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-o", router]
    libraries = ["-lrdkafka++", "-lrdkafka", "-pthread"]
    subprocess.run([*cpp, CLIENTS / "cpp" / "router.cpp", *libraries], check=True)
    return {"java": ["java", "-Xmx128m", "-cp", f"{jars}/*:{out}", "Router"], "cpp": [router]}


@pytest.mark.parametrize("language", ["java", "cpp"])
def test_it_passes_the_vectors(commands: dict[str, Command], language: str) -> None:
    files = sorted(FOLDER.glob("*.jsonl"))
    done = subprocess.run(
        [*commands[language], "vectors", *files], capture_output=True, text=True, check=False
    )
    steps = sum(map(len, vectors().values()))
    assert (done.returncode, done.stdout.strip()) == (0, f"{steps} steps, 0 failed"), done.stderr


@pytest.mark.parametrize("language", ["java", "cpp"])
def test_it_fails_a_vector_that_is_wrong(
    commands: dict[str, Command], language: str, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.jsonl"
    lines = (FOLDER / "life.jsonl").read_text().splitlines()
    wrong.write_text(lines[0].replace('"cap": 0.5, "why"', '"cap": 0.6, "why"') + "\n")
    done = subprocess.run(
        [*commands[language], "vectors", wrong], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout.endswith("1 steps, 1 failed\n")


class Following:
    """A router that follows, and the lines that it tells."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.lines: Queue[dict[str, Any]] = Queue()
        self.seen: list[dict[str, Any]] = []
        self._output = process.stdout
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._output or ():
            self.lines.put(json.loads(line))

    def until(self, told: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            line = self.lines.get(timeout=LINE_S_MAX)
            self.seen.append(line)
            if told(line):
                return line


@contextmanager
def following(command: Command, *words: str) -> Iterator[Following]:
    with subprocess.Popen(
        [*command, "follow", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Following(process)
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["java", "cpp"])
def test_it_follows_a_real_kafka_and_is_safe_without(
    commands: dict[str, Command], language: str
) -> None:
    with (
        KafkaCluster() as kafka,
        following(commands[language], kafka.bootstrap, "caps", "A") as router,
    ):
        router.until(lambda line: line["why"] == "not_connected")  # there is no topic yet
        kafka.create_topic("caps", partitions=3)
        service = Service(kafka.bootstrap, "caps")
        for age_s in (3_600.0, 60.0, 4.0):  # what is too old to look back at, and what is not
            service.say(0.9, age_s=age_s)
        router.until(lambda line: line["why"] in {"expired", "never_heard"})

        with service.beating(0.4):
            assert router.until(lambda line: line["why"] is None)["cap"] == 0.4
        router.until(lambda line: line["why"] == "expired")

        with service.beating(0.3):
            router.until(lambda line: line["cap"] == 0.3)
        kafka.pause(1)
        router.until(lambda line: line["why"] == "not_connected")
        kafka.resume(1)
        with service.beating(0.2):
            router.until(lambda line: line["cap"] == 0.2)

        kafka.kill(1)
        router.until(lambda line: line["why"] == "not_connected")
        kafka.start(1)
        with service.beating(0.1):
            router.until(lambda line: line["cap"] == 0.1)
        assert {line["cap"] for line in router.seen} == {0.05, 0.4, 0.3, 0.2, 0.1}
