"""A real Apache Kafka on loopback, for tests, chaos drills and benchmarks.

    with KafkaCluster() as kafka:
        kafka.create_topic("caps", partitions=4, config={"cleanup.policy": "compact"})
        AIOKafkaProducer(**kafka.client())

    with KafkaCluster(3) as kafka:              # replication 3, two in sync to acknowledge
        leader = kafka.leader("journal", 0)
        kafka.kill(leader)                      # SIGKILL, returns when the process is gone
        kafka.start(leader)                     # same port, same data
        kafka.wait_in_sync()

    with KafkaCluster(secure=True) as kafka:    # clients must use TLS and SASL
        AIOKafkaConsumer("caps", **kafka.client("SCRAM-SHA-512"))

Every node is broker and controller in one JVM, from the jars that tools/provision keeps (a second
to format, three to start). Each has three listeners: CLIENT, which the code under test uses; BROKER
and CONTROLLER, always plain, for the cluster itself and for the questions asked here.
"""

import base64
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from random import SystemRandom
from socket import socket
from typing import Any, Literal, Self
from uuid import uuid4

from aiokafka.abc import AbstractTokenProvider
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, NewTopic

from tests.kafka.certificates import Certificates, make_certificates

Mechanism = Literal["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"]

USER, PASSWORD = "reconverge", "correct-horse"
HOST = "127.0.0.1"
READY_S_MAX = 60.0  # three cold JVMs on two busy cores were seen to take 25
STOP_S_MAX = 30.0
POLL_S = 0.05
_OFFSETS_PARTITIONS = 4  # 50 would be most of a test's start-up

# Kafka's own start script asks for this collector; the heap is what a test needs, not a server.
JVM = ("-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+ExitOnOutOfMemoryError")
LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)

SASL = {
    "listener.security.protocol.map": "CLIENT:SASL_SSL,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "listener.name.client.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
    "listener.name.client.plain.sasl.jaas.config": (
        "org.apache.kafka.common.security.plain.PlainLoginModule required"
        f' user_{USER}="{PASSWORD}";'
    ),
    "listener.name.client.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    # Without a validator of its own Kafka takes unsigned tokens: enough to see the hook used.
    "listener.name.client.oauthbearer.sasl.jaas.config": (
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"
        ' unsecuredLoginStringClaim_sub="broker";'
    ),
}


