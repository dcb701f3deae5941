"""The judge: whatever happened, all reads of the API agree with the stored rows and with each other.

It adds up by `smoke.model`, in exact decimals, and verifies statements with the client.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Context, Decimal
from io import StringIO
from itertools import chain, pairwise
from typing import Any, NamedTuple

from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays
from outcomes.calendar.period import time_zone
from outcomes.contract import json_text
from outcomes.definitions import stored_definitions
from outcomes.definitions.definition_rules import Definitions

from functions.costs import app as costs
from functions.definitions import app as definition_routes
from functions.export_outcomes import app as export_outcomes
from functions.summarize_outcomes import app as summarize_outcomes
from smoke.model import TALLIES, Choice, State, added_up, said, shown
from tests import what_counts
from tests.corrections import OWNER, pages
from tests.entries import id_of, outcomes_equal_their_entries
from tests.events import proxy_event
from tests.people import rows_of
from tests.statements.service import ask, call, head, verified

EVER = "2026-01-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"
NOTHING = 0, Decimal(0)
_add = Context(prec=400).add


def listed(by: dict[str, Any] = OWNER, **query: str) -> list[State]:
    return list(chain.from_iterable(pages(by, userId="none", limit="50", include="ledger", **query)))


def read(handler: Callable[[Any, None], Any], by: dict[str, Any] = OWNER, path: str = "", /, **query: Any) -> str:
    answer = handler(proxy_event("GET", path or "/api/outcomes", authorizer=by, query={"userId": "none"} | query), None)
    assert answer["statusCode"] == 200, answer
    return str(answer["body"])


def entries_make_the_outcomes(rows: list[Any]) -> None:
    is_entry = {id_of(row): row["created_at"]["S"].startswith("~") for row in rows}
    items, entries = ({id_of(row): row for row in rows if is_entry[id_of(row)] == kind} for kind in (False, True))
    outcomes_equal_their_entries(items, entries)


def files_are_the_list(outcomes: list[State], by: dict[str, Any] = OWNER) -> None:
    """Check the list and the files in both orders, with and without void outcomes."""
    for time, at in ("recorded", "created_at"), ("occurred", "occurred_at"):
        assert listed(by, time=time) == shown(outcomes, Choice(), with_void=True, by=at), f"the list by {at}"
        for statuses in [], [*TALLIES]:
            expected = [each["id"] for each in shown(outcomes, Choice(), with_void=bool(statuses), by=at)]
            query: dict[str, Any] = {"time": time, "status": statuses} if statuses else {"time": time}
            lines = read(export_outcomes.handler, by, format="ndjson", **query).splitlines()
            assert [json_text.read(line)["id"] for line in lines] == expected, f"the lines by {at}"
            table = StringIO(read(export_outcomes.handler, by, format="csv", **query), newline="")
            assert [row["id"] for row in csv.DictReader(table)] == expected, f"the table by {at}"


def summaries_are_the_sum(
    outcomes: list[State], zone: str, by: dict[str, Any] = OWNER, periods: Iterable[tuple[str, str]] = (EVER,)
) -> None:
    for since, until in periods:
        query: Any = {"from": since, "to": until, "timezone": zone}
        answer = json_text.read(read(summarize_outcomes.handler, by, **query))
        expected = added_up(outcomes, Choice(since=since, until=until), zone)
        assert said(answer) == expected, f"the summary from {since} in {zone}"


def what_counts_is_the_sum(zone: str = "") -> None:
    """Check what counts, if there are definitions of this zone, against a loop over the stored outcomes.

    zone: by default that of the definitions.
    """
    own, found, today = defined()
    zone = zone or found.timezone
    query: Any = {"from": "2026-01-01", "to": "2026-06-01", "timezone": zone, "by": "month", "include": "definition"}
    answer = json_text.read(read(summarize_outcomes.handler, **query))
    if not found.all or found.timezone != zone:
        assert answer["by_rule"] is None, f"what counts in {zone}"
        return
    expected = what_counts.divided(own, found, today, Choice(since=answer["from"], until=answer["to"]))
    assert what_counts.said(answer["by_rule"]) == what_counts.without_days(expected), f"what counts in {zone}"
    assert sum(answer["by_rule"][part]["count"] for part in what_counts.PARTS) == answer["count"]


def each_counts_as_the_rules_say() -> None:
    """Check what the list and the file say that each outcome counts for."""
    own, found, today = defined()
    expected = {id_of(row): what_counts.counts(row, found, today) for row in own}
    told = chain.from_iterable(pages(OWNER, limit="50", include=["ledger", "counts"]))
    assert {each["id"]: each["counts"] for each in told} == expected, "the counts of the list"
    query: Any = {"format": "ndjson", "status": [*TALLIES], "include": "counts"}
    lines = map(json_text.read, read(export_outcomes.handler, **query).splitlines())
    assert {each["id"]: each["counts"] for each in lines} == expected, "the counts of the file"


def defined() -> tuple[list[Any], Definitions, date]:
    """Return the stored outcomes, the definitions in force, and the local day."""
    rows = rows_of(42)
    head = [row for row in rows.get("StatementsTable", []) if row["id"] == {"S": stored_definitions.HEAD}]
    found = stored_definitions.definitions_of(head[0]) if head else Definitions("UTC")
    own = [row for row in rows.get("OutcomesTable", []) if row["user_id"] == {"S": "42"}]
    today = date.fromisoformat(LocalDays(time_zone(found.timezone)).of(instants.text(instants.now())).date)
    return [row for row in own if row["created_at"]["S"][0].isdigit()], found, today


def statements(zone: str, month: str) -> list[str]:
    """Make the statement of a month and all before it. Return the texts of the whole chain, oldest first."""
    for _ in range(99):
        status, text = ask(month, zone)
        if status != 503:
            break
    assert status == 200 or "first entry" in str(text), text
    found = json_text.read(call("GET", "/api/statements", query={"limit": "50"})[1])["statements"]
    ids = [each["id"] for each in reversed(found) if each["timezone"] == zone]
    return [call("GET", "/api/statements/{id}", parameters={"id": id_.replace("/", "~")})[1] for id_ in ids]


def definitions() -> Any:
    """Return the definitions, newest first."""
    return json_text.read(read(definition_routes.handler, OWNER, "/api/definitions"))["definitions"]


class Put(NamedTuple):
    """A PUT of a definition, or a DELETE, which has no body. status, version: of the answer, 0 if there was none."""

    month: str
    body: Any
    status: int
    version: int
    began_at: float
    ended_at: float

    @property
    def said(self) -> Any:
        types = self.body and sorted(self.body["types"].items(), key=lambda each: (each[0] == "*", each[0]))
        return self.body and (self.body["timezone"], self.body["disputeDays"], [(k, *v.values()) for k, v in types])


def definitions_are_what_was_put(puts: list[Put], erasures: list[tuple[float, float]]) -> None:
    """Check that each answered put is a version, and any other one at most once, and that the newest are in force."""
    rows = [row for row in rows_of(42).get("StatementsTable", []) if stored_definitions.is_version(row)]
    versions = [json_text.read(stored_definitions.version_json(row)) for row in rows]
    by_put: defaultdict[str, list[Any]] = defaultdict(list)
    for each in versions:
        types = each["types"] and [tuple(rule.values()) for rule in each["types"]]
        by_put[each["from"]].append((each["version"], types and (each["timezone"], each["dispute_days"], types)))
    erased_since, erased_until = erasures[-1] if erasures else (0, 0)
    for put in puts:
        stored = by_put[put.month]
        if put.status == 200 and put.began_at > erased_until:
            assert (put.version, put.said) in stored, f"not stored: {put}"
        same = [each for each in puts if (each.month, each.body) == (put.month, put.body)]
        same = [each for each in same if each.ended_at > erased_since]
        told = {each.version for each in same if each.status == 200}
        doubtful = sum(each.status in {0, 500} for each in same)
        assert [said for _, said in stored].count(put.said) <= len(told) + doubtful, f"stored too often: {put}"
    newest = {each["from"]: each for each in sorted(versions, key=lambda each: (each["from"], each["version"]))}
    in_force = [each for each in reversed(newest.values()) if each["types"]]
    assert definitions() == in_force, "the definitions in force"
    head = {each.month: each for each in defined()[1].all}
    assert head.keys() == {each["from"] for each in in_force}
    for each in in_force:
        rules = [(name, *rule) for name, rule in head[each["from"]].rules.items()]
        assert rules == [tuple(rule.values())[:-1] for rule in each["types"]], f"the rules of {each['from']}"


def statements_have_the_definition(texts: list[str], zone: str) -> None:
    """Check that each statement has the definition that is in force for its month."""
    of_zone = [each for each in definitions() if each["timezone"] == zone]
    for statement in map(head, texts):
        found = next((each for each in of_zone if each["from"] <= statement["period"]), None)
        said = statement["definition"]
        for each in said["types"] if said else ():
            each["each_usd"] = each["each_usd"] and Decimal(each["each_usd"])
        assert said == (found and {name: found[name] for name in said or found}), (
            f"the definition of {statement['period']} in {zone}"
        )


def statements_are_the_sum(texts: list[str], outcomes: list[State], zone: str) -> None:
    """Check that the totals of each month, with all adjustments of later statements, are the month's present sum."""
    for before, text in pairwise([None, *texts]):
        assert text
        verified(text, before)
    found: defaultdict[tuple[str, str], dict[Any, tuple[int, Decimal]]] = defaultdict(dict)
    for statement in map(head, texts):
        parts = [((statement["from"], statement["cut"]), statement["totals"])]
        parts += [((each["from"], each["to"]), each["totals"]) for each in statement["adjustments"]]
        for period, totals in parts:
            for name, added in _cells(totals):
                count, value = found[period].get(name, NOTHING)
                found[period][name] = count + added["count"], _add(value, Decimal(added["value_usd"]))
    entries = [row for row in rows_of(42).get("OutcomesTable", []) if row["user_id"] == {"S": "42"}]
    assert sum(head(text)["size"] for text in texts) == len(entries), "entries are missing"
    counted = 0
    for (since, until), sums in found.items():
        expected = added_up(outcomes, Choice(since=since, until=until), zone)
        names = {("all", "standing"): expected["standing"]}
        names |= {("all", tally): expected[tally] for tally in ("confirmed", "disputed", "voided")}
        names |= {(group, key): value for group in ("by_type", "by_agent") for key, value in expected[group].items()}
        assert {name: sum_ for name, sum_ in sums.items() if sum_ != NOTHING} == {
            name: sum_ for name, sum_ in names.items() if sum_ != NOTHING
        }, f"the statements of {since} in {zone}"
        counted += sum(expected[tally][0] for tally in ("standing", "disputed", "voided"))
    assert counted == len(outcomes), f"outcomes in no statement in {zone}"


