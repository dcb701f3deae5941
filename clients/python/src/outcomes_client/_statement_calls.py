"""Define the API's calls about statements as sequences of steps. `_calls` explains these steps."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from . import _answers
from ._calls import Calls
from ._http import STATEMENTS_PATH, Request
from ._models import ExportPart, StatementPage
from ._requests import encode, parameters
from ._steps import Call

KEYS_PATH = "/.well-known/outcomes-keys.json"


def make(calls: Calls, period: str, timezone: str | None) -> Call[bytes]:
    body = {"period": period} if timezone is None else {"period": period, "timezone": timezone}
    request = Request("POST", STATEMENTS_PATH, body=encode(body), does="Making a statement")
    return calls.exchange(request, partial(_answers.document, member="signature"))


def page(calls: Calls, limit: int | None, cursor: str | None) -> Call[StatementPage]:
    request = Request("GET", STATEMENTS_PATH, parameters(limit=limit, cursor=cursor))
    return calls.exchange(request, _answers.statements)


def get(calls: Calls, statement_id: str) -> Call[bytes]:
    return calls.exchange(_of(statement_id), partial(_answers.document, member="signature"))


def entries(calls: Calls, statement_id: str, cursor: str | None) -> Call[ExportPart]:
    request = _of(statement_id, "/entries", parameters(cursor=cursor))
    return calls.exchange(request, partial(_answers.export_part, media_type="application/x-ndjson"))


def proof(calls: Calls, statement_id: str, outcome_id: str) -> Call[bytes]:
    request = _of(statement_id, "/proof", parameters(outcome=outcome_id))
    return calls.exchange(request, partial(_answers.document, member="signature"))


def keys(calls: Calls) -> Call[bytes]:
    return calls.exchange(Request("GET", KEYS_PATH, by="nobody"), partial(_answers.document, member="keys"))


def _of(statement_id: str, below: str = "", query: list[tuple[str, str]] | tuple[()] = ()) -> Request:
    # Replace `/` and `+` in the time zone's name, because gateways decode escapes in paths.
    name = quote(statement_id.replace("/", "~").replace("+", "."), safe="@~")
    accept = {"Accept": "application/x-ndjson, application/json"} if below == "/entries" else {}
    return Request("GET", f"{STATEMENTS_PATH}/{name}{below}", query, accept, names="statement")
