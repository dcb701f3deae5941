"""Amend, void, confirm, dispute and uphold outcomes with the clients and the command."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from outcomes_client import (
    CorrectionResult,
    InvalidOutcomeError,
    OutcomesClient,
)
from outcomes_client._cli_corrections import Clearable

from clients.python.tests.conftest import Api, Outcomes, Run, everywhere, failing
from clients.python.tests.faults import AFTER_THE_WRITE, BEFORE_THE_WRITE


@pytest.fixture
def deal(api: Api, client: OutcomesClient) -> str:
    """Record a deal with the platform's key, and return the deal's id."""
    more: dict[str, Any] = {"description": "Ten seats", "value_usd": Decimal("12500.50"), "metadata": {"seats": 10}}
    return client.record("deal_closed", "Acme renewed", user_id=api.user, agent_id=7, **more).id


def agent(api: Api, owner: OutcomesClient, *scopes: str, **bounds: Any) -> OutcomesClient:
    """Create an agent key, and return a client that has only this key."""
    key = owner.create_key("Nightly", scopes=scopes, **bounds).key
    return OutcomesClient(**{**api.settings, "api_key": key, "cookie": None})


# The clients


@failing(*AFTER_THE_WRITE, *BEFORE_THE_WRITE)
def test_one_call_is_one_correction_whatever_fails(
    api: Api, owner: OutcomesClient, deal: str, faults: list[str]
) -> None:
    api.door.requests.clear()
    api.fail(*faults)
    with OutcomesClient(**api.settings) as client:
        amended = client.amend(deal, "Two seats fewer", {"value_usd": 12000}, user_id=api.user)
    assert amended.replayed is any(fault in AFTER_THE_WRITE for fault in faults)
    assert {headers["Idempotency-Key"] for headers, _ in api.door.requests} == {amended.idempotency_key}
    assert [one.id for one in owner.get(deal).corrections] == [amended.id]


def test_contradictory_or_unwritable_changes_are_not_sent(api: Api, client: OutcomesClient, deal: str) -> None:
    asked = len(api.door.times)
    with pytest.raises(ValueError, match="in two spellings"):
        client.amend(deal, "x", {"value_usd": 1, "valueUsd": 2}, user_id=42)
    with pytest.raises(ValueError, match="in two spellings"):
        client.correct_many([{"id": deal, "type": "void", "if_version": 0, "ifVersion": 1}], reason="x")
    with pytest.raises(InvalidOutcomeError, match="changes cannot be written as JSON"):
        client.amend(deal, "x", {"metadata": {"n": float("nan")}}, user_id=42)
    assert len(api.door.times) == asked


def test_corrections_of_many_may_have_the_names_of_python_or_no_id(api: Api, client: OutcomesClient, deal: str) -> None:
    client.amend(deal, "Meanwhile", {"title": "Acme stayed"}, user_id=api.user)
    item = {"id": deal, "type": "void", "user_id": api.user, "if_version": 0, "idempotency_key": "once"}
    result, invalid = client.correct_many([item, {"type": "void"}], reason="Twice")
    assert (result.status, result.idempotency_key, invalid.status) == ("stale", "once", "invalid")
    again = [client.correct_many([item | {"if_version": 1}], reason="Twice")[0] for _ in range(2)]
    assert [each.status for each in again] == ["corrected", "replayed"]


# The command


@everywhere
def test_the_command_corrects_and_shows_the_history(
    api: Api, client: OutcomesClient, deal: str, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("OUTCOMES_USER_ID", str(api.user))
    changes = ("--value", "12000", "--title", "Acme", "--clear", "description", "--at", "2026-03-14")
    run = outcomes("amend", deal, "--reason", "Two seats fewer", *changes, "--idempotency-key", "seats")
    [entry] = client.get(deal).corrections
    assert (run.code, run.out, run.err) == (0, f"{entry.id}\n", "now recorded\n")
    again = outcomes("amend", deal, "--reason", "Two seats fewer", *changes, "--idempotency-key", "seats")
    assert (again.out, again.err) == (run.out, "Already done under this key.\nnow recorded\n")
    assert outcomes("confirm", deal).err == "Acme: now confirmed\n"
    assert outcomes("dispute", deal, "--reason", "Not mine").err == "Acme: now disputed\n"
    assert outcomes("uphold", deal, "--reason", "It is").err == "now recorded\n"
    assert outcomes("void", deal, "--reason", "Cancelled").err == "now void\n"
    refused = outcomes("void", deal, "--reason", "Again")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "outcomes: 409 Not possible: type cannot void an outcome that is void\n"
    shown = outcomes("get", deal).out
    assert "Status    void\n" in "\n".join(line.rstrip() for line in shown.splitlines()) + "\n"
    assert 'description: "Ten seats" -> null' in shown
    assert [line.split()[2] for line in shown.splitlines()[-5:]] == ["amend", "confirm", "dispute", "uphold", "void"]
    told = json.loads(outcomes("get", deal, "--json").out)
    assert told["outcome"]["status"] == "void"
    assert [one["type"] for one in told["corrections"]] == ["amend", "confirm", "dispute", "uphold", "void"]
    assert told["corrections"][0]["changes"]["title"] == {"before": "Acme renewed", "after": "Acme"}


@pytest.mark.parametrize("api", ["stack"], indirect=True)
def test_the_command_lists_outcomes_without_a_user_and_assigns_one(
    api: Api, client: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    id_ = client.record("deal_closed", "Acme found", value_usd=3).id
    assert any(id_ in line and "Acme found" in line for line in outcomes("unassigned").out.splitlines())
    run = outcomes("assign", id_, str(api.user))
    assert (run.code, run.err) == (0, "")
    assert outcomes("assign", id_, str(api.user)).out == run.out
    assert client.get(run.out.strip()).outcome.title == "Acme found"
    listed = json.loads(outcomes("unassigned", "--json").out)["outcomes"]
    assert id_ not in [one["id"] for one in listed]
    refused = outcomes("assign", id_, str(api.user + 1))
    assert (refused.code, refused.out, refused.err) == (1, "", "outcomes: 409 Not possible\n")


@pytest.fixture
def fed(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """Return a function that runs the command with this text as its standard input."""

    def run(*arguments: str, stdin: str) -> Any:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        return outcomes(*arguments)

    return run


@everywhere
def test_the_command_corrects_all_outcomes_of_a_file(
    api: Api, client: OutcomesClient, deal: str, fed: Outcomes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OUTCOMES_USER_ID", str(api.user))
    other = client.record("deal_closed", "Another", user_id=api.user).id
    file = tmp_path / "chosen"
    file.write_bytes(f"\ufeff{deal}\r\n\n{other}\n{deal}\n".encode())
    confirmed = ("confirm", "--from", str(file), "--idempotency-key", "k")
    assert fed(*confirmed, stdin="") == Run(0, "2 corrected, 0 already done, 0 refused\n", "")
    assert fed(*confirmed, stdin="") == Run(0, "0 corrected, 2 already done, 0 refused\n", "")
    again = "Not possible: type cannot confirm an outcome that is confirmed"
    lines = "".join(f'{{"id":"{each}","title":"x"}}\n' for each in (deal, other))
    run = fed("confirm", "--from", "-", stdin=lines)
    assert run == Run(1, "0 corrected, 0 already done, 2 refused\n", f"{deal}: {again}\n{other}: {again}\n")
    assert fed("dispute", "--reason", "Not mine", "--from", "-", stdin=f"title,id\nx,{deal}\n").code == 0
    run = fed("void", "--reason", "Twice", "--from", "-", stdin=f"id\n{deal}\n{'0' * 26}\n")
    assert run == Run(1, "1 corrected, 0 already done, 1 refused\n", f"{'0' * 26}: Not found\n")
    assert [one.type for one in client.get(deal).corrections] == ["confirm", "dispute", "void"]


def test_a_file_beyond_the_key_s_daily_limit_says_the_limit(
    owner: OutcomesClient, deal: str, fed: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = owner.create_key("Nightly", scopes=["record", "correct"], max_per_day=1)
    monkeypatch.setenv("INTERNAL_API_KEY", made.key)
    with OutcomesClient(api_key=made.key) as client:
        client.record("deal_closed", "One")
    run = fed("void", "--reason", "x", "--from", "-", stdin=deal)
    assert (run.code, run.out) == (1, "0 corrected, 0 already done, 1 refused\n")
    assert run.err.startswith(f"{deal}: Too many outcomes: this key records 1 a day, and may again from ")


@pytest.mark.parametrize(
    ("arguments", "stdin", "why"),
    [
        ((), "", "give either an id or --from"),
        (("01A", "--from", "-"), "", "give either an id or --from"),
        (("--from", "-"), "id,title\n,x\n", "line 2 has no id"),
        (("--from", "-"), '{"id":1}\n', "line 1 has no id"),
        (("--from", "-"), '{"id":"01A"}\n{\n', "line 2 has no id: Invalid line"),
    ],
)
def test_a_file_without_ids_is_not_sent(
    arguments: tuple[str, ...], stdin: str, why: str, api: Api, fed: Outcomes
) -> None:
    asked = len(api.door.times)
    run = fed("void", "--reason", "x", *arguments, stdin=stdin)
    assert (run.code, why in " ".join(run.err.split())) == (2, True), run.err
    assert len(api.door.times) == asked


@pytest.mark.parametrize("verb", ["void", "confirm", "dispute"])
def test_an_empty_id_is_refused(verb: str, outcomes: Outcomes) -> None:
    run = outcomes(verb, "", "--reason", "x")  # as of a variable that is not set
    assert (run.code, run.out) == (1, "")
    assert "Invalid id" in run.err


def test_a_file_whose_call_is_refused_says_how_many_are_left(
    deal: str, fed: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTCOMES_COOKIE", "session=wrong")
    run = fed("confirm", "--from", "-", stdin=deal)
    assert (run.code, run.out) == (1, "0 corrected, 0 already done, 0 refused, 1 to be sent again\n")
    assert "401 Unauthorized" in run.err
    assert "Not everything was sent. Safe to repeat with --idempotency-key " in run.err


def test_the_results_of_a_large_file_are_not_compared_with_each_other(
    deal: str, fed: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compare(*_: object) -> bool:
        raise AssertionError("40,000 lines would take a minute")

    monkeypatch.setattr(CorrectionResult, "__eq__", compare)
    monkeypatch.setenv("OUTCOMES_COOKIE", "session=wrong")
    run = fed("confirm", "--from", "-", stdin=f"{deal}\n{'0' * 26}\n")
    assert (run.code, run.out) == (1, "0 corrected, 0 already done, 0 refused, 2 to be sent again\n")


@everywhere
def test_all_optional_fields_can_be_cleared(api: Api, client: OutcomesClient, deal: str, outcomes: Outcomes) -> None:
    fields = [part for one in Clearable for part in ("--clear", one)]
    assert outcomes("amend", deal, "--reason", "Unknown", "--user", str(api.user), *fields).code == 0
    outcome = client.get(deal).outcome
    assert (outcome.description, outcome.value_usd, outcome.agent_id, outcome.metadata) == (None,) * 4
    assert outcome.occurred_at == outcome.created_at
    wrong = outcomes("amend", deal, "--reason", "x", "--user", "42", "--value", "1", "--clear", "value")
    assert wrong.code == 2
    assert "value is changed and cleared" in wrong.err


def test_an_outcome_without_a_history_shows_none(deal: str, outcomes: Outcomes) -> None:
    shown = outcomes("get", deal).out
    assert "$12,500.50" in shown
    assert "Why" not in shown
