"""Put, list and delete watches and the setting of the digest, with the clients and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from outcomes_client import ConflictError, ForbiddenError, NotFoundError, OutcomesClient, PreconditionFailedError
from outcomes_client.testing import OutcomesFake

from clients.python.tests.conftest import Api, Outcomes, everywhere

DEALS = {"name": "Größe", "measure": "value", "every": "month", "timezone": "Europe/Berlin", "target": 50_000.5}
QUIET = {"name": "Quiet", "measure": "silence", "timezone": "UTC", "target": 3, "agentId": 7}


@pytest.fixture
def deals(tmp_path: Path) -> str:
    file = tmp_path / "deals.json"
    file.write_text(json.dumps(DEALS))
    return str(file)


@everywhere
def test_watches_are_put_listed_and_deleted_by_their_owner(
    owner: OutcomesClient, outcomes: Outcomes, deals: str
) -> None:
    assert outcomes("watches", "list").out == "No watch.\n"
    owner.record(outcome_type="deal_closed", title="Closed", value_usd=Decimal("43100.25"), agent_id=7)
    run = outcomes("watches", "put", "deals", deals, "--if-version", "0")
    assert (run.code, run.out) == (0, "Version 1\n"), run.err
    assert outcomes("watches", "put", "deals", deals, "--if-version", "0").err == "outcomes: 412 Precondition failed\n"
    assert owner.put_watch("quiet", QUIET) == 1
    assert outcomes("watches", "digest", "--timezone", "Europe/Berlin", "--hour", "7").out == "Version 1\n"

    found = owner.list_watches()
    assert [(each.id, each.name, each.figure, each.status) for each in found.watches] == [
        ("deals", "Größe", Decimal("43100.25"), None),
        ("quiet", "Quiet", 0, None),
    ]
    assert found.digest
    assert (found.digest.day, found.digest.hour, found.digest.put_by) == ("monday", 7, "session")
    head, *rows, digest = outcomes("watches", "list").out.splitlines()
    assert head.split() == ["Id", "Name", "Measure", "Of", "Period", "Figure", "Target", "Last", "told"]
    assert [row.split() for row in rows if row.strip()][-2:] == [
        ["deals", "Größe", "value", "all", found.watches[0].period.name, "$43,100.25", "$50,000.50"],  # type: ignore[union-attr]  # it has a period
        ["quiet", "Quiet", "silence", "agent", "7", "0", "days", "3", "days"],
    ]
    assert digest == "Digest: each monday at 7:00, Europe/Berlin"
    shown = json.loads(outcomes("watches", "list", "--json").out)
    assert json.loads(outcomes("watches", "show", "deals").out) == shown["watches"][0]
    Path(deals).write_text(outcomes("watches", "show", "quiet").out)
    assert outcomes("watches", "put", "quiet", deals).out == "Version 1\n"  # with its filter, so nothing changes

    [watch, _] = found.watches
    assert owner.put_watch("deals", watch, if_version=1) == 1  # what is listed can be put, and changes nothing
    assert owner.put_watch("deals", replace(watch, target=Decimal(1))) == 2
    assert owner.put_digest(found.digest) == 1
    with pytest.raises(PreconditionFailedError):
        owner.delete_watch("deals", if_version=1)
    with pytest.raises(ConflictError, match="needs a definition"):
        owner.put_watch("deals", {**DEALS, "measure": "counted"})
    assert outcomes("watches", "delete", "deals").out == "Deleted version 2\n"
    assert outcomes("watches", "digest", "--off").out == "Deleted version 1\n"
    with pytest.raises(NotFoundError):
        owner.get_watch("deals")
    with pytest.raises(NotFoundError):
        owner.delete_digest()


@everywhere
def test_the_platform_names_the_user_and_keeps_off_what_a_session_put(api: Api, owner: OutcomesClient) -> None:
    owner.put_watch("hers", QUIET)
    with OutcomesClient(api.url, api.key) as platform:
        assert platform.put_watch("ours", QUIET, user_id=api.user) == 1
        assert [each.id for each in platform.list_watches(user_id=api.user).watches] == ["ours"]
        with pytest.raises(ForbiddenError, match="own session"):
            platform.put_watch("hers", QUIET, user_id=api.user)
        assert platform.delete_watch("ours", user_id=api.user) == 1
    assert [each.put_by for each in owner.list_watches().watches] == ["session"]


def test_a_watch_whose_answer_is_lost_is_put_once_and_the_command_says_what_to_check(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, deals: str
) -> None:
    api.fail("drop after the write")
    run = outcomes("watches", "put", "deals", deals)
    assert run.code == 1
    assert run.err.startswith("It may have been written: check with `outcomes watches list`.\n")
    assert [each.version for each in owner.list_watches().watches] == [1]


def test_a_refused_file_is_told_the_names_of_its_own_fields(outcomes: Outcomes, tmp_path: Path) -> None:
    file = tmp_path / "spent.json"
    file.write_text(json.dumps({**DEALS, "measure": "cost", "outcomeType": "deal_closed"}))
    run = outcomes("watches", "put", "spent", str(file))
    assert (run.code, run.err) == (
        1,
        "outcomes: 400 Invalid outcomeType: outcomeType must be null if `measure` is cost: costs have no type\n",
    )


def test_what_was_told_is_listed_with_its_share_if_there_are_any(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with OutcomesFake() as fake:
        monkeypatch.setenv("OUTCOMES_URL", fake.url)
        monkeypatch.setenv("OUTCOMES_COOKIE", fake.session(42))
        for id_, watch in (("spent", {**DEALS, "measure": "cost"}), ("quiet", QUIET)):
            fake.client.put_watch(id_, watch, user_id=42)
        fake.client.put_costs(fake.now.date(), "openai", [{"costUsd": 60_000}], user_id=42)
        api.clock.now += 5 * 86_400_000
        fake.now += timedelta(minutes=15)  # evaluates them
        said = outcomes("watches", "list").out
    assert ("watch.exceeded at 100 %, 2026" in said, "watch.silent, 2026" in said) == (True, True)
