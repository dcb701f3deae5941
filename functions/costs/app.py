"""/api/costs: report what agents cost. /api/costs/{date}/{source}: put, read and delete a source's costs of a day."""

import os
from datetime import UTC

from outcomes.calendar import instants
from outcomes.contract import json_text, queries
from outcomes.contract.caller import Caller
from outcomes.contract.costs import (
    ignored_cost_fields,
    payer,
    read_date,
    read_lines,
    read_source,
    require_recent,
)
from outcomes.contract.preconditions import etag
from outcomes.costs.cost_rows import CostDay, CostVersion
from outcomes.costs.days import CostDays
from outcomes.edge.api import Event, Response, endpoint, json_body, ok, path_parameter, query, query_list, reader
from outcomes.edge.replacing import deleted, preconditions, read_or_refusal, replaced
from outcomes.errors import NotFound
from outcomes.limits import MAX_RESPONSE_BYTES

PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"

days = CostDays(os.environ["COSTS_TABLE"])


@endpoint(
    failure="Failed to put or read costs", origins=os.environ["DASHBOARD_ORIGINS"], platform_may_read=PLATFORM_MAY_READ
)
def handler(event: Event, caller: Caller) -> Response:
    if event["resource"] == "/api/costs":
        return _report(event, caller)
    date = read_date(path_parameter(event, "date"))
    source = read_source(path_parameter(event, "source"))
    match event["httpMethod"]:
        case "PUT":
            return _put(event, caller, date, source)
        case "DELETE":
            require_recent(date)
            day = CostDay(_user(event, caller), date, source)
            return deleted(days.put(day, None, caller, preconditions(event)))
        case "GET":
            return _read(event, caller, date, source)
    raise NotFound


def _report(event: Event, caller: Caller) -> Response:
    # imported here, because putting costs does not need these modules
    from outcomes.calendar.period import COSTS_FROM, Period
    from outcomes.costs.cost_report import CostReport
    from outcomes.costs.stored_costs import StoredCosts

    user_id = reader(event, caller)
    now = instants.local(instants.now(), UTC)
    period = Period.from_query(
        query(event, "from"), query(event, "to"), query(event, "timezone"), now=now, rule=COSTS_FROM
    )
    report = CostReport(period, queries.agent_id(query(event, "agentId")))
    StoredCosts(days.table, days.dynamodb).add_to(report, user_id)
    return ok(report.response())


def _put(event: Event, caller: Caller, date: str, source: str) -> Response:
    require_recent(date)
    body = json_body(event)
    day = CostDay(payer(caller, body), date, source)
    version = days.put(day, read_or_refusal(read_lines, body), caller, preconditions(event))
    return replaced(version, ignored_cost_fields(body))


def _read(event: Event, caller: Caller, date: str, source: str) -> Response:
    has_versions = queries.includes(query_list(event, "include"), {"versions"})
    day = CostDay(_user(event, caller), date, source)
    version = days.read(day, caller)
    answer = json_text.exact({"date": date, "source": source} | version.public(), levels=3)
    if has_versions:
        versions = days.versions_before(day, version.version, caller)
        earlier = _newest(versions, MAX_RESPONSE_BYTES - json_text.response_bytes(answer))
        answer = f'{answer[:-1]},"versions":[{earlier}]}}'
    return ok(answer, {"ETag": etag(version.version)})


def _newest(versions: list[CostVersion], room: int) -> str:
    """Return the JSON of versions, newest first. Stop before the first one that does not fit into `room` bytes."""
    texts = []
    for version in versions:
        text = json_text.exact(version.public(), levels=3)
        room -= json_text.response_bytes(text) + 1
        if room < 0:
            break
        texts.append(text)
    return ",".join(texts)


def _user(event: Event, caller: Caller) -> int:
    """Return the user of the session or key, or the `userId` that was sent. Raises Forbidden if it is not the key's."""
    if caller.session_user is not None:
        return caller.session_user
    sent, key = query(event, "userId"), caller.agent_key
    if key and sent is None:
        return key.user_id
    user_id = queries.user_id(sent)
    if key:
        key.check({"user_id": user_id})
    return user_id
