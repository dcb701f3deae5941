"""POST /mcp: offer the outcome routes as Model Context Protocol tools."""

import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from outcomes.contract import outcome_type
from outcomes.contract.caller import Caller
from outcomes.contract.json_text import compact, string
from outcomes.edge import write_requests
from outcomes.edge.api import Event, Response, endpoint
from outcomes.edge.observability import count_recorded
from outcomes.errors import Forbidden
from outcomes.ledger import ulid
from outcomes.ledger.idempotent_writes import IdempotentWriter
from outcomes.ledger.store import Filters, OutcomeStore
from outcomes.mcp import server, tool_calls
from outcomes.mcp.tools import DATA

if TYPE_CHECKING:
    from outcomes.ledger.corrections import Corrections

ORIGINS = os.environ["DASHBOARD_ORIGINS"]
CAPABILITIES = frozenset(os.environ["CAPABILITIES"].split(", "))
PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"
TYPES = outcome_type.read(os.environ["OUTCOME_TYPES"])
TOTALS_TABLE, TOTALS_EDITION = os.environ["TOTALS_TABLE"], os.environ["TOTALS_EDITION"]
DEFINITIONS_TABLE = os.environ["DEFINITIONS_TABLE"]  # the table of statements, or empty if Definitions is off

IDEMPOTENCY_TABLE, KEYS_TABLE = os.environ["IDEMPOTENCY_TABLE"], os.environ["KEYS_TABLE"]

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])
ledger = IdempotentWriter(store, IDEMPOTENCY_TABLE, KEYS_TABLE)


@endpoint(failure="Failed to answer", origins=ORIGINS, platform_may_read=PLATFORM_MAY_READ)
def handler(event: Event, caller: Caller) -> Response:
    return server.answer(event, caller, ORIGINS, CAPABILITIES, TYPES, partial(_call, event, caller))


def _call(event: Event, caller: Caller, name: str, arguments: dict[str, Any]) -> str:
    match name:
        case "record_outcome":
            return _record(caller, arguments)
        case "record_outcomes":
            return _record_many(event, caller, arguments)
        case "amend_outcome":
            return _correct(caller, arguments, tool_calls.amendment(arguments))
        case "void_outcome":
            return _correct(caller, arguments, tool_calls.voiding(arguments))
        case "correct_outcomes":
            return _correct_many(event, caller, arguments)
        case "list_outcomes":
            return _list(caller, tool_calls.parameters(arguments))
    return _summarize(caller, tool_calls.parameters(arguments))


def _record(caller: Caller, arguments: dict[str, Any]) -> str:
    key = arguments["idempotency_key"]
    request = write_requests.read_outcome(tool_calls.outcome(arguments), caller, TYPES, key)
    recorded = ledger.record(request)
    if not recorded.replayed:
        count_recorded([request.outcome])
    return compact({"id": recorded.id, "replayed": recorded.replayed, "idempotency_key": key})


def _record_many(event: Event, caller: Caller, arguments: dict[str, Any]) -> str:
    items = tool_calls.outcomes(arguments, caller)
    results = write_requests.record_each(event, caller, TYPES, ledger, [(item, None) for item in items], "Tool failed")
    told = [tool_calls.result(item, answer, TYPES) for item, answer in zip(items, results.answers, strict=True)]
    recorded = sum(each["id"] is not None for each in told)
    return compact({"recorded": recorded, "not_recorded": len(told) - recorded, "results": told})


@cache
def _corrections() -> "Corrections":
    """Create `Corrections` on first use, because it may be off, and keep it to reuse its leases of keys' days."""
    from outcomes.ledger.corrections import Corrections

    return Corrections(store, IDEMPOTENCY_TABLE, KEYS_TABLE)


def _correct(caller: Caller, arguments: dict[str, Any], body: dict[str, Any]) -> str:
    from outcomes.contract.correction_rules import Correction  # imported here, because Corrections may be off

    id_, key = str(arguments["outcome_id"]), arguments["idempotency_key"]
    correction = Correction.parse(body, caller, TYPES, ulid.time_of(id_), key)
    corrected = _corrections().correct(id_, correction, caller, key)
    about = compact({"id": corrected.id, "replayed": corrected.replayed, "idempotency_key": key})
    return f'{about[:-1]},{corrected.status_json},"outcome":{corrected.shown(caller) or "null"}}}'


def _correct_many(event: Event, caller: Caller, arguments: dict[str, Any]) -> str:
    from outcomes.edge import correction_requests

    items = [(item, None) for item in tool_calls.corrections(arguments, caller)]
    results = correction_requests.correct_each(event, caller, TYPES, _corrections(), items, "Tool failed")
    told = [tool_calls.corrected(item, answer, TYPES) for (item, _), answer in zip(items, results.answers, strict=True)]
    corrected = sum(each["id"] is not None for each in told)
    return compact({"corrected": corrected, "not_corrected": len(told) - corrected, "results": told})


def _list(caller: Caller, sent: dict[str, list[str]]) -> str:
    from outcomes.contract import queries  # imported here, because recording does not need this module

    one, several = _parameters(sent)
    limit, filters = queries.limit(one("limit")), Filters.from_query(one, several)
    page = store.page(_reader(caller), limit, one("cursor"), filters, include_ledger=True)
    outcomes, cursor = ",".join(page.outcomes), compact(page.next_cursor)
    return f'{{"note":{string(DATA)},"outcomes":[{outcomes}],"next_cursor":{cursor}}}'


def _summarize(caller: Caller, sent: dict[str, list[str]]) -> str:
    from outcomes.totals.materialized import Totals
    from outcomes.totals.summary import Summary

    definitions = None
    if DEFINITIONS_TABLE:
        from outcomes.definitions import stored_definitions

        definitions = stored_definitions.read(store.dynamodb, DEFINITIONS_TABLE, _reader(caller))
        if definitions:  # what counts is only known in their time zone
            sent = {"timezone": [definitions.timezone]} | sent
    summary, previous = Summary.from_query(*_parameters(sent))
    counted = None
    if definitions:
        from outcomes.totals.what_counts import WhatCounts

        counted = WhatCounts(definitions, summary)
    totals = Totals(store, TOTALS_TABLE, TOTALS_EDITION)
    totals.aggregate(_reader(caller), [summary, previous] if previous else [summary], counted)
    by_rule = f',"by_rule":{counted.in_total(summary)}' if counted else ""
    return f"{summary.response(previous)[:-1]}{by_rule}}}"


def _parameters(sent: dict[str, list[str]]) -> tuple[Any, Any]:
    return (lambda name: sent.get(name, [None])[-1]), (lambda name: sent.get(name, []))


def _reader(caller: Caller) -> int:
    if caller.agent_key is None:  # this cannot happen, because tool_calls.check has already refused such a call
        raise Forbidden
    return caller.agent_key.user_id
