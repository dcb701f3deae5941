"""Each API route is described or implemented in every required place. docs/extending.md lists these places."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outcomes_client import OutcomesClient

from ops.template import declared_paths, parse_yaml

ROOT = Path(__file__).parents[2]
RESOURCES: Any = parse_yaml((ROOT / "template.yaml").read_text())["Resources"]

METHODS = {
    "recordOutcome": "record",
    "recordOutcomes": "record_many",
    "listOutcomes": "list",
    "summarizeOutcomes": "summary",
    "exportOutcomes": "export",
    "getOutcome": "get",
    "correctOutcome": "amend",
    "assignOutcome": "assign",
    "listTypes": "types",
    "createKey": "create_key",
    "listKeys": "list_keys",
    "showOwnKey": "own_key",
    "rotateKey": "rotate_key",
    "revokeKey": "revoke_key",
    "makeStatement": "make_statement",
    "listStatements": "list_statements",
    "getStatement": "get_statement",
    "listStatementEntries": "statement_entries",
    "proveOutcome": "statement_proof",
    "listPublicKeys": "statement_keys",
    "putCosts": "put_costs",
    "getCosts": "get_costs",
    "deleteCosts": "delete_costs",
    "addUpCosts": "list_costs",
    "callTools": None,  # only MCP clients call this route
}
"""The clients' method for each operation, or None if they have no method."""


def routes() -> Iterator[tuple[str, str, str]]:
    """Yield the method, path and operation of each public route in the template."""
    for path, methods in declared_paths(RESOURCES["OutcomesApi"]["Properties"]).items():
        for method, route in methods.items():
            if "security" in route:
                yield method.upper(), path, route["operationId"]


def handler(method: str, path: str) -> str:
    """Return the path of the function's app.py that answers a route."""
    for resource in RESOURCES.values():
        properties = resource["Properties"]
        for event in (properties.get("Events") or {}).values():
            if (event["Properties"].get("Method"), event["Properties"].get("Path")) == (method, path):
                return f"{properties['CodeUri']}app.py"
    return "functions/<name>/app.py and its function with this event to template.yaml"


def missing_of(method: str, path: str, operation: str) -> Iterator[str]:
    """For each place that lacks the route, yield a message that says what to add."""
    if not (ROOT / handler(method, path)).is_file():
        yield f"Add {handler(method, path)}, which answers it."
    if f"\n  {operation}:\n" not in (ROOT / "docs/openapi.base.yaml").read_text():
        yield f"Describe {operation} under x-operations of docs/openapi.base.yaml, then run make openapi."
    if f"`{method} {path}" not in (ROOT / "docs/outcomes.md").read_text():
        yield f"Describe `{method} {path}` in docs/outcomes.md."
    if operation not in METHODS:
        yield f"Name the clients' method for {operation} in METHODS of {Path(__file__).relative_to(ROOT)}, or None."
    elif name := METHODS[operation]:
        if not hasattr(OutcomesClient, name):
            yield f"Add {name} to the Python client's _client.py (then make awaiting) and its request to _calls.py."
        camel = re.sub("_(.)", lambda letter: letter[1].upper(), name)
        modules = "client", "key-calls", "statement-calls", "cost-calls"
        calls = "".join((ROOT / f"clients/typescript/src/{each}.ts").read_text() for each in modules)
        if not re.search(rf"^  (async )?{camel}\(", calls, re.MULTILINE):
            yield f"Add {camel} to the TypeScript client's client.ts."
        if f'"{path}"' not in (ROOT / "clients/typescript/tests/contract.ts").read_text():
            yield f"Add {path} to ROUTES of the TypeScript client's tests/contract.ts."


@pytest.mark.parametrize(("method", "path", "operation"), [*routes()])
def test_a_route_is_in_all_its_places(method: str, path: str, operation: str) -> None:
    if missing := list(missing_of(method, path, operation)):
        pytest.fail("\n".join([f"{method} {path} is incomplete, see docs/extending.md:", *missing]), pytrace=False)
