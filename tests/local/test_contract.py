"""openapi.yaml agrees with the code and with the running stack."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from docs import openapi
from ops.template import declared_paths
from tests.local.stacks import ROOT, Stack

HERE = Path(__file__).parent
# Whom no other test has, nor each other's idempotency keys.
USER, KEYS_USER = 4_004, 4_005

# The code that reads bodies and queries is the same whoever calls. So each kind of them is tried by one caller, the
# platform's key where it may call at all; and random ones by a session.
EACH_KIND = "--phases=examples,coverage"
BY_KEY = ["recordOutcome", "recordOutcomes", "createKey", "listKeys", "rotateKey", "revokeKey"]


def test_it_is_what_make_openapi_makes() -> None:
    assert openapi.TARGET.read_text() == openapi.text(), "run make openapi"


def test_it_is_valid_openapi() -> None:
    validate(openapi.document())


def test_every_route_of_the_template_is_in_it(template: Any) -> None:
    paths = declared_paths(template["Resources"]["OutcomesApi"]["Properties"])
    assert {(path, method) for path, methods in openapi.document()["paths"].items() for method in methods} == {
        (path, method) for path, methods in paths.items() for method, route in methods.items() if "security" in route
    }


def contents(node: Any) -> Iterator[Any]:
    """Find all nodes that have a schema and examples of it."""
    if isinstance(node, dict):
        if "examples" in node:
            yield node
        for value in node.values():
            yield from contents(value)


def test_its_examples_are_what_it_says() -> None:
    document = openapi.document()
    found = list(contents(document["paths"]))
    assert len(found) > 30
    for content in found:
        validator = OAS31Validator(content["schema"] | {"components": document["components"]})
        for example in content["examples"].values():
            validator.validate(example["value"])


def schemathesis(document: Path, stack: Stack, folder: Path, auth: str, *options: str, agent_key: str = "") -> str:
    """Run schemathesis against the stack, and return its report. auth: its configuration of credentials."""
    config = folder / "schemathesis.toml"
    config.write_text(f"{(HERE / 'schemathesis.toml').read_text()}\n{auth}")
    command = [str(Path(sys.executable).parent / "schemathesis"), "--no-color", f"--config-file={config}"]
    done = subprocess.run(
        [*command, "run", str(document), f"--url={stack.url}", *options],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}", "KEY": stack.key, "AGENT_KEY": agent_key}
        | {"SESSION": stack.cookie(USER).partition("=")[2]}
        | {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")},  # has what takes a second to find out of Unicode
        capture_output=True,
        text=True,
        timeout=600,  # a busy machine takes its time
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def not_each_kind(*operations: str) -> str:
    """Configure for operations that not each kind of what they take is tried."""
    return f"[[operations]]\ninclude-operation-id = {json.dumps(operations)}\nphases.coverage.enabled = false\n"


def tried(report: str) -> int:
    """Return how many requests schemathesis has made. Raises AssertionError unless all of them passed."""
    found = re.search(r"(\d+) generated, \1 passed", report)
    assert found, report
    return int(found[1])


def users_of_keys(document: Any) -> Iterator[Any]:
    """Find the query parameters that say whose keys a call is about."""
    for path, method in (("/api/keys", "get"), ("/api/keys/{id}", "delete")):
        yield from [each for each in document["paths"][path][method]["parameters"] if each["name"] == "userId"]


def written(document: Any, folder: Path) -> Path:
    """Write a document whose examples are of a user of its own: the platform's key may write of any."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(document).replace('"userId": 42', f'"userId": {KEYS_USER}'))
    return file


def test_schemathesis_finds_nothing_when_calling_with_a_key(stack: Stack, tmp_path: Path) -> None:
    document = openapi.document()
    # It belongs to no user, so whose keys it is about has to be said.
    for schema in ("NewAgentKey", "Rotation"):
        document["components"]["schemas"][schema].setdefault("required", []).append("userId")
    for user in users_of_keys(document):
        user["required"] = True

    report = schemathesis(
        written(document, tmp_path),
        stack,
        tmp_path,
        '[auth.openapi.Key]\nbearer = "${KEY}"',
        f"--include-operation-id-regex=^({'|'.join(BY_KEY)})$",
        EACH_KIND,
    )
    assert tried(report) > 200


def test_schemathesis_finds_nothing_when_calling_with_an_agent_key(stack: Stack, tmp_path: Path) -> None:
    made = httpx.post(
        f"{stack.url}/api/keys",
        headers={"Authorization": f"Bearer {stack.key}"},
        json={"name": "Schemathesis", "userId": USER, "outcomeTypes": ["deal_closed"], "maxValueUsd": 500},
    ).json()
    report = schemathesis(
        openapi.TARGET,
        stack,
        tmp_path,
        f'{not_each_kind("recordOutcomes")}[auth.openapi.AgentKey]\nbearer = "${{AGENT_KEY}}"',
        "--include-operation-id-regex=^(record|showOwnKey|callTools)",
        EACH_KIND,
        agent_key=made["key"],
    )
    assert tried(report) > 200


def test_schemathesis_finds_nothing_when_calling_with_a_session(stack: Stack, tmp_path: Path) -> None:
    document = openapi.document()
    # A session says by itself who its user is, so whatever else says so is no fault.
    for schema in ("NewOutcome", "NewCorrection", "NewAgentKey", "Rotation"):
        document["components"]["schemas"][schema]["properties"]["userId"] = {}
    for user in users_of_keys(document):
        user["schema"] = {}
    for path in ("/api/keys/self", "/mcp"):  # nor has it a key
        del document["paths"][path]

    report = schemathesis(
        written(document, tmp_path),
        stack,
        tmp_path,
        f'{not_each_kind(*BY_KEY)}[auth.openapi.NextAuthSession]\napi_key = "${{SESSION}}"',
    )
    assert tried(report) > 400
