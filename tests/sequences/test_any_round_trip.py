"""Any export can be imported into another installation without losing or doubling an outcome."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes.contract.json_text import exact, read
from outcomes_client import _importing, _json

from functions.export_outcomes import app as export_outcomes
from functions.record_batch import app as record_batch
from tests.conftest import template_tables
from tests.corrections import BODIES, correct
from tests.events import KEY, proxy_event, session

NEW_THERE = ("id", "created_at", "status", "recorded_by")

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\r\n"), min_size=1, max_size=12)
NUMBERS = st.decimals(-(10**14), 10**14, allow_nan=False, allow_infinity=False)
VALUES = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**14), 10**14), st.integers(0, 22)
)
METADATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OUTCOMES = st.fixed_dictionaries(
    {"outcomeType": st.sampled_from(["deal_closed", "task_complete"]), "title": WORDS.map(lambda words: f"{words}.")},
    optional={
        "description": WORDS,
        "valueUsd": VALUES | st.sampled_from([Decimal("1e-130"), Decimal("999999999999999"), Decimal(-5)]),
        "agentId": st.integers(1, 3),
        "metadata": st.dictionaries(TEXT, METADATA, max_size=3),
        "occurredAt": st.sampled_from(["2001-02-03T04:05:06.789Z", "2026-03-31T09:30:00+02:00"]),
    },
)
CORRECTIONS = st.sampled_from([None, "amend", "void", "dispute"])
# Record the first two outcomes twice: if two outcomes are equal, an import must record both.
LEDGERS = st.lists(st.tuples(OUTCOMES, CORRECTIONS), max_size=4).map(lambda some: some + some[:2])


def record(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Record outcomes with the platform's key, as an import does, and return the results."""
    if not bodies:
        return []
    body = _json.encode({"outcomes": bodies}).decode()
    response = record_batch.handler(proxy_event("POST", authorizer=KEY, body=body), None)
    results: list[dict[str, Any]] = json.loads(response["body"])["results"]
    return results


def exported() -> str:
    event = proxy_event("GET", authorizer=session(42), query={"format": "ndjson"})
    return str(export_outcomes.handler(event, None)["body"])


def facts(lines: str) -> Counter[str]:
    rows = [read(line) for line in lines.split("\n")[:-1]]
    return Counter(
        exact({name: value for name, value in row.items() if name not in NEW_THERE}, 99, canonical=True) for row in rows
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LEDGERS)
def test_an_export_is_imported_once(template: Any, ledger: list[tuple[dict[str, Any], str | None]]) -> None:
    with template_tables(template):
        for result, (_, correction) in zip(record([one | {"userId": 42} for one, _ in ledger]), ledger, strict=True):
            if correction:
                who = session(42) if correction == "dispute" else KEY
                assert correct(result["id"], who, BODIES[correction])[0] == 200
        file = exported()
    assert sum(facts(file).values()) == sum(correction != "void" for _, correction in ledger)

    with template_tables(template):
        for expected in ("created", "replayed"):
            lines = list(_importing.keyed(_importing.json_lines(file.encode().splitlines(keepends=True)), scope=""))
            results = record([line.body for line in lines if line.body])
            assert [result["status"] for result in results] == [expected] * len(lines)
        there = exported()
    assert facts(there) == facts(file)
    assert {read(line)["status"] for line in there.splitlines()} <= {"recorded"}
