"""Every place that lists the fields of an outcome has all of them.

docs/extending.md explains how to add a field.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import outcomes_client
import pytest
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.contract.outcome_fields import KINDS, Kind
from outcomes.ledger.export import CSV_COLUMNS
from outcomes.mcp.tools import TOOLS
from outcomes_client import _cli, _cli_corrections, _tools

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.events import KEY, proxy_event, session

ROOT = Path(__file__).parents[2]

AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
OF_KIND: dict[Kind, Any] = {
    Kind.NAME: "deal_closed",
    Kind.TEXT: "Closed a deal",
    Kind.NUMBER: 7,
    Kind.JSON: {"k": [1, {"deep": None}]},
    Kind.INSTANT: AN_HOUR_AGO.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
}
SENT = {in_request: OF_KIND[KINDS[name]] for name, in_request in NEW_OUTCOME.names.items() if name in KINDS}
SENT |= {"valueUsd": 12.5, "userId": 42}


def record(function: Any, body: Any, **headers: str) -> None:
    response = function.handler(proxy_event("POST", authorizer=KEY, body=body, headers=headers), None)
    assert response["statusCode"] == 200, response["body"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("way", ["alone", "under an idempotency key", "in a batch"])
def test_every_field_of_the_model_comes_back_from_a_list(way: str) -> None:
    fields = dict(zip(NEW_OUTCOME.rules, NewOutcome._fields, strict=True))
    assert SENT.keys() == fields.keys(), "a field of the model is missing in KINDS of contract/outcome_fields.py"
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
"""Names of command-line options that differ from their fields."""


def in_request(name: str) -> str:
    return NEW_OUTCOME.names[name]


def option(name: str) -> str:
    return SHORTER.get(name, name)


def words(path: str, begin: str = "", end: str = r"\Z") -> set[str]:
    """Return all words of a file from a match of `begin` to the next match of `end`."""
    found = re.search(f"{begin}(.*?){end}", (ROOT / path).read_text(), re.DOTALL)
    assert found, f"{path} has no {begin}"
    return set(re.findall(r"\w+", found[1]))


def schema(name: str) -> set[str]:
    """Return all words in a schema of openapi.yaml."""
    return words("openapi.yaml", f"\n    {name}:\n", "\n    (?=[A-Z])")


def parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


WHOSE = frozenset({"user_id"})


class Place(NamedTuple):
    """A place that must list every field of an outcome.

    named: the names that the place contains. spelt: returns the spelling of a field in this place. others: the fields
    that this place may omit.
    """

    named: Iterable[str]
    spelt: Callable[[str], str] = str
    others: frozenset[str] = frozenset()


PLACES = {
    "KINDS of contract/outcome_fields.py": Place(KINDS, others=WHOSE),
    "the tool record_outcome": Place(TOOLS["record_outcome"].properties),
    "the tool amend_outcome": Place(TOOLS["amend_outcome"].properties),
    "the columns of CSV": Place(CSV_COLUMNS),
    "NewOutcome of openapi.yaml (make openapi)": Place(schema("NewOutcome"), in_request),
    "Outcome of openapi.yaml (make openapi)": Place(schema("Outcome")),
    "NewOutcome of the Python client's _models.py": Place(inspect.get_annotations(outcomes_client.NewOutcome)),
    "Outcome of the Python client's _models.py": Place(inspect.get_annotations(outcomes_client.Outcome)),
    "record of the Python client's _client.py": Place(parameters(outcomes_client.OutcomesClient.record)),
    "record of the awaiting client (make awaiting)": Place(parameters(outcomes_client.AsyncOutcomesClient.record)),
    "what the Python client's _answers.py reads": Place(words(f"{PYTHON}/_answers.py", "def _outcome", "def summary")),
    "Work of the Python client's _tools.py": Place(_tools.Work.model_fields, others=WHOSE | {"agent_id"}),
    "options of `outcomes record` in _cli.py": Place(parameters(_cli.record), option),
    "options of `outcomes amend` in _cli_corrections.py": Place(parameters(_cli_corrections.amend), option),
    "what `outcomes get` shows": Place(words(f"{PYTHON}/_cli_corrections.py", "def get", "def amend"), others=WHOSE),
    "NewOutcome of models.ts": Place(words(f"{TYPESCRIPT}/models.ts", "interface NewOutcome", "\n}"), in_request),
    "Outcome of models.ts": Place(words(f"{TYPESCRIPT}/models.ts", "interface Outcome ", "\n}"), in_request),
    "what answers.ts reads": Place(words(f"{TYPESCRIPT}/answers.ts", "const standing", "const outcome:")),
    "FIELDS of the feed's changes.js": Place(
        words(f"{FEED}/changes.js", "FIELDS = ", r"\]\);"), others=WHOSE | {"metadata"}
    ),
    "docs/outcomes.md": Place(words("docs/outcomes.md"), in_request),
}


@pytest.mark.parametrize(("place", "at"), PLACES.items(), ids=PLACES)
def test_every_field_of_the_model_is_in_each_place(place: str, at: Place) -> None:
    wanted = {at.spelt(name) for name in NewOutcome._fields if name not in at.others}
    missing = sorted(wanted - {*at.named})
    assert not missing, f"{', '.join(missing)} is missing in {place}: see docs/extending.md"
