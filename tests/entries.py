"""Check stored outcomes against the entries of their recordings and corrections."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from smoke.model import TALLIES


def outcomes_equal_their_entries(items: dict[str, Any], entries: dict[str, Any]) -> None:
    """Check that stored outcomes are what their recordings and corrections add up to.

    items, entries: rows of OutcomesTable by id.
    """
    of: defaultdict[str, list[Any]] = defaultdict(list)
    for entry in entries.values():
        of[entry["outcome"]["S"]].append(entry)
    assert of.keys() <= items.keys(), "a correction without its outcome"
    for id_, item in items.items():
        own = sorted(of[id_], key=lambda entry: int(entry["version"]["N"]))
        made = [id_of(entry) for entry in own]
        assert [int(entry["version"]["N"]) for entry in own] == [*range(1, len(own) + 1)], f"versions of {id_}"
        assert int(item.get("version", {"N": "0"})["N"]) == len(own), f"the version of {id_}"
        assert corrections_of(item) == made, f"corrections of {id_}"
        content: dict[str, Any] = {}
        for entry in own:
            for name, change in entry.get("changes", {"M": {}})["M"].items():
                assert content.get(name, change["M"]["before"]) == change["M"]["before"], f"{name} of {id_}"
                content[name] = change["M"]["after"]
        assert content == {name: item.get(name, {"NULL": True}) for name in content}, f"contents of {id_}"
        assert net_of(item, own) == {(tally, fact_of(item)) for tally in TALLIES[status_of(item)]}, f"effects on {id_}"


def id_of(row: Any) -> str:
    id_: str = row["created_at"]["S"].rpartition("#")[2]
    return id_


def corrections_of(item: Any) -> list[str]:
    return [each["S"] for each in item.get("corrections", {"L": []})["L"]]


def status_of(item: Any) -> str:
    status: str = item["standing"]["S"] if "standing" in item else "recorded"
    return status


def fact_of(item: Any, recorded_at: str = "", sign: int = 1) -> tuple[Any, ...]:
    """Return the type, agent, value and time of an item or of an effect. An effect's value has the effect's sign."""
    value = Decimal(item["value_usd"]["N"]) if "value_usd" in item else None
    return (
        item["outcome_type"]["S"],
        item["agent_id"]["N"] if "agent_id" in item else None,
        value.copy_negate() if value and sign < 0 else value,
        item["occurred_at"]["S"] if "occurred_at" in item else recorded_at or item["created_at"]["S"].partition("#")[0],
    )


def net_of(item: Any, entries: list[Any]) -> set[Any]:
    """Add up the deltas of an outcome's recording and corrections.

    Return the tallies (such as "standing") in which the outcome counts, each with its type, agent, value and time.
    """
    recorded_at = item["created_at"]["S"].partition("#")[0]
    fact = item["as_recorded"]["M"] if "as_recorded" in item else item
    net = Counter({("standing", fact_of(fact, recorded_at)): 1})
    for entry in entries:
        for effect in [each["M"] for each in entry["effects"]["L"]]:
            sign = int(effect["sign"]["N"])
            net[effect["tally"]["S"], fact_of(effect, recorded_at, sign)] += sign
    assert all(0 <= count <= 1 for count in net.values()), net
    return {each for each, count in net.items() if count}
