"""Test which routes each caller may use, through API Gateway, the authorizer and the function."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from outcomes.contract.agent_key_bodies import NewAgentKey, Scope
from outcomes.contract.models import NewOutcome
from outcomes.keys.agent_keys import AgentKeys
from outcomes.ledger.store import OutcomeStore

from local.events import Pairs, query_of
from local.session_cookies import stored_row
from release.contract.openapi import base, routes
from release.contract.source import template
from tests.auth.conftest import CURRENT_KEY
from tests.auth.events import load_event
from tests.auth.gateway import rest_api, send
from tests.auth.issuer import AUDIENCE, Issuer
from tests.servers import serving

WHOSE = """
caller                              | no userId  | userId=7   | userId=none | userId=x
nobody                              | 401        | 401        | 401         | 401
platform                            | 401        | 403 userId | none        | 400 Invalid userId
platform that may read              | 401        | 7          | none        | 400 Invalid userId
platform, session                   | 42         | 403 userId | none        | 400 Invalid userId
platform that may read, session     | 42         | 7          | none        | 400 Invalid userId
unknown key                         | 401        | 401        | 401         | 401
unknown key, session                | 42         | 42         | 42          | 42
session                             | 42         | 42         | 42          | 42
ended session                       | 401        | 401        | 401         | 401
token                               | 42         | 42         | 42          | 42
token cookie                        | 42         | 42         | 42          | 42
agent may read                      | 42         | 42         | 42          | 42
agent 7 may read                    | 42         | 42         | 42          | 42
agent may all                       | 42         | 42         | 42          | 42
agent may record                    | 403 scopes | 403 scopes | 403 scopes  | 403 scopes
agent may correct                   | 403 scopes | 403 scopes | 403 scopes  | 403 scopes
agent may read, session of 7        | 42         | 42         | 42          | 42
agent may record, session           | 403 scopes | 403 scopes | 403 scopes  | 403 scopes
revoked agent key                   | 401        | 401        | 401         | 401
revoked agent key, session of 7     | 7          | 7          | 7           | 7
paused agent key                    | 403 Authorization | 403 Authorization | 403 Authorization | 403 Authorization
paused agent key, session of 7      | 403 Authorization | 403 Authorization | 403 Authorization | 403 Authorization
agent may read, AgentKeys off       | 401        | 401        | 401         | 401
agent may read, session, AgentKeys off | 42      | 42         | 42          | 42
"""
"""The user whose outcomes a caller reads, or the error, by the parameter `userId`. All routes that take `none` for this
parameter answer the same, except costs and definitions."""

AMEND = {"type": "amend", "userId": 42, "reason": "Misspelt", "changes": {"title": "y"}}
OTHERS: dict[str, tuple[str, str, Any]] = {
    "types": ("GET", "/api/outcomes/types", None),
    "record": ("POST", "/api/outcomes", {"outcomeType": "deal_closed", "title": "x", "userId": 42}),
    "batch": ("POST", "/api/outcomes/batch", {"outcomes": [{"outcomeType": "deal_closed", "title": "x"}]}),
    "amend": ("POST", "/api/outcomes/{id}/corrections", AMEND),
    "bulk": ("POST", "/api/outcomes/corrections", {"corrections": [{"id": "x"}]}),
    "assign": ("POST", "/api/outcomes/{id}/assign", {"userId": 42}),
    "make key": ("POST", "/api/keys", {"name": "x", "userId": 42}),
    "keys": ("GET", "/api/keys", None),
    "self": ("GET", "/api/keys/self", None),
    "rotate": ("POST", "/api/keys/{id}/rotate", {"userId": 42}),
    "pause": ("POST", "/api/keys/{id}/pause", {"userId": 42}),
    "resume": ("POST", "/api/keys/{id}/resume", {"userId": 42}),
    "revoke": ("DELETE", "/api/keys/{id}", None),
    "statement": ("POST", "/api/statements", {"period": "2026-04"}),
    "statements": ("GET", "/api/statements", None),
    "bytes": ("GET", "/api/statements/{id}", None),
    "entries": ("GET", "/api/statements/{id}/entries", None),
    "proof": ("GET", "/api/statements/{id}/proof", None),
    "put costs": ("PUT", "/api/costs/{date}/{source}", {"userId": 42, "lines": []}),
    "costs": ("GET", "/api/costs/{date}/{source}", None),
    "delete costs": ("DELETE", "/api/costs/{date}/{source}", None),
    "sum": ("GET", "/api/costs", None),
    "define": (
        "PUT",
        "/api/definitions/{month}",
        {"timezone": "UTC", "disputeDays": 0, "types": {"*": {"when": "claimed"}}},
    ),
    "try": (
        "POST",
        "/api/definitions/try",
        {"definition": {"timezone": "UTC", "disputeDays": 0, "types": {"*": {"when": "claimed"}}}},
    ),
    "delete definition": ("DELETE", "/api/definitions/{month}", None),
    "definitions": ("GET", "/api/definitions", None),
    "put watch": (
        "PUT",
        "/api/watches/{id}",
        {"userId": 42, "name": "x", "measure": "silence", "timezone": "UTC", "target": 1},
    ),
    "watch": ("GET", "/api/watches/{id}", None),
    "watches": ("GET", "/api/watches", None),
    "delete watch": ("DELETE", "/api/watches/{id}", None),
    "put digest": ("PUT", "/api/watches/digest", {"userId": 42, "timezone": "UTC", "day": "monday", "hour": 8}),
    "delete digest": ("DELETE", "/api/watches/digest", None),
    "mcp": ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
}
READS = [
    route["path"]
    for route in routes(base(), template())
    for parameter in route["told"].get("parameters", ())
    if parameter["name"] == "userId"
    and "anyOf" in parameter["schema"]
    and route["path"] not in ("/api/costs", "/api/definitions")
]

STATUSES = """
caller                 | types | record | batch | amend | bulk | assign | make key | keys | self | rotate | revoke | mcp
nobody                 | 401   | 401    | 401   | 401   | 401  | 401    | 401      | 401  | 401  | 401    | 401    | 401
platform               | 200   | 200    | 200   | 200   | 200  | 200    | 200      | 200  | 404  | 200    | 200    | 200
platform, session      | 200   | 200    | 200   | 200   | 200  | 200    | 200      | 200  | 404  | 200    | 200    | 200
session                | 200   | 200    | 200   | 403   | 200  | 403    | 200      | 200  | 404  | 200    | 200    | 403
token                  | 200   | 200    | 200   | 403   | 200  | 403    | 200      | 200  | 404  | 200    | 200    | 403
agent may read         | 200   | 403    | 403   | 403   | 200  | 403    | 403      | 403  | 200  | 403    | 403    | 200
agent may record       | 200   | 200    | 200   | 403   | 200  | 403    | 403      | 403  | 200  | 403    | 403    | 200
agent may correct      | 200   | 403    | 403   | 200   | 200  | 403    | 403      | 403  | 200  | 403    | 403    | 200
agent may all          | 200   | 200    | 200   | 200   | 200  | 403    | 403      | 403  | 200  | 403    | 403    | 200
revoked agent key      | 401   | 401    | 401   | 401   | 401  | 401    | 401      | 401  | 401  | 401    | 401    | 401
paused agent key       | 403   | 403    | 403   | 403   | 403  | 403    | 403      | 403  | 403  | 403    | 403    | 403
unknown key, session   | 200   | 200    | 200   | 403   | 200  | 403    | 200      | 200  | 404  | 200    | 200    | 403
"""

STATUSES_OF_PAUSES_AND_STATEMENTS = """
caller               | pause | resume | statement | statements | bytes | entries | proof
nobody               | 401   | 401    | 401       | 401        | 401   | 401     | 401
platform             | 200   | 200    | 403       | 403        | 403   | 403     | 403
platform, session    | 200   | 200    | 403       | 403        | 403   | 403     | 403
session              | 200   | 200    | 409       | 200        | 404   | 404     | 404
token                | 200   | 200    | 409       | 200        | 404   | 404     | 404
agent may read       | 403   | 403    | 403       | 200        | 404   | 404     | 404
agent may record     | 403   | 403    | 403       | 403        | 403   | 403     | 403
agent may correct    | 403   | 403    | 403       | 403        | 403   | 403     | 403
agent may all        | 403   | 403    | 403       | 200        | 404   | 404     | 404
revoked agent key    | 401   | 401    | 401       | 401        | 401   | 401     | 401
paused agent key     | 403   | 403    | 403       | 403        | 403   | 403     | 403
unknown key, session | 200   | 200    | 409       | 200        | 404   | 404     | 404
"""

STATUSES_OF_COSTS_AND_DEFINITIONS = """
caller               | put costs | costs | delete costs | sum | define | try | delete definition | definitions
nobody               | 401       | 401   | 401          | 401 | 401    | 401 | 401               | 401
platform             | 200       | 200   | 200          | 403 | 403    | 403 | 403               | 403
platform, session    | 200       | 200   | 200          | 403 | 403    | 403 | 403               | 403
session              | 200       | 200   | 200          | 200 | 200    | 200 | 200               | 200
token                | 200       | 200   | 200          | 200 | 200    | 200 | 200               | 200
agent may read       | 403       | 404   | 403          | 200 | 403    | 403 | 403               | 200
agent may record     | 403       | 403   | 403          | 403 | 403    | 403 | 403               | 403
agent may correct    | 403       | 403   | 403          | 403 | 403    | 403 | 403               | 403
agent may all        | 200       | 200   | 200          | 200 | 403    | 403 | 403               | 200
revoked agent key    | 401       | 401   | 401          | 401 | 401    | 401 | 401               | 401
paused agent key     | 403       | 403   | 403          | 403 | 403    | 403 | 403               | 403
unknown key, session | 200       | 200   | 200          | 200 | 200    | 200 | 200               | 200
"""

STATUSES_OF_WATCHES = """
caller               | put watch | watch | watches | delete watch | put digest | delete digest
nobody               | 401       | 401   | 401     | 401          | 401        | 401
platform             | 200       | 200   | 200     | 200          | 200        | 200
platform, session    | 200       | 200   | 200     | 200          | 200        | 200
session              | 200       | 200   | 200     | 200          | 200        | 200
token                | 200       | 200   | 200     | 200          | 200        | 200
agent may read       | 403       | 403   | 403     | 403          | 403        | 403
agent may record     | 403       | 403   | 403     | 403          | 403        | 403
agent may correct    | 403       | 403   | 403     | 403          | 403        | 403
agent may all        | 403       | 403   | 403     | 403          | 403        | 403
revoked agent key    | 401       | 401   | 401     | 401          | 401        | 401
paused agent key     | 403       | 403   | 403     | 403          | 403        | 403
unknown key, session | 200       | 200   | 200     | 200          | 200        | 200
"""


def rows(table: str) -> list[tuple[str, dict[str, str]]]:
    (_, *names), *lines = [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]
    return [(caller, dict(zip(names, cells, strict=True))) for caller, *cells in lines]


class People:
    """The callers, and the outcomes of each user.

    outcomes: each user's outcome ids. The platform's key recorded the first id of each user.
    """

    def __init__(self, deploy: Callable[..., ModuleType], tables: dict[str, str], issuer_url: str, token: str) -> None:
        store, self.keys = OutcomeStore(tables["OutcomesTable"]), AgentKeys(tables["KeysTable"])
        self.deploy, self.issuer_url = deploy, issuer_url
        self.authorizers: dict[str, ModuleType] = {}
        self.outcomes: dict[str, list[str]] = {}
        for user, agents in {"42": [7, 8], "7": [7, 8, 9], "none": [7]}.items():
            owner = None if user == "none" else Decimal(user)
            bodies = [
                {"outcomeType": "deal_closed", "title": "x", "userId": owner, "agentId": Decimal(agent)}
                for agent in agents
            ]
            self.outcomes[user] = [store.add(NewOutcome.parse(body, session_user=None), "key") for body in bodies]
        self.managed = self.keys.create(NewAgentKey("Managed", 42), "platform")[1].id
        revoked, key = self.keys.create(NewAgentKey("Revoked", 42, scopes=tuple(Scope)), "platform")
        self.keys.revoke(42, key.id)
        paused, key = self.keys.create(NewAgentKey("Paused", 42, scopes=tuple(Scope)), "session")
        self.keys.set_paused(42, key.id, paused=True)
        agent_keys = {
            "agent may read": self._agent(Scope.READ),
            "agent 7 may read": self._agent(Scope.READ, agent_id=7),
            "agent may record": self._agent(Scope.RECORD),
            "agent may correct": self._agent(Scope.CORRECT, Scope.BACKFILL),
            "agent may all": self._agent(*Scope),
            "paused agent key": paused,
            "revoked agent key": revoked,
        }
        bearers = agent_keys | {"unknown key": "unknown", "token": token}
        bearers |= dict.fromkeys(("platform", "platform that may read"), CURRENT_KEY)
        cookies = {
            "session": load_event("get_with_session")["headers"]["Cookie"],
            "session of 7": "__Secure-session=of-7",
            "ended session": "__Secure-session=ended",
            "token cookie": f"token={token}",
        }
        self.headers = {name: ("Authorization", f"Bearer {text}") for name, text in bearers.items()}
        self.headers |= {name: ("Cookie", text) for name, text in cookies.items()}

    def _agent(self, *scopes: Scope, agent_id: int | None = None) -> str:
        return self.keys.create(NewAgentKey("x", 42, agent_id=agent_id, scopes=scopes), "session")[0]

    def send(self, caller: str, method: str, path: str, query: Pairs, body: Any = None) -> tuple[int, Any]:
        """Send a request with all credentials that the caller's name lists, separated by commas."""
        if caller not in self.authorizers:
            variables = {"OIDC_ISSUER": self.issuer_url, "OIDC_AUDIENCE": AUDIENCE, "OIDC_USER_CLAIM": "sub"}
            variables |= {"OIDC_COOKIE": "token", "PLATFORM_MAY_READ": str("that may read" in caller).lower()}
            variables |= {"KEYS_TABLE": ""} if "AgentKeys off" in caller else {}
            self.authorizers[caller] = self.deploy(**variables)
        names = [name for name in caller.split(", ") if name not in ("nobody", "AgentKeys off")]
        headers = [("Content-Type", "application/json"), *(self.headers[name] for name in names)]
        text = b"" if body is None else json.dumps(body).encode()
        return send(self.authorizers[caller], method, path, query, headers, text)

    def read(self, caller: str, path: str, query: Pairs) -> str:
        """Return the user whose outcomes the caller reads, or the error, in the format of the cells of WHOSE."""
        if path.endswith("{id}"):
            each = {user: path.format(id=ids[0]) for user, ids in self.outcomes.items()}
            found = {user: self.send(caller, "GET", one, query)[0] for user, one in each.items()}
            if 200 in found.values():
                assert sorted(found.values()) == [200, 404, 404]
                return next(user for user, status in found.items() if status == 200)
            path = each["42"]
        status, text = self.send(caller, "GET", path, query)
        if status == 401:
            return "401"
        if status != 200:
            error = json.loads(text)
            return f"{status} {error['details'][0]['field'] if 'details' in error else error['error']}"
        # An answer names outcomes, or adds them up by agents. Each user's outcomes have another number of agents.
        shown = re.findall(r"01[0-9A-Z]{24}", text)
        agents = {*re.findall(r'"agent_id":(\d+)', text)}
        return next(
            user for user, ids in self.outcomes.items() if (ids == shown[::-1] if shown else len(ids) == len(agents))
        )


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with serving(Issuer()) as running:
        yield running


