"""Generate and record demo data: outcomes as the agents of a small company would record them."""

import fcntl
import random
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import httpx
from outcomes.calendar import instants

from local.data import named
from ops.errors import StackError
from ops.files import owner_only

DAYS = 75
"""The days are enough to compare a month with the month before, on any day of a month."""

RESUMABLE_DAYS = 30
"""The API stores idempotency keys only slightly longer, so an interrupted seeding does not continue after that."""

DAYS_OF_COSTS = 30
GAP = 9
"""So many days ago, the source put no costs."""
SOURCE = "openai"
DAILY_COSTS = {3: 2.10, 7: 1.40, 11: 6.90, 19: 0.60, 23: 1.20, 31: 3.80, None: 0.50}
"""The average cost of each agent on a working day. None stands for costs that belong to no agent."""

RULES: dict[str, dict[str, Any]] = {
    "deal_closed": {"when": "claimed"},
    "task_complete": {"when": "never"},
    "content_published": {"when": "confirmed", "eachUsd": 75, "basis": "estimated", "note": "90 minutes at $50"},
}
"""Which outcomes count, by type. All others count unless they are disputed within DISPUTE_DAYS."""
DISPUTE_DAYS = 14
WATCHED = 0.92
"""The share of the watch's target that the month's outcomes reach."""
MONTHS_OF_RULE = 1
"""So many months before the present one, the definition of what counts begins. Older outcomes are before all rules."""

MINUTE = 60_000  # milliseconds
DAY = 24 * 60 * MINUTE
DONE = "done"

SIGNED_USER = 7
"""The user of whom `make seed` makes a statement. Not the demo's: her first import of history would be refused."""
TRIES = 5
"""Calls that make a statement, while the API answers `503 Still adding up`."""

CUSTOMERS = [
    "Acme",
    "Borealis Energy",
    "Café Zoé",
    "Dunmore Logistics",
    "Elmwood Clinics",
    "Fjordline",
    "Grünwald AG",
    "Harrow & Pike",
    "Okafor Dental",
    "Tidewater Co-op",
]
VENDORS = ["Northwind Hosting", "Pacific Freight", "Quill Office Supply", "Redwood Insurance", "Stellar Telecom"]
TOPICS = [
    "cutting onboarding time",
    "pricing for small teams",
    "our carbon report",
    "moving off spreadsheets",
    "single sign-on",
    "working offline",
    "the new API",
]
CHANNELS = ["LinkedIn", "the newsletter", "the community forum", "YouTube"]
TASKS = [
    "Reconciled last month's invoices",
    "Cleaned up duplicate contacts",
    "Answered the overnight tickets",
    "Collected three overdue invoices",
    "Moved the price list to the new catalogue",
    "Scheduled the on-site visits of next week",
]

type Fields = dict[str, Any]
type Bring = Callable[[list[Fields]], int]
"""Imports rows of earlier outcomes, as of another system's table, and returns how many were not there before."""


def seed(
    api: httpx.Client,
    owner: httpx.Client,
    user_id: int,
    seeded: Path,
    now: int,
    bring: Bring,
    off: Collection[str] = (),
) -> None:
    """Record demo data for a user, once: `outcomes` of the last DAYS, `corrections`, `costs`, a definition and a watch.

    The older half of the outcomes is imported, so it was recorded when it happened; the others are recorded now. If
    seeding was interrupted, it continues with the same ids, idempotency keys and times.

    api: calls the API with its key. owner: calls the API with the user's session. seeded: the file of seeded users.
    now: milliseconds since 1970. off: the capabilities that are off; what needs them is then left out.

    Raises StackError if the API does not record an outcome, or if the file cannot be used.
    """
    created = 0
    with _locked(seeded) as notes:
        begun, is_done = _noted(notes, user_id)
        if begun is None:
            begun = now
            print(user_id, begun, file=notes, flush=True)
        if not is_done and now < begun + RESUMABLE_DAYS * DAY:
            planned = list(outcomes(begun))
            types = _types(api, {fields["outcomeType"] for _, fields in planned})
            bodies = [
                fields
                | {"outcomeType": types[fields["outcomeType"]], "userId": user_id, "occurredAt": instants.text(at)}
                for at, fields in planned
            ]
            half = len(bodies) // 2
            created += bring([_row(number, body) for number, body in enumerate(bodies[:half], start=1)])
            ids = []
            for number, body in enumerate(bodies[half:], start=half + 1):
                answer = _post(api, "/api/outcomes", body, f"seed-{number}")
                ids.append(answer.headers["Outcome-Id"])
                created += "Idempotent-Replayed" not in answer.headers
                _show(number, len(planned))
            recorded = [fields for _, fields in planned[half:]]
            for index, is_owners, correction in () if "Corrections" in off else corrections(recorded):
                path, key = f"/api/outcomes/{ids[index]}/corrections", f"seed-{correction['type']}"
                if is_owners:
                    _post(owner, path, correction, key)
                else:
                    _post(api, path, correction | {"userId": user_id}, key)
            for date, lines in () if "Costs" in off else costs(begun):
                _send(api, "PUT", f"/api/costs/{date}/{SOURCE}", json={"userId": user_id, "lines": lines})
            if "Definitions" not in off:
                _define(owner, _month(begun, MONTHS_OF_RULE), {types[type_]: rule for type_, rule in RULES.items()})
            if "Watches" not in off:
                month = _month(begun, 0)
                values = [fields.get("valueUsd") or 0 for at, fields in planned if instants.text(at)[:7] == month]
                _watch(owner, max(1000, round(sum(values) / WATCHED, -2)))
            print(user_id, DONE, file=notes, flush=True)
    if created:
        print(f"User {user_id} now has {created} more outcomes of the last {DAYS} days.")
    else:
        print(f"User {user_id} was seeded before: nothing was added.")


