"""Make the files of clients/statements/wrong.json on which verifiers disagreed."""

import json
from decimal import Decimal

from tests.statements import example, hostile
from tests.statements.example import Entry, correction, outcome, recorded_fields
from tests.statements.hostile import EMPTY, World

AT = "2026-10-05T12:00:00.000Z"
MONEY = f"0.{'0' * 299}1"


def files() -> dict[str, str]:
    """Return the texts of files, by name."""
    made: dict[str, str] = {}

    def add(name: str, world: World) -> None:
        made[f"{name}.json"], made[f"{name}.ndjson"] = hostile.signed(world)[0], hostile.entries(world)

    add("code-points", code_points())
    ids, types, agents = code_points(), code_points(), code_points()
    ids.lines[-2:] = reversed(ids.lines[-2:])
    types.sums["totals"]["by_type"][-2:] = reversed(types.sums["totals"]["by_type"][-2:])
    agents.sums["totals"]["by_agent"][:2] = reversed(agents.sums["totals"]["by_agent"][:2])
    add("utf-16-ids", ids)
    add("utf-16-types", types)
    add("agents-by-number", agents)
    later = code_points()
    later.head["issued_at"] = "😀"
    add("signed-later", later)
    small = world_of(outcome(AT, "deal_closed", "Sold an atom", "1"))
    small.lines[0]["text"] = small.lines[0]["text"].replace('"value_usd":"1"', f'"value_usd":"{MONEY}"')
    small.sums = json.loads(json.dumps(small.sums).replace('"1.00"', f'"{MONEY}"'))
    add("small-money", small)
    add("null-to-0", null_to_0())
    text = world_of(outcome(AT, "deal_closed", "Sold", "1"))
    text.lines[0]["text"] = '"outcome_id"'
    add("entry-of-text", text)
    unpaired = code_points()
    unpaired.head["issuer"] = "\ud800"
    _, head, signature = hostile.signed(unpaired)
    entry = {"index": 0, **unpaired.lines[0], "path": []}
    proof = {"head": json.loads(head), "signature": signature, "entries": [entry]}
    return made | {"unpaired-proof.json": hostile.written(proof)}


def code_points() -> World:
    """Return a statement whose ids, types and agents come in another order in UTF-16, or if null is 0."""
    odd = [("\ue000", EMPTY, None), ("\uffff", "\uffff", -5), ("😀", "😀", 0)]
    return world_of(*(outcome(AT, type_, "Sold", "1", agent_id=agent)._replace(id=id_) for id_, type_, agent in odd))


def null_to_0() -> World:
    """Return a statement whose only adjustment is of an outcome without a value that got the value 0."""
    sold = outcome("2026-09-05T12:00:00.000Z", "deal_closed", "Sold", None)
    before, changes = recorded_fields(sold), {"value_usd": (None, Decimal(0))}
    return world_of(correction(AT, "amend", sold.id, before, before._replace(value_usd=Decimal(0)), changes=changes))


def world_of(*entries: Entry) -> World:
    return hostile.parts(example.statement("2026-10", example.bounds_of(AT), entries, hostile.PREVIOUS))