@pytest.fixture
def people(
    deploy: Callable[..., ModuleType],
    tables: dict[str, str],
    put_session: Callable[[dict[str, Any]], None],
    issuer: Issuer,
) -> People:
    now = int(time.time())
    put_session(stored_row("of-7", 7, now + 3600))
    put_session(stored_row("ended", 42, now - 1))
    return People(deploy, tables, issuer.url, issuer.token({}, now))


def test_who_reads_whose_outcomes(people: People) -> None:
    """Read with all callers in one test, because making the people takes longer than a caller's reads."""
    whose = dict(rows(WHOSE))
    for path in READS:
        assert {
            caller: {name: people.read(caller, path, query_of(name if "=" in name else "")) for name in cells}
            for caller, cells in whose.items()
        } == whose, path


def test_the_platform_names_one_user(people: People) -> None:
    expected = {
        "userId=42&userId=7": "400 Invalid userId",
        "userId=7&userId=none": "400 Invalid userId",
        "userId=7&userId=": "400 Invalid userId",
        "userid=7": "401",
    }
    for path in READS:
        assert {query: people.read("platform that may read", path, query_of(query)) for query in expected} == expected


ALL = [
    (each[0][0], {name: cell for _, cells in each for name, cell in cells.items()})
    for each in zip(
        *map(
            rows,
            (
                STATUSES,
                STATUSES_OF_PAUSES_AND_STATEMENTS,
                STATUSES_OF_COSTS_AND_DEFINITIONS,
                STATUSES_OF_WATCHES,
            ),
        ),
        strict=True,
    )
]


