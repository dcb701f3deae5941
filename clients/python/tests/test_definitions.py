"""Put, show and delete the definitions of which outcomes count, with the clients and the command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from outcomes_client import ConflictError, OutcomesClient, PreconditionFailedError

from clients.python.tests.conftest import Api, Outcomes, everywhere

RULE = (
    '{"timezone": "Europe/Berlin", "disputeDays": 14, "types": {"content_published": {"when": "confirmed",'
    ' "eachUsd": 75.10, "basis": "estimated", "note": "90 minutes at $50"}, "*": {"when": "unless_disputed"}}}'
)


def month(api: Api, later: int) -> str:
    """Return the month that begins so many months after the present one."""
    now = api.clock.now / 1000 if api.user == 42 else datetime.now(UTC).timestamp()
    today = datetime.fromtimestamp(now, UTC)
    years, number = divmod(today.month - 1 + later, 12)
    return f"{today.year + years}-{number + 1:02d}"


@everywhere
def test_a_definition_is_put_shown_and_put_again_by_its_owner_only(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, tmp_path: Path
) -> None:
    begins, file = month(api, 2), tmp_path / "rule.json"
    assert outcomes("definition", "show").out.startswith("No definition: ")
    file.write_text(RULE.replace('"note"', '"nöte"'))
    run = outcomes("definition", "put", begins, str(file), "--if-version", "0")
    assert (run.code, run.out) == (0, "Version 1\n")
    assert "Stored, but the API did not read types.content_published.nöte" in run.err
    file.write_text(RULE)
    assert outcomes("definition", "put", begins, str(file), "--if-version", "0").err == (
        "outcomes: 412 Precondition failed\n"
    )
    assert outcomes("definition", "put", begins, str(file)).out == "Version 2\n"
    [found] = owner.list_definitions()
    assert (found.start, found.version, found.timezone, found.dispute_days) == (begins, 2, "Europe/Berlin", 14)
    assert found.types[0].each_usd == Decimal("75.10")
    assert owner.put_definition(begins, found, if_version=2) == 2  # what is listed can be put, and changes nothing
    assert owner.put_definition(month(api, 3), replace(found, dispute_days=0)) == 1
    first, *shown = outcomes("definition", "show").out.splitlines()
    assert first.startswith(f"From {month(api, 3)} on, in Europe/Berlin: version 1, put 2")
    assert first.endswith(". Dispute days: 0")
    assert [row.split() for row in shown[:3]] == [
        ["Type", "Counts", "Each", "Basis", "Note"],
        ["content_published", "confirmed", "$75.10", "estimated", "90", "minutes", "at", "$50"],
        ["*", "unless_disputed", "stated"],
    ]
    listed = json.loads(outcomes("definition", "show", "--json").out)["definitions"]
    assert [(each["from"], each["version"]) for each in listed] == [(month(api, 3), 1), (begins, 2)]
    with pytest.raises(ConflictError, match=r"409 Not possible: timezone must be Europe/Berlin"):
        owner.put_definition(begins, replace(found, timezone="UTC"))
    with pytest.raises(PreconditionFailedError):
        owner.delete_definition(begins, if_version=1)
    assert owner.delete_definition(begins, if_version=2) == 3


@pytest.mark.parametrize(("text", "says"), [("{", "not JSON"), ("[]", "not a JSON object")])
def test_a_file_that_is_no_definition_is_wrong_usage(
    api: Api, outcomes: Outcomes, tmp_path: Path, text: str, says: str
) -> None:
    file = tmp_path / "rule.json"
    file.write_text(text)
    for command in (("put", "2027-01"), ("try",)):
        run = outcomes("definition", *command, str(file))
        assert (run.code, says in run.err) == (2, True)
    assert not api.door.requests


def test_a_definition_whose_answer_is_lost_is_put_once_and_the_command_says_what_to_check(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, tmp_path: Path
) -> None:
    file = tmp_path / "rule.json"
    file.write_text(RULE)
    api.fail("drop after the write")
    run = outcomes("definition", "put", month(api, 1), str(file))
    assert (run.code, run.out, len(api.door.requests)) == (1, "", 1)
    assert run.err.startswith("The definition may have been put: check with `outcomes definition show`.\n")
    assert [each.version for each in owner.list_definitions()] == [1]


@pytest.mark.parametrize("api", ["stack"], indirect=True)
def test_a_definition_is_tried_for_a_period(
    api: Api, owner: OutcomesClient, client: OutcomesClient, outcomes: Outcomes, tmp_path: Path
) -> None:
    client.record("content_published", "Published an article", user_id=api.user)
    client.record("deal_closed", "Sold", value_usd=40, user_id=api.user)
    file = tmp_path / "rule.json"
    file.write_text(RULE)
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    period = ("--from", str(today), "--to", str(today + timedelta(1)))
    head, *rows = outcomes("definition", "try", str(file), *period).out.splitlines()
    assert head.split("  ")[0] == "Type"
    assert [row.split() for row in rows[:3]] == [
        ["all", "$0.00", "$40.00", "$75.10", "$0.00"],
        ["content_published", "$0.00", "$0.00", "$75.10", "$0.00"],
        ["deal_closed", "$0.00", "$40.00", "$0.00", "$0.00"],
    ]
    closes = rows[3].removesuffix(", unless disputed")
    assert closes.startswith("$40.00 count on ")
    shown = json.loads(outcomes("definition", "try", str(file), *period, "--json").out)["by_rule"]
    assert shown["waiting"]["closes"] == [{"count": 1, "value_usd": 40, "on": closes.split()[-1]}]
    run = outcomes("definition", "try", str(file), "--from", f"{today}T12:00:00Z")
    assert (run.code, "--from, --to: must begin and end with a day" in run.err) == (2, True)
    assert owner.list_definitions() == []


@pytest.mark.parametrize("api", ["stack"], indirect=True)
def test_what_counts_is_shown_in_lists_outcomes_exports_and_summaries(
    api: Api, owner: OutcomesClient, client: OutcomesClient, outcomes: Outcomes
) -> None:
    long_ago = datetime.now(UTC) - timedelta(45)
    client.record("deal_closed", "Sold before", value_usd=7, user_id=api.user, occurred_at=long_ago)
    client.record("content_published", "Published an article", user_id=api.user)
    sold = client.record("deal_closed", "Sold", value_usd=40, user_id=api.user)
    owner.dispute(client.record("deal_closed", "Sold twice", value_usd=5, user_id=api.user).id, "Not ours")
    owner.confirm(client.record("deal_closed", "Signed", value_usd=3, user_id=api.user).id)
    client.void(client.record("deal_closed", "Lost", value_usd=9, user_id=api.user).id, "Lost", user_id=api.user)
    owner.put_costs(datetime.now(UTC).date() - timedelta(1), "openai", [{"costUsd": 10}])
    assert "\nWhat counts is not known: no definition, another time zone, " in outcomes("summary", "--counts").out
    today = datetime.now(ZoneInfo("Europe/Berlin")).date()
    owner.put_definition(f"{today:%Y-%m}", json.loads(RULE))

    exported = [json.loads(line) for line in outcomes("export", "--counts").out.splitlines()]
    on = exported[2]["counts"]["on"]
    assert [one["counts"] for one in exported] == [
        {"state": "counted", "on": None, "usd": 3},
        None,
        {"state": "waiting", "on": on, "usd": 40},
        {"state": "unconfirmed", "on": None, "usd": 75.1},
        {"state": "no_rule", "on": None, "usd": None},
    ]
    rows = [row.split("\t")[-2:] for row in outcomes("list", "--counts").out.splitlines()]
    assert rows == [
        *(["Counts", "Title"], ["counted, $3.00", "Signed"], ["", "Sold twice"]),
        *([f"waiting, $40.00 on {on}", "Sold"], ["unconfirmed, $75.10", "Published an article"]),
        ["no_rule", "Sold before"],
    ]
    listed = json.loads(outcomes("list", "--counts", "--json").out)["outcomes"]
    assert [{name: one[name] for name in one if name != "version"} for one in listed] == exported
    assert re.search(rf"^Counts +waiting, \$40.00 on {on}$", outcomes("get", sold.id, "--counts").out, re.MULTILINE)

    shown = outcomes("summary", "--counts", "--compare", "--cost", "--days", "60").out  # in the definitions' time zone
    for said in (
        "$50.00 in 4 outcomes\n$3.00 counts\nthe 60 days before: $0.00 in 0, $0.00 counted\n",
        "$10.00 cost · $40.00 net · 5 times the cost · -$7.00 net of what counts · known for 1 of ",
        *(f"\n$40.00 count on {on}, unless disputed\n", "\n$75.10 of unconfirmed is estimated\n"),
    ):
        assert said in shown
    assert re.search(r"^Week of +Count +Value +Counted +\n(.*\n)+.* 3 +\$43\.00 +\$3\.00 ", shown, re.MULTILINE)
    assert re.search(r" +Before rules\nall +\$3\.00 +\$40\.00 +\$75\.10 +\$0\.00 +\$7\.00\n", shown)
    totals = json.loads(outcomes("summary", "--counts", "--cost", "--compare", "--json", "--by", "month").out)
    assert (totals["timezone"], totals["by_rule"]["unconfirmed"]["estimated_usd"]) == ("Europe/Berlin", 75.1)
    assert [(each["counted_usd"], each["waiting_usd"]) for each in totals["by_month"][-1:]] == [(3, 40)]
    assert totals["previous"]["counted_usd"] == 0
    assert (totals["net_usd"], totals["net_counted_usd"], totals["ratio_counted"]) == (33, -7, 0.3)
    run = outcomes("summary", "--counts", "--status", "confirmed")
    assert (run.code, "--counts: cannot be combined with --status" in run.err) == (2, True)
