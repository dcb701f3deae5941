"""Generate random statements of October 2026, for tests and the bench."""

from decimal import Decimal
from random import Random

from outcomes.calendar import instants
from outcomes.contract.status import STATUSES, CountedFields

from tests.statements import example
from tests.statements.example import Entry, Statement, correction, outcome

OCTOBER = example.bounds_of("2026-10-15T12:00:00.000Z")
_TYPES = ("deal_closed", "task_complete", "content_published")
_BEGIN, _END = map(instants.read, OCTOBER)
_LONGEST_AGO = 60 * 24 * 60 * 60 * 1000


def statement(random: Random, size: int, agents: int = 5, previous: str | None = None) -> Statement:
    return example.statement("2026-10", OCTOBER, entries(random, size, agents), previous)


def entries(random: Random, size: int, agents: int) -> list[Entry]:
    """Return outcomes and corrections. Many of them happened in earlier periods."""
    made: list[Entry] = []
    for n, milliseconds in enumerate(sorted(random.randrange(_BEGIN, _END) for _ in range(size))):
        at = instants.text(milliseconds)
        fields = _fields(random, milliseconds, agents)
        if random.random() < 0.7:
            made.append(
                outcome(
                    at,
                    fields.outcome_type,
                    f"Title {n} \u2028 ü",
                    None if fields.value_usd is None else str(fields.value_usd),
                    agent_id=fields.agent_id,
                    occurred_at=fields.occurred_at,
                )
            )
            continue
        before = fields._replace(status=random.choice(STATUSES))
        after = before if random.random() < 0.2 else _fields(random, milliseconds, agents)
        after = after._replace(status=random.choice(STATUSES))
        changes = {"title": ("Title", f"Title {n}")}
        made.append(correction(at, "amend", f"{n:026}", before, after, "why", changes=changes))
    return made


def _fields(random: Random, milliseconds: int, agents: int) -> CountedFields:
    ago = random.choice((0, 0, random.randrange(_LONGEST_AGO)))
    value = Decimal(random.randrange(-1000, 100_000)).scaleb(-random.randrange(4))
    return CountedFields(
        instants.text(milliseconds - ago),
        random.choice(_TYPES),
        random.choice((None, random.randrange(1, agents + 1))),
        random.choice((None, value, value)),
    )
