"""A field that docs/extending.md adds to outcomes changes no statement: format 1 has a fixed list of members."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes_client.statements import verify

from tests.events import KEY, session
from tests.statements.service import BERLIN, ID, in_path
from tests.upgrade.make import FUNCTIONS, LAYER
from tests.upgrade.planted import Plant, planted
from tests.upgrade.stack import Call, Stack

_METHOD = """\
    @staticmethod
    def parse(
        body: dict[str, Any], *, session_user: int | None, types"""
_KINDS_END = '}\n"""All fields except `user_id`."""\n'
NEW_FIELD = Plant(
    "",
    [
        (_METHOD, f"    note: Annotated[str | None, or_null(title(100)), About()] = None\n\n{_METHOD}"),
        (_KINDS_END, f'    "note": Kind.TEXT,\n{_KINDS_END}'),
    ],
)
"""A field in the layer, as docs/extending.md and `make contract` add it."""

type Send = Callable[..., str]


@pytest.fixture
def send(template: Any, tmp_path: Path) -> Iterator[Send]:
    """Run a stack with a new field. Return a function that sends a request at an instant, and returns the body."""
    layer = tmp_path / "layer"
    shutil.copytree(LAYER / "outcomes", layer / "outcomes")
    with planted(NEW_FIELD, layer / "outcomes"), Stack.running(template) as stack:
        code = stack.start(layer, FUNCTIONS, "a new field")

        def send(function: str, at: str, **request: Any) -> str:
            answer = stack.run(code, Call("", "", function, instants.read(at), request)).answer
            assert answer["status"] == 200, answer
            return str(answer["body"])

        yield send


def test_amends_of_a_new_field_are_in_statements_that_verify(send: Send) -> None:
    outcome = {"userId": 42, "outcomeType": "deal_closed", "title": "Closed a deal", "note": "Asked Ava"}
    send("record_outcome", "2026-09-10T12:00:00Z", method="POST", authorizer=KEY, body=outcome)
    owner = session(42)
    listed = send("list_outcomes", "2026-09-10T12:01:00Z", method="GET", authorizer=owner, query={"include": "ledger"})
    [recorded] = json.loads(listed)["outcomes"]
    assert recorded["note"] == "Asked Ava"
    for day, changes in enumerate(({"note": "Asked Bo"}, {"note": None, "title": "Closed it"}, {"valueUsd": 5}), 11):
        send(
            "correct_outcome",
            f"2026-09-{day}T12:00:00Z",
            method="POST",
            path="/api/outcomes/{id}/corrections",
            authorizer=KEY,
            body={"userId": 42, "type": "amend", "reason": "So", "changes": changes},
            parameters={"id": recorded["id"]},
        )

    later = "2026-10-02T12:00:00Z"
    wanted = {"period": "2026-09", "timezone": BERLIN}
    statement = send("statements", later, method="POST", path="/api/statements", authorizer=owner, body=wanted)
    path = {"path": f"{ID}/entries", "parameters": in_path(f"2026-09@{BERLIN}")}
    entries = send("statements", later, method="GET", authorizer=owner, **path)
    keys = send("statement_keys", later, method="GET", path="/.well-known/outcomes-keys.json", authorizer=None)
    verify(statement.encode(), keys=keys.encode(), entries=entries.encode())
    first, *amends = [json.loads(json.loads(line)["text"]) for line in entries.splitlines()]
    assert "note" not in first
    assert [amend["changes"] for amend in amends] == [
        {},
        {"title": {"before": "Closed a deal", "after": "Closed it"}},
        {"value_usd": {"before": None, "after": "5"}},
    ]
