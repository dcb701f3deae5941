"""Checks of a deployed API, one function each. A failed check raises AssertionError.

Tests also run most checks on the local stack. If a check shows more on AWS than on the local stack, its docstring says
so.
"""

import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
from outcomes.contract import json_text

from smoke.api import Api, answers, is_no_route
from smoke.aws import CAPABILITIES, Visit

# This value has more digits than a float. Its negative is recorded too, so that the sum is 0.
MONEY = "1234.56789012345678901234567890"
CONCURRENT = 8
KEYS = "/api/keys"


type Check = Callable[[Api], None]
type KeptCheck = Callable[[Api, Visit], None]


def is_unauthorized_or_off(response: httpx.Response) -> None:
    """Assert that a route refuses the caller, or is switched off."""
    if is_no_route(response):
        answers(response, 404, {"error": "Not found"})
    else:
        answers(response, 401, {"error": "Unauthorized"})


def at_once(call: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Make a call several times at once, and assert that each call is answered with 200 or 409."""
    with ThreadPoolExecutor(CONCURRENT) as pool:
        responses = list(pool.map(lambda _: call(), range(CONCURRENT)))
    assert {response.status_code for response in responses} <= {200, 409}, responses
    return responses


# ── Without a caller ─────────────────────────────────────────────────────────────────────────────────────────────────


def nobody_is_unauthorized(api: Api) -> None:
    answers(api.call("GET"), 401, {"error": "Unauthorized"})
    answers(api.call("POST", body={}), 401, {"error": "Unauthorized"})
    is_unauthorized_or_off(api.call("GET", "/summary"))
    is_unauthorized_or_off(api.call("POST", "/batch", body={}))


def a_wrong_key_or_cookie_is_unauthorized(api: Api) -> None:
    wrong = {"Authorization": f"Bearer {secrets.token_urlsafe(32)}"}
    answers(api.call("POST", body={}, headers=wrong), 401, {"error": "Unauthorized"})
    answers(api.call("GET", cookie=f"__Secure-session={secrets.token_urlsafe(32)}"), 401, {"error": "Unauthorized"})


def public_keys_need_no_credentials(api: Api) -> None:
    response = api.call("GET", "/.well-known/outcomes-keys.json")
    if not is_no_route(response):
        assert isinstance(answers(response, 200)["keys"], list)


def an_unknown_path_is_not_found(api: Api) -> None:
    """API Gateway itself answers; a gateway response changes its 403 to a 404."""
    for response in (api.call("GET", "/nothing/here"), api.call("DELETE")):
        answers(response, 404, {"error": "Not found"})
        assert is_no_route(response), "no No-Such-Route: true"


def a_body_above_10_mib_is_refused(api: Api) -> None:
    """API Gateway itself answers with a line of text; our functions and gateway responses are not used."""
    response = api.call("POST", content=b" " * (10 * 2**20 + 1))
    assert response.status_code == 413, f"got {response.status_code}"


def headers_above_their_limit_are_refused(api: Api) -> None:
    """The limit for all headers together is 10,240 bytes. AWS does not document the status; we promise a 4xx."""
    response = api.call("GET", headers={"Cookie": f"a={'x' * 11_000}"})
    assert 400 <= response.status_code < 500, f"got {response.status_code}"


def headers_below_their_limit_pass(api: Api) -> None:
    """A session cookie in chunks can be about this large."""
    answers(api.call("GET", headers={"Cookie": f"a={'x' * 7_000}"}), 401, {"error": "Unauthorized"})


def a_preflight_names_our_origin_only(api: Api) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    foreign = api.call("OPTIONS", headers={"Origin": "https://elsewhere.example"} | asks)
    assert foreign.status_code == 204, f"got {foreign.status_code}"
    assert "access-control-allow-origin" not in foreign.headers, "any page may call with the user's cookie"
    if api.origin:
        ours = api.call("OPTIONS", headers={"Origin": api.origin} | asks)
        assert ours.headers.get("access-control-allow-origin") == api.origin, ours.headers
        assert ours.headers.get("access-control-allow-credentials") == "true", ours.headers


# ── With a key, storing nothing ──────────────────────────────────────────────────────────────────────────────────────


def a_key_does_not_read_without_naming_a_user(api: Api) -> None:
    answers(api.call("GET", key=True), 401, {"error": "Unauthorized"})
    answers(api.call("GET", "?userId=nonsense", key=True), 400, {"error": "Invalid userId"})
    answers(api.call("GET", "?userId=none&limit=1", key=True), 200)
    is_unauthorized_or_off(api.call("GET", "/summary", key=True))


def invalid_fields_are_named(api: Api) -> None:
    answers(api.call("POST", key=True, body={"title": ""}), 400, {"error": "Invalid outcome_type"})
    # If API Gateway treated bodies as text, it would replace the invalid UTF-8, and this body would be valid JSON.
    answers(api.call("POST", key=True, content=b'{"outcomeType":"caf\xe9"}'), 400, {"error": "Invalid JSON"})
    answers(api.call("POST", key=True, content=b"NaN"), 400, {"error": "Invalid JSON"})
    refused = answers(api.call("POST", key=True, body=api.outcome(None, title=" ", agentId=0.5)), 400)
    assert refused["error"] == "Invalid title", refused
    assert [fault["field"] for fault in refused["details"]] == ["title", "agentId"], refused


def more_than_128_kib_is_too_large(api: Api) -> None:
    """The body passes API Gateway, WAF (if there is one) and Lambda; our own limit refuses it."""
    body = b" " * (128 * 1024 + 1)
    answers(api.call("POST", key=True, content=body), 413, {"error": "Payload too large"})
    exactly = json.dumps({"outcomeType": ""}).encode().ljust(128 * 1024)
    answers(api.call("POST", key=True, content=exactly), 400, {"error": "Invalid outcome_type"})


def more_than_lambdas_limit_is_too_large(api: Api) -> None:
    """API Gateway allows 7 MB, but Lambda's limit is 6 MB. A gateway response or WAF answers."""
    answers(api.call("POST", key=True, content=b" " * 7_000_000), 413, {"error": "Payload too large"})


def a_batch_may_be_1_mib(api: Api) -> None:
    exactly = json.dumps({"outcomes": []}).encode().ljust(2**20)
    refused = answers(api.call("POST", "/batch", key=True, content=exactly), 400)
    assert refused["error"] == "Invalid outcomes", refused
    answers(api.call("POST", "/batch", key=True, content=exactly + b" "), 413, {"error": "Payload too large"})


# ── With a session, storing nothing ──────────────────────────────────────────────────────────────────────────────────


def a_session_reads(api: Api) -> None:
    listed = api.call("GET", "?limit=1", cookie=api.cookie)
    feed = answers(listed, 200)
    assert isinstance(feed["outcomes"], list), feed
    on = ", ".join(name.lower() for name in CAPABILITIES if name not in api.off)
    assert listed.headers["capabilities"] == on, listed.headers
    if "Totals" not in api.off:
        answers(api.call("GET", "/summary", cookie=api.cookie), 200)
    answers(api.call("GET", "?limit=0", cookie=api.cookie), 400, {"error": "Invalid limit"})
    answers(api.call("GET", "?cursor=nonsense", cookie=api.cookie), 400, {"error": "Invalid cursor"})


def cookies_in_several_fields_are_one_session(api: Api) -> None:
    """In HTTP/2, browsers may send each cookie in a separate header field (RFC 9113, 8.2.3)."""
    assert api.cookie
    split = [("Cookie", pair) for pair in ("theme=dark", *api.cookie.split("; "), "lang=en")]
    answers(api.call("GET", "?limit=1", headers=split), 200)


# ── With AWS rights: recorded data is deleted at the end ─────────────────────────────────────────────────────────────


def a_recorded_outcome_is_listed_at_once_and_exact(api: Api, visit: Visit) -> None:
    user, _ = visit.users
    metadata = {"deal": {"id": "é\u2028", "tags": [1, 2.5, None, True]}}
    fields = {"description": "From a smoke test", "metadata": metadata, "agentId": 7}
    body = json.dumps(api.outcome(user, **fields))[:-1] + f', "valueUsd": {MONEY}}}'
    response = api.call("POST", key=True, body=body)
    answers(response, 200, {"ok": True})
    [found] = answers(api.call("GET", cookie=user.cookie), 200)["outcomes"]
    assert found["id"] == response.headers["outcome-id"], (found["id"], response.headers.get("outcome-id"))
    assert found["value_usd"] == Decimal(MONEY), found["value_usd"]
    assert (found["metadata"], found["agent_id"], found["user_id"]) == (metadata, 7, user.id), found


def a_session_records_only_for_its_user(api: Api, visit: Visit) -> None:
    user, other = visit.users
    body = json.dumps(api.outcome(other, title="By session"))[:-1] + f', "valueUsd": -{MONEY}}}'
    recorded = answers(api.call("POST", cookie=user.cookie, body=body), 200)
    assert recorded["ok"] is True, recorded
    newest, *_ = answers(api.call("GET", cookie=user.cookie), 200)["outcomes"]
    assert (newest["id"], newest["user_id"]) == (recorded["id"], user.id), newest
    answers(api.call("GET", cookie=other.cookie), 200, {"outcomes": [], "next_cursor": None})


def a_retry_gets_the_first_answer_again(api: Api, visit: Visit) -> None:
    """Only AWS shows how DynamoDB checks the conditions of a transaction; an emulator may differ."""
    user, _ = visit.users
    before = visit.recorded(user)
    headers = {"Idempotency-Key": visit.new_key(user)}
    first, again = (api.call("POST", key=True, body=api.outcome(user), headers=headers) for _ in range(2))
    answers(first, 200, {"ok": True})
    answers(again, 200, {"ok": True})
    assert again.headers["outcome-id"] == first.headers["outcome-id"], "a retry has another id"
    assert (first.headers.get("idempotent-replayed"), again.headers.get("idempotent-replayed")) == (None, "true")
    other = answers(api.call("POST", key=True, body=api.outcome(user, title="Another"), headers=headers), 422)
    assert other["error"] == "Idempotency key reused", other
    assert visit.recorded(user) == before + 1


def concurrent_calls_with_one_key_record_once(api: Api, visit: Visit) -> None:
    """In the real DynamoDB, concurrent transactions conflict; no emulator does this."""
    user, _ = visit.users
    before = visit.recorded(user)
    headers = {"Idempotency-Key": visit.new_key(user)}
    responses = at_once(lambda: api.call("POST", key=True, body=api.outcome(user), headers=headers))
    ids = {response.headers["outcome-id"] for response in responses if response.status_code == 200}
    assert len(ids) == 1, ids
    assert visit.recorded(user) == before + 1


def a_batch_records_each_outcome_on_its_own(api: Api, visit: Visit) -> None:
    _, other = visit.users
    key = visit.new_key(other)
    for index in range(4):
        visit.note_key(f"{key}#{index}", other)
    body = {
        "outcomes": [api.outcome(other, title=f"Batch {index}") for index in range(3)] + [api.outcome(other, title="")]
    }
    expected = {"created": 3, "replayed": 0, "failed": 1}
    first, again = (api.call("POST", "/batch", key=True, body=body, headers={"Idempotency-Key": key}) for _ in "12")
    created, replayed = answers(first, 200), answers(again, 200)
    assert {name: created[name] for name in expected} == expected, created
    assert [result["status"] for result in replayed["results"]] == ["replayed"] * 3 + ["invalid"], replayed
    assert [each.get("id") for each in replayed["results"]] == [each.get("id") for each in created["results"]]
    # Without idempotency keys, the batch uses a different DynamoDB operation.
    without_keys = answers(api.call("POST", "/batch", key=True, body=body), 200)
    assert {name: without_keys[name] for name in expected} == expected, without_keys


def a_cursor_of_another_user_gives_no_access(api: Api, visit: Visit) -> None:
    """DynamoDB rejects a start key outside a query's range; a cursor must never become such a start key."""
    user, other = visit.users
    for _ in range(2):
        answers(api.call("POST", key=True, body=api.outcome(other)), 200)
    cursor = answers(api.call("GET", "?limit=1", cookie=other.cookie), 200)["next_cursor"]
    feed = answers(api.call("GET", f"?cursor={cursor}", cookie=user.cookie), 200)
    assert {each["user_id"] for each in feed["outcomes"]} <= {user.id}, feed
    ranged = f"?cursor={cursor}&from=2001-01-01&to=2001-01-02"
    answers(api.call("GET", ranged, cookie=user.cookie), 200, {"outcomes": [], "next_cursor": None})


def an_export_is_the_list_as_a_file(api: Api, visit: Visit) -> None:
    """API Gateway treats bodies as binary. A file must still arrive as text, with any Accept header."""
    user, _ = visit.users
    accept = {"Accept": "text/csv, application/octet-stream"}
    csv, lines = (
        api.call("GET", f"/export?format={each}", cookie=user.cookie, headers=accept) for each in ("csv", "ndjson")
    )
    assert (csv.status_code, lines.status_code) == (200, 200), (csv.text[:300], lines.text[:300])
    assert csv.headers["content-type"].startswith("text/csv; charset=utf-8"), csv.headers["content-type"]
    assert csv.headers["content-disposition"] == 'attachment; filename="outcomes.csv"', csv.headers
    listed = answers(api.call("GET", cookie=user.cookie), 200)["outcomes"]
    exported = [json_text.read(line) for line in lines.text.splitlines()]
    assert [each["id"] for each in exported] == [each["id"] for each in listed], exported
    assert exported[-1]["value_usd"] == Decimal(MONEY), exported[-1]
    assert csv.text.count("\r\n") == len(listed) + 1, csv.text[:300]


def an_agent_key_is_limited_and_revoked_at_once(api: Api, visit: Visit) -> None:
    """Only AWS can show that the authorizer's role may store a key's last use; an emulator allows everything."""
    user, other = visit.users
    bounds = {"name": "Smoke test", "agentId": 7, "outcomeTypes": [api.types[0]], "maxValueUsd": 1}
    made = answers(api.call("POST", KEYS, cookie=user.cookie, body=bounds), 200)
    visit.note_agent_key(made["id"])
    first = {"Authorization": f"Bearer {made.pop('key')}"}
    mine = api.outcome(None, agentId=7)
    answers(api.call("POST", body=mine, headers=first), 200, {"ok": True})
    excesses: list[dict[str, Any]] = [{"valueUsd": 2}, {"agentId": 8}, {"userId": other.id}]
    for beyond in [*excesses, *({"outcomeType": each} for each in api.types[1:2])]:
        refused = answers(api.call("POST", body=mine | beyond, headers=first), 403)
        assert [fault["field"] for fault in refused["details"]] == list(beyond), refused
    newest, *_ = answers(api.call("GET", "?include=ledger", cookie=user.cookie), 200)["outcomes"]
    assert newest["recorded_by"] == f"key:{made['id']}", newest
    own = answers(api.call("GET", f"{KEYS}/self", headers=first), 200)
    assert own.pop("last_used_at"), "its use is not noted"
    assert own.pop("recorded_today") == 1, "a day counts what was recorded"
    assert own.items() <= made.items(), own
    answers(api.call("POST", KEYS, body=bounds, headers=first), 403, {"error": "Forbidden"})
    scopes = [{"field": "scopes", "message": "reading needs the scope read"}]
    answers(api.call("GET", headers=first), 403, {"error": "Forbidden", "details": scopes})
    # Another user cannot revoke this key: the call succeeds, but has no effect.
    answers(api.call("DELETE", f"{KEYS}/{made['id']}", cookie=other.cookie), 200, {"ok": True})

    rotated = answers(
        api.call("POST", f"{KEYS}/{made['id']}/rotate", cookie=user.cookie, body={"overlapHours": 0}), 200
    )
    second = {"Authorization": f"Bearer {rotated['key']}"}
    answers(api.call("POST", body=mine, headers=first), 401, {"error": "Unauthorized"})
    answers(api.call("POST", body=mine, headers=second), 200, {"ok": True})
    answers(api.call("DELETE", f"{KEYS}/{made['id']}", cookie=user.cookie), 200, {"ok": True})
    answers(api.call("POST", body=mine, headers=second), 401, {"error": "Unauthorized"})
    answers(api.call("GET", KEYS, cookie=user.cookie), 200, {"keys": []})


def a_paused_agent_key_is_told_so(api: Api, visit: Visit) -> None:
    """Only AWS can show that a gateway response inserts the authorizer's context as it is."""
    user = visit.users[0]
    made = answers(api.call("POST", KEYS, cookie=user.cookie, body={"name": "Smoke test"}), 200)
    visit.note_agent_key(made["id"])
    headers, mine = {"Authorization": f"Bearer {made['key']}"}, api.outcome(None)
    paused = answers(api.call("POST", f"{KEYS}/{made['id']}/pause", cookie=user.cookie, body={}), 200)["paused_at"]
    [listed] = answers(api.call("GET", KEYS, cookie=user.cookie), 200)["keys"]
    assert (listed["id"], listed["paused_at"]) == (made["id"], paused), listed
    refused = api.call("POST", body=mine, headers=headers)
    answers(api.call("POST", f"{KEYS}/{made['id']}/resume", cookie=user.cookie, body={}), 200)
    answers(api.call("POST", body=mine, headers=headers), 200, {"ok": True})
    answers(api.call("DELETE", f"{KEYS}/{made['id']}", cookie=user.cookie), 200, {"ok": True})
    said = {"field": "Authorization", "message": "paused by the owner", "error": "Forbidden"}
    answers(refused, 403, {"error": "Paused", "details": [said]})


def concurrent_corrections_apply_once_and_void_outcomes_do_not_count(api: Api, visit: Visit) -> None:
    """Only AWS can show this: of concurrent transactions on an item, the real DynamoDB commits one."""
    user, other = visit.users
    id_ = api.call("POST", key=True, body=api.outcome(user)).headers["outcome-id"]
    corrections = f"/{id_}/corrections"
    void = {"type": "void", "reason": "A smoke test", "userId": user.id}
    answers(api.call("POST", corrections, cookie=user.cookie, body=void), 403, {"error": "Forbidden"})
    answers(api.call("POST", corrections, cookie=other.cookie, body={"type": "confirm"}), 404, {"error": "Not found"})
    confirm = {"type": "confirm", "ifVersion": 0}
    several = {"corrections": [confirm | {"id": id_}, confirm | {"id": "0" * 26}]}
    confirmed = answers(api.call("POST", "/corrections", cookie=user.cookie, body=several), 200)
    assert [each["status"] for each in confirmed["results"]] == ["corrected", "not_found"], confirmed
    assert (confirmed["results"][0]["outcome_status"], confirmed["corrected"]) == ("confirmed", 1), confirmed
    answers(api.call("POST", corrections, cookie=user.cookie, body=confirm), 412)
    if "Totals" not in api.off:
        summary = answers(api.call("GET", "/summary", cookie=user.cookie), 200)
        assert (summary["count"], summary["confirmed"]["count"]) == (visit.recorded(user), 1), summary

    headers = {"Idempotency-Key": visit.new_key(user, of=id_)}
    responses = at_once(lambda: api.call("POST", corrections, key=True, body=void, headers=headers))
    assert len({response.json()["id"] for response in responses if response.status_code == 200}) == 1
    one = answers(api.call("GET", f"/{id_}", cookie=user.cookie), 200)
    assert [each["type"] for each in one["corrections"]] == ["confirm", "void"], one
    answers(api.call("POST", corrections, key=True, body=void), 409)
    feed = answers(api.call("GET", "?limit=50", cookie=user.cookie), 200)["outcomes"]
    assert id_ not in {each["id"] for each in feed}, "a void outcome is listed"
    answers(api.call("GET", f"/{id_}", cookie=other.cookie), 404, {"error": "Not found"})
    if "Totals" not in api.off:
        summary = answers(api.call("GET", "/summary", cookie=user.cookie), 200)
        assert (summary["count"], summary["voided"]["count"]) == (visit.recorded(user) - 1, 1), summary
    if "AgentKeys" not in api.off:
        found = answers(api.call("GET", "?include=ledger&limit=50", cookie=user.cookie), 200)["outcomes"]
        of_revoked_key = next(each["id"] for each in found if each["recorded_by"].startswith("key:"))
        answers(api.call("POST", f"/{of_revoked_key}/corrections", cookie=user.cookie, body=void), 200)


def the_summary_is_exact(api: Api, visit: Visit) -> None:
    user, _ = visit.users
    summary = answers(api.call("GET", "/summary", cookie=user.cookie), 200)
    assert summary["count"] == visit.recorded(user), summary
    assert summary["value_usd"] == 0, summary
    more = answers(api.call("GET", "/summary?by=month&compare=previous&agentId=1", cookie=user.cookie), 200)
    assert (len(more["by_month"]) > 0, more["previous"]["count"]) == (True, 0), more
    answers(api.call("GET", "/summary?by=hour", cookie=user.cookie), 400, {"error": "Invalid by"})


NEEDED = {
    "a_batch_may_be_1_mib": "Batch",
    "a_batch_records_each_outcome_on_its_own": "Batch",
    "an_export_is_the_list_as_a_file": "Export",
    "an_agent_key_is_limited_and_revoked_at_once": "AgentKeys",
    "a_paused_agent_key_is_told_so": "AgentKeys",
    "the_summary_is_exact": "Totals",
    "concurrent_corrections_apply_once_and_void_outcomes_do_not_count": "Corrections",
}
"""The capability that a check needs, by the check's name."""
WITHOUT_A_CALLER: list[Check] = [
    nobody_is_unauthorized,
    a_wrong_key_or_cookie_is_unauthorized,
    public_keys_need_no_credentials,
    an_unknown_path_is_not_found,
    a_body_above_10_mib_is_refused,
    headers_above_their_limit_are_refused,
    headers_below_their_limit_pass,
    a_preflight_names_our_origin_only,
]
WITH_A_KEY: list[Check] = [
    a_key_does_not_read_without_naming_a_user,
    invalid_fields_are_named,
    more_than_128_kib_is_too_large,
    more_than_lambdas_limit_is_too_large,
    a_batch_may_be_1_mib,
]
WITH_A_SESSION: list[Check] = [a_session_reads, cookies_in_several_fields_are_one_session]
# The order matters: later checks read outcomes that earlier checks recorded.
THAT_RECORD: list[KeptCheck] = [
    a_recorded_outcome_is_listed_at_once_and_exact,
    a_session_records_only_for_its_user,
    a_retry_gets_the_first_answer_again,
    concurrent_calls_with_one_key_record_once,
    a_batch_records_each_outcome_on_its_own,
    a_cursor_of_another_user_gives_no_access,
    an_export_is_the_list_as_a_file,
    an_agent_key_is_limited_and_revoked_at_once,
    a_paused_agent_key_is_told_so,
    the_summary_is_exact,
    concurrent_corrections_apply_once_and_void_outcomes_do_not_count,
]
