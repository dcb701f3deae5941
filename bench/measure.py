"""Run built functions in new processes of the runtime's Python, with only Lambda's packages on the path."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from outcomes.auth.keys import fingerprint

from bench import certificates
from bench.outcome import API_KEY
from bench.runtime_api import Moment, life
from ops.template import default_outcome_types, parse_yaml

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".bench"
"""The folder that `make bench` prepares: python (an empty environment), runtime, usual, build."""

BUILD = PLACE / "build"
LAYER = BUILD / "CommonLayer/python"
RUNTIME = PLACE / "runtime"
USUAL = (ROOT / "bench/usual", PLACE / "usual", RUNTIME)
NOTHING = ROOT / "bench/bare"
"""A function that does nothing."""

KNOWN_WHEN_DEPLOYED = {
    "OUTCOMES_TABLE": "outcomes",
    "IDEMPOTENCY_TABLE": "idempotency",
    "SESSIONS_TABLE": "sessions",
    "KEYS_TABLE": "keys",
    "TOTALS_TABLE": "totals",
    "TOTALS_EDITION": "1",
    "COSTS_TABLE": "costs",
    "SESSION_SECRET_OVERLAP_DAYS": "30",
    "SESSION_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:session",
    "KEY_FINGERPRINTS": fingerprint(API_KEY),
    "DASHBOARD_ORIGINS": "https://app.example.com",
    "PLATFORM_MAY_READ": "false",
    "CAPABILITIES": "batch, totals, agentkeys, corrections, export, datarequests, modeltools",
    "ACCEPT_PLAIN_COOKIES": "true",
    "OIDC_ISSUER": "",
    "OUTCOME_TYPES": ",".join(default_outcome_types(parse_yaml((ROOT / "template.yaml").read_text()))),
    "SCOPES": "record,read,correct,backfill,cost",
    "STATEMENTS_TABLE": "statements",
    "STATEMENT_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:statement",
    "ISSUER": "https://api.example.com",
    "POWERTOOLS_METRICS_NAMESPACE": "Outcomes/bench",
}

OF_LAMBDA = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_SESSION_TOKEN": "bench" * 100,  # a session token on Lambda has about this length
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "LAMBDA_TASK_ROOT": "/var/task",
    "_X_AMZN_TRACE_ID": "Root=1-67f0b2d1-5a1c9d1e2f3b4c5d6e7f8091;Parent=53995c3f42cd8ad8;Sampled=1",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's folders /opt and /var/task are read-only
    "PYTHONSAFEPATH": "1",
    "PATH": os.defpath,
}
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""


@dataclass(frozen=True)
class Program:
    """A program to measure. path: the folders in its PYTHONPATH. variables: its environment variables."""

    path: tuple[Path, ...] = (RUNTIME,)
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return OF_LAMBDA | dict(self.variables) | {"PYTHONPATH": ":".join(map(str, self.path))}

    def with_variables(self, variables: Mapping[str, str]) -> "Program":
        return Program(self.path, {**self.variables, **variables})


def function(logical_id: str, layer: Path = LAYER, runtime: Path = RUNTIME) -> Program:
    """Return a built function as a program, with the template's environment variables."""
    template = parse_yaml((BUILD / "template.yaml").read_text())
    properties = template["Resources"][logical_id]["Properties"]
    variables = {
        **template["Globals"]["Function"].get("Environment", {}).get("Variables", {}),
        **properties.get("Environment", {}).get("Variables", {}),
    }
    known = {name: KNOWN_WHEN_DEPLOYED.get(name, value) for name, value in variables.items()}
    return Program(
        (BUILD / properties["CodeUri"], layer, runtime),
        {name: value for name, value in known.items() if isinstance(value, str)},
    )


def uncompiled(folder: Path) -> Path:
    """Copy a folder without its .pyc files, and return the copy."""
    copy = PLACE / "uncompiled" / folder.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"), copy_function=os.link)
    return copy


def handled(event: dict[str, Any], module: str = "app") -> dict[str, Any]:
    """Return the JSON that tells a worker which handler to call with which event."""
    return {"call": "handler", "module": module, "event": event}


@dataclass(frozen=True)
class Times:
    """Median times, in seconds."""

    cpu: float
    wall: float


class Samples:
    """Measurements by the name of the program.

    Programs are measured in turns, so that other load on the machine affects all of them equally.
    """

    def __init__(self) -> None:
        self.cpu: dict[str, list[float]] = {}
        self.wall: dict[str, list[float]] = {}

    def add(self, name: str, cpu: float, wall: float) -> None:
        self.cpu.setdefault(name, []).append(cpu)
        self.wall.setdefault(name, []).append(wall)

    def times(self) -> dict[str, Times]:
        return {name: Times(median(self.cpu[name]), median(self.wall[name])) for name in self.cpu}


