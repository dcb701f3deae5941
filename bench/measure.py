"""Run built functions in new processes of the runtime's Python, with only Lambda's packages on the path."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import trustme
from outcomes.auth.keys import fingerprint

from bench.outcome import API_KEY
from bench.report import Times
from bench.runtime_api import life
from ops.template import default_outcome_types, parse_yaml

ROOT = Path(__file__).parents[1]
PLACE = ROOT / ".bench"
"""The folder that `make bench` prepares: python (an empty environment), runtime, usual, build."""

PYTHON = str(PLACE / "python/bin/python")
BUILD = PLACE / "build"
LAYER = BUILD / "CommonLayer/python"
RUNTIME = PLACE / "runtime"
USUAL = (PLACE / "usual", RUNTIME)
NOTHING = ROOT / "bench/bare"
"""A function that does nothing."""

TABLES = "outcomes", "idempotency", "sessions", "keys", "totals", "costs", "watches", "statements"
KNOWN_WHEN_DEPLOYED = {
    **{f"{table.upper()}_TABLE": table for table in TABLES},
    "DEFINITIONS_TABLE": "statements",
    "OUTCOMES_PER_DAY": "10000",
    "TOTALS_EDITION": "1",
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


def function(name: str) -> Program:
    """Return the built function `<name>Function` as a program, with the template's environment variables."""
    template = parse_yaml((BUILD / "template.yaml").read_text())
    properties = template["Resources"][f"{name}Function"]["Properties"]
    variables = {
        **template["Globals"]["Function"].get("Environment", {}).get("Variables", {}),
        **properties.get("Environment", {}).get("Variables", {}),
    }
    known = {name: KNOWN_WHEN_DEPLOYED.get(name, value) for name, value in variables.items()}
    path = BUILD / properties["CodeUri"], LAYER, RUNTIME
    return Program(path, {name: value for name, value in known.items() if isinstance(value, str)})


def check(name: str, result: dict[str, Any]) -> None:
    """Raise RuntimeError if a call failed, because its time would mean nothing."""
    status = result.get("statusCode") or result.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status != 200 and "policyDocument" not in result:
        raise RuntimeError(f"{name} failed: {result}")


def in_turns[Name](measured: Mapping[Name, Callable[[], Times]], rounds: int) -> dict[Name, Times]:
    """Return medians of many rounds, which measure in turns, so that other load affects all of them."""
    samples: dict[Name, list[Times]] = {name: [] for name in measured}
    for _ in range(rounds + 1):
        for name, measure in measured.items():
            samples[name].append(measure())
    # The first round only fills the file cache.
    return {name: Times(*map(median, zip(*each[1:], strict=True))) for name, each in samples.items()}


def process(command: list[str], environment: Mapping[str, str]) -> Times:
    """Measure a process. Raises RuntimeError if it fails."""
    begun = time.perf_counter()
    no_output = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], command, environment, file_actions=no_output)
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"{command!r} failed")
    return Times(used.ru_utime + used.ru_stime, time.perf_counter() - begun)


def start(program: Program, code: str) -> Times:
    """Measure a new process until it has run the code. Python's own shutdown is not included."""
    return process([PYTHON, "-c", f"{code}\nimport os; os._exit(0)"], program.environment)


BOOTSTRAP = "import sys; from awslambdaric.__main__ import main; main(sys.argv)"
"""The command that starts Lambda's runtime."""


def cold(program: Program, event: dict[str, Any]) -> Times:
    """Measure a new process from Lambda's bootstrap to its handler's answer to its event."""
    taken, answer = life([PYTHON, "-c", BOOTSTRAP, "app.handler"], program.environment, event)
    check("a cold call", answer)
    return taken


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
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    certificate = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    with TemporaryDirectory() as folder:
        server, authorities = Path(folder, "server.pem"), Path(folder, "authorities.pem")
        certificate.private_key_and_cert_chain_pem.write_to_path(server)
        authorities.write_bytes(trusted.read_bytes() + b"\n" + authority.cert_pem.bytes())
        with subprocess.Popen(
            [sys.executable, "-m", "bench.stub", str(server)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": "layers/common"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            yield Stub(int(process.stdout.readline()), int(process.stdout.readline()), authorities)
            process.stdin.close()


class Worker:
    """A warm process that makes one kind of call."""

    def __init__(self, program: Program, spec: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [PYTHON, ROOT / "bench/worker.py"],
            env=program.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._say(json.dumps(spec))

    def call(self, times: int = 1) -> Any:
        """Make the call and return its result, or make it several times and return the seconds of one as `Times`."""
        self._say(str(times))
        assert self.process.stdout
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the measured process failed")
        return json.loads(answer) if times == 1 else Times(*json.loads(answer))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def _say(self, line: str) -> None:
        assert self.process.stdin
        print(line, file=self.process.stdin, flush=True)


@contextmanager
def workers(calls: Mapping[str, tuple[Program, dict[str, Any]]], service: Stub) -> Iterator[dict[str, Worker]]:
    """Run a warm worker for each call, whose first answer was right."""
    with ExitStack() as stack:
        working = {}
        for name, (program, spec) in calls.items():
            working[name] = Worker(program.with_variables(service.variables), spec)
            stack.callback(working[name].close)
            check(name, working[name].call())
            working[name].call(20)
        yield working


def versions() -> dict[str, str]:
    """Return the processor and the versions of Python and packages."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    found = {"processor": f"{os.cpu_count()} x {model}", "python": platform.python_version()}
    for name in ("awslambdaric", "boto3", "botocore", "pydantic_core", "aws_lambda_powertools", "tzdata"):
        for folder in (RUNTIME, LAYER, PLACE / "usual"):
            for metadata in folder.glob(f"{name}-*.dist-info"):
                found[name] = metadata.name.removesuffix(".dist-info").rpartition("-")[2]
    return found
