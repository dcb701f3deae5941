"""Create and use agent keys with the clients and the command."""

from __future__ import annotations

import io
import json
import logging
import re
import traceback
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from outcomes_client import (
    BrokenAnswerError,
    ForbiddenError,
    LimitError,
    NewAgentKey,
    OutcomesClient,
    OutcomesError,
    UnauthorizedError,
)
from outcomes_client._terminal import local

from clients.python.tests.conftest import ONE_TRY, Api, Outcomes, Run, everywhere
from clients.python.tests.test_cli import write

TEXT = re.compile(r"oc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}")


@pytest.fixture
def made(owner: OutcomesClient) -> NewAgentKey:
    """Create an agent key with limits, and return it."""
    return owner.create_key(
        "Nightly", agent_id=7, outcome_types=["deal_closed", "task_complete"], max_value_usd=Decimal("500.50")
    )


def agent(api: Api, made: NewAgentKey, **settings: Any) -> OutcomesClient:
    """Return a client that has only this agent key."""
    return OutcomesClient(**{**api.settings, "api_key": made.key, "cookie": None, **settings})


# Management


def test_an_expiry_date_is_its_midnight(owner: OutcomesClient) -> None:
    assert owner.create_key("Nightly", expires_at=date(2040, 1, 2)).expires_at == datetime(2040, 1, 2, tzinfo=UTC)


def test_a_key_may_end_in_the_last_year(owner: OutcomesClient, outcomes: Outcomes) -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert owner.create_key("Nightly", expires_at=last).expires_at == owner.list_keys()[0].expires_at == last
    assert "9999-12-31 23:59" in outcomes("keys", "list").out
    assert local(last.replace(tzinfo=timezone(timedelta(hours=-14)))) == "9999-12-31 23:59"  # no local time


MALFORMED = ["[]", "{}", '{"key":"oc_s3cret"}', '{"keys":7}', '{"keys":[{"id":"x"}]}', '{"ok":false}']


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_answer_is_a_broken_answer_and_shows_no_key(api: Api, body: str) -> None:
    api.door.upstream = lambda *_: (200, {}, body.encode())
    with OutcomesClient(**{**api.settings, "api_key": f"oc_{'x' * 16}_{'y' * 38}", "retry": ONE_TRY}) as client:
        for ask in (client.list_keys, client.own_key, lambda: client.create_key("x"), lambda: client.revoke_key("x")):
            with pytest.raises(BrokenAnswerError) as failure:
                ask()
            assert "s3cret" not in "".join(traceback.format_exception(failure.value))


