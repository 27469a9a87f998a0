"""The image and the compose file, as far as they can be held to account without a container engine.

The install steps are the image's own; Kafka's settings are given to the same Kafka; the rest is
checked against the published schema or by the tool that will read it.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import reconverge
from reconverge.config.settings import PREFIX, Settings
from tests.kafka.broker import storage_tool

ROOT = Path(__file__).parents[1]
NOBODY = "65532"


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Standard output, or an error that shows both streams."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def tool(name: str) -> Path:
    """A command of the environment that runs these tests."""
    return Path(sys.executable).parent / name


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def dockerfile(instruction: str) -> list[str]:
    """The arguments of each such instruction."""
    text = (ROOT / "Dockerfile").read_text()
    return re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    services: dict[str, Any] = read_yaml("docker-compose.yml")["services"]
    return services


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """What the image's one install step makes, in a folder that any user may read."""
    with tempfile.TemporaryDirectory(prefix="reconverge-image-") as folder:
        Path(folder).chmod(0o755)
        target = Path(folder) / "reconverge"
        # Debian's Python, which any user may run; a private one under a home folder is not.
        hasty = {"MYPYC_OPT_LEVEL": "0", "MYPYC_DEBUG_LEVEL": "0"}  # the image takes its time
        env = {"PATH": "/usr/bin:/bin", **hasty, **network_settings()}
        run(ROOT / "tools/install", target, env=env)
        yield target


def network_settings() -> dict[str, str]:
    """The settings by which pip finds its index on this machine; nothing else is inherited."""
    wanted = re.compile(r"PIP_.*|SSL_CERT_FILE|HTTPS?_PROXY|NO_PROXY|HOME", re.IGNORECASE)
    return {name: value for name, value in os.environ.items() if wanted.fullmatch(name)}


def confined() -> list[str]:
    """A command prefix: no environment, not root and, where allowed, nothing to write to."""
    root = os.geteuid() == 0
    user = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"] if root else []
    mounts = ["unshare", "--mount"] + ([] if root else ["--map-root-user"])
    read_only = [*mounts, "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh"]
    # Inside a container the mount is usually refused; the user alone then keeps files from harm.
    allowed = subprocess.run([*read_only, "true"], capture_output=True, check=False).returncode == 0
    return [*(read_only if allowed else []), *user, "env", "-i"]


def test_dockerfile_is_clean() -> None:
    run(tool("hadolint"), ROOT / "Dockerfile")


def test_dockerfile_installs_by_the_tested_script_and_is_not_root() -> None:
    assert dockerfile("RUN") == ["tools/install /opt/reconverge"]
    assert dockerfile("USER") == [f"{NOBODY}:{NOBODY}"]


def test_builder_is_sent_what_the_dockerfile_copies() -> None:
    ignore = (ROOT / ".dockerignore").read_text()
    sent = re.findall(r"^!(.*)$", ignore, re.MULTILINE)
    copied = [name for line in dockerfile("COPY(?! --from)") for name in line.split()[:-1]]
    assert sorted(sent) == sorted(copied)
    assert all((ROOT / name).exists() for name in sent)


@pytest.mark.slow
def test_installed_service_runs_read_only_as_nobody_with_its_core_compiled(image: Path) -> None:
    version = run(*confined(), image / "bin/reconverge", "--version")
    assert version == f"{reconverge.__version__}, core compiled\n"


@pytest.mark.slow
def test_image_carries_no_installer_or_build_tool(image: Path) -> None:
    packages = {path.name for path in (image / "lib").glob("python3*/site-packages/*")}
    assert "reconverge" in packages
    assert packages.isdisjoint({"pip", "setuptools", "hatchling"})


def test_compose_file_follows_the_specification() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    run(tool("check-jsonschema"), *schema, ROOT / "docker-compose.yml")


def test_compose_publishes_on_loopback_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_runs_the_service_read_only_and_unprivileged(compose: dict[str, Any]) -> None:
    for name in ("topics", "reconverge"):
        assert compose[name]["read_only"]
        assert compose[name]["cap_drop"] == ["ALL"]


def test_environment_names_settings_that_exist(compose: dict[str, Any]) -> None:
    given = {name for service in compose.values() for name in service.get("environment", {})}
    given |= set(re.findall(r"^\s+(\w+)=", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    ours = {name for name in given if name.startswith(PREFIX)}
    assert ours >= {"RECONVERGE_BOOTSTRAP_SERVERS", "RECONVERGE_HTTP_HOST"}
    assert {name.removeprefix(PREFIX).lower() for name in ours} <= Settings.model_fields.keys()


def test_compose_gives_kafka_settings_that_kafka_accepts(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    """The image turns KAFKA_LOG_DIRS into log.dirs; the same Kafka version validates them here."""
    settings = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
        for name, value in compose["kafka"]["environment"].items()
    }
    settings["log.dirs"] = str(tmp_path / "data")
    storage_tool(settings, tmp_path / "server.properties")
    assert (tmp_path / "data/meta.properties").exists()


def test_prometheus_configuration_is_valid() -> None:
    promtool = run(ROOT / "tools/provision", "command", "promtool=prometheus").strip()
    run(promtool, "check", "config", ROOT / "deploy/prometheus/prometheus.yml")


def test_prometheus_scrapes_the_port_of_the_image(compose: dict[str, Any]) -> None:
    (job,) = read_yaml("deploy/prometheus/prometheus.yml")["scrape_configs"]
    ((target,),) = (group["targets"] for group in job["static_configs"])
    service, port = target.split(":")
    assert service in compose
    assert dockerfile("EXPOSE") == [port]
