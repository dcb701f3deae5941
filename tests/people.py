"""Write a user's rows into every table, and find them, for example after an erasure."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from outcomes.auth.stored_sessions import token_sha256
from outcomes.calendar import instants
from outcomes.contract.agent_key_bodies import NewAgentKey
from outcomes.contract.sums import Cell, Sums
from outcomes.costs import stored_costs
from outcomes.costs.cost_rows import CostDay
from outcomes.keys import key_text
from outcomes.keys.agent_keys import AgentKeys
from outcomes.ledger import imports, items
from outcomes.ledger.imports import Imports
from outcomes.statements.statement_rows import ListedStatement, Statement, StatementsTable, Unfinished
from outcomes.totals import codec

from functions.costs import app as costs
from functions.definitions import app as definitions
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.watches import app as watches
from local.moto_backend import backend, forget_transactions, with_bytes
from tests.aws import aws_client
from tests.corrections import assign, correct
from tests.events import KEY, proxy_event, session

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal", "valueUsd": 12.5, "agentId": 7, "metadata": {"a": 1}}
LATER = 4_000_000_000
"""Seconds since 1970, in the future."""


def moto_tables() -> Any:
    """Return moto's table objects by name."""
    return backend("dynamodb").tables


def snapshot(*names: str) -> dict[str, Any]:
    """Return copies of the tables with these names, or of all tables if no name is given."""
    return {name: deepcopy(table) for name, table in moto_tables().items() if not names or name in names}


def restore(tables: dict[str, Any]) -> None:
    """Replace moto's tables with copies of these tables."""
    moto_tables().update(deepcopy(tables))
    forget_transactions()


@contextmanager
def two_shards() -> Iterator[None]:
    """Spread outcomes without a user over two partitions. Reading all sixteen would slow down the tests."""
    with patch.multiple(items, UNASSIGNED_SHARDS=2, _UNASSIGNED=items._UNASSIGNED[:2]):
        yield


def record(user_id: int | None = 42, key: str | None = None, **fields: Any) -> str:
    """Record an outcome for a user with the platform's key, and return its id."""
    body = OUTCOME | ({} if user_id is None else {"userId": user_id}) | fields
    event = proxy_event("POST", authorizer=KEY, body=body, headers={"Idempotency-Key": key} if key else {})
    response = record_outcome.handler(event, None)
    assert response["statusCode"] == 200, response
    return str(response["headers"]["Outcome-Id"])


def record_many(user_id: int, *keys: str | None) -> None:
    """Record outcomes for a user in a batch."""
    outcomes = [OUTCOME | {"userId": user_id, "idempotencyKey": key} for key in keys]
    response = record_batch.handler(proxy_event("POST", authorizer=KEY, body={"outcomes": outcomes}), None)
    assert json.loads(response["body"])["created"] == len(keys)


def make_key(user_id: int, name: str = "Nightly import") -> str:
    """Create an agent key for a user, and return its text."""
    wanted = NewAgentKey(name, user_id, agent_id=7, max_value_usd=Decimal("500.5"))
    return AgentKeys("KeysTable").create(wanted, "platform")[0]


def revoke_key(user_id: int) -> None:
    """Create an agent key for a user and revoke it, which leaves a row."""
    AgentKeys("KeysTable").revoke(user_id, str(key_text.read_id(make_key(user_id, "Revoked"))))


def sign_in(user_id: int, token: str) -> None:
    """Write a session. Its row has an attribute that only the platform uses, `browser`."""
    row = {"token_sha256": {"S": token_sha256(token)}, "user_id": {"N": str(user_id)}, "expires_at": {"N": str(LATER)}}
    aws_client("dynamodb").put_item(TableName="SessionsTable", Item=row | {"browser": {"S": "Firefox"}})


def keep_sums(user_id: int) -> None:
    """Store the sums and time zones that a summary would store, and the row that an import would write."""
    sums = Sums()
    sums.of(Cell("2026-04-01", "deal_closed", 7))[0].add(2, Decimal("25.0"))
    marginals = Sums()
    for cell, tallies in sums.by_cell.items():
        marginals.add_marginals(cell, tallies, "2026-04-01")
    rows: list[dict[str, Any]] = [
        {
            "stretch": {"S": "Europe/Berlin#1775080800000"},
            "end": {"N": "1775167200000"},
            "rules": {"S": f"{codec.FORMAT} 2026a 1"},
            "sums": {"B": codec.write(sums)[0]},
        },
        {
            "stretch": {"S": "Europe/Berlin months#1775080800000"},
            "end": {"N": "1775167200000"},
            "rules": {"S": f"{codec.FORMAT} 2026a 1"},
            "sums": {"B": codec.write(marginals)[0]},
        },
        {
            "stretch": {"S": f"Europe/Berlin {'0' * 64}#1775080800000"},
            "end": {"N": "1775167200000"},
            "rules": {"S": f"{codec.FORMAT} 2026a 1"},
            "read": {"M": {}},
            "statuses": {"SS": ["confirmed", "disputed"]},
            "expires_at": {"N": str(LATER)},
            "sums": {"B": codec.write(marginals)[0]},
        },
        {"stretch": {"S": "large#Europe/Berlin"}, "zones": {"SS": ["Europe/Berlin"]}},
        {"stretch": {"S": "zones#2026-04-02"}, "zones": {"SS": ["Europe/Berlin"]}, "expires_at": {"N": str(LATER)}},
        {"stretch": {"S": imports.STRETCH}} | Imports(epoch=2, runs={"r1": 1_775_080_800_000}).item(),
    ]
    puts = [{"PutRequest": {"Item": {"user_id": {"S": str(user_id)}} | row}} for row in rows]
    aws_client("dynamodb").batch_write_item(RequestItems={"TotalsTable": puts})