@pytest.mark.parametrize(("caller", "cells"), ALL, ids=[caller for caller, _ in ALL])
def test_who_may_call_the_other_routes(people: People, caller: str, cells: dict[str, str]) -> None:
    ids = {f"/api/keys/{{id}}{way}": people.managed for way in ("", "/rotate", "/pause", "/resume")}
    ids |= {"/api/outcomes/{id}/assign": people.outcomes["none"][0]}
    found = {}
    for name, (method, resource, body) in OTHERS.items():
        whose = ("/api/keys", "/api/costs", "/api/definitions", "/api/watches")
        query = query_of("userId=42" if resource.startswith(whose) and body is None else "")
        id_, today = (
            "deals" if "watch" in name else ids.get(resource, people.outcomes["42"][0]),
            f"{datetime.now(UTC):%Y-%m-%d}",
        )
        path = resource.format(id=id_, date=today, source="openai", month="9998-12")
        status, text = people.send(caller, method, path, query, body)
        items = json.loads(text)["results"] if name == "batch" and status == 200 else []
        found[name] = str(items[0].get("error", 200) if items else status)
    assert found == cells


def test_the_tables_have_every_route() -> None:
    told = {("GET", path) for path in READS} | {(method, path) for method, path, _ in OTHERS.values()}
    assert told == {(route.method.upper(), route.resource) for route in rest_api().routes if route.authorizer}
