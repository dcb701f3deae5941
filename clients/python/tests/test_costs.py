"""Test importing costs with the command, even repeatedly or after an interruption, and adding costs concurrently."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from outcomes_client import CostLine, OutcomesClient

from clients.python.tests.conftest import Api, Outcomes, everywhere


def days(api: Api, count: int) -> list[date]:
    """Return days that the API accepts. The last day is today."""
    now = api.clock.now / 1000 if api.user == 42 else datetime.now(UTC).timestamp()
    today = datetime.fromtimestamp(now, UTC).date()
    return [today - timedelta(n) for n in reversed(range(count))]


def plain(path: Path, rows: Iterable[tuple[object, ...]]) -> str:
    path.write_text("date,source,agent,cost,label\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return str(path)


@everywhere
def test_what_is_imported_comes_back_and_importing_it_again_changes_nothing(
    api: Api, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path
) -> None:
    [first, second] = days(api, 2)
    file, rules = tmp_path / "focus.csv", tmp_path / "map.toml"
    file.write_text(
        "BilledCost,BillingCurrency,ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ServiceName,ProviderName,Tags\n"
        f'0.10,USD,{first}T00:00:00Z,100,Tokens,GPT,OpenAI,"{{""agent"": ""sales""}}"\n'
        f'0.20,USD,{first}T23:00:00Z,5,Tokens,GPT,OpenAI,"{{""agent"": ""sales""}}"\n'
        f"-3,USD,{first},,,,Solora AI,\n7,EUR,{second},,,GPT,OpenAI,\n1e-9,USD,{second},,,GPT,OpenAI,\n"
    )
    rules.write_text('[[rule]]\nwhen = { Tags.agent = "sales" }\nagent = 7\n')
    command = ["costs", "import", str(file), "--format", "focus", "--map", str(rules), "--user", str(api.user)]
    assert outcomes(*command, "--dry-run").out.splitlines()[1:] == [
        f"{first}  unallocated        $-3.00".replace("$-", "-$"),
        f"{first}  7                   $0.30",
        f"{second}  unallocated  $0.000000001",
        "Total: -$2.699999999. Nothing was sent.",
    ]
    for said in ("3 days put, 0 unchanged", "0 days put, 3 unchanged"):
        run = outcomes(*command)
        assert (run.code, run.out) == (1, f"{said}, 0 refused\n")
        assert run.err.splitlines() == [
            "line 5: GPT: BillingCurrency is EUR, not USD",
            f"{second} openai{f' of user {api.user}'} lacks line 5 (GPT): BillingCurrency is EUR, not USD",
        ]
    stored = {
        (first, "openai"): [CostLine(Decimal("0.30"), 7, Decimal(105), "Tokens", "GPT")],
        (first, "solora-ai"): [CostLine(Decimal(-3))],
        (second, "openai"): [CostLine(Decimal("1E-9"), label="GPT")],
    }
    for (day, source), lines in stored.items():
        found = client.get_costs(day, source, versions=True, user_id=api.user)
        assert (found.lines, found.version, found.versions) == (lines, 1, [])
    shown = outcomes("costs", "get", str(first), "openai", "--user", str(api.user), "--json").out
    assert json.loads(shown)["lines"] == [
        {"cost_usd": 0.3, "agent_id": 7, "quantity": 105, "unit": "Tokens", "label": "GPT"}
    ]


def test_charges_of_the_default_user_are_added_to_those_of_a_rule_that_names_the_same_user(
    api: Api, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTCOMES_USER_ID", "42")
    [day] = days(api, 1)
    file, rules = plain(tmp_path / "costs.csv", [(day, "x", 7, 1, "a"), (day, "x", 7, 2, "")]), tmp_path / "map.toml"
    rules.write_text('[[rule]]\nwhen = { label = "a" }\nuser = 42\n')
    command = ["costs", "import", file, "--format", "csv", "--map", str(rules)]
    for said in ("1 days put, 0 unchanged", "0 days put, 1 unchanged"):
        assert outcomes(*command, "--replace").out == f"{said}, 0 refused\n"
    assert sum(line.cost_usd for line in client.get_costs(day, "x", user_id=42).lines or ()) == 3


@pytest.mark.usefixtures("one_try")
def test_an_import_that_stops_continues_when_it_is_run_again(
    api: Api, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path
) -> None:
    file = plain(tmp_path / "costs.csv", [(day, "openai", 7, 1, "gpt-5") for day in days(api, 4)])
    command = ["costs", "import", file, "--format", "csv", "--user", "42"]
    api.fail("", "", "", "drop after the write")  # the answer to the PUT of the second day is lost
    run = outcomes(*command)
    assert (run.code, run.out) == (1, "1 days put, 0 unchanged, 0 refused\n")
    assert "stopped: No answer" in run.err
    assert "Run it again: what is put already stays as it is." in run.err
    assert outcomes(*command).out == "2 days put, 2 unchanged, 0 refused\n"
    assert [client.get_costs(day, "openai", user_id=42).version for day in days(api, 4)] == [1] * 4


def test_a_day_whose_answer_is_lost_is_put_once_and_counted_as_put(
    api: Api, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path
) -> None:
    [day] = days(api, 1)
    file = plain(tmp_path / "costs.csv", [(day, "openai", 7, 1, "gpt-5")])
    api.fail("", "drop after the write")
    run = outcomes("costs", "import", file, "--format", "csv", "--user", "42")
    assert (run.code, run.out) == (0, "1 days put, 0 unchanged, 0 refused\n")
    assert client.get_costs(day, "openai", user_id=42).version == 1


def test_days_that_cannot_be_put_are_named_and_the_others_are_put(
    api: Api, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path
) -> None:
    old, day = days(api, 402)[0], days(api, 1)[0]
    client.put_costs(day, "openai", [CostLine(Decimal(1), 7, label="gpt-5"), CostLine(Decimal(2))], user_id=42)
    many = [(day, "many", agent, 1, "") for agent in range(1, 202)]
    rows = [(day, "openai", 7, 5, "gpt-5"), (day, "litellm", 7, 5, ""), (old, "litellm", 7, 5, ""), *many]
    command = ["costs", "import", plain(tmp_path / "costs.csv", rows), "--format", "csv", "--user", "42"]
    run = outcomes(*command)
    assert (run.code, run.out) == (1, "1 days put, 0 unchanged, 3 refused\n")
    assert run.err.splitlines() == [
        f"{old} litellm of user 42 refused: 400 Invalid date: date must be a UTC day from 400 days ago to tomorrow, "
        "such as 2026-11-26",
        f"{day} many of user 42 refused: it has costs of more than 200 agents",
        f"{day} openai of user 42 refused: it would lose lines that are stored (unallocated); --replace replaces it",
    ]
    assert client.get_costs(day, "openai", user_id=42).version == 1
    assert outcomes(*command, "--replace").out == "1 days put, 1 unchanged, 2 refused\n"
    assert client.get_costs(day, "openai", user_id=42).lines == [CostLine(Decimal(5), 7, label="gpt-5")]


@pytest.mark.parametrize(
    ("cost", "unreadable"),
    [(30, 20), (-10, -20)],
    ids=["a refused charge lets no lower sum replace a complete one", "a refused credit no higher one"],
)
def test_a_sum_without_a_refused_charge_replaces_no_other(
    api: Api, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path, cost: int, unreadable: int
) -> None:
    [day] = days(api, 1)
    rows: list[tuple[object, ...]] = [(day, "x", 7, cost - unreadable, "gpt"), (day, "x", 7, unreadable, "gpt")]
    command = ["costs", "import", plain(tmp_path / "costs.csv", rows), "--format", "csv", "--user", "42"]
    assert outcomes(*command).out == "1 days put, 0 unchanged, 0 refused\n"
    rows[1] = (day, "x", 7, f"{unreadable}?", "gpt")
    plain(tmp_path / "costs.csv", [*rows, (day, "x", 8, 1, "new")])
    run = outcomes(*command)
    assert (run.code, run.out) == (1, "0 days put, 0 unchanged, 1 refused\n")
    assert (
        f"{day} x of user 42 refused: it lacks refused charges of lines that are stored (agent 7 gpt); "
        "--replace replaces it"
    ) in run.err.splitlines()
    assert client.get_costs(day, "x", user_id=42).lines == [CostLine(Decimal(cost), 7, label="gpt")]
    assert outcomes(*command, "--replace").out == "1 days put, 0 unchanged, 0 refused\n"
    rows[0], rows[1] = (day, "x", 7, 99, "gpt"), (day, "x", 7, "?", "elsewhere")
    plain(tmp_path / "costs.csv", [*rows, (day, "x", 8, 1, "new")])
    assert outcomes(*command).out == "1 days put, 0 unchanged, 0 refused\n"  # the refused charge is of another line


def test_a_restated_day_of_too_many_lines_may_have_other_lines_in_other(
    api: Api, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path
) -> None:
    [day] = days(api, 1)
    for least in ("model 250", "model 1"):
        rows = [(day, "x", 7, 0.5 if label == least else 1, label) for label in (f"model {n}" for n in range(1, 251))]
        file = plain(tmp_path / "costs.csv", rows)
        assert outcomes("costs", "import", file, "--format", "csv", "--user", "42").out.startswith("1 days put"), least
    assert sum(line.cost_usd for line in client.get_costs(day, "x", user_id=42).lines) == Decimal("249.5")


@everywhere
def test_a_day_that_others_put_is_replaced_but_never_added_to_by_a_key_that_may_not_read_it(
    api: Api, owner: OutcomesClient, outcomes: Outcomes, client: OutcomesClient, tmp_path: Path
) -> None:
    [day] = days(api, 1)
    owner.put_costs(day, "openai", [CostLine(Decimal(1), 8)])
    user = ["--user", str(api.user)]
    why = "others put the costs of this day, and this key may not read them"
    run = outcomes("costs", "add", "--date", str(day), "--source", "openai", "--cost", "5", *user)
    assert (run.code, run.out, why in run.err) == (1, "", True)
    file = plain(tmp_path / "costs.csv", [(day, "openai", 7, 5, "")])
    command = ["costs", "import", file, "--format", "csv", *user]
    run = outcomes(*command)
    assert (run.code, run.out) == (1, "0 days put, 0 unchanged, 1 refused\n")
    assert run.err.splitlines()[-1] == f"{day} openai of user {api.user} refused: {why}; --replace replaces them"
    assert owner.get_costs(day, "openai").version == 1
    assert outcomes(*command, "--replace").out == "1 days put, 0 unchanged, 0 refused\n"
    assert owner.get_costs(day, "openai").lines == [CostLine(Decimal(5), 7)]
    assert outcomes(*command).out == "0 days put, 1 unchanged, 0 refused\n"
    assert client.get_costs(day, "openai", user_id=api.user, versions=True).versions == []


@pytest.mark.parametrize(
    ("lacks", "arguments", "says"),
    [
        ("OUTCOMES_USER_ID", ["costs", "get", "2026-11-26", "openai"], "reads costs of a user: give user_id"),
        (
            "OUTCOMES_USER_ID",
            ["costs", "add", "--date=2026-11-26", "--source=runs", "--cost=1"],
            "give user_id (--user)",
        ),
        (
            "INTERNAL_API_KEY",
            ["costs", "list", "--user", "42"],
            "Reading for a named user needs the key",
        ),
        (
            "INTERNAL_API_KEY",
            ["watches", "list", "--user", "42"],
            "needs the key (INTERNAL_API_KEY)",
        ),
    ],
)
def test_a_call_that_lacks_a_user_or_a_key_says_which(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, lacks: str, arguments: list[str], says: str
) -> None:
    monkeypatch.delenv(lacks, raising=False)
    run = outcomes(*arguments)
    assert (run.code, run.out, api.door.requests) == (2, "", [])
    assert says in " ".join(run.err.split())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--format", "focus"],
            "the first line must name each column once, among them ChargePeriodStart, BilledCost and",
        ),
        (["--format", "csv", "--map", "{map}"], "only the platform's key puts costs of several users"),
        (["--format", "csv", "--map", "{file}"], "not TOML"),
    ],
)
def test_wrong_usage_puts_nothing(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], says: str
) -> None:
    monkeypatch.delenv("INTERNAL_API_KEY")
    paths = {
        "{map}": str(tmp_path / "map.toml"),
        "{file}": plain(tmp_path / "c.csv", [(days(api, 1)[0], "x", 7, 1, "")]),
    }
    (tmp_path / "map.toml").write_text('[[rule]]\nwhen = { label = "a" }\nuser = 43\n')
    run = outcomes("costs", "import", paths["{file}"], *(paths.get(each, each) for each in options))
    assert (run.code, run.out, api.door.requests) == (2, "", [])
    assert says in " ".join(run.err.split())


@pytest.mark.parametrize("api", ["stack"], indirect=True)
def test_costs_are_listed_and_stand_beside_the_value(api: Api, outcomes: Outcomes, client: OutcomesClient) -> None:
    [first, second] = days(api, 2)
    lines = [CostLine(Decimal("2.50"), 7), CostLine(Decimal(1), 8), CostLine(Decimal("0.5"))]
    client.put_costs(first, "openai", lines, user_id=api.user)
    client.record("deal_closed", "Acme", value_usd=Decimal(10), agent_id=7, user_id=api.user, occurred_at=first)
    period = ["--from", str(first), "--to", str(second + timedelta(1))]
    assert [" ".join(line.split()) for line in outcomes("costs", "list", *period).out.splitlines()] == [
        "$4.00, known for 1 of 2 days",
        *("", "Day Cost Sources", f"{first} $4.00 openai", f"{second} unknown"),
        *("", "Agent Cost", "7 $2.50", "8 $1.00", "unallocated $0.50"),
        *("", "Source Cost Days Gaps", "openai $4.00 1"),
    ]
    shown = [" ".join(line.split()) for line in outcomes("summary", "--cost", *period).out.splitlines()]
    assert shown[:2] == [
        "$10.00 in 1 outcome",
        "$4.00 cost · $6.00 net · 2.5 times the cost · known for 1 of 2 days",
    ]
    assert shown[-4:] == [
        "Agent Count Value Cost Per outcome",
        "7 1 $10.00 $2.50 $2.50",
        "8 0 $0.00 $1.00",
        "none 0 $0.00 $0.50",
    ]
    summary = json.loads(outcomes("summary", "--cost", "--json", *period).out)
    assert {name: summary[name] for name in ("cost_usd", "net_usd", "ratio", "known_days", "of_days")} == {
        **{"cost_usd": 4, "net_usd": 6, "ratio": 2.5, "known_days": 1, "of_days": 2},
    }
    assert not summary.keys() & {"by_rule", "net_counted_usd", "ratio_counted"}
    assert outcomes("summary", "--cost", "--type", "deal_closed").code == 2
    by_platform = outcomes("costs", "list", "--user", str(api.user), *period)
    assert (by_platform.code, "needs PlatformMayRead=true" in by_platform.err) == (1, True)


@pytest.mark.parametrize("api", ["stack"], indirect=True)
def test_a_summary_with_costs_names_the_days_that_a_source_lacks(
    api: Api, outcomes: Outcomes, client: OutcomesClient
) -> None:
    all_days = days(api, 6)
    for day in all_days:
        client.put_costs(day, "known", [CostLine(Decimal(1))], user_id=api.user)
    for day in (all_days[0], all_days[-1]):
        client.put_costs(day, "late", [CostLine(Decimal(5))], user_id=api.user)
    lacks = f"late lacks {', '.join(map(str, all_days[1:4]))} and 1 more"
    said = f"$16.00 cost · -$16.00 net · known for 6 of 6 days · {lacks}"
    assert outcomes("summary", "--cost", "--days", "6").out.splitlines()[1] == said
    said = "known for 6 of 400 days · days that sources lack: outcomes costs list, 366 days at most"
    assert outcomes("summary", "--cost", "--days", "400").out.splitlines()[1].endswith(said)


def test_costs_that_many_add_at_once_all_count(api: Api, client: OutcomesClient) -> None:
    [day] = days(api, 1)

    def add_some(agent: int) -> None:
        for _ in range(5):
            client._run(client._calls.add_costs(day, "runs", CostLine(Decimal("0.1"), agent, label="gpt-5"), 42))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(add_some, (7, 7, 8, 9)))
    stored = client.get_costs(day, "runs", user_id=42)
    assert stored.version == 20
    assert [(line.agent_id, line.cost_usd) for line in stored.lines] == [
        (7, Decimal(1)),
        (8, Decimal("0.5")),
        (9, Decimal("0.5")),
    ]


def test_costs_with_an_empty_label_and_unit_are_added_to_one_line(
    api: Api, outcomes: Outcomes, client: OutcomesClient
) -> None:
    [day] = days(api, 1)
    cost = ["--cost", "0.42", "--quantity", "5", "--unit", "", "--label", ""]
    for version in (1, 2):
        run = outcomes("costs", "add", "--date", str(day), "--source", "runs", *cost, "--user", "42")
        assert (run.code, run.out) == (0, f"Version {version}\n"), run.err
    assert client.get_costs(day, "runs", user_id=42).lines == [CostLine(Decimal("0.84"), quantity=Decimal(10))]


def test_a_cost_whose_answer_is_lost_is_not_added_twice(api: Api, outcomes: Outcomes, client: OutcomesClient) -> None:
    [day] = days(api, 1)
    command = ["costs", "add", "--date", str(day), "--source", "runs", "--cost", "0.42", "--agent", "7", "--user", "42"]
    assert outcomes(*command).out == "Version 1\n"
    api.fail("", "drop after the write")
    run = outcomes(*command)
    assert (run.code, run.out) == (1, "")
    assert "No answer" in run.err
    assert "The cost may have been added: check with `outcomes costs get` before you run it again." in run.err
    assert client.get_costs(day, "runs", user_id=42).lines == [CostLine(Decimal("0.84"), 7)]
    client.delete_costs(day, "runs", user_id=42)
    client.put_costs(day, "runs", [], user_id=42)
    shown = outcomes("costs", "get", str(day), "runs", "--versions", "--user", "42").out.splitlines()[1:]
    assert [" ".join(line.split()[3:]) for line in shown] == [
        "key no lines",
        "key deleted",
        "key 7 $0.84",
        "key 7 $0.42",
    ]
