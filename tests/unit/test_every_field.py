"""Whatever an outcome may say comes back: no field is lost on the way into the store or out of it, or in a client.

docs/extending.md is the list of these places, for who adds a field.
"""

import inspect
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import outcomes_client
import pytest
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.contract.outcome_fields import KINDS
from outcomes.contract.tools import TOOLS
from outcomes.ledger.export import CSV_COLUMNS
from outcomes_client import _cli, _cli_corrections, _tools

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.events import KEY, proxy_event, session

ROOT = Path(__file__).parents[2]

# A value for each field of the model, by its name in a request, none of which is what the field is without one.
SENT: dict[str, Any] = {
    "outcomeType": "deal_closed",
    "title": "Closed a deal",
    "description": "Two years",
    "valueUsd": 12.5,
    "agentId": 7,
    "userId": 42,
    "metadata": {"k": [1, {"deep": None}]},
    "occurredAt": (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
}


def record(function: Any, body: Any, **headers: str) -> None:
    response = function.handler(proxy_event("POST", authorizer=KEY, body=body, headers=headers), None)
    assert response["statusCode"] == 200, response["body"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("way", ["alone", "under an idempotency key", "in a batch"])
def test_every_field_of_the_model_comes_back_from_a_list(way: str) -> None:
    fields = dict(zip(NEW_OUTCOME.rules, NewOutcome._fields, strict=True))
    assert SENT.keys() == fields.keys(), "a field of the model has no value in SENT of this test"
    match way:
        case "alone":
            record(record_outcome, SENT)
        case "under an idempotency key":
            record(record_outcome, SENT, **{"Idempotency-Key": "once"})
        case _:
            record(record_batch, {"outcomes": [SENT]})

    response = list_outcomes.handler(proxy_event("GET", authorizer=session(42), query={"include": "ledger"}), None)
    [listed] = json.loads(response["body"])["outcomes"]

    assert {sent: listed.get(name) for sent, name in fields.items()} == SENT


PYTHON, TYPESCRIPT, FEED = "clients/python/src/outcomes_client", "clients/typescript/src", "dashboard/src/feed"
SHORTER = {"value_usd": "value", "agent_id": "agent", "user_id": "user", "occurred_at": "at"}
"""What options are called otherwise than fields."""


def in_request(name: str) -> str:
    return NEW_OUTCOME.names[name]


def option(name: str) -> str:
    return SHORTER.get(name, name)


def words(path: str, begin: str = "", end: str = r"\Z") -> set[str]:
    """Collect the words of a file, from what matches `begin` on to what matches `end` next."""
    found = re.search(f"{begin}(.*?){end}", (ROOT / path).read_text(), re.DOTALL)
    assert found, f"{path} has no {begin}"
    return set(re.findall(r"\w+", found[1]))


def schema(name: str) -> set[str]:
    """Collect the properties of a schema of openapi.yaml."""
    return words("openapi.yaml", f"\n    {name}:\n", "\n    (?=[A-Z])")


def parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


WHOSE = {"user_id"}
PLACES: list[tuple[str, set[str], Any, set[str]]] = [
    ("KINDS of contract/outcome_fields.py", set(KINDS), str, WHOSE),
    ("the tool record_outcome", set(TOOLS["record_outcome"].properties), str, set()),
    ("the tool amend_outcome", set(TOOLS["amend_outcome"].properties), str, set()),
    ("the columns of CSV", set(CSV_COLUMNS), str, set()),
    ("NewOutcome of openapi.yaml (make openapi)", schema("NewOutcome"), in_request, set()),
    ("Outcome of openapi.yaml (make openapi)", schema("Outcome"), str, set()),
    (
        "NewOutcome of the Python client's _models.py",
        set(inspect.get_annotations(outcomes_client.NewOutcome)),
        str,
        set(),
    ),
    ("Outcome of the Python client's _models.py", set(inspect.get_annotations(outcomes_client.Outcome)), str, set()),
    ("record of the Python client's _client.py", parameters(outcomes_client.OutcomesClient.record), str, set()),
    (
        "record of the awaiting client (make awaiting)",
        parameters(outcomes_client.AsyncOutcomesClient.record),
        str,
        set(),
    ),
    (
        "what the Python client's _answers.py reads",
        words(f"{PYTHON}/_answers.py", "def _outcome", "def summary"),
        str,
        set(),
    ),
    (
        "the columns of Parquet in _exporting.py",
        words(f"{PYTHON}/_exporting.py", "def write_parquet", "schema"),
        str,
        set(),
    ),
    ("Work of the Python client's _tools.py", set(_tools.Work.model_fields), str, {"agent_id", *WHOSE}),
    ("options of `outcomes record` in _cli.py", parameters(_cli.record), option, set()),
    ("options of `outcomes amend` in _cli_corrections.py", parameters(_cli_corrections.amend), option, WHOSE),
    ("what `outcomes get` shows", words(f"{PYTHON}/_cli_corrections.py", "def get", "def amend"), str, WHOSE),
    ("NewOutcome of models.ts", words(f"{TYPESCRIPT}/models.ts", "interface NewOutcome", "\n}"), in_request, set()),
    ("Outcome of models.ts", words(f"{TYPESCRIPT}/models.ts", "interface Outcome ", "\n}"), in_request, set()),
    ("what answers.ts reads", words(f"{TYPESCRIPT}/answers.ts", "const standing", "const outcome:"), str, set()),
    ("Outcome of the feed's api.js", words(f"{FEED}/api.js", "@typedef", "}} Outcome"), str, WHOSE),
    ("FIELDS of the feed's changes.js", words(f"{FEED}/changes.js", "FIELDS = ", r"\]\);"), str, {"metadata", *WHOSE}),
    ("what the feed's row.js shows", words(f"{FEED}/row.js"), str, WHOSE),
    ("docs/api.md", words("docs/api.md"), in_request, set()),
]
"""Where every field has to be: what is named there, as what, and the fields that need not be there."""


@pytest.mark.parametrize(("place", "named", "spelt", "others"), PLACES, ids=[place for place, *_ in PLACES])
def test_every_field_of_the_model_is_in_each_place(place: str, named: set[str], spelt: Any, others: set[str]) -> None:
    for name in NewOutcome._fields:
        assert name in others or spelt(name) in named, f"{spelt(name)} is missing in {place}: see docs/extending.md"
