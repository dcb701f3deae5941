"""A local stack serves only the capabilities that are on.

Without any, it still records and lists as the contract says. tests/template tries the switches in combinations.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from local.template import capabilities
from ops import data_request
from ops.template import parse_yaml
from tests.conftest import RunMain
from tests.local.stacks import ROOT, Stack, local, running

ROUTES = {
    (method.upper(), path)
    for path, methods in parse_yaml((ROOT / "openapi.yaml").read_text())["paths"].items()
    for method in methods
}
CORE = {("POST", "/api/outcomes"), ("GET", "/api/outcomes"), ("GET", "/api/outcomes/types")}
CAPABILITIES = capabilities(ROOT / "template.yaml")
OUTCOME = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 0.1, "userId": 7}
NOT_FOUND = '{"error":"Not found"}'

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


def test_a_route_that_is_off_is_not_found_for_any_caller(core: httpx.Client, core_stack: Stack) -> None:
    session = {"Cookie": core_stack.cookie(42)}
    for method, path in (ROUTES - CORE) | {("GET", "/nowhere"), ("PUT", "/api/outcomes")}:
        for headers in ({}, by_key(core_stack), session):
            names = {"id": "0" * 26, "date": "2026-11-26", "source": "openai", "month": "2026-12"}
            answer = core.request(method, path.format(**names), headers=headers)
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
    (data := tmp_path / "data").mkdir()
    assert local(data, "erase", "--user-id", "43", module="ops.data_request").returncode == 0
    with running(
        tmp_path, "--off", "Totals, Definitions, DataRequests", "--parameters", "EventBusName= AgentKeys=Off"
    ) as stack:
        assert "Not on AWS" not in stack.output_file.read_text()
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
            "correct_outcomes",
        ]
        erased = run_main(data_request.main, "--data", str(stack.data), "erase", "--user-id", "42")
        assert erased.returncode == 1
        assert erased.stderr.startswith("error: DataRequests is Off in the stack that runs")
        rows = ROOT / "docs/examples/outcomes.csv"
        imported = local(data, "--file", str(rows), module="history")
        assert "line 2: user 43 was erased" in imported.stdout


def test_a_person_is_exported_beside_a_stack_without_statements(tmp_path: Path, run_main: RunMain) -> None:
    with running(tmp_path, "--off", "Statements", "--parameter", "WebhookTypes=outcome.recorded") as stack:
        refused = "Not on AWS  WebhookTypes need a WebhookUrl\n"
        assert refused in stack.output_file.read_text(), "a rule of the template is told"
        wanted = ("--user-id", "42", "--file", str(tmp_path / "42.ndjson"))
        assert run_main(data_request.main, "--data", str(stack.data), "export", *wanted).returncode == 0


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
