"""Run what docs/agents.md, webhooks.md, mcp.md and sessions.md say with the newest versions of others' packages.

`make adopters` installs these packages into .adopters, unpinned, and runs these tests against a local stack.
"""

import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest

from clients.python.tests.faults import FaultyServer
from tests.local.stacks import ROOT, Stack, running
from tests.servers import serving

HERE = Path(__file__).parent
PACKAGES = ROOT / ".adopters"
RECIPES = {"pydantic-ai": "venv", "CrewAI": "crewai", "Anthropic's SDK": "venv", "LlamaIndex": "venv"}
SILENT = {"CREWAI_DISABLE_TELEMETRY": "true", "OTEL_SDK_DISABLED": "true"}
OWNER = 42
jobs = count()

type Posted = Queue[tuple[dict[str, str], bytes]]


@pytest.fixture(scope="module")
def posted() -> Iterator[tuple[str, Posted]]:
    """Yield the URL of a receiver of webhooks, and the requests that it got."""
    received: Posted = Queue()

    def receive(_method: str, _target: str, headers: Mapping[str, str], body: bytes) -> Any:
        received.put(({name.lower(): value for name, value in headers.items()}, body))
        return 204, {}, b""

    with serving(FaultyServer(receive)) as server:
        yield f"{server.url}/", received


@pytest.fixture(scope="module")
def whole(posted: tuple[str, Posted], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a stack with all capabilities that posts its events."""
    with running(tmp_path_factory.mktemp("whole"), environment={"EVENTS_URL": posted[0]}) as stack:
        yield stack


@pytest.fixture(scope="module")
def given(whole: Stack, posted: tuple[str, Posted]) -> dict[str, Any]:
    """Return what a stranger's program reads from its standard input."""
    deal = {"outcomeType": "deal_closed", "title": "Renewed Acme", "userId": OWNER, "valueUsd": 12500.5}
    httpx.post(
        f"{whole.url}/api/outcomes", headers={"Authorization": f"Bearer {whole.key}"}, json=deal
    ).raise_for_status()
    headers, body = posted[1].get(timeout=30)
    bearer = whole.command("session", "--user-id", str(OWNER), "--kind", "oidc").stdout.split()[-1]
    [secret] = [word for word in whole.output_file.read_text().split() if word.startswith("whsec_")]
    statements = ROOT / "clients/statements"
    return {
        "url": whole.url,
        "key": whole.key,
        "bearer": bearer,
        "jwks": f"{whole.url}/.well-known/jwks.json",
        "webhook": {"headers": headers, "body": b64encode(body).decode()},
        "secret": secret.rstrip("."),
        "statement": (statements / "2026-10.json").read_text(),
        "keys": (statements / "keys.json").read_text(),
        "sessionSecret": whole.session_secret,
        "user": OWNER,
    }


def run(*command: Any, given: str = "", **environment: str) -> str:
    """Run a program, and return what it printed last. Fail with its whole output if it fails."""
    variables = os.environ | SILENT | environment
    ran = subprocess.run(
        [*map(str, command)], input=given, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.mark.parametrize("heading", RECIPES)
def test_a_job_that_a_recipe_runs_twice_counts_once(whole: Stack, heading: str) -> None:
    job, python = f"job-{next(jobs)}", PACKAGES / RECIPES[heading] / "bin/python"
    command = (python, HERE / "recipe.py", heading, job)
    first, again = (run(*command, OUTCOMES_URL=whole.url, INTERNAL_API_KEY=whole.key).split()[-1] for _ in range(2))

    answer = httpx.get(f"{whole.url}/api/outcomes", headers={"Cookie": whole.cookie(OWNER)})
    assert first == again
    assert [one["value_usd"] for one in answer.json()["outcomes"] if one["id"] == first] == [12500.5]


def test_python_libraries_of_others_understand_the_api(given: dict[str, Any]) -> None:
    said = run(PACKAGES / "venv/bin/python", HERE / "strangers.py", given=json.dumps(given))
    assert said.splitlines() == ["ok standardwebhooks", "ok svix", "ok cloudevents", "ok PyJWT", "ok mcp"]


def test_npm_packages_of_others_understand_the_api(given: dict[str, Any]) -> None:
    # Node resolves packages from the script's own folder.
    script = shutil.copy(HERE / "strangers.mjs", PACKAGES / "npm")
    assert run("node", script, given=json.dumps(given)).count("ok ") == 8


@pytest.mark.parametrize("framework", ["ai-sdk", "openai-agents"])
def test_an_agent_of_the_newest_javascript_framework_records(whole: Stack, framework: str, tmp_path: Path) -> None:
    shutil.copytree(
        HERE.parents[1] / "agents", tmp_path, ignore=shutil.ignore_patterns("node_modules", "dist"), dirs_exist_ok=True
    )
    (tmp_path / "node_modules").symlink_to(PACKAGES / "npm/node_modules")
    run(PACKAGES / "npm/node_modules/.bin/tsc", "--project", tmp_path)
    turns = json.dumps(["CLOSED $12500.50 Renewed Acme"])
    user = 90_000 + next(jobs)
    environment = {"OUTCOMES_URL": whole.url, "INTERNAL_API_KEY": whole.key, "OUTCOMES_USER_ID": str(user)}
    run("node", tmp_path / f"dist/scripted/{framework}.js", turns, f"response-{user}", **environment)

    answer = httpx.get(f"{whole.url}/api/outcomes", headers={"Cookie": whole.cookie(user)})
    assert [(one["title"], one["value_usd"]) for one in answer.json()["outcomes"]] == [("Renewed Acme", 12500.5)]