def sign(owner: httpx.Client, user_id: int, now: int) -> None:
    """Make the signed statement of a user's last month (UTC), which later calls return. Raises StackError.

    The user's next import of history is then refused. There is no statement in the first minutes of a month, nor of a
    user who was erased since, whose first entry is of this month.
    """
    period = {"period": _month(now, 1), "timezone": "UTC"}
    for _ in range(TRIES):
        answer = owner.post("/api/statements", json=period)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(float(answer.headers["Retry-After"]))
    if answer.status_code == httpx.codes.CONFLICT:
        [why] = answer.json()["details"]
        print(f"User {user_id} has no statement of {period['period']}: {why['field']} {why['message']}.")
    elif answer.is_success:
        print(f"User {user_id} has a signed statement of {period['period']}.")
    else:
        raise StackError(f"the running stack made no statement: {answer.status_code} {answer.text}")


def _define(owner: httpx.Client, month: str, rules: dict[str, Fields]) -> None:
    """Say which outcomes count from a month on. A definition that the user has made stays. Raises StackError."""
    body = {"timezone": "UTC", "disputeDays": DISPUTE_DAYS, "types": rules | {"*": {"when": "unless_disputed"}}}
    path, refused = f"/api/definitions/{month}", (httpx.codes.CONFLICT, httpx.codes.PRECONDITION_FAILED)
    _send(owner, "PUT", path, accepted=refused, json=body, headers={"If-None-Match": "*"})


def _watch(owner: httpx.Client, target: float) -> None:
    """Watch the value of each month. A watch that the user has made stays. Raises StackError."""
    body = {"name": "Value of the month", "measure": "value", "every": "month", "timezone": "UTC", "target": target}
    accepted = (httpx.codes.PRECONDITION_FAILED,)
    _send(
        owner,
        "PUT",
        "/api/watches/value",
        accepted=accepted,
        json=body | {"at": [50, 90, 100]},
        headers={"If-None-Match": "*"},
    )


def _month(now: int, earlier: int) -> str:
    """Return the month (UTC) that is so many months before the present one."""
    year, month = divmod(int(instants.text(now)[:4]) * 12 + int(instants.text(now)[5:7]) - 1 - earlier, 12)
    return f"{year}-{month + 1:02d}"


def forget(user_id: int, seeded: Path) -> None:
    """Remove a user from the file of seeded users. Raises StackError if the file cannot be used."""
    with _locked(seeded) as notes:
        notes.seek(0)
        others = [line for line in notes if line.split()[:1] != [str(user_id)]]
        notes.seek(0)
        notes.truncate()
        notes.writelines(others)


def _row(number: int, body: Fields) -> Fields:
    """Return an outcome as a row of another system, where it was recorded when it happened."""
    columns = {"id": f"seed-{number}", "user_id": body["userId"], "created_at": body["occurredAt"]}
    names = {"outcomeType": "outcome_type", "valueUsd": "value_usd", "agentId": "agent_id"}
    return columns | {names.get(name, name): body[name] for name in body if name not in ("userId", "occurredAt")}


def _types(api: httpx.Client, wanted: Collection[str]) -> dict[str, str]:
    """Map each wanted type to itself or, if the stack does not have it, to one of the stack's types.

    Raises StackError.
    """
    known = [each["type"] for each in _send(api, "GET", "/api/outcomes/types").json()["types"]]
    return {type_: type_ if type_ in known else known[n % len(known)] for n, type_ in enumerate(sorted(wanted))}