def _cells(totals: Any) -> Iterable[tuple[Any, Any]]:
    yield ("all", "standing"), totals
    yield from ((("all", tally), totals[tally]) for tally in ("confirmed", "disputed", "voided"))
    yield from ((("by_type", row["outcome_type"]), row) for row in totals["by_type"])
    yield from ((("by_agent", row["agent_id"]), row) for row in totals["by_agent"])


def costs_are_the_sum_of_lines(by: dict[str, Any] = OWNER) -> None:
    report = json_text.read(read(costs.handler, by, "/api/costs", **{"from": EVER[0], "to": EVER[1]}))
    by_agent: defaultdict[Any, Decimal] = defaultdict(Decimal)
    by_day: defaultdict[str, Decimal] = defaultdict(Decimal)
    for day, agent, cost in costs_of_days():
        by_agent[agent] = _add(by_agent[agent], cost)
        by_day[day] = _add(by_day[day], cost)
    assert {each["agent_id"]: each["cost_usd"] for each in report["by_agent"]} == by_agent, "costs by agent"
    found = {each["date"]: each["cost_usd"] for each in report["by_day"] if each["sources"]}
    assert found == by_day, "costs by day"


def costs_of_days() -> Iterable[tuple[str, Any, Decimal]]:
    """Yield the day, the agent and the cost of each stored line."""
    for row in rows_of(42).get("CostsTable", []):
        if row["day_source"]["S"][0].isdigit() and "lines" in row:
            for cost, agent, *_ in json_text.read(row["lines"]["S"]):
                yield row["day_source"]["S"].partition("#")[0], agent, cost