class KafkaCluster:
    """Some nodes of Apache Kafka in KRaft mode, numbered from 1; a context manager.

    `settings` are broker properties that override the ones below, on every node. Topics are never
    made by being touched. Leaving the context stops the processes and deletes the data.
    """

    def __init__(
        self, nodes: int = 1, *, secure: bool = False, settings: Mapping[str, str] | None = None
    ) -> None:
        self.nodes = range(1, nodes + 1)
        self._secure = secure
        self._settings = dict(settings or {})
        self._ports = {node: tuple(_free_port() for _ in range(3)) for node in self.nodes}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="reconverge-kafka-"))
            undo.callback(self._stop_all)
            self._directory = Path(folder)
            self._certificates = make_certificates(self._directory) if self._secure else None
            self._format()
            for node in self.nodes:
                self._launch(node)
            self._admin = AdminClient(
                {
                    "bootstrap.servers": ",".join(f"{HOST}:{p[1]}" for p in self._ports.values()),
                    "log_level": 0,  # refused connections are expected here
                    "socket.timeout.ms": 2000,  # a paused node must not hold up the answer
                }
            )
            self._await_brokers(self.nodes)
            self._cleanup = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    # What the code under test needs.

    @property
    def bootstrap(self) -> str:
        """Addresses of the CLIENT listeners, `host:port,...`."""
        return ",".join(f"{HOST}:{ports[0]}" for ports in self._ports.values())

    @property
    def certificates(self) -> Certificates:
        """The PEM files of a secure cluster."""
        if self._certificates is None:
            raise ValueError("this cluster is not secure")
        return self._certificates

    def client(self, mechanism: Mechanism = "PLAIN") -> dict[str, Any]:
        """Arguments that connect an aiokafka client; the mechanism counts when secure."""
        common: dict[str, Any] = {"bootstrap_servers": self.bootstrap}
        if not self._secure:
            return common
        common |= {
            "security_protocol": "SASL_SSL",
            "ssl_context": self.certificates.client_context(),
            "sasl_mechanism": mechanism,
        }
        if mechanism == "OAUTHBEARER":
            return common | {"sasl_oauth_token_provider": UnsignedToken()}
        return common | {"sasl_plain_username": USER, "sasl_plain_password": PASSWORD}

    def create_topic(
        self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None
    ) -> None:
        """Create a topic on as many replicas as there are nodes, up to three."""
        topic = NewTopic(name, partitions, self._replicas, config=dict(config or {}))
        self._admin.create_topics([topic])[name].result()
        self.until(lambda: name in self._metadata().topics, f"topic {name}")
        self.wait_in_sync()

    # Faults, and what to aim them at.

    def leader(self, topic: str, partition: int) -> int:
        """The node that leads a partition, -1 while there is none."""
        return int(self._metadata().topics[topic].partitions[partition].leader)

    def coordinator(self, group: str) -> int:
        """The node that coordinates a consumer group: the leader of the partition it is kept in.

        Placed as GroupMetadataManager does, by Java's hash of the name; DescribeConsumerGroups was
        seen to find no answer for minutes after a coordinator was killed.
        """
        hashed = 0
        for unit in group.encode("ascii"):
            hashed = (31 * hashed + unit) & 0xFFFFFFFF
        return self.leader("__consumer_offsets", (hashed & 0x7FFFFFFF) % _OFFSETS_PARTITIONS)

    def kill(self, node: int) -> None:
        """SIGKILL, as a machine that vanishes; returns when the process is gone."""
        self._signal(node, signal.SIGKILL)
        self._processes.pop(node).wait(STOP_S_MAX)

    def stop(self, node: int) -> None:
        """A clean shutdown, leaderships handed over first."""
        self._signal(node, signal.SIGTERM)
        try:
            self._processes[node].wait(STOP_S_MAX)
            del self._processes[node]
        except subprocess.TimeoutExpired:
            self.kill(node)

    def pause(self, node: int) -> None:
        """SIGSTOP: the process lives and answers nothing."""
        self._signal(node, signal.SIGSTOP)

    def resume(self, node: int) -> None:
        """SIGCONT after `pause`."""
        self._signal(node, signal.SIGCONT)

    def start(self, node: int) -> None:
        """Start a stopped or killed node on its own data and port; returns when it serves."""
        self._launch(node)
        self._await_brokers(self._processes)

    def wait_in_sync(self) -> None:
        """Return once every partition has a leader and all its replicas in sync."""
        self.until(self._in_sync, "replicas in sync")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Return once the condition holds; raises when a node dies or time is up."""
        deadline = time.monotonic() + READY_S_MAX
        while True:
            try:
                if condition():
                    return
            except KafkaException:
                pass  # nobody answers yet
            dead = [node for node, process in self._processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                node = dead[0] if dead else min(self._processes)
                tail = self._log(node).read_text(errors="replace")[-2000:]
                raise RuntimeError(f"Kafka: no {what}; exited: {dead}; log of {node}:\n{tail}")
            time.sleep(POLL_S)

    # How it is done.

    @property
    def _replicas(self) -> int:
        return min(3, len(self.nodes))

    def _properties(self, node: int) -> dict[str, str]:
        client, broker, controller = self._ports[node]
        addresses = f"CLIENT://{HOST}:{client},BROKER://{HOST}:{broker}"
        replicas = str(self._replicas)
        properties = {
            "node.id": str(node),
            "process.roles": "broker,controller",
            "controller.quorum.voters": ",".join(
                f"{n}@{HOST}:{ports[2]}" for n, ports in self._ports.items()
            ),
            "listeners": f"{addresses},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": addresses,
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": (
                "CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "log.dirs": str(self._directory / f"data-{node}"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": str(max(1, self._replicas - 1)),
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "1",
            "offsets.topic.num.partitions": str(_OFFSETS_PARTITIONS),
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # A killed broker is fenced after this; nine seconds by default.
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
        }
        if self._certificates:
            properties |= SASL | {
                "listener.name.client.ssl.keystore.type": "PEM",
                "listener.name.client.ssl.keystore.location": str(self._certificates.server),
            }
        return properties | self._settings

    def _format(self) -> None:
        """Give every node its storage, and the cluster its SCRAM user."""
        scram = ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
        cluster_id = new_cluster_id()
        for node in self.nodes:
            storage_tool(self._properties(node), self._config(node), cluster_id, *scram)

    def _config(self, node: int) -> Path:
        return self._directory / f"node-{node}.properties"

    def _log(self, node: int) -> Path:
        return self._directory / f"node-{node}.log"

    def _launch(self, node: int) -> None:
        with self._log(node).open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [*_java(), *JVM, *LOGGING, "kafka.Kafka", str(self._config(node))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is the test's to handle
            )

    def _signal(self, node: int, number: int) -> None:
        os.killpg(self._processes[node].pid, number)

    def _stop_all(self) -> None:
        """Nothing here is worth a clean shutdown: the data is deleted next."""
        for node in list(self._processes):
            self.kill(node)

    def _metadata(self) -> ClusterMetadata:
        return self._admin.list_topics(timeout=5)

    def _await_brokers(self, nodes: "Mapping[int, object] | range") -> None:
        wanted = set(nodes)
        self.until(lambda: wanted <= set(self._metadata().brokers), f"brokers {wanted}")

    def _in_sync(self) -> bool:
        topics = self._metadata().topics.values()
        partitions = [p for topic in topics for p in topic.partitions.values()]
        return all(p.leader > 0 and set(p.isrs) == set(p.replicas) for p in partitions)


class UnsignedToken(AbstractTokenProvider):
    """An OAUTHBEARER token that says who we are and is signed by nobody."""

    async def token(self) -> str:
        """RFC 7515 compact form with algorithm `none`, valid for an hour."""
        now_s = int(time.time())
        claims = {"sub": USER, "iat": now_s, "exp": now_s + 3600}
        return f"{_base64url({'alg': 'none'})}.{_base64url(claims)}."


def _base64url(value: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def storage_tool(
    properties: Mapping[str, str], file: Path, cluster_id: str | None = None, *options: str
) -> None:
    """Validate a node's properties and format its storage; `file` is written."""
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    command = [*_java(), "kafka.tools.StorageTool", "format", "--config", str(file), *options]
    command.append(f"--cluster-id={cluster_id or new_cluster_id()}")  # it may begin with a dash
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"Kafka refused {file}:\n{done.stdout}{done.stderr}")


def new_cluster_id() -> str:
    """Kafka's form of a UUID: 22 characters, base64 for addresses, no padding."""
    return base64.urlsafe_b64encode(uuid4().bytes).rstrip(b"=").decode()


@cache
def _java() -> tuple[str, ...]:
    tool = Path(__file__).parents[2] / "tools" / "provision"
    jars = subprocess.run([tool, "kafka"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return ("java", "-cp", f"{jars.strip()}/*")


def _free_port() -> int:
    """A free port below the range from which the kernel serves outgoing connections.

    A killed node needs its port again; one from that range could be taken meanwhile.
    """
    while True:
        port = SystemRandom().randint(20_000, 32_000)
        with socket() as candidate:
            if candidate.connect_ex((HOST, port)) != 0:
                return port
