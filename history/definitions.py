"""Say how much of an import counts at once, by the definitions of each user.

An import keeps old times of recording, so outcomes of months that are closed do not wait.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import batched

from outcomes.aws.backoff import KEYS_PER_CALL, Backoff, read_items
from outcomes.aws.services import DynamoDB, Item
from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays, month_of
from outcomes.calendar.period import time_zone
from outcomes.contract.sums import Sum
from outcomes.definitions.counting import ByRule, Figures
from outcomes.definitions.definition_rules import Definitions
from outcomes.definitions.stored_definitions import HEAD, definitions_of, row_key
from outcomes.ledger import ulid

from history.plan import Plan
from ops.patience import LIMITS, patiently


def by_rule(table: str, plan: Plan) -> Iterator[tuple[int, Figures]]:
    """Yield each user of a plan who has definitions, and how much of the plan counts. table: that of statements."""
    dynamodb = DynamoDB(LIMITS)
    for users in batched(plan.users(), KEYS_PER_CALL, strict=False):
        rows = patiently(partial(_heads, dynamodb, table, users))
        found = {int(row["user_id"]["S"]): definitions_of(row) for row in rows}
        yield from ((user, _divide(plan, user, found[user])) for user in users if user in found and found[user].all)


def _heads(dynamodb: DynamoDB, table: str, users: Iterable[int]) -> list[Item]:
    return read_items(dynamodb, table, [row_key(user, HEAD) for user in users], Backoff())


def _divide(plan: Plan, user: int, definitions: Definitions) -> Figures:
    days = LocalDays(time_zone(definitions.timezone))
    sums: defaultdict[tuple[str, str], Sum] = defaultdict(Sum)
    for id_, type_, value in plan.outcomes(user):
        sums[days.of(instants.text(ulid.milliseconds(id_))).date, type_].add(1, value)
    divided = ByRule(definitions, days.of(instants.text(instants.now())).date)
    for (day, type_), sum_ in sums.items():
        divided.add(day, type_, sum_, Sum(), {month_of(day): sum_})
    return divided.total
