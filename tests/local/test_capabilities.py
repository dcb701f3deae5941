"""A local stack serves only the capabilities that are on.

Without any, it still records and lists as the contract says.
"""

from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path

import httpx
import pytest

from local.environment import AwsEndpoint
from local.gateway import Gateway
from local.lambdas import Function, specs
from local.openapi import api
from local.stack import Settings, local_parameters
from local.template import capabilities, load
from ops import data_request
from ops.template import parse_yaml
from tests.conftest import RunMain
from tests.local.stacks import ROOT, Stack, local, running

TEMPLATE = ROOT / "template.yaml"
OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, methods in parse_yaml((ROOT / "openapi.yaml").read_text())["paths"].items()
    for method, operation in methods.items()
}
NEEDED = {
    "recordOutcomes": "Batch",
    "summarizeOutcomes": "Totals",
    **dict.fromkeys(["createKey", "listKeys", "showOwnKey", "revokeKey", "rotateKey"], "AgentKeys"),
    **dict.fromkeys(["getOutcome", "correctOutcome", "assignOutcome"], "Corrections"),
    "exportOutcomes": "Export",
    "callTools": "ModelTools",
    **dict.fromkeys(
        ["makeStatement", "listStatements", "getStatement", "listStatementEntries", "proveOutcome", "listPublicKeys"],
        "Statements",
    ),
    **dict.fromkeys(["putCosts", "getCosts", "deleteCosts", "addUpCosts"], "Costs"),
}
"""The capability of each operation outside the core."""
FUNCTIONS = {
    "AgentKeys": {"manage_keys"},
    "Batch": {"record_batch"},
    "Corrections": {"correct_outcome", "get_outcome"},
    "Costs": {"costs"},
    "DataRequests": {"erase_user", "export_user"},
    "Export": {"export_outcomes"},
    "ModelTools": {"mcp"},
    "Statements": {"statements", "statement_keys"},
    "Totals": {"summarize_outcomes"},
}
SCOPES = {"correct": "Corrections", "cost": "Costs"}
"""The capability of each scope outside the core. New keys cannot have the scope while it is off."""
CAPABILITIES = capabilities(TEMPLATE)
OUTCOME = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 0.1, "userId": 7}
NOT_FOUND = '{"error":"Not found"}'

# An orthogonal array: any two capabilities have each combination of on and off equally often. In the first row, all are
# on. https://en.wikipedia.org/wiki/Orthogonal_array
PAIRWISE = [
    frozenset(name for number, name in enumerate(CAPABILITIES, start=1) if (row & number).bit_count() % 2)
    for row in range(16)
]


def test_each_pair_of_capabilities_has_each_combination_of_on_and_off() -> None:
    assert set(CAPABILITIES) == set(FUNCTIONS)
    for pair in combinations(CAPABILITIES, 2):
        assert {tuple(name in off for name in pair) for off in PAIRWISE} == set(product([True, False], repeat=2))


@pytest.mark.parametrize("off", [*PAIRWISE, frozenset(CAPABILITIES)], ids=lambda off: " ".join(sorted(off)) or "none")
def test_only_capabilities_that_are_on_have_routes_and_functions(off: frozenset[str]) -> None:
    settings = Settings(TEMPLATE, Path(), 0, key="", session_secret="", aws_secret="", off=off)
    template = load(TEMPLATE, local_parameters(settings, 1), {})
    template.arns = dict.fromkeys(template.resources("AWS::SecretsManager::Secret"), "arn:aws:secretsmanager:1")
    functions = specs(template)
    served = api(template)
    Gateway(served, {arn: Function(spec, AwsEndpoint("", "")) for arn, spec in functions.items()})
    resources = {(route.method.upper(), route.resource) for route in served.routes}
    on = {operation for operation in OPERATIONS if NEEDED.get(operation) not in off}
    assert {operation for operation, route in OPERATIONS.items() if route in resources} == on
    assert {resource for _, resource in resources} == {OPERATIONS[operation][1] for operation in on}
    core = {"authorizer", "list_outcomes", "record_outcome", "publish_events"}
    expected = core.union(*(FUNCTIONS[name] for name in CAPABILITIES if name not in off))
    assert {spec.folders[0].name for spec in functions.values()} == expected
    for spec in functions.values():
        if spec.folders[0].name == "manage_keys":
            scopes = {"record", "read", "backfill", *(s for s, needed in SCOPES.items() if needed not in off)}
            assert set(spec.variables["SCOPES"].split(",")) == scopes


# ---- the core


@pytest.fixture
def core(core_stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=core_stack.url, timeout=30) as client:
        yield client


def by_key(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.key}"}


def test_the_core_has_its_three_functions_and_all_tables(core_stack: Stack, stack: Stack) -> None:
    assert core_stack.tables == stack.tables
    said = core_stack.output_file.read_text()
    off = next(line for line in said.splitlines() if line.startswith("Off "))
    assert off.removeprefix("Off ").strip().split(", ") == CAPABILITIES
    assert "/api/keys" not in said
    assert "event" not in said


