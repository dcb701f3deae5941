"""openapi.yaml agrees with the code and the running stack."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from outcomes.contract.correction_rules import CorrectionType

from release.contract import openapi
from tests.local.stacks import ROOT, Stack

HERE = Path(__file__).parent
# No other file uses these users, because their idempotency keys would collide.
USER, KEYS_USER = 4_004, 4_005

# All callers share the code that parses bodies and queries. So for the operations of BY_KEY, calls with a session
# skip schemathesis' phase `coverage`, which tries each kind of value: calls with the platform's key use this phase.
BY_KEY = ["recordOutcome", "recordOutcomes", "assignOutcome", "createKey", "listKeys"]
BY_KEY += ["rotateKey", "pauseKey", "resumeKey", "revokeKey"]
# Nor is each kind of value tried again where another operation takes the same query, headers or body: that of a list, a
# summary, a correction, costs, a definition or a pause.
LIKE_OTHERS = ["exportOutcomes", "addUpCosts", "correctOutcomes", "deleteCosts", "tryDefinition"]
LIKE_PAUSES = ["resumeKey"]


def test_openapi_yaml_is_valid() -> None:
    from openapi_spec_validator import validate  # imported late, because only one process needs it

    validate(openapi.document())


def objects_with(name: str, node: Any) -> Iterator[Any]:
    """Yield each object in a part of the document that has this member."""
    if isinstance(node, dict) and name in node:
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from objects_with(name, each)


def schemas(schema: Any) -> Iterator[Any]:
    """Yield a schema, and each schema in it."""
    yield schema
    for name, value in schema.items():
        match name:
            case "properties":
                found = value.values()
            case "allOf" | "anyOf" | "oneOf":
                found = value
            case "items" | "not" | "additionalProperties" if isinstance(value, dict):
                found = [value]
            case _:
                found = []
        for each in found:
            yield from schemas(each)


def test_schemas_have_no_unknown_keywords() -> None:
    """YAML reads `{description: Either, or this: that}` as a schema with a keyword `or this`."""
    from openapi_schema_validator import OAS31Validator

    document = openapi.document()
    outermost = [each["schema"] for each in objects_with("schema", document)]
    found = {
        name
        for each in [*outermost, *document["components"]["schemas"].values()]
        for one in schemas(each)
        for name in one
    }
    assert len(found) > 20
    assert found - OAS31Validator.VALIDATORS.keys() == {"default", "examples"}


def test_examples_match_their_schemas() -> None:
    from openapi_schema_validator import OAS31Validator

    document = openapi.document()
    found = list(objects_with("examples", document["paths"]))
    assert len(found) > 30
    for content in found:
        validator = OAS31Validator(content["schema"] | {"components": document["components"]})
        for example in content["examples"].values():
            validator.validate(example["value"])


def resolved(schema: Any, components: Any) -> Any:
    """Follow a reference."""
    return components["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def test_readers_that_ignore_unknown_members_find_the_right_alternative() -> None:
    """The client of openapi-python-client takes the first class whose required members are there.

    So an answer with more members than another one comes before it.
    """
    document = openapi.document()
    answers = [each["responses"] for methods in document["paths"].values() for each in methods.values()]
    found = 0
    parts = [answers, document["components"]]
    for choice in [one[name] for name in ("oneOf", "anyOf") for one in objects_with(name, parts)]:
        objects = [each for each in (resolved(one, document["components"]) for one in choice) if "required" in each]
        for earlier, later in itertools.combinations(objects, 2):
            found += 1
            told_apart = [
                name
                for name in earlier["required"]
                if "const" in (it := earlier["properties"][name]) and it != later["properties"].get(name)
            ]
            assert told_apart or set(earlier["required"]) - set(later["required"]), (earlier, later)
    assert found > 10


def schemathesis(document: Path, stack: Stack, folder: Path, auth: str, *options: str, agent_key: str = "") -> str:
    """Run schemathesis on the stack, and return its report. auth: the TOML settings with the caller's credentials."""
    config = folder / "schemathesis.toml"
    config.write_text(f"{(HERE / 'schemathesis.toml').read_text()}\n{auth}")
    command = [str(Path(sys.executable).parent / "schemathesis"), "--no-color", f"--config-file={config}"]
    done = subprocess.run(
        [*command, "run", str(document), f"--url={stack.url}", *options],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}", "KEY": stack.key, "AGENT_KEY": agent_key}
        | {"SESSION": stack.cookie(USER).partition("=")[2]}
        # Let Hypothesis use the Unicode tables that it has cached in this folder.
        | {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")},
        capture_output=True,
        text=True,
        timeout=600,  # a busy machine may need this long
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def not_each_kind(*operations: str) -> str:
    """Return TOML settings that let schemathesis skip its phase `coverage` for these operations."""
    return f"[[operations]]\ninclude-operation-id = {json.dumps(operations)}\nphases.coverage.enabled = false\n"


def tried(report: str) -> int:
    """Return how many requests schemathesis made. Raises AssertionError unless all of them passed."""
    found = re.search(r"(\d+) generated, \1 passed", report)
    assert found, report
    return int(found[1])


def user_parameters(document: Any) -> Iterator[Any]:
    """Yield the `userId` query parameters of all operations."""
    for operation in [each for methods in document["paths"].values() for each in methods.values()]:
        yield from [each for each in operation.get("parameters", []) if each["name"] == "userId"]


def written(document: Any, folder: Path) -> Path:
    """Write the document to a file.

    User 42 in its examples is replaced, so that no call changes user 42's data.
    """
    file = folder / "openapi.json"
    file.write_text(json.dumps(document).replace('"userId": 42', f'"userId": {KEYS_USER}'))
    return file


def test_schemathesis_finds_no_fault_with_the_platforms_key(stack: Stack, tmp_path: Path) -> None:
    document = openapi.document()
    # The platform's key belongs to no user, so its calls about agent keys must contain a `userId`.
    for schema in ("NewAgentKey", "Rotation", "Pause"):
        document["components"]["schemas"][schema].setdefault("required", []).append("userId")
    for user in user_parameters(document):
        user["required"] = True

    report = schemathesis(
        written(document, tmp_path),
        stack,
        tmp_path,
        f'{not_each_kind(*LIKE_PAUSES)}[auth.openapi.Key]\nbearer = "${{KEY}}"',
        f"--include-operation-id-regex=^({'|'.join(BY_KEY)})$",
    )
    assert tried(report) > 200


def test_schemathesis_finds_no_fault_with_an_agent_key(stack: Stack, tmp_path: Path) -> None:
    made = httpx.post(
        f"{stack.url}/api/keys",
        headers={"Authorization": f"Bearer {stack.key}"},
        json={"name": "Schemathesis", "userId": USER, "outcomeTypes": ["deal_closed"], "maxValueUsd": 500},
    ).json()
    report = schemathesis(
        ROOT / "openapi.yaml",
        stack,
        tmp_path,
        f'{not_each_kind("recordOutcome", "recordOutcomes")}[auth.openapi.AgentKey]\nbearer = "${{AGENT_KEY}}"',
        "--include-operation-id-regex=^(record|showOwnKey|callTools)",
        agent_key=made["key"],
    )
    assert tried(report) > 60


def test_schemathesis_finds_no_fault_with_a_session(stack: Stack, tmp_path: Path) -> None:
    document = openapi.document()
    # With a session, the user is known, so any `userId` in a request is ignored.
    corrections = [f"{type_.title()}Correction" for type_ in CorrectionType]
    for schema in ("NewOutcome", *corrections, "NewAgentKey", "Rotation", "Pause"):
        document["components"]["schemas"][schema]["properties"]["userId"] = {}
    for user in user_parameters(document):
        user["schema"] = {}
    for path in ("/api/keys/self", "/mcp", "/api/outcomes/{id}/assign"):  # a key is needed to call these routes
        del document["paths"][path]

    report = schemathesis(
        written(document, tmp_path),
        stack,
        tmp_path,
        f'{not_each_kind(*BY_KEY, *LIKE_OTHERS)}[auth.openapi.NextAuthSession]\napi_key = "${{SESSION}}"',
    )
    assert tried(report) > 400