def test_the_secret_of_a_key_is_shown_nowhere_else(
    api: Api, owner: OutcomesClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = owner.create_key("Nightly")
    shown = [repr(made), str(made), repr(made.as_dict())]
    api.fail("drop")
    with agent(api, made) as client:
        client.record("task_complete", "One")
        shown += [repr(client), repr(client._address), repr(vars(client._calls))]
        owner.revoke_key(made.id)
        with pytest.raises(UnauthorizedError) as failure:
            client.record("task_complete", "Two")
        shown += [*traceback.format_exception(failure.value), repr(vars(failure.value))]
    assert made.key[-38:] not in "".join([*shown, caplog.text])


# Recording


@everywhere
def test_an_import_names_the_lines_beyond_the_key_s_limits(
    made: NewAgentKey, outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", made.key)
    lines = [{"outcomeType": "deal_closed", "title": "Acme", "valueUsd": value} for value in (500, 501)]
    run = outcomes("import", write(tmp_path / "work.jsonl", *lines))
    assert (run.code, run.out) == (1, "1 recorded, 0 already there, 1 refused\n")
    assert run.err.splitlines()[1].startswith("line 2: Forbidden: this key records values of magnitude 500.5")


@everywhere
def test_an_import_ends_at_the_daily_limit_with_a_code_of_its_own_and_goes_on_later(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = owner.create_key("Import", max_per_day=120)
    monkeypatch.setenv("INTERNAL_API_KEY", made.key)
    lines = [{"outcomeType": "task_complete", "title": f"Task {number}"} for number in range(250)]
    run = outcomes("import", write(tmp_path / "work.jsonl", *lines))
    assert run.code == 3
    assert run.out == "120 recorded, 0 already there, 0 refused, 130 beyond the key's daily limit\n"
    assert run.err.startswith("The key records 120 a day; about 120 are left today.\n")
    assert "this key records 120 a day, and may again from" in run.err
    assert "The same command goes on when the key may record again: nothing is recorded twice." in run.err
    run = outcomes("import", str(tmp_path / "work.jsonl"))
    assert (run.code, run.err.splitlines()[0]) == (3, "The key records 120 a day; about 0 are left today.")
    assert len({one["id"] for one in api.recorded()}) == 120
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Tomorrow", max_per_day=None).key)
    assert outcomes("import", write(tmp_path / "two.jsonl", *lines[:2])).code == 0


def test_an_import_that_ends_at_the_daily_limit_and_a_fault_names_both(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Import", max_per_day=150).key)
    current = api.door.upstream

    def upstream(method: str, target: str, headers: Any, body: bytes) -> Any:
        if b'"Task 150"' in body:
            return 403, {}, b'{"error":"Paused"}'
        return current(method, target, headers, body)

    api.door.upstream = upstream
    lines = [{"outcomeType": "task_complete", "title": f"Task {number}"} for number in range(300)]
    run = outcomes("import", write(tmp_path / "work.jsonl", *lines))
    assert run.code == 3
    counts = "150 recorded, 0 already there, 0 refused, 100 to be sent again, 50 beyond the key's daily limit\n"
    assert run.out == counts
    assert "stopped before the end, near line 200: 403 Paused" in run.err
    assert "Fix what is named above first. The same command goes on when the key may record again" in run.err


def test_an_import_asks_once_how_much_is_left(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Import", max_per_day=120).key)
    current, asked = api.door.upstream, []

    def upstream(method: str, target: str, *more: Any) -> Any:
        if target.startswith("/api/keys"):
            asked.append(target)
            return 503, {"Retry-After": "0"}, b'{"error":"Busy"}'
        return current(method, target, *more)

    api.door.upstream = upstream
    run = outcomes("import", write(tmp_path / "work.jsonl", {"outcomeType": "task_complete", "title": "One"}))
    assert run == Run(0, "1 recorded, 0 already there, 0 refused\n", "")
    assert asked == ["/api/keys/self"]


# The command


@everywhere
def test_the_command_creates_lists_rotates_and_revokes_keys(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INTERNAL_API_KEY")
    assert outcomes("keys", "list").out == "No keys.\n"
    bounds = ("--agent", "7", "--type", "deal_closed", "--type", "task_complete", "--max-value", "500.50")
    also = ("--max-per-day", "300", "--scope", "record", "--expires", "2040-01-02")
    made = outcomes("keys", "create", "--name", "Nightly", *bounds, *also)
    assert made.code == 0
    assert TEXT.fullmatch(made.out.strip())
    assert f"of user {api.user}. Its secret is shown only once" in made.err
    [key] = json.loads(outcomes("keys", "list", "--json").out, parse_float=Decimal)
    assert (key["name"], key["agent_id"], key["max_value_usd"]) == ("Nightly", 7, Decimal("500.5"))
    assert (key["outcome_types"], key["expires_at"]) == (["deal_closed", "task_complete"], "2040-01-02T00:00:00.000Z")
    monkeypatch.setenv("COLUMNS", "40")
    heading, row, *_ = outcomes("keys", "list").out.splitlines()
    assert heading.endswith("Rotated")
    assert {key["id"], "$500.50", "session"} <= set(row.split())
    monkeypatch.setenv("COLUMNS", "200")
    heading, row = outcomes("keys", "list").out.splitlines()
    assert " ".join(heading.split()) == "Id Name Agent Types At most Today Scopes Ends Last used Made by Rotated"
    limits = ["$500.50", "0", "of", "300"]
    assert row.split()[:10] == [key["id"], "Nightly", "7", "deal_closed,", "task_complete", *limits, "record"]
    assert row.split()[-2:] == ["never", "session"]
    rotated = outcomes("keys", "rotate", key["id"], "--overlap", "0")
    assert TEXT.fullmatch(rotated.out.strip())
    _, row = outcomes("keys", "list").out.splitlines()
    assert row.endswith("by session")
    mistyped = key["id"][:-1] + ("A" if key["id"][-1] != "A" else "B")
    said = f"No live key of this user had the id {mistyped}. If one that has expired has it, that one is revoked.\n"
    assert outcomes("keys", "revoke", mistyped).err == said
    revoked = outcomes("keys", "revoke", key["id"])
    assert (revoked.code, revoked.out, revoked.err) == (0, "", "Revoked.\n")
    assert outcomes("keys", "list").out == "No keys.\n"


@everywhere
def test_a_key_records_no_more_than_its_daily_limit(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = owner.create_key("Nightly", scopes=["record", "correct"], max_per_day=2)
    with agent(api, made) as client:
        first = client.record("task_complete", "One", idempotency_key="one")
        results = client.record_many([{"outcomeType": "task_complete", "title": each} for each in ("Two", "Three")])
        assert [(each.status, each.retryable) for each in results] == [("created", False), ("limited", False)]
        with pytest.raises(LimitError, match="this key records 2 a day, and may again from") as failure:
            client.void(first.id, "Not done")
        assert 0 < (failure.value.retry_after or 0) <= 60
        assert client.record("task_complete", "One", idempotency_key="one").replayed
        assert (client.own_key().max_per_day, client.own_key().recorded_today) == (2, 2)
    assert [owner.create_key("Nightly", max_per_day=each).max_per_day for each in ("unlimited", None)] == [None, 10_000]
    monkeypatch.setenv("INTERNAL_API_KEY", made.key)
    said = "this key records 2 a day, and may again from"
    run = outcomes("record", "--type", "task_complete", "--title", "Four")
    assert (run.code, said in run.err, "(maxPerDay)" in run.err) == (1, True, True), "record has no --max-per-day"
    monkeypatch.delenv("INTERNAL_API_KEY")
    assert outcomes("keys", "create", "--name", "Free", "--max-per-day", "unlimited").code == 0
    assert "neither a whole number" in outcomes("keys", "create", "--name", "Free", "--max-per-day", "many").err


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ("--max-per-day 0", "--max-per-day must be a whole number from 1 to 1000000, or unlimited"),
        ("--max-per-day 0 --expires 2026-01-01", "such as 2030-01-31T12:00:00Z, in the future"),
        ("--max-value 1e15", "with at most 38 significant digits"),
    ],
)
def test_a_refused_option_is_told_only_what_the_command_takes(outcomes: Outcomes, options: str, rule: str) -> None:
    run = outcomes("keys", "create", "--name", "Nightly", "--user", "42", *options.split())
    assert (run.code, rule in run.err, "null" in run.err) == (1, True, False), run.err


@pytest.mark.parametrize("command", ["pause", "resume", "rotate", "clean --since 2026-01-01 --yes", "revoke"])
def test_a_command_takes_a_whole_key_for_its_id(
    owner: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    made = owner.create_key("Leaked")
    monkeypatch.delenv("INTERNAL_API_KEY")
    way, *options = command.split()
    for text in (made.key, f"oc_{made.id}"):
        run = outcomes("keys", way, text, *options)
        assert (run.code, made.key in run.err) == (0, False), run.err
    assert [key.id for key in owner.list_keys()] == ([] if way == "revoke" else [made.id])


def test_the_platform_is_told_that_it_cannot_rotate_a_key_of_the_user_s(
    api: Api, owner: OutcomesClient, outcomes: Outcomes
) -> None:
    run = outcomes("keys", "rotate", owner.create_key("Nightly").id, "--user", str(api.user))
    said = "outcomes: 403 Forbidden: the platform rotates only keys that it made: let the user rotate it\n"
    assert run == Run(1, "", said)


@everywhere
def test_a_paused_key_is_refused_until_it_is_resumed(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = owner.create_key("Nightly", scopes=["record", "read"])
    paused = owner.pause_key(made.id)
    assert (paused.id, paused.paused_at is None) == (made.id, False)
    with agent(api, made) as client:
        for call in (client.own_key, lambda: client.record("task_complete", "One", idempotency_key="one")):
            with pytest.raises(ForbiddenError, match="403 Paused: paused by the owner") as failure:
                call()
            assert not failure.value.retryable
        assert owner.rotate_key(made.id).paused_at == paused.paused_at
        assert owner.resume_key(made.id).paused_at is None
        client.record("task_complete", "One", idempotency_key="one")
    assert owner.list_keys() == [owner.resume_key(made.id)]
    monkeypatch.setenv("COLUMNS", "200")
    for way, said in (("pause", "Paused.\n"), ("resume", "Resumed.\n")):
        run = outcomes("keys", way, made.id)
        assert (run.code, run.out, run.err) == (0, "", said)
        assert ("paused 20" in outcomes("keys", "list").out) is (way == "pause")
    owner.pause_key(made.id)
    monkeypatch.delenv("OUTCOMES_COOKIE")
    monkeypatch.setenv("INTERNAL_API_KEY", made.key)
    run = outcomes("doctor")
    assert (run.code, "no session" in run.out) == (1, False)  # once resumed, the key reads
    said = f"is paused: with its owner's session, `outcomes keys resume {made.id}` lets it be used again\n"
    assert said in run.out


def test_the_platform_s_command_names_the_user(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    # This command uses the session, although the platform's key is set as well.
    assert "Its secret" in outcomes("keys", "create", "--name", "Nightly").err
    monkeypatch.delenv("OUTCOMES_COOKIE")
    unnamed = outcomes("keys", "create", "--name", "Nightly")
    assert (unnamed.code, unnamed.out) == (2, "")
    assert "The platform's key manages keys of a user: give user_id (--user), or set OUTCOMES_USER_ID" in unnamed.err
    assert "of user 43" in outcomes("keys", "create", "--name", "Nightly", "--user", "43").err
    monkeypatch.setenv("OUTCOMES_USER_ID", "44")
    made = outcomes("keys", "create", "--name", "Nightly")
    assert "of user 44" in made.err
    [key] = json.loads(outcomes("keys", "list", "--json").out)
    assert outcomes("keys", "rotate", key["id"]).code == outcomes("keys", "revoke", key["id"]).code == 0
    assert outcomes("keys", "list").out == "No keys.\n"


@pytest.mark.parametrize("command", ["create --name x", "list", "pause x", "revoke x", "clean x --since 2026-01-01"])
def test_a_session_does_not_answer_for_a_user_that_is_named(
    owner: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    owner.create_key("Nightly")
    monkeypatch.delenv("INTERNAL_API_KEY")
    run = outcomes("keys", *command.split(), "--user", "7")
    assert (run.code, run.out) == (2, "")
    assert "the keys of a named user needs the platform's key (INTERNAL_API_KEY), not the session" in run.err
    assert len(owner.list_keys()) == 1


def test_a_command_whose_answer_was_lost_says_what_to_check(api: Api, outcomes: Outcomes) -> None:
    api.fail("drop after the write")
    run = outcomes("keys", "create", "--name", "Nightly", "--user", "42")
    assert (run.code, run.out) == (1, "")
    assert "The key may exist: check `outcomes keys list`, and revoke a key that nobody has." in run.err
    [key] = json.loads(outcomes("keys", "list", "--json").out)
    api.fail("500 after the write")
    run = outcomes("keys", "rotate", key["id"], "--user", "42")
    assert run.code == 1
    assert "Rotating it again would invalidate the secret in use" in run.err
    api.fail("500 after the write")
    run = outcomes("keys", "rotate", key["id"], "--user", "42", "--overlap", "0")
    said = "The key may have been rotated, and then no secret is known that works: rotate it again.\n"
    assert (run.code, said in run.err) == (1, True)
    assert outcomes("keys", "rotate", "0" * 16, "--user", "42").err == (
        "outcomes: 404 Not found: this user has no such live key\n"
    )


@pytest.mark.parametrize(("answer", "left"), [("y", 0), ("n", 1)])
def test_a_person_is_asked_before_a_key_is_revoked(
    owner: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    made = owner.create_key("Nightly")
    typed = io.StringIO(f"{answer}\n")
    typed.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", typed)
    run = outcomes("keys", "revoke", made.id, "--user", "42")
    assert run.code == (0 if answer == "y" else 1)
    assert len(owner.list_keys()) == left
    outcomes("keys", "revoke", made.id, "--user", "42", "--yes")
    assert owner.list_keys() == []


def test_a_key_is_revoked_also_if_the_keys_cannot_be_listed(
    owner: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = owner.create_key("Leaked")
    monkeypatch.delenv("INTERNAL_API_KEY")
    with monkeypatch.context() as patch:
        patch.setattr(OutcomesClient, "list_keys", Mock(side_effect=OutcomesError("503 Busy")))
        assert outcomes("keys", "revoke", made.id).err == "Revoked.\n"
    assert owner.list_keys() == []


@pytest.fixture
def flooded(
    api: Api,
    owner: OutcomesClient,
    outcomes: Outcomes,  # noqa: ARG001 (it sets the key's variable)
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, list[str]]:
    """Let an agent key record three outcomes, of which the owner confirms the first. Return its id, and theirs.

    The command then has only the session.
    """
    made = owner.create_key("Leaked")
    with agent(api, made) as client:
        ids = [client.record("deal_closed", title, value_usd=10).id for title in ("One", "Two", "Three")]
    owner.record("deal_closed", "Of the owner")
    owner.confirm(ids[0])
    monkeypatch.delenv("INTERNAL_API_KEY")
    return made.id, ids


SINCE = ("--since", "2026-01-01")


def statuses(api: Api, ids: list[str]) -> list[str | None]:
    with OutcomesClient(**{**api.settings, "api_key": None}) as owner:
        return [owner.get(each).outcome.status for each in ids]


@everywhere
def test_cleaning_pauses_a_key_and_voids_what_it_recorded_but_nobody_confirmed(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, flooded: tuple[str, list[str]]
) -> None:
    key, ids = flooded
    found = f"Recorded by {key} since 2026-01-01, and not void: "
    stays = f"{ids[0]}: confirmed by the owner, so it stays\n"
    run = outcomes("keys", "clean", key, *SINCE, "--yes")
    said = f"{found}3 outcomes, worth $30.00, 1 of them confirmed.\nPaused.\n{stays}"
    assert run == Run(1, "2 corrected, 0 already done, 0 refused\n", said)
    assert statuses(api, ids) == ["confirmed", "void", "void"]
    assert owner.list_keys()[0].paused_at
    [reason] = [one.reason for one in owner.get(ids[1]).corrections]
    assert reason == "Recorded with a leaked key"
    said = f"{found}1 outcome, worth $10.00, 1 of them confirmed.\n{stays}"
    assert outcomes("keys", "clean", key, *SINCE, "--yes") == Run(1, "0 corrected, 0 already done, 0 refused\n", said)
    run = outcomes("keys", "clean", key, *SINCE, "--yes", "--dispute")
    assert (run.code, "and not disputed or void: 1 outcome, worth $10.00.\n" in run.err) == (0, True)
    owner.revoke_key(key)
    # What is disputed is not confirmed any more.
    assert outcomes("keys", "clean", key, *SINCE, "--yes", "--reason", "Not me").code == 0
    assert statuses(api, ids) == ["void"] * 3
    gone = f"No live key of this user has the id {key}, so none is paused. If it has expired, revoke it first."
    said = f"{gone}\n{found}0 outcomes, worth $0.00.\n"
    run = outcomes("keys", "clean", key, *SINCE)
    assert run == Run(0, "0 corrected, 0 already done, 0 refused\n", said)


def test_what_a_key_records_until_it_is_paused_is_voided_too(
    api: Api, outcomes: Outcomes, flooded: tuple[str, list[str]]
) -> None:
    key, ids = flooded
    current = api.door.upstream

    def upstream(method: str, target: str, *more: Any) -> Any:
        if target.endswith("/pause"):
            api.door.upstream = current
            record = b'{"outcomeType":"deal_closed","title":"Four"}'
            ids.append(current("POST", "/api/outcomes", {"Authorization": f"Bearer {text}"}, record)[1]["Outcome-Id"])
        return current(method, target, *more)

    with OutcomesClient(**{**api.settings, "api_key": None}) as owner:
        text = owner.rotate_key(key).key
    api.door.upstream = upstream
    assert outcomes("keys", "clean", key, *SINCE, "--yes").out == "3 corrected, 0 already done, 0 refused\n"
    assert statuses(api, ids) == ["confirmed", "void", "void", "void"]


@pytest.mark.parametrize(("answer", "is_done"), [("y", True), ("n", False), ("", False)])
def test_cleaning_asks_first(
    api: Api,
    owner: OutcomesClient,
    outcomes: Outcomes,
    flooded: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    is_done: bool,
) -> None:
    key, ids = flooded
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n" if answer else ""))
    run = outcomes("keys", "clean", key, *SINCE)
    assert "Pause the key, and void 2 outcomes? [y/N]" in run.err
    assert run.code == 1
    assert statuses(api, ids[1:]) == ["void" if is_done else "recorded"] * 2
    assert (owner.list_keys()[0].paused_at is not None) is is_done


@everywhere
def test_the_platform_cleans_what_a_file_lists_or_what_it_may_read(
    api: Api,
    outcomes: Outcomes,
    flooded: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    key, ids = flooded
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    monkeypatch.delenv("OUTCOMES_COOKIE")
    (tmp_path / "ids").write_text("\n".join([*ids, "0" * 26]))
    clean = ["keys", "clean", key, "--yes", "--ids", str(tmp_path / "ids")]
    run = outcomes(*clean)
    assert (run.code, "--user" in run.err) == (2, True)
    clean += ["--user", str(api.user)]
    refused = f"{ids[0]}: Stale: ifVersion is not the version of the outcome\n{'0' * 26}: Not found\n"
    assert outcomes(*clean) == Run(1, "2 corrected, 0 already done, 2 refused\n", refused)
    assert outcomes(*clean) == Run(1, "0 corrected, 2 already done, 2 refused\n", refused)
    assert statuses(api, ids) == ["confirmed", "void", "void"]
    run = outcomes("keys", "clean", key, *SINCE, "--yes", "--user", str(api.user))
    assert (run.code, run.out) == (1, "")
    assert "403 Forbidden" in run.err
    assert "give --ids, or let the platform read with PlatformMayRead=true" in run.err


def test_cleaning_without_a_user_uses_the_session_even_if_there_is_the_platform_s_key(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, flooded: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, ids = flooded
    current, sent = api.door.upstream, set()

    def upstream(method: str, target: str, headers: Any, body: bytes) -> Any:
        sent.add((target.partition("?")[0], *(name for name in ("Authorization", "Cookie") if name in headers)))
        return current(method, target, headers, body)

    api.door.upstream = upstream
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    run = outcomes("keys", "clean", key, *SINCE, "--yes")
    assert (run.code, run.out) == (1, "2 corrected, 0 already done, 0 refused\n"), run.err
    paths = "/api/keys", "/api/outcomes", f"/api/keys/{key}/pause", "/api/outcomes/corrections"
    assert sent == {(path, "Cookie") for path in paths}
    assert statuses(api, ids) == ["confirmed", "void", "void"]
    assert [one.by for one in owner.get(ids[1]).corrections] == ["session"]


def test_what_the_owner_confirms_while_the_platform_cleans_stays(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, flooded: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, ids = flooded
    current = api.door.upstream

    def upstream(method: str, target: str, headers: Any, body: bytes) -> Any:
        if method == "GET":  # as if PlatformMayRead were true
            return current(method, target.replace(f"&userId={api.user}", ""), {"Cookie": api.settings["cookie"]}, b"")
        api.door.upstream = current
        owner.confirm(ids[1])
        return current(method, target, headers, body)

    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    api.door.upstream = upstream
    run = outcomes("keys", "clean", key, *SINCE, "--yes", "--user", str(api.user))
    assert (run.code, run.out) == (1, "1 corrected, 0 already done, 1 refused\n"), run.err
    assert f"{ids[1]}: Stale" in run.err
    assert statuses(api, ids) == ["confirmed", "confirmed", "void"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --since or --ids"),
        (("--since", "2026-01-01", "--ids", "-"), "give --since or --ids"),
        (("--ids", "missing"), "No such file"),
        (("--ids", "-"), "line 1 has no id"),
        (("--ids", __file__), "the session reads what the key recorded: give --since"),
        (("--since", "yesterday"), "Invalid value for --since: no ISO 8601 instant or date"),
    ],
)
def test_cleaning_refuses_what_names_no_outcomes(
    outcomes: Outcomes,
    flooded: tuple[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id":7}')))
    run = outcomes("keys", "clean", flooded[0], *arguments, "--yes")
    assert run.code in {1, 2}
    assert (run.out, said in " ".join(run.err.split())) == ("", True), run.err


def test_cleaning_needs_the_session_or_the_platform_s_key(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, flooded: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = ("keys", "clean", flooded[0], *SINCE, "--yes")
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Other", scopes=["read", "correct"]).key)
    run = outcomes(*clean)
    assert (run.code, "not the agent key (INTERNAL_API_KEY): unset it" in run.err) == (2, True)
    assert outcomes(*clean, "--user", str(api.user)).err == run.err
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    run = outcomes(*clean, "--dispute", "--user", str(api.user))
    assert (run.code, "disputes for its own user: leave out --user" in run.err) == (2, True)
    monkeypatch.delenv("OUTCOMES_COOKIE")
    monkeypatch.delenv("INTERNAL_API_KEY")
    said = "outcomes: Cleaning needs the session (OUTCOMES_COOKIE), or the platform's key (INTERNAL_API_KEY)\n"
    assert outcomes(*clean) == outcomes(*clean, "--user", "7") == Run(2, "", said)
    monkeypatch.setenv("INTERNAL_API_KEY", api.key)
    assert (outcomes(*clean, "--dispute").code, statuses(api, flooded[1])[1:]) == (2, ["recorded"] * 2)


@pytest.mark.usefixtures("one_try")
def test_a_cleaning_that_ends_early_goes_on_when_it_is_run_again(
    api: Api, outcomes: Outcomes, flooded: tuple[str, list[str]]
) -> None:
    key, ids = flooded
    current = api.door.upstream

    def upstream(method: str, target: str, *more: Any) -> Any:
        if target.endswith("/corrections"):
            return 503, {"Retry-After": "0"}, b'{"error":"Busy"}'
        return current(method, target, *more)

    api.door.upstream = upstream
    run = outcomes("keys", "clean", key, *SINCE, "--yes")
    assert (run.code, run.out) == (1, "0 corrected, 0 already done, 0 refused, 2 to be sent again\n")
    assert "Not everything was sent. Run it again: it continues" in run.err
    api.door.upstream = current
    assert outcomes("keys", "clean", key, *SINCE, "--yes").out == "2 corrected, 0 already done, 0 refused\n"
    assert statuses(api, ids) == ["confirmed", "void", "void"]


# The doctor


@everywhere
def test_the_doctor_describes_the_key_and_finds_variables_that_it_contradicts(
    api: Api, owner: OutcomesClient, made: NewAgentKey, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", made.key)
    run = outcomes("doctor")
    assert (run.code, "older" in run.out) == (0, False)
    assert (
        f"the agent key (INTERNAL_API_KEY) is valid: 'Nightly' records for user {api.user}; agent 7; only deal_closed, "
        "task_complete; values of $500.50 at most; 10000 a day, of which about 0 are used; without an end; its scopes "
        "are record"
    ) in run.out
    assert not api.recorded()

    monkeypatch.setenv("OUTCOMES_USER_ID", str(api.user + 1))
    monkeypatch.setenv("OUTCOMES_AGENT_ID", "8")
    run = outcomes("doctor")
    assert run.code == 1
    assert f"wrong  OUTCOMES_USER_ID is {api.user + 1}, but the key records for {api.user} only: unset it" in run.out
    assert "wrong  OUTCOMES_AGENT_ID is 8, but the key records for 7 only: unset it" in run.out

    ends = datetime(2040, 1, 2, 3, 4, tzinfo=UTC)
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Reader", scopes=["read"], expires_at=ends).key)
    run = outcomes("doctor")
    assert run.code == 1
    assert "wrong  the agent key (INTERNAL_API_KEY) is valid: 'Reader' lacks the scope record, and may not" in run.out
    assert "until 2040-01-02 03:04 UTC; its scopes are read" in run.out


@everywhere
def test_an_agent_key_that_may_read_lists_exports_and_gets_all_of_its_users_outcomes(
    owner: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deal = owner.record("deal_closed", "Acme", agent_id=8).id
    monkeypatch.setenv("OUTCOMES_COOKIE", "")
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Reader", agent_id=7, scopes=["record", "read"]).key)
    for read in (("list",), ("get", deal), ("export", "--output", str(tmp_path / "file"))):
        run = outcomes(*read)
        assert run.code == 0, run
    assert deal in (tmp_path / "file").read_text()
    assert "no session" not in outcomes("doctor").out
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Writer").key)
    run = outcomes("list")
    assert run.code != 0
    assert "403 Forbidden: reading needs the scope read (scopes)" in run.err


@everywhere
def test_the_doctor_finds_a_session_of_another_user_than_the_key_s(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OutcomesClient(**{**api.settings, "cookie": None}) as platform:
        others = platform.create_key("Nightly", user_id=api.user + 1)
        monkeypatch.setenv("INTERNAL_API_KEY", others.key)
        run = outcomes("doctor")
        said = f"the session (OUTCOMES_COOKIE) is of another user than the key's user {api.user + 1}: list, summary and"
        assert (run.code, f"wrong  {said} export do not read" in run.out) == (1, True)
        monkeypatch.setenv("INTERNAL_API_KEY", platform.create_key("Nightly", user_id=api.user).key)
        assert outcomes("doctor").code == 0
