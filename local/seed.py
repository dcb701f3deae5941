"""Outcomes as a platform's agents would have recorded them, to look at."""

import json
import random
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from outcomes.models import NewOutcome
from outcomes.store import OutcomeStore

from local.errors import StackError

COUNT = 60
DAYS = 30
DAY_MILLISECONDS = 24 * 60 * 60 * 1000

CUSTOMERS = ["Acme", "Borealis Energy", "Café Zoé", "Dunmore Logistics", "Elmwood Clinics", "Fjordline", "Grünwald AG"]
VENDORS = ["Northwind Hosting", "Pacific Freight", "Quill Office Supply", "Redwood Insurance", "Stellar Telecom"]
TOPICS = ["cutting onboarding time", "pricing for small teams", "our carbon report", "moving off spreadsheets"]
CHANNELS = ["LinkedIn", "the newsletter", "the community forum", "YouTube"]
TASKS = ["Reconciled last month's invoices", "Cleaned up duplicate contacts", "Answered the overnight tickets"]

type Fields = dict[str, Any]


def seed(table: str, user_id: int, now: int) -> None:
    """Store COUNT outcomes of the user in the table, spread over the days before `now` (milliseconds since 1970).

    They are the same each time, but for their ids. Raises StackError when the table cannot be written.
    """
    store = OutcomeStore(table)
    for stored, (milliseconds, fields) in enumerate(outcomes(now), start=1):
        # Through JSON, as an agent would send it: money is a Decimal, never a float.
        body = json.loads(json.dumps(fields), parse_float=Decimal, parse_int=Decimal)
        try:
            store.add(NewOutcome.parse(body, session_user=user_id), milliseconds=milliseconds)
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"the running stack did not take outcome {stored}: {error}") from error
        _show(stored, user_id)


def outcomes(now: int) -> Iterator[tuple[int, Fields]]:
    """Times and bodies of POST requests, oldest first."""
    chance = random.Random(42)  # noqa: S311 (nothing secret: the same outcomes each time)
    step = DAYS * DAY_MILLISECONDS // COUNT
    kinds = [_negotiation, _amplification, _deal, _broadcast, _task, _content]
    for index in range(COUNT):
        milliseconds = now - (COUNT - index) * step + chance.randrange(step)
        # Each kind once in six, so that all are there, but in no order that one could see.
        yield milliseconds, kinds[(index + chance.choice([0, 0, 1])) % len(kinds)](chance)


def _negotiation(chance: random.Random) -> Fields:
    vendor, saved = chance.choice(VENDORS), _money(chance, 400, 9_000)
    return {
        "outcomeType": "negotiation_complete",
        "title": f"Renewed {vendor} at a lower price",
        "description": f"Asked for the volume discount, then for a longer term. Saves ${saved:,.2f} a year.",
        "valueUsd": saved,
        "agentId": chance.choice([3, 7]),
        "metadata": {"vendor": vendor, "rounds": chance.randint(2, 6), "termMonths": chance.choice([12, 24, 36])},
    }


def _amplification(chance: random.Random) -> Fields:
    reach = chance.randint(1_200, 90_000)
    return {
        "outcomeType": "amplification_complete",
        "title": f"Post about {chance.choice(TOPICS)} reached {reach:,} people",
        "valueUsd": _money(chance, 50, 1_500),
        "agentId": chance.choice([11, 19]),
        "metadata": {"channel": chance.choice(CHANNELS), "reach": reach, "shares": reach // chance.randint(60, 200)},
    }


def _deal(chance: random.Random) -> Fields:
    customer, seats = chance.choice(CUSTOMERS), chance.randint(5, 250)
    return {
        "outcomeType": "deal_closed",
        "title": f"{customer} signed for {seats} seats",
        "description": "From first mail to signature without a call. The contract is in the shared drive.",
        "valueUsd": seats * chance.choice([96, 144, 180]),
        "agentId": chance.choice([7, 23]),
        "metadata": {"customer": customer, "seats": seats, "stages": ["qualified", "proposal", "signed"]},
    }


def _broadcast(chance: random.Random) -> Fields:
    recipients = chance.randint(300, 14_000)
    return {
        "outcomeType": "broadcast_complete",
        "title": f"Sent the update on {chance.choice(TOPICS)} to {recipients:,} readers",
        "agentId": 19,
        "metadata": {"recipients": recipients, "openRate": round(chance.uniform(0.18, 0.52), 3)},
    }


def _task(chance: random.Random) -> Fields:
    hours = chance.randint(1, 9)
    return {
        "outcomeType": "task_complete",
        "title": chance.choice(TASKS),
        "description": f"About {hours} hours of work that nobody had to do.",
        "valueUsd": hours * 45,
        "agentId": chance.choice([3, 31]),
    }


def _content(chance: random.Random) -> Fields:
    topic = chance.choice(TOPICS)
    return {
        "outcomeType": "content_published",
        "title": f"Published an article on {topic}",
        "description": f"{chance.randint(700, 2_400)} words, reviewed by two people before it went out.",
        "agentId": chance.choice([11, 23]),
        "metadata": {
            "url": f"https://blog.example.com/{topic.replace(' ', '-')}",
            "language": chance.choice(["en", "de"]),
        },
    }


def _money(chance: random.Random, low: int, high: int) -> float:
    return chance.randrange(low * 100, high * 100) / 100


def _show(stored: int, user_id: int) -> None:
    """One line that grows on a terminal, a line now and then in a log."""
    if sys.stdout.isatty():
        bar = "#" * (stored * 30 // COUNT)
        print(f"\r[{bar:<30}] {stored} of {COUNT}", end="" if stored < COUNT else "\n", flush=True)
    elif stored % 20 == 0:
        print(f"{stored} of {COUNT}", flush=True)
    if stored == COUNT:
        print(f"User {user_id} now has {COUNT} more outcomes of the last {DAYS} days.")