def run_once(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Measure a process: seconds of processor time and wall time. Raises RuntimeError if it fails."""
    begun = time.perf_counter()
    no_output = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], command, environment, file_actions=no_output)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    if status:
        raise RuntimeError(f"{command!r} failed")
    return used.ru_utime + used.ru_stime, wall


def in_turns(commands: Mapping[str, tuple[list[str], Mapping[str, str]]], runs: int) -> dict[str, Times]:
    """Run each command with its environment, `runs` times and in turns."""
    samples = Samples()
    for run in range(-1, runs):  # the first round only fills the file cache
        for name, (command, environment) in commands.items():
            cpu, wall = run_once(command, environment)
            if run >= 0:
                samples.add(name, cpu, wall)
    return samples.times()


def starts(programs: Mapping[str, tuple[Program, str]], runs: int) -> dict[str, Times]:
    """Measure new processes until they have run the code. Python's own shutdown is not included."""
    python = str(PLACE / "python/bin/python")
    commands = {
        name: ([python, "-c", f"{code}\nimport os; os._exit(0)"], program.environment)
        for name, (program, code) in programs.items()
    }
    return in_turns(commands, runs)


BOOTSTRAP = "import sys; from awslambdaric.__main__ import main; main(sys.argv)"
"""The command that starts Lambda's runtime."""


class Lives(NamedTuple):
    """Medians of processes that Lambda's bootstrap starts.

    event: the resources used until the first event. answered: the resources used until its answer.
    """

    event: Moment
    answered: Moment


type Cold = tuple[Program, str, dict[str, Any]]
"""A program, its handler such as `app.handler`, and its event."""


def lives(
    programs: Mapping[str, Cold], together: Mapping[str, tuple[str, ...]], runs: int, check: Callable[[str, Any], None]
) -> dict[str, Lives]:
    """Run each program `runs` times, in turns, from Lambda's bootstrap to the answer to its event.

    together: groups of programs that are called one after another, by the group's name. check: a function that raises
    an error for a wrong answer.
    """
    python = str(PLACE / "python/bin/python")
    events, answers = defaultdict[str, list[Moment]](list), defaultdict[str, list[Moment]](list)
    for run in range(-1, runs):  # the first round only fills the file cache
        taken = {}
        for name, (program, handler, event) in programs.items():
            taken[name] = life([python, "-c", BOOTSTRAP, handler], program.environment, event)
            check(name, taken[name].answer)
        if run < 0:
            continue
        for name, parts in [*((name, (name,)) for name in programs), *together.items()]:
            events[name].append(_one_after_the_other([taken[part].event for part in parts]))
            answers[name].append(_one_after_the_other([taken[part].answered for part in parts]))
    return {name: Lives(_median(events[name]), _median(answers[name])) for name in events}


def _one_after_the_other(moments: list[Moment]) -> Moment:
    cpu, wall, peak_bytes = zip(*moments, strict=True)
    return Moment(sum(cpu), sum(wall), max(peak_bytes))


def _median(moments: list[Moment]) -> Moment:
    cpu, wall, peak_bytes = zip(*moments, strict=True)
    return Moment(median(cpu), median(wall), int(median(peak_bytes)))


class Stub:
    """A running stub.

    variables: environment variables that make a program call the stub over HTTP. tls_variables: the same over TLS.
    """

    def __init__(self, port: int, tls_port: int, authorities: Path) -> None:
        self.port = port
        self.variables = _endpoints(f"http://127.0.0.1:{port}")
        self.tls_variables = _endpoints(f"https://127.0.0.1:{tls_port}") | {"AWS_CA_BUNDLE": str(authorities)}

    def counts(self) -> dict[str, int]:
        """Return how often each operation was called since the previous call of this method."""
        connection = HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/counts")
        counts: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return counts


def _endpoints(url: str) -> dict[str, str]:
    return {f"AWS_ENDPOINT_URL_{service}": url for service in ("DYNAMODB", "SECRETS_MANAGER")}


@contextmanager
def stub(trusted: Path = LAYER / "outcomes/aws/amazon_roots.pem") -> Iterator[Stub]:
    """Run a stub in another process. Its clients trust the authorities in `trusted` and the stub's own authority."""
    with TemporaryDirectory() as folder:
        made = certificates.make(Path(folder), trusted)
        with subprocess.Popen(
            [sys.executable, "-m", "bench.stub", str(made.server)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": "layers/common"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            port, tls_port = int(process.stdout.readline()), int(process.stdout.readline())
            yield Stub(port, tls_port, made.authorities)
            process.stdin.close()


class Worker:
    """A warm process that makes one kind of call."""

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
        """Make the call and return its result, or make it several times and return the time taken."""
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
    """Run a warm worker for each call."""
    with ExitStack() as stack:
        working = {}
        for name, (program, spec) in calls.items():
            working[name] = Worker(program, spec)
            stack.callback(working[name].close)
            working[name].call(20)
        yield working


def warm(working: Mapping[str, Worker], rounds: int, times: int) -> dict[str, Times]:
    """Measure the seconds of one call of each worker, in turns."""
    samples = Samples()
    for _ in range(rounds):
        for name, worker in working.items():
            taken = worker.call(times)
            samples.add(name, taken["cpu"] / times, taken["wall"] / times)
    return samples.times()


def versions() -> dict[str, str]:
    """Return the processor and the versions of Python and packages."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    found = {
        "processor": f"{os.cpu_count()} x {models[0].partition(':')[2].strip() if models else platform.machine()}",
        "python": platform.python_version(),
    }
    for name in (
        "awslambdaric",
        "boto3",
        "botocore",
        "pydantic_core",
        "aws_lambda_powertools",
        "fastapi",
        "mangum",
        "tzdata",
    ):
        for folder in (RUNTIME, LAYER, PLACE / "usual"):
            for metadata in folder.glob(f"{name}-*.dist-info"):
                found[name] = metadata.name.removesuffix(".dist-info").rpartition("-")[2]
    return found
