"""Test reading files of costs: columns, mapping, sums, refused lines, and days with too many lines."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from outcomes_client import CostLine
from outcomes_client._cost_importing import Charges, Day, DayError, Key, Layout, Map, MapError, fitting, slug
from outcomes_client._models import add_line

NOV_1, NOV_2 = date(2026, 11, 1), date(2026, 11, 2)
FOCUS = (
    "BilledCost,BillingCurrency,ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ServiceName,ProviderName,SkuId,Tags\n"
)
MAP = """
[[rule]]
when = { Tags.agent = ["sales", "renewals"] }
agent = 7

[[rule]]
when = { workspace = "w1", label = "gpt-5" }
user = 43
agent = 9
"""
FILES: dict[str, tuple[Layout, str, dict[Key, list[CostLine]], list[str]]] = {
    "charges of one agent and label are one line, on the first day of each": (
        "focus",
        f'{FOCUS}9.80,USD,2026-11-01T00:00:00Z,100,Tokens,GPT,Open AI,,"{{""agent"": ""sales""}}"\n'
        '-0.3,usd,2026-10-31T23:30:00-02:00,20,Tokens,GPT,Open AI,,"{""agent"": ""renewals""}"\n',
        {Key(NOV_1, "open-ai", 42): [CostLine(Decimal("9.5"), 7, Decimal(120), "Tokens", "GPT")]},
        [],
    ),
    "what maps to nothing is unallocated, and quantities of two units have no sum": (
        "focus",
        f"{FOCUS}1,USD,2026-11-01,5,Tokens,GPT,OpenAI,,not JSON\n2,USD,2026-11-01 00:00:00 UTC,1,Hours,GPT,OpenAI,,\n",
        {Key(NOV_1, "openai", 42): [CostLine(Decimal(3), None, None, None, "GPT")]},
        [],
    ),
    "a line that is refused is named, and its day lacks it": (
        "focus",
        f"{FOCUS}1,EUR,2026-11-01,,,GPT,OpenAI,,\nmuch,USD,2026-11-01,,,GPT,OpenAI,,\n,USD,2026-11-02,,,,OpenAI,,\n"
        "1,USD,soon,,,GPT,OpenAI,,\n1,USD,2026-11-01,,,GPT,?,,\n1,,2026-11-01,,,GPT,OpenAI,,\n1,USD\n"
        "1,USD,2026-11-02,,,Z\udcfcrich,OpenAI,,\n1,USD,9999-12-31T23:00:00-02:00,,,GPT,OpenAI,,\n",
        {Key(NOV_1, "openai", 42): [], Key(NOV_2, "openai", 42): []},
        [
            "2 GPT: BillingCurrency is EUR, not USD",
            "3 GPT: BilledCost is no number: much",
            "4 BilledCost is missing",
            "5 'soon' is no date",
            "6 '?' is no source: it has no letter from a to z and no digit",
            "7 GPT: BillingCurrency is missing, not USD",
            "8 Invalid line: it has 2 cells, and the heading 9",
            "9 not UTF-8",
            "10 '9999-12-31T23:00:00-02:00' is no date",
        ],
    ),
    "plain CSV names agents itself, and its other columns are for the map": (
        "csv",
        "date,source,agent,cost,label,workspace\n2026-11-01,openai,8,1e-3,gpt-5,w1\n2026-11-02,openai,bot,.25,gpt-5,w1\n",
        {
            Key(NOV_1, "openai", 43): [CostLine(Decimal("0.001"), 8, label="gpt-5")],
            Key(NOV_2, "openai", 43): [CostLine(Decimal("0.25"), 9, label="gpt-5")],
        },
        [],
    ),
    "a column without a name, as pandas writes its index, is no agent": (
        "focus",
        f',{FOCUS}5,1,USD,2026-11-01,,,GPT,OpenAI,,"{{""agent"": ""sales""}}"\n',
        {Key(NOV_1, "openai", 42): [CostLine(Decimal(1), 7, label="GPT")]},
        [],
    ),
    "an agent may be written with a point, as pandas does if a cell of its column is empty": (
        "csv",
        "date,source,agent,cost\n2026-11-01,openai,8.0,1\n2026-11-01,openai,8,2\n2026-11-01,openai,8.5,4\n",
        {Key(NOV_1, "openai", 42): [CostLine(Decimal(3), 8), CostLine(Decimal(4))]},
        [],
    ),
    "a text with a control character is refused, and an agent's number above the largest id is none": (
        "csv",
        "date,source,agent,cost,label,unit\n2026-11-01,openai,8,1,gpt\x075,\n2026-11-01,openai,8,2,,to\x7fkens\n"
        f"2026-11-01,openai,8,4,gpt\t5,\n2026-11-01,openai,{2**53 - 1},8,,\n2026-11-01,openai,{2**53},16,,\n",
        {
            Key(NOV_1, "openai", 42): [
                CostLine(Decimal(4), 8, label="gpt\t5"),
                CostLine(Decimal(8), 2**53 - 1),
                CostLine(Decimal(16)),
            ]
        },
        ["2 gpt\x075: label has a control character", "3 unit has a control character"],
    ),
    "NDJSON has numbers or text, and nested tags": (
        "ndjson",
        '{"date":"2026-11-01","source":"litellm","cost":0.000002,"quantity":"100","unit":"tokens","Tags":{"agent":"sales"}}\n'
        '{"date":"2026-11-01","source":"litellm","cost":true}\n[]\n{"source":"litellm","cost":1}\n'
        '{"date":"2026-11-01","source":"litellm","cost":1e99,"currency":"USD"}\n'
        f'{{"date":"2026-11-01","source":"litellm","cost":0.{"1" * 39}}}\n',
        {Key(NOV_1, "litellm", 42): [CostLine(Decimal("0.000002"), 7, Decimal(100), "tokens")]},
        [
            "2 cost is no number: True",
            "3 Invalid line: not a JSON object",
            "4 '' is no date",
            "5 cost is out of range: 1E+99",
            f"6 cost has more than 38 significant digits: 0.{'1' * 39}",
        ],
    ),
}


@pytest.mark.parametrize(("layout", "text", "days", "faults"), FILES.values(), ids=FILES)
def test_charges_are_added_up_by_day_source_user_agent_and_label(
    layout: Layout, text: str, days: dict[Key, list[CostLine]], faults: list[str]
) -> None:
    charges = Charges(layout, Map(MAP.encode()), 42)
    read = list(charges.read(text.encode(errors="surrogateescape").splitlines(keepends=True)))
    assert [f"{line.number} {line.fault}" for line in read if line.fault] == faults
    assert {key: [*day.lines.values()] for key, day in charges.days.items()} == days
    lacking = [lack for day in charges.days.values() for lack in day.lacks]
    assert len(lacking) == sum(
        "Invalid line" not in each and " is no d" not in each and "?" not in each for each in faults
    )


def test_the_map_names_the_column_of_labels() -> None:
    charges = Charges("focus", Map(b'label = "SkuId"'), None)
    list(charges.read([FOCUS.encode(), b"1,USD,2026-11-01,,,GPT,OpenAI,gpt-5-input,\n"]))
    [day] = charges.days.values()
    assert [line.label for line in day.lines.values()] == ["gpt-5-input"]


def test_a_rule_for_the_text_null_leaves_out_charges_without_that_cell() -> None:
    rules = Map(b'[[rule]]\nwhen = { team = "null" }\nagent = 7')
    assert [rules.owner({"team": team})[1] for team in (None, "null", None)] == [None, 7, None]


def test_rules_that_assigned_no_charge_are_known() -> None:
    rule = '[[rule]]\nwhen = {{ team = "{}" }}\nagent = 7\n'
    rules = Map("".join(map(rule.format, ["sales", "typo", "sales", "legal"])).encode())
    for team in ("legal", "sales", "sales", "other"):
        rules.owner({"team": team})
    assert rules.unused == [2, 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff", "not TOML"),
        (b"rule", "not TOML"),
        (b"rules = []", "the file has rules, and may have label (string), rule (array)"),
        (b"[[rule]]\nagent = 7", "rule 1 must have when, and user or agent"),
        (b'[[rule]]\nwhen = { a = "b" }', "rule 1 must have when, and user or agent"),
        (b'[[rule]]\nwhen = { a = "b" }\nagent = "7"', "rule 1 has agent, and may have"),
        (b'[[rule]]\nwhen = { a = "b" }\nagent = 0', "rule 1 must have ids from 1 to 9007199254740991"),
        (b'[[rule]]\nwhen = { a = "b" }\nuser = 9007199254740992', "rule 1 must have ids from 1 to 9007199254740991"),
        (b"rule = [1]", "rule 1 has a value"),
        (b"[[rule]]\nwhen = { date = 2026-11-01 }\nagent = 7", "rule 1 must compare with text, such as '2026-11-01'"),
        (b"[[rule]]\nwhen = { cost = [1, nan] }\nagent = 7", "rule 1 must compare with text"),
    ],
)
def test_a_map_that_is_wrong_is_refused(text: bytes, says: str) -> None:
    with pytest.raises(MapError, match=says.replace("(", r"\(").replace(")", r"\)")):
        Map(text)


@pytest.mark.parametrize(
    ("name", "source"),
    [("OpenAI", "openai"), ("Amazon Web Services, Inc.", "amazon-web-services-inc"), ("_x" * 30, "x_" * 19 + "x")],
)
def test_a_source_is_the_provider_s_name_made_to_fit(name: str, source: str) -> None:
    assert slug(name) == source


def test_the_smallest_lines_of_a_day_with_too_many_become_other_of_their_agent() -> None:
    def day(agents: int, labels: int) -> Day:
        day = Day()
        for n in range(agents * labels):
            cost = Decimal(n) / 1000 * (-1) ** n
            label = f"model {n // agents}" if n else "other"
            add_line(day.lines, CostLine(cost, n % agents or None, Decimal(n), "tokens", label))
        return day

    def sums(lines: Any) -> dict[int | None, Decimal]:
        return {agent: sum(each.cost_usd for each in lines if each.agent_id == agent) for agent in (None, 1, 2)}

    many = day(3, 100)
    lines = fitting(many)
    assert len(lines) == 200
    assert sums(lines) == sums(many.lines.values())
    kept = [line for line in lines if line.label != "other"]
    assert min(abs(line.cost_usd) for line in kept) == Decimal("0.103")
    assert len({(line.agent_id, line.label) for line in lines}) == 200
    assert fitting(day(200, 1)) == [*day(200, 1).lines.values()][::-1]
    with pytest.raises(DayError, match="more than 200 agents"):
        fitting(day(201, 1))
