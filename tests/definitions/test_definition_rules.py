"""Test which definition is in force for a month, and the rule for a type."""

from decimal import Decimal

import pytest
from outcomes.definitions.definition_rules import Definition, Definitions, Rule
from outcomes.definitions.stored_definitions import definitions_of, definitions_text

CLAIMED = Rule("claimed", None, "stated")
POSTS = Rule("confirmed", Decimal("75.10"), "estimated")
WINTER = Definition("2026-12", 3, 14, {"*": CLAIMED, "content_published": POSTS}, "2026-11-20T08:00:00.000Z")
SPRING = Definition("2027-03", 1, 0, {"*": CLAIMED}, "2026-11-20T09:00:00.000Z", "2026-11-20T08:30:00.000Z")
DEFINITIONS = Definitions("Europe/Berlin", (WINTER, SPRING), changes=4, put_at=SPRING.put_at)


@pytest.mark.parametrize(
    ("day_or_month", "found"),
    [
        ("2026-11", None),
        ("2026-11-30", None),
        ("2026-12", WINTER),
        ("2026-12-01", WINTER),
        ("2027-02-28", WINTER),
        ("2027-03", SPRING),
        ("2027-03-01", SPRING),
        ("9998-12-31", SPRING),
    ],
)
def test_a_definition_holds_from_its_month_until_the_next_ones(day_or_month: str, found: Definition | None) -> None:
    assert DEFINITIONS.of(day_or_month) == found


def test_a_user_without_definitions_has_none_in_force() -> None:
    assert Definitions().of("2026-12") is None


def test_the_rule_with_a_star_is_for_all_other_types() -> None:
    assert WINTER.rule("content_published") == POSTS
    assert WINTER.rule("deal_closed") == CLAIMED


def test_definitions_are_read_as_they_were_stored() -> None:
    row = {
        "timezone": {"S": "Europe/Berlin"},
        "changes": {"N": "4"},
        "put_at": {"S": SPRING.put_at},
        "definitions": {"S": definitions_text(DEFINITIONS.all)},
    }
    assert definitions_of(row) == DEFINITIONS
    assert str(definitions_of(row).all[0].rules["content_published"].each_usd) == "75.10"
    assert definitions_of({}) == Definitions()