def _post(api: httpx.Client, path: str, body: Fields, key: str) -> httpx.Response:
    return _send(api, "POST", path, json=body, headers={"Idempotency-Key": key})


def _send(
    api: httpx.Client, method: str, path: str, *, accepted: Collection[int] = (), **request: Any
) -> httpx.Response:
    """Send a request. Raises StackError if the answer's status is neither 2xx nor among `accepted`."""
    try:
        answer = api.request(method, path, **request)
        if answer.status_code not in accepted:
            answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise StackError(f"the running stack cannot be seeded: {answer.status_code} {answer.text}") from error
    except httpx.HTTPError as error:
        raise StackError(f"the running stack cannot be seeded: {api.base_url} does not answer ({error})") from error
    return answer


@contextmanager
def _locked(file: Path) -> Iterator[TextIO]:
    """Open and lock a file for reading and appending. Raises StackError if that fails."""
    try:
        stream = open(file, "a+", opener=owner_only)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise StackError(f"cannot use {file}: {error.strerror}") from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream


def _noted(notes: TextIO, user_id: int) -> tuple[int | None, bool]:
    """Return whether a user's seeding has begun and ended: (started_at or None, finished).

    A line of the file is a user's id and the start in milliseconds since 1970, or the id and DONE. Raises StackError if
    a line is neither.
    """
    notes.seek(0)
    try:
        noted = [note for user, note in map(str.split, notes) if int(user) == user_id]
        begun = next((int(note) for note in noted if note != DONE), None)
    except ValueError as error:
        raise StackError(f"{notes.name} is damaged; make reset{named(Path(notes.name).parent)} deletes all") from error
    return begun, DONE in noted


def outcomes(now: int) -> Iterator[tuple[int, Fields]]:
    """Yield times and bodies of POST requests, oldest first.

    Weekends have fewer outcomes, and the last weeks have more.

    The last outcome happened minutes ago. The random seed is fixed, so apart from their times, the outcomes depend only
    on the day of the week of `now`.
    """
    chance = random.Random(7)  # noqa: S311 (nothing secret: the same outcomes each time)
    work = _Work(chance)
    for days_ago in range(DAYS - 1, -1, -1):
        day = now - days_ago * DAY
        is_weekend = time.gmtime(day / 1000).tm_wday >= 5
        busy = (1 if is_weekend else 2.7) * max(0.5, 1.2 - 0.02 * days_ago)
        count = round(busy * chance.uniform(0.5, 1.4))
        for minutes in sorted((chance.uniform(20, 700) for _ in range(count)), reverse=True):
            yield day - round(minutes * MINUTE), work.some()
    post = work.amplification()
    yield now - 15 * MINUTE, post
    yield now - 9 * MINUTE, work.negotiation()
    yield now - 6 * MINUTE, post  # a duplicate: its agent recorded it twice, with two idempotency keys
    yield now - 3 * MINUTE, work.deal()


def corrections(recorded: list[Fields]) -> Iterator[tuple[int, bool, Fields]]:
    """Yield corrections of the latest outcomes. The dispute stays open.

    Each is the outcome's index, whether the owner makes the correction, and the body.
    """
    latest = {fields["outcomeType"]: index for index, fields in enumerate(recorded[:-1])}
    deal = recorded[latest["deal_closed"]]
    seats = deal["metadata"]["seats"]
    changes = {
        "title": deal["title"].replace(f"{seats} seats", f"{seats - 2} seats"),
        "valueUsd": deal["valueUsd"] // seats * (seats - 2),
        "metadata": deal["metadata"] | {"seats": seats - 2},
    }
    amendment = {"type": "amend", "reason": "Two seats fewer in the contract that was signed", "changes": changes}
    yield latest["deal_closed"], False, amendment
    yield latest["content_published"], False, {"type": "void", "reason": "Published twice, and counted twice"}
    yield latest["negotiation_complete"], True, {"type": "confirm"}
    yield latest["task_complete"], True, {"type": "dispute", "reason": "Half of it was still open this morning."}


def costs(now: int) -> Iterator[tuple[str, list[Fields]]]:
    """Yield the costs of the last DAYS_OF_COSTS days before today, except GAP, then corrected costs of one day."""
    chance = random.Random(7)  # noqa: S311 (nothing secret: the same costs each time)
    for days_ago in [*range(DAYS_OF_COSTS, GAP, -1), *range(GAP - 1, 0, -1), 2]:
        day = now - days_ago * DAY
        share = 0.5 if time.gmtime(day / 1000).tm_wday >= 5 else 1
        spent = {agent: round(daily * share * chance.uniform(0.6, 1.4), 2) for agent, daily in DAILY_COSTS.items()}
        lines = [{"agentId": agent, "costUsd": cost, "label": "gpt-5"} for agent, cost in spent.items()]
        yield instants.text(day)[: len("2026-10-31")], lines


