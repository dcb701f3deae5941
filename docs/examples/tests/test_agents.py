"""Run the agent examples in their frameworks, with scripted models and a local stack."""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from docs.examples.tests.conftest import free_port, installed
from tests.local.stacks import Stack

FRAMEWORKS = ["ai-sdk", "ai-sdk-6", "openai-agents"]
WORK = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": "12500.50", "name": "deal 4711"}

users = itertools.count(90_000)


@dataclass(frozen=True)
class Ran:
    """The result of a finished agent run: the final text, the tool's answers, and the log."""

    text: str
    tool: list[str]
    told: str


type Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compile the examples with the AI SDK 7 and 6, which also checks their types."""
    folder, of_version_6 = installed("agents"), tmp_path_factory.mktemp("version") / "agents"
    shutil.copytree(folder, of_version_6, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (of_version_6 / "node_modules").mkdir()
    for package in (folder / "node_modules").iterdir():
        target = folder / "node_modules/ai-6" if package.name == "ai" else package
        (of_version_6 / "node_modules" / package.name).symlink_to(target)
    for each in (folder, of_version_6):
        tsc = subprocess.run(
            ["npm", "run", "build"], cwd=each, capture_output=True, text=True, timeout=120, check=False
        )
        assert tsc.returncode == 0, tsc.stdout
    places = {framework: folder / f"dist/scripted/{framework}.js" for framework in FRAMEWORKS}
    return places | {"ai-sdk-6": of_version_6 / "dist/scripted/ai-sdk.js"}


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def script(scripts: dict[str, Path], framework: str) -> Path:
    return scripts[framework]


@pytest.fixture
def user() -> int:
    return next(users)


@pytest.fixture
def run(script: Path, stack: Stack, user: int) -> Run:
    """Run an agent for the user. The agent's model answers each turn with the given text or tool call."""
    return partial(run_agent, script, stack.url, stack.key, user)


def run_agent(
    script: Path,
    url: str,
    key: str,
    user: int,
    *turns: str | dict[str, Any],
    response: str = "response-1",
    job: str = "",
) -> Ran:
    environment = {
        "PATH": os.environ["PATH"],
        "OUTCOMES_URL": url,
        "INTERNAL_API_KEY": key,
        "OUTCOMES_USER_ID": str(user),
    }
    command = ["node", str(script), json.dumps(turns), response, *filter(None, [job])]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    return Ran(**json.loads(ran.stdout), told=ran.stderr)


def recorded(stack: Stack, user: int) -> list[tuple[str, float | None]]:
    """Return the titles and values of the user's outcomes, oldest first."""
    answer = httpx.get(f"{stack.url}/api/outcomes", headers={"Cookie": stack.cookie(user)})
    return [(outcome["title"], outcome["value_usd"]) for outcome in reversed(answer.json()["outcomes"])]


@pytest.mark.parametrize("text", ["I could not close it.", "Soon it will be CLOSED $12500.50 Renewed Acme", "Done!"])
def test_any_other_final_output_is_no_outcome(run: Run, stack: Stack, user: int, text: str) -> None:
    assert run(text).told == ""
    assert recorded(stack, user) == []


def test_where_the_model_gives_no_id_the_ai_sdk_makes_one_and_openai_agents_does_not(
    run: Run, framework: str, stack: Stack, user: int
) -> None:
    told = framework == "openai-agents"
    assert ("The response has no id" in run("CLOSED $1 Renewed Acme", response="").told) == told
    assert len(recorded(stack, user)) == (0 if told else 1)


def test_a_run_counts_once_by_the_id_of_its_response_or_of_its_job(run: Run, stack: Stack, user: int) -> None:
    text = "CLOSED $12500.50 Renewed Acme"
    for response, job in (("1", ""), ("1", ""), ("2", ""), ("3", "job-7"), ("4", "job-7")):
        ran = run(text, response=f"response-{response}", job=job)
        assert (ran.text, ran.told) == (text, "")
    assert recorded(stack, user) == [("Renewed Acme", 12500.5)] * 3


def test_the_tool_records_once_for_a_name(run: Run, stack: Stack, user: int) -> None:
    ran = run(WORK, WORK, WORK | {"title": "Renewed Initech", "name": "deal-4712", "valueUsd": None}, "Both are done.")
    assert [answer.partition(" as ")[0] for answer in ran.tool] == ["Recorded"] * 3
    assert ran.tool[0] == ran.tool[1]
    assert recorded(stack, user) == [("Renewed Acme", 12500.5), ("Renewed Initech", None)]


def test_a_model_is_told_what_to_change_and_changes_it(run: Run, stack: Stack, user: int) -> None:
    ran = run(WORK | {"title": " "}, WORK, WORK | {"title": "Another deal"}, "Done.")
    assert ran.tool[0].startswith("Not recorded. ")
    assert "title" in ran.tool[0]
    assert ran.tool[0].endswith("Change that and call again.")
    assert ran.tool[1].startswith("Recorded as ")
    assert ran.tool[2] == "Not recorded. Another outcome has this name. If it is the same work, do nothing."
    assert recorded(stack, user) == [("Renewed Acme", 12500.5)]


def test_a_run_ends_well_where_the_api_is_down_and_its_failure_is_told_with_the_key(script: Path) -> None:
    down = partial(run_agent, script, f"http://127.0.0.1:{free_port()}", "made-up", 1)
    ran = down("CLOSED $1 Renewed Acme")
    assert ran.text == "CLOSED $1 Renewed Acme"
    assert "An outcome may or may not be recorded (idempotency key response-1)" in ran.told
    [answer] = down(WORK, "Done.").tool
    assert answer == "Not recorded. Call again later with the same name and fields."


def test_a_model_cannot_fix_an_invalid_key(script: Path, stack: Stack) -> None:
    refused = run_agent(script, stack.url, "no-key", 1, WORK, "Done.")
    assert refused.tool == ["Not recorded. You cannot fix this: tell the person who runs this agent."]
    assert "no-key" not in refused.told