@pytest.mark.parametrize("kind", ["next-auth", "authjs", "stored"])
def test_a_session_of_any_kind_records_and_lists(core: httpx.Client, core_stack: Stack, kind: str) -> None:
    user = {"next-auth": 21, "authjs": 22, "stored": 23}[kind]
    cookie = core_stack.command("session", "--user-id", str(user), "--kind", kind).stdout.strip().partition(": ")[2]
    recorded = core.post("/api/outcomes", json=OUTCOME, headers={"Cookie": cookie})
    id_ = recorded.headers["Outcome-Id"]
    assert (recorded.status_code, recorded.text) == (200, f'{{"ok":true,"id":"{id_}"}}')
    listed = core.get("/api/outcomes", headers={"Cookie": cookie})
    [outcome] = listed.json()["outcomes"]
    created_at = outcome.pop("created_at")
    assert listed.headers["Capabilities"] == ""
    assert listed.text == (
        f'{{"outcomes":[{{"id":"{id_}","user_id":{user},"agent_id":null,"outcome_type":"deal_closed",'
        f'"title":"Renewed Acme","description":null,"value_usd":0.1,"metadata":null,"created_at":"{created_at}"}}],'
        '"next_cursor":null}'
    )


def test_the_core_refuses_callers_without_credentials(core: httpx.Client, core_stack: Stack) -> None:
    agents = {"Authorization": "Bearer oc_0123456789abcdef_000000000000000000000000000000002HE1O8"}
    unauthorized = [
        core.get("/api/outcomes"),
        core.get("/api/outcomes", headers=by_key(core_stack)),
        core.post("/api/outcomes", json=OUTCOME),
        core.post("/api/outcomes", json=OUTCOME, headers=agents),
    ]
    assert {(each.status_code, each.text) for each in unauthorized} == {(401, '{"error":"Unauthorized"}')}
    session = {"Cookie": core_stack.cookie(42)}
    limit = core.get("/api/outcomes?limit=0", headers=session)
    assert (limit.status_code, limit.text) == (400, '{"error":"Invalid limit"}')
    elsewhere = core.post("/api/outcomes", json=OUTCOME, headers=session | {"Origin": "https://evil.example"})
    assert (elsewhere.status_code, elsewhere.text) == (403, '{"error":"Forbidden"}')


def test_a_route_that_is_off_is_not_found_for_any_caller(core: httpx.Client, core_stack: Stack) -> None:
    routes = [OPERATIONS[operation] for operation in NEEDED] + [("GET", "/nowhere"), ("PUT", "/api/outcomes")]
    session = {"Cookie": core_stack.cookie(42)}
    for method, path in routes:
        for headers in ({}, by_key(core_stack), session):
            answer = core.request(method, path.format(id="0" * 26, date="2026-11-26", source="openai"), headers=headers)
            assert (answer.status_code, answer.text) == (404, NOT_FOUND), (method, path)
            assert answer.headers["No-Such-Route"] == "true"
            assert "No-Such-Route, Capabilities" in answer.headers["Access-Control-Expose-Headers"]


def test_seed_works_without_corrections(core: httpx.Client, core_stack: Stack) -> None:
    seeded = core_stack.command("seed", "--user-id", "41")
    assert seeded.returncode == 0, seeded.stderr
    listed = core.get("/api/outcomes?limit=50&include=ledger", headers={"Cookie": core_stack.cookie(41)})
    assert {each["status"] for each in listed.json()["outcomes"]} == {"recorded"}


# ---- some capabilities


def test_the_name_of_a_route_that_is_off_is_not_an_outcome_id(tmp_path: Path, run_main: RunMain) -> None:
    """Turn Totals off and Corrections on. The path of a summary then looks like the path of an outcome."""
    with running(tmp_path, "--off", "Totals, DataRequests", "--parameters", "EventBusName= AgentKeys=Off") as stack:
        session = {"Cookie": stack.cookie(42)}
        listed = httpx.get(f"{stack.url}/api/outcomes", headers=session, timeout=30)
        assert listed.headers["Capabilities"] == "batch, corrections, export, modeltools, statements, costs"
        summary = httpx.get(f"{stack.url}/api/outcomes/summary", headers=session, timeout=30)
        assert (summary.status_code, summary.text) == (404, NOT_FOUND)
        assert summary.headers["No-Such-Route"] == "true"
        for headers in ({}, by_key(stack)):
            assert httpx.get(f"{stack.url}/api/outcomes/summary", headers=headers, timeout=30).status_code == 401
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        tools = httpx.post(f"{stack.url}/mcp", json=listing, headers=by_key(stack), timeout=30).json()["result"][
            "tools"
        ]
        assert [tool["name"] for tool in tools] == [
            "record_outcome",
            "record_outcomes",
            "amend_outcome",
            "void_outcome",
        ]
        erased = run_main(data_request.main, "--data", str(stack.data), "erase", "--user-id", "42")
        assert erased.returncode == 1
        assert erased.stderr.startswith("error: DataRequests is Off in the stack that runs")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--off", "Sums"], f"there is no capability Sums, only {', '.join(CAPABILITIES)}"),
        (
            ["--parameters", "PlatformMayRead=true Speed=9"],
            "the template has no parameter Speed, only DashboardOrigins",
        ),
        (["--parameters", "Totals=on"], "parameter Totals must be one of On, Off"),
    ],
)
def test_an_unknown_capability_is_refused_with_a_list_of_the_known_ones(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    done = local(tmp_path / "data", *arguments, environment={"PORT": "0"})
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {complaint}")
    assert done.stderr.count("\n") == 1