def keep_statement(user_id: int) -> None:
    """Write the rows of a statement, and the rows of an unfinished next statement."""
    table, now = StatementsTable("StatementsTable"), instants.text(instants.now())
    bounds = "2026-03-31T22:00:00.000Z", "2026-04-30T22:00:00.000Z"
    statement = Statement('{"format":"outcomes-statement/1"}', b"index", b"salt", *bounds)
    listed = ListedStatement("2026-04", "Europe/Berlin", *bounds, 2, "00" * 32, "sha256:" + "00" * 32)
    unfinished = Unfinished("{}", "[[]]", b"salt", 1, 0, "rules")
    agents, others = table.put_unfinished(user_id, "2026-05@Europe/Berlin", unfinished, now)
    actions = [
        *table.put_statement(user_id, statement, listed, now),
        table.put_user_key(user_id, b"key", now),
        *agents,
        *others,
    ]
    aws_client("dynamodb").transact_write_items(TransactItems=json.loads(json.dumps(actions), object_hook=with_bytes))


def define(user_id: int, *whens: str) -> None:
    """Put a definition several times."""
    for when in whens:
        body = {"timezone": "Europe/Berlin", "disputeDays": 14, "types": {"*": {"when": when, "note": f"of {user_id}"}}}
        path, parameters = "/api/definitions/{month}", {"month": "9998-12"}
        event = proxy_event("PUT", path, authorizer=session(user_id), body=body, parameters=parameters)
        assert definitions.handler(event, None)["statusCode"] == 200


def watch(user_id: int) -> None:
    """Put a watch, and the setting of the digest."""
    deals = {"name": f"of {user_id}", "measure": "value", "every": "month", "timezone": "UTC", "target": 50_000}
    for path, body in ("{id}", deals), ("digest", {"timezone": "UTC", "day": "monday", "hour": 8}):
        parameters = {"id": "deals"} if path == "{id}" else None
        made = proxy_event("PUT", f"/api/watches/{path}", authorizer=session(user_id), body=body, parameters=parameters)
        assert watches.handler(made, None)["statusCode"] == 200


def cost_day(user_id: int, days_ago: int) -> CostDay:
    return CostDay(user_id, instants.text(instants.now() - days_ago * 86_400_000)[:10], "openai")


def put_costs(user_id: int) -> None:
    """Put costs of yesterday twice, so that the table has an earlier version, and of a past month with stored sums."""
    for days_ago, cost in (1, 9.8), (1, 12.9), (100, 1):
        day = cost_day(user_id, days_ago)
        body = {"userId": user_id, "lines": [{"agentId": 7, "costUsd": cost, "label": f"model of {user_id}"}]}
        parameters = {"date": day.date, "source": day.source}
        event = proxy_event("PUT", "/api/costs/{date}/{source}", authorizer=KEY, body=body, parameters=parameters)
        assert costs.handler(event, None)["statusCode"] == 200
    begin, end = (f"{day.date}T0{hour}:00:00Z" for hour in (0, 1))  # of the last day that was put
    get = proxy_event("GET", "/api/costs", authorizer=session(user_id), query={"from": begin, "to": end})
    with patch.object(stored_costs, "LINES_WORTH_SUMS", 1):
        assert costs.handler(get, None)["statusCode"] == 200


def live(user_id: int) -> None:
    """Write rows of this user into every table."""
    record(user_id)
    id_ = record(user_id, key="deal-4711")
    record_many(user_id, "deal-4712", None)
    for body in (
        {"type": "amend", "reason": "A typo", "changes": {"title": "Closed the deal"}},
        {"type": "void", "reason": "Never happened"},
    ):
        status, answer, _ = correct(id_, KEY, {"userId": user_id} | body, key=f"{body['type']}-{user_id}")
        assert status == 200, answer
    original = record(None, title="Unassigned")
    amend = {"type": "amend", "reason": f"Call {user_id}", "changes": {"title": f"Called {user_id}"}, "userId": None}
    assert correct(original, KEY, amend)[0] == assign(original, user_id)[0] == 200
    make_key(user_id)
    make_key(user_id, "Another")
    revoke_key(user_id)
    # This expired key is not in the list of live keys in its user's row.
    expired = {"id": {"S": f"expired{user_id:09}"}, "user_id": {"N": str(user_id)}, "name": {"S": "Old"}}
    expired |= {"scopes": {"S": "record"}, "created_at": {"S": "2026-01-01T12:00:00.000Z"}}
    expired |= {"secret_sha256": {"S": "0" * 64}, "expires_at": {"S": "2026-02-01T12:00:00.000Z"}}
    aws_client("dynamodb").put_item(TableName="KeysTable", Item=expired)
    sign_in(user_id, f"a token of {user_id}")
    keep_sums(user_id)
    keep_statement(user_id)
    define(user_id, "claimed", "never")
    watch(user_id)
    put_costs(user_id)


def rows_of(user_id: int | None) -> dict[str, list[Any]]:
    """Return the user's rows of each table, or all rows if user_id is None. Tables without such rows are left out."""
    found: dict[str, list[Any]] = {}
    for table in moto_tables():
        rows = [item.to_json()["Attributes"] for item in moto_tables()[table].all_items()]
        of_user = [row for row in rows if user_id is None or names(row, user_id)]
        if of_user:
            found[table] = sorted(of_user, key=repr)
    return found


def names(row: Any, user_id: int) -> bool:
    """Return whether a row contains this user's id."""
    ids: Any = {"S": str(user_id)}, {"N": str(user_id)}
    is_users = row.get("user_id") in ids or row.get("assigned_to") in ids
    return is_users or row.get("id") == {"S": f"user#{user_id}"}
