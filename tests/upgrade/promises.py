"""Check what a version of the code promises about data that another version wrote."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any

from outcomes.ledger import ulid

from tests.events import KEY
from tests.people import names, restore
from tests.upgrade.stack import Call, Code, Stack
from tests.upgrade.story import CORRECTIONS, HOUR, OUTCOMES, OWNER, Story

PROMISES = {
    "once": "a retry with an idempotency key of another version counts once",
    "cursors": "a cursor of another version leads to the same next page",
    "lists": "lists and histories show what another version recorded as that version does",
    "exports": "exports and data requests have what another version recorded, as that version writes it",
    "sums": "sums that another version kept are read, in place of the outcomes in them",
    "keys": "agent keys of another version are valid, and are listed",
    "sessions": "cookies and sessions that another version accepts are accepted",
    "events": "events and signed webhooks are those of another version",
    "corrections": "outcomes of another version can be corrected, and sums follow",
    "erasure": "data of another version is erased, again after a restore",
}
WHILE_BOTH_RUN = ("once", "cursors", "lists", "sums", "keys", "sessions", "corrections")
"""Promises of older code about data from newer code of the same major version: needed for canaries and rollbacks."""

_LATER = 24 * HOUR
_CURSORS = {"next_cursor", "Next-Cursor", "cursor"}
"""Cursors may change their format, as long as older cursors can be read."""


class BrokenPromise(AssertionError):
    """Raised if a promise is broken. The message names the promise, and the difference that shows this."""

    def __init__(self, promise: str, *shown: str) -> None:
        super().__init__(f"This promise is broken: {PROMISES[promise]}. {'; '.join(shown)[:1500]}")


def keep(stack: Stack, code: Code, story: Story, promise: str, *, is_newer: bool = False) -> None:
    """Raise BrokenPromise if this code breaks a promise of compatibility with another version of the code.

    story: calls that the other version has answered, with its answers and its tables. is_newer: whether this code is at
    least as new as the other version. If so, its answers must contain all fields of the other version's answers.
    """
    restore(story.tables)
    _CHECKS.get(promise, _answer_alike)(stack, code, story, promise, is_newer)


def _answer_alike(stack: Stack, code: Code, story: Story, promise: str, is_newer: bool) -> None:
    for call in story.of(promise):
        answer = stack.run(code, call).answer
        if shown := list(_differences(call.answer, answer, is_newer)):
            raise BrokenPromise(promise, call.name, *shown)


def _count_once(stack: Stack, code: Code, story: Story, promise: str, _is_newer: bool) -> None:
    before = stack.rows("OutcomesTable")
    for call in story.of(promise):
        again = stack.run(code, call._replace(now=call.now + _LATER)).answer
        if recorded(again) != [(id_, True) for id_, _ in recorded(call.answer)]:
            raise BrokenPromise(promise, call.name, f"answered {call.answer}, then {again}")
    if stack.rows("OutcomesTable") != before:
        raise BrokenPromise(promise, "outcomes or corrections were written again")


def _read_kept_sums(stack: Stack, code: Code, story: Story, promise: str, is_newer: bool) -> None:
    ends = [int(row["end"]["N"]) for row in stack.rows("TotalsTable") if "end" in row]
    assert ends, "no sums are kept"
    for row in stack.rows("OutcomesTable"):
        id_ = row["created_at"]["S"].rpartition("#")[2]
        if ulid.milliseconds(id_) < max(ends) and row["user_id"] == {"S": "42"}:
            key = {name: row[name] for name in ("user_id", "created_at")}
            stack.call("DeleteItem", TableName="OutcomesTable", Key=key)
    _answer_alike(stack, code, story, promise, is_newer)


def _correct(stack: Stack, code: Code, story: Story, promise: str, _is_newer: bool) -> None:
    now = count(story.calls[-1].now + _LATER, 1000)

    def http(function: str, **request: Any) -> Any:
        answer = stack.run(code, Call(promise, "", function, next(now), request)).answer
        if not isinstance(answer, dict) or answer["status"] != 200:
            raise BrokenPromise(promise, f"{request} answered {answer}")
        return _parsed(answer["body"])

    ledger: dict[str, Any] = {"method": "GET", "path": OUTCOMES, "authorizer": OWNER}
    ledger["query"] = {"include": "ledger", "limit": "50"}
    amend = {"type": "amend", "reason": "A typo", "changes": {"valueUsd": 20000}}
    dispute = {"type": "dispute", "reason": "Not mine"}
    void = {"type": "void", "reason": "Never happened"}
    before = http("list_outcomes", **ledger)["outcomes"]
    for outcome in before:
        is_mine = outcome["recorded_by"] == "session"
        body = void if is_mine else dispute if outcome["title"].startswith("Batch") else amend
        caller = KEY if body is amend else OWNER
        if outcome["status"] != "void":
            parameters = {"id": outcome["id"]}
            request = {"method": "POST", "path": CORRECTIONS, "authorizer": caller, "parameters": parameters}
            http("correct_outcome", **request, body=body | ({"userId": 42} if caller is KEY else {}))
    after = http("list_outcomes", **ledger)["outcomes"]
    versions = [(old["id"], int(old["version"]) + (old["status"] != "void")) for old in before]
    if [(new["id"], int(new["version"])) for new in after] != versions:
        raise BrokenPromise(promise, f"{before} became {after}")
    counts = [Decimal(new["value_usd"] or 0) for new in after if new["status"] in ("recorded", "confirmed")]
    summary = http("summarize_outcomes", method="GET", path=f"{OUTCOMES}/summary", authorizer=OWNER)
    if (int(summary["count"]), Decimal(summary["value_usd"])) != (len(counts), sum(counts)):
        raise BrokenPromise(promise, f"{after} sum up to {summary}")


def _erase(stack: Stack, code: Code, story: Story, promise: str, _is_newer: bool) -> None:
    now = count(story.calls[-1].now + _LATER, 1000)
    for event in ({"user_id": 42}, {"again": True}):
        progress: dict[str, Any] = {"done": False}
        while not progress["done"]:
            more = {"cursor": progress["cursor"]} if progress.get("cursor") else {}
            progress = stack.run(code, Call(promise, "", "erase_user", next(now), {"event": event | more})).answer
            if not isinstance(progress, dict):
                raise BrokenPromise(promise, progress)
    for table, rows in stack.all_rows().items():
        if left := [row for row in rows if names(row, 42) or names(row, 43)]:
            raise BrokenPromise(promise, f"{table} still has {left}")


_CHECKS: dict[str, Callable[[Stack, Code, Story, str, bool], None]] = {
    "once": _count_once,
    "sums": _read_kept_sums,
    "corrections": _correct,
    "erasure": _erase,
}


def recorded(answer: Any) -> list[tuple[str | None, bool]]:
    """Return the ids in the answer to a recording or correction. For each id, also return whether it was replayed."""
    body, headers = _parsed(answer["body"]), answer["headers"]
    if "results" in body:
        return [(result.get("id"), result["status"] == "replayed") for result in body["results"]]
    if "result" in body:
        structured = body["result"].get("structuredContent", {})
        return [(structured.get("id"), structured.get("replayed", False))]
    return [(headers.get("Outcome-Id", body.get("id")), headers.get("Idempotent-Replayed") == "true")]


def _differences(before: Any, after: Any, is_newer: bool, path: str = "") -> Iterator[str]:
    """Yield the differences between two answers.

    An answer may have additional members in objects, and additional last columns in CSV lines.
    """
    before, after = _parsed(before), _parsed(after)
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before:
            if name in _CURSORS and name in after:
                if bool(before[name]) != bool(after[name]):
                    yield f"{path}/{name} is {after[name]}"
            elif name in after:
                yield from _differences(before[name], after[name], is_newer, f"{path}/{name}")
            elif is_newer:
                yield f"{path}/{name} is missing"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, new, is_newer, f"{path}/{place}")
    elif before != after and not (path.startswith("/body/") and _is_longer(before, after, is_newer)):
        yield f"{path}: {before} became {after}"


def _is_longer(before: Any, after: Any, is_newer: bool) -> bool:
    """Return whether one CSV line equals the other but has more columns at its end.

    If is_newer, only `after` may be the longer one.
    """
    shorter, longer = sorted([str(before), str(after)], key=len)
    return longer.startswith(f"{shorter},") and (shorter == str(before) or not is_newer)


def _parsed(value: Any) -> Any:
    """Parse JSON, and keep its numbers as text. Split any other text into lines."""
    if isinstance(value, str) and value.startswith(("{", "[")) and "\n" not in value:
        return json.loads(value, parse_float=str, parse_int=str)
    return [line.rstrip("\r") for line in value.split("\n")] if isinstance(value, str) and "\n" in value else value