class _Work:
    """Generates outcome bodies. Names and topics alternate, so that consecutive outcomes differ."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._customers, self._vendors, self._topics, self._tasks = map(
            self._in_turn, (CUSTOMERS, VENDORS, TOPICS, TASKS)
        )
        kinds: list[Callable[[], Fields]] = [self.deal, self.negotiation, self.amplification, self.broadcast]
        self._kinds = self._in_turn([*kinds, self.task, self.task, self.task, self.content, self.content])

    def some(self) -> Fields:
        return next(self._kinds)()

    def deal(self) -> Fields:
        customer, seats = next(self._customers), self._chance.randint(5, 48)
        return {
            "outcomeType": "deal_closed",
            "title": f"{customer} signed for {seats} seats",
            "description": "From first mail to signature without a call. The contract is in the shared drive.",
            "valueUsd": seats * self._chance.choice([96, 144, 180]),
            "agentId": self._chance.choice([7, 23]),
            "metadata": {"customer": customer, "seats": seats, "stages": ["qualified", "proposal", "signed"]},
        }

    def negotiation(self) -> Fields:
        vendor, saved = next(self._vendors), self._money(300, 4_200)
        rounds, term = self._chance.randint(2, 6), self._chance.choice([12, 24, 36])
        return {
            "outcomeType": "negotiation_complete",
            "title": f"Renewed {vendor} at a lower price",
            "description": f"Asked for the volume discount, then for a longer term. Saves ${saved:,.2f} a year.",
            "valueUsd": saved,
            "agentId": 3,
            "metadata": {"vendor": vendor, "rounds": rounds, "termMonths": term},
        }

    def amplification(self) -> Fields:
        reach = self._chance.randint(4_200, 90_000)
        channel, shares = self._chance.choice(CHANNELS), reach // self._chance.randint(60, 200)
        return {
            "outcomeType": "amplification_complete",
            "title": f"Post about {next(self._topics)} reached {reach:,} people",
            "valueUsd": round(reach * 0.018, 2),
            "agentId": 11,
            "metadata": {"channel": channel, "reach": reach, "shares": shares},
        }

    def broadcast(self) -> Fields:
        recipients = self._chance.randint(1_900, 14_000)
        return {
            "outcomeType": "broadcast_complete",
            "title": f"Sent the update on {next(self._topics)} to {recipients:,} readers",
            "valueUsd": round(recipients * 0.045, 2),
            "agentId": 19,
            "metadata": {"recipients": recipients, "openRate": round(self._chance.uniform(0.18, 0.52), 3)},
        }

    def task(self) -> Fields:
        hours = self._chance.randint(2, 9)
        return {
            "outcomeType": "task_complete",
            "title": next(self._tasks),
            "description": f"About {hours} hours of work that nobody had to do.",
            "valueUsd": hours * 45,
            "agentId": self._chance.choice([3, 31]),
        }

    def content(self) -> Fields:
        topic = next(self._topics)
        words, language = self._chance.randint(700, 2_400), self._chance.choice(["en", "de"])
        return {
            "outcomeType": "content_published",
            "title": f"Published an article on {topic}",
            "description": f"{words:,} words, reviewed by two people before it went out.",
            "agentId": 11,
            "metadata": {"url": f"https://blog.example.com/{topic.replace(' ', '-')}", "language": language},
        }

    def _in_turn[Thing](self, things: list[Thing]) -> Iterator[Thing]:
        """Yield all things in a random order, then all of them in another random order, and so on without end.

        No thing follows itself, unless `things` contains it more than once.
        """
        last = None
        while True:
            order = self._chance.sample(things, len(things))
            if order[0] == last:
                order.reverse()
            yield from order
            last = order[-1]

    def _money(self, low: int, high: int) -> float:
        return self._chance.randrange(low * 100, high * 100) / 100


def _show(stored: int, count: int) -> None:
    """Print a progress bar on a terminal, or one line per 20 outcomes in a log."""
    if sys.stdout.isatty():
        bar = "#" * (stored * 30 // count)
        print(f"\r[{bar:<30}] {stored} of {count}", end="" if stored < count else "\n", flush=True)
    elif stored % 20 == 0:
        print(f"{stored} of {count}", flush=True)
