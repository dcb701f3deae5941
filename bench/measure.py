"""Runs what `make build` built in fresh processes of the runtime's Python, with no more in reach than in Lambda."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any

from outcomes.auth.keys import fingerprint
from samcli.yamlhelper import yaml_parse

from bench.outcome import API_KEY

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".bench"
"""What `make bench` prepares: python (with nothing installed), runtime, usual, build."""

BUILD = PLACE / "build"
LAYER = BUILD / "CommonLayer/python"
RUNTIME = PLACE / "runtime"
USUAL = [ROOT / "bench/usual", PLACE / "usual"]

KNOWN_WHEN_DEPLOYED = {
    "OUTCOMES_TABLE": "outcomes",
    "IDEMPOTENCY_TABLE": "idempotency",
    "SESSIONS_TABLE": "sessions",
    "SESSION_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:session",
    "KEY_FINGERPRINTS": fingerprint(API_KEY),
    "DASHBOARD_ORIGINS": "https://app.example.com",
    "ACCEPT_PLAIN_COOKIES": "true",
    "POWERTOOLS_METRICS_NAMESPACE": "Outcomes/bench",
}

OF_LAMBDA = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_SESSION_TOKEN": "bench" * 100,  # as long as Lambda's
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "LAMBDA_TASK_ROOT": "/var/task",
    "_X_AMZN_TRACE_ID": "Root=1-67f0b2d1-5a1c9d1e2f3b4c5d6e7f8091;Parent=53995c3f42cd8ad8;Sampled=1",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "PYTHONDONTWRITEBYTECODE": "1",  # /opt and /var/task are read-only
    "PYTHONSAFEPATH": "1",
    "PATH": os.defpath,
}
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""


@dataclass(frozen=True)
class Program:
    """A function, or what it is compared with. path: where it finds modules. variables: its environment."""

    path: tuple[Path, ...] = (RUNTIME,)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return OF_LAMBDA | dict(self.variables) | {"PYTHONPATH": ":".join(map(str, self.path))}

    def with_variables(self, variables: Mapping[str, str]) -> "Program":
        return Program(self.path, {**self.variables, **variables})


def function(logical_id: str, layer: Path = LAYER) -> Program:
    """Find a function as it is built, with the variables that the template gives it."""
    template = yaml_parse((BUILD / "template.yaml").read_text())
    properties = template["Resources"][logical_id]["Properties"]
    variables = {
        **template["Globals"]["Function"].get("Environment", {}).get("Variables", {}),
        **properties.get("Environment", {}).get("Variables", {}),
    }
    known = {name: KNOWN_WHEN_DEPLOYED.get(name, value) for name, value in variables.items()}
    return Program(
        (BUILD / properties["CodeUri"], layer, RUNTIME),
        {name: value for name, value in known.items() if isinstance(value, str)},
    )


@dataclass(frozen=True)
class Times:
    """Medians, in seconds."""

    cpu: float
    wall: float


class Samples:
    """Measurements by name, taken in turns, so that what else the machine does meets all alike."""

    def __init__(self) -> None:
        self.cpu: dict[str, list[float]] = {}
        self.wall: dict[str, list[float]] = {}

    def add(self, name: str, cpu: float, wall: float) -> None:
        self.cpu.setdefault(name, []).append(cpu)
        self.wall.setdefault(name, []).append(wall)

    def times(self) -> dict[str, Times]:
        return {name: Times(median(self.cpu[name]), median(self.wall[name])) for name in self.cpu}


def start(program: Program, code: str) -> tuple[float, float]:
    """Measure seconds of processor and of wall time until a new process has run `code`; how it ends is left out.

    Raises RuntimeError when it fails.
    """
    begun = time.perf_counter()
    argv = [str(PLACE / "python/bin/python"), "-c", f"{code}\nimport os; os._exit(0)"]
    pid = os.posix_spawn(
        argv[0], argv, program.environment, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    if status:
        raise RuntimeError(f"{code!r} failed")
    return used.ru_utime + used.ru_stime, wall


def starts(programs: Mapping[str, tuple[Program, str]], runs: int) -> dict[str, Times]:
    """Start each program `runs` times, in turns."""
    samples = Samples()
    for run in range(-1, runs):  # the first round only warms the file cache
        for name, (program, code) in programs.items():
            cpu, wall = start(program, code)
            if run >= 0:
                samples.add(name, cpu, wall)
    return samples.times()


class Stub:
    """A running stub."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.variables = {
            f"AWS_ENDPOINT_URL_{service}": f"http://127.0.0.1:{port}" for service in ("DYNAMODB", "SECRETS_MANAGER")
        }

    def counts(self) -> dict[str, int]:
        """Count calls by operation since the last count."""
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/counts")
        counts: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return counts


@contextmanager
def stub() -> Iterator[Stub]:
    """Run a stub in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.stub"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Stub(int(process.stdout.readline()))
        process.stdin.close()


class Worker:
    """A process that makes one kind of call, warm."""

    def __init__(self, program: Program, spec: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [PLACE / "python/bin/python", ROOT / "bench/worker.py"],
            env=program.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps(spec))

    def call(self, times: int = 1) -> Any:
        """Make the call, and return what it did; or, made several times, how long that took."""
        self._say(str(times))
        assert self.process.stdout
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the measured process failed")
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _say(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


@contextmanager
def workers(calls: Mapping[str, tuple[Program, dict[str, Any]]]) -> Iterator[dict[str, Worker]]:
    """Run a warm worker for each call: each has made its call a few times."""
    with ExitStack() as stack:
        working = {}
        for name, (program, spec) in calls.items():
            working[name] = Worker(program, spec)
            stack.callback(working[name].close)
            working[name].call(20)
        yield working


def warm(working: Mapping[str, Worker], rounds: int, times: int) -> dict[str, Times]:
    """Measure the seconds for one call of each, in turns."""
    samples = Samples()
    for _ in range(rounds):
        for name, worker in working.items():
            taken = worker.call(times)
            samples.add(name, taken["cpu"] / times, taken["wall"] / times)
    return samples.times()


def versions() -> dict[str, str]:
    """Describe machine and versions, for whoever reads the results later."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    found = {
        "processor": f"{os.cpu_count()} x {models[0].partition(':')[2].strip() if models else platform.machine()}",
        "python": platform.python_version(),
    }
    for name in ("boto3", "botocore", "pydantic_core", "aws_lambda_powertools", "fastapi", "mangum"):
        for folder in (RUNTIME, LAYER, PLACE / "usual"):
            for metadata in folder.glob(f"{name}-*.dist-info"):
                found[name] = metadata.name.removesuffix(".dist-info").rpartition("-")[2]
    return found
