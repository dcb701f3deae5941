"""Simulated callers: a seed chooses their actions, and their answers are recorded for checks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from outcomes.aws.services import CallFailed, DynamoDB, EventBridge, SecretsManager, Service
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.errors import Busy
from outcomes.keys.agent_keys import AUTHORIZER_LIMITS, AgentKeys

from functions.correct_outcome import app as correct_outcome
from functions.costs import app as costs
from functions.definitions import app as definitions
from functions.erase_user import app as erase_user
from functions.evaluate_watches import app as evaluate_watches
from functions.export_outcomes import app as export_outcomes
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from functions.manage_keys import app as manage_keys
from functions.publish_events import app as publish_events
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.statement_keys import app as statement_keys
from functions.statements import app as statements
from functions.summarize_outcomes import app as summarize_outcomes
from functions.try_definition import app as try_definition
from functions.watches import app as watches
from tests.entries import id_of
from tests.events import KEY, agent, proxy_event, session
from tests.faults import Killed
from tests.interleaving.schedule import BEGIN, NEVER, Schedule
from tests.interleaving.seam import PARTITION
from tests.people import moto_tables, rows_of

USER = 42
OWNER = session(USER)
NOBODY = KEY | {"reads": "none"}  # the platform, which reads the outcomes that belong to no user
AGENT = 7
SCOPES = "record correct"
VALUES = (None, 0, 1, 2.5, -4, 0.1, 999_999_999_999_999)
TYPES = ("deal_closed", "task_complete")
AGENTS = (None, 7, 8)
CORRECTIONS = ("amend", "amend", "amend", "amend", "confirm", "dispute", "dispute", "uphold", "void")
TOGETHER = (BEGIN, BEGIN + 400, BEGIN + 1100)
"""Times at which callers act. By the last one, the first actions have settled."""
THINKING = (0, 0.3, 1, 2, 400, 700)
"""Pauses, in seconds, of the callers that end the agent key, erase the user or publish events."""

SECRET = b"a secret of the stack"
ZONES = ("UTC", "America/New_York")
DAY = 24 * 60 * 60


PLACES: list[Any] = [
    record_outcome.store,
    record_batch.ledger.store,
    correct_outcome.corrections.store,
    list_outcomes.store,
    get_outcome.store,
    export_outcomes.store,
    summarize_outcomes.store,
    manage_keys.agent_keys,
    manage_keys.budgets,
    erase_user.erasures,
    publish_events.bus,
    statements.stored,
    statements.statements(),
    statement_keys,
    costs.days,
    definitions.store,
    try_definition.totals.store,
    watches.store,
    watches.totals.store,
    evaluate_watches.store,
]
"""Objects of the functions, each of which has a connection to AWS."""


def instant(seconds: float) -> str:
    return instants.text(int(seconds * 1000))


PERIODS = (
    (instant(BEGIN - 7 * DAY), instant(BEGIN + DAY)),
    (instant(BEGIN - 2 * DAY + 1), instant(BEGIN + 1200)),  # this period begins and ends in the middle of a day
)


@contextmanager
def hosts(schedule: Schedule) -> Iterator[None]:
    """Give all functions, and all clients that are made later, the simulated clock and full retry quotas."""
    times: Any = {"clock": lambda: schedule.now, "sleep": schedule.stop}
    with ExitStack() as stack:
        stack.enter_context(patch.dict(Service.__init__.__kwdefaults__ or {}, times))
        for place in PLACES:
            for name, service in [*vars(place).items()]:
                if isinstance(service, DynamoDB | EventBridge | SecretsManager):
                    stack.enter_context(patch.object(place, name, type(service)(service.limits)))
        stack.enter_context(patch.object(erase_user.erasures, "_secret", SECRET))
        yield


@dataclass
class Sent:
    """An outcome or a correction, which a caller has sent at least once. It may be stored at most once.

    name: the outcome's title or the correction's reason. stored: the id in each answer that reports success, and the
    time of the answer. is_doubtful: whether the result of some attempt is unknown.
    """

    name: str
    began_at: float
    is_correction: bool = False
    stored: list[tuple[str, float]] = field(default_factory=list)
    is_doubtful: bool = False
    again: Callable[[], "Answer"] | None = None

    def was_stored_after(self, at: float) -> bool:
        """Return whether a success response arrived after this time."""
        return any(told_at > at for _, told_at in self.stored)


@dataclass
class Answer:
    """An answer from the API. status: the HTTP status, or 0 if there was no answer."""

    status: int = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class AgentKey:
    """An agent key.

    text: the key's text in the last answer. is_sure: False if a later change may have replaced the text.
    """

    id: str
    text: str
    is_sure: bool = True
    revoked_at: float = NEVER


class Callers:
    """All callers of a schedule, with their requests and the answers."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.random = schedule.random
        self.sent: dict[str, Sent] = {}
        self.unassigned: dict[str, Sent] = {}  # outcomes recorded without a user, by id
        self.keys: list[AgentKey] = []
        self.erasures: list[tuple[float, float]] = []  # when each erasure began and ended
        self.zone = self.random.choice(ZONES)
        self.told = 0  # how many stream records have been published
        self.imported: set[str] = set()  # the times of recording of outcomes that may be imported
        self.may = [
            *[self.record] * 4,
            *[self.batch] * 2,
            *[self.correct] * 4,
            *[self.correct_several] * 2,
            *[self.assign] * 3,
            *[self.again] * 2,
            *[self.summarize] * 3,
            self.look,
            self.history,
        ]

    def caller(self) -> None:
        """Run random actions at three times. All callers use the same times, so that their requests overlap."""
        for begin in TOGETHER:
            self.schedule.stop(max(0, begin - self.schedule.now) + self.random.random())
            for _ in range(self.random.randint(1, 3)):
                self.random.choice(self.may)()
                self.schedule.stop(self.random.choice((0, 0, 0.2, 0.7)))

    @contextmanager
    def hosts(self) -> Iterator[None]:
        with hosts(self.schedule), patch.object(publish_events, "keep", keep):
            self.authorizer = AgentKeys("KeysTable", AUTHORIZER_LIMITS)
            yield

    # Recording

    def record(self) -> None:
        by = self.somebody()
        if not by:
            return
        sent, body = self.outcome()
        key = self.random.choice([None, None, sent.name])
        self.send(sent, lambda: self.post_outcome(by, body, key), is_once=key is not None)

    def outcome(self) -> tuple[Sent, dict[str, Any]]:
        sent = self.new_sent("o")
        body: dict[str, Any] = {"outcomeType": self.random.choice(TYPES), "title": sent.name, "agentId": AGENT}
        body |= {"valueUsd": self.random.choice(VALUES), "userId": USER}
        if self.random.random() < 0.4:
            body["occurredAt"] = instant(self.schedule.now - self.random.choice((60, DAY, 5 * DAY)))
        return sent, body

    def post_outcome(self, by: dict[str, Any], body: dict[str, Any], key: str | None) -> Answer:
        answer = self.call(record_outcome.handler, proxy_event("POST", authorizer=by, body=body, headers=header(key)))
        if answer.status == 200:
            answer.body["id"] = answer.headers["Outcome-Id"]
        return answer

    def batch(self) -> None:
        """Record a batch. Items with an idempotency key can be sent again as single requests."""
        by = self.somebody()
        if not by:
            return
        items: list[tuple[Sent, dict[str, Any]]] = [self.outcome() for _ in range(self.random.randint(1, 4))]
        for sent, body in items:
            if self.random.random() < 0.5:
                sent.again = lambda by=by, body=dict(body), key=sent.name: self.post_outcome(by, body, key)
                body["idempotencyKey"] = sent.name
        self.note(f"batch of {', '.join(sent.name for sent, _ in items)}")
        event = proxy_event(
            "POST", "/api/outcomes/batch", authorizer=by, body={"outcomes": [body for _, body in items]}
        )
        answer = self.call(record_batch.handler, event)
        self.note_results([sent for sent, _ in items], answer, {"created", "replayed"}, "id")

    def note_results(self, items: list[Sent], answer: Answer, done: set[str], name: str) -> None:
        """Note the results of several items. done: the statuses of those that are stored. name: that of their id."""
        results = answer.body["results"] if answer.status == 200 else [{}] * len(items)
        for sent, result in zip(items, results, strict=True):
            status = result.get("status", "failed")
            if status in done:
                sent.stored.append((result[name], self.schedule.now))
            elif status == "failed":
                is_refused = answer.status not in {0, 200, 500} or result.get("error") in ("Busy", "Conflict")
                sent.is_doubtful |= not is_refused
        self.note(f"= {answer.status} {[result.get('status') for result in results]}")

    # Corrections

    def correct(self) -> None:
        known = self.outcomes_there()
        if not known:
            return
        # Prefer the newest outcomes, and outcomes whose recording has not been answered yet.
        untold = [id_ for id_ in known if id_ not in self.stored_so_far()]
        id_ = self.random.choice([known[-1], *known[-3:], *untold, *untold])
        type_ = self.random.choice(CORRECTIONS)
        by: dict[str, Any] | None = OWNER if type_ in {"confirm", "dispute"} else KEY
        if type_ in {"amend", "void"} and self.random.random() < 0.2:
            by = self.somebody()
        if not by:
            return
        sent = self.new_sent("c")
        sent.is_correction = True
        body: dict[str, Any] = {"type": type_, "reason": sent.name, "userId": USER}
        if type_ == "amend":
            changes = {"description": sent.name, "valueUsd": self.random.choice(VALUES)}
            changes["outcomeType"] = self.random.choice(TYPES)
            if by is KEY:
                changes["agentId"] = self.random.choice(AGENTS)
                changes["occurredAt"] = self.random.choice([None, instant(self.schedule.now - 2 * DAY)])
            body["changes"] = changes
        key = self.random.choice([None, sent.name])
        self.note(f"{type_} of {id_[-6:]}")
        self.send(sent, lambda: self.post_correction(by, id_, body, key), is_once=key is not None)

    def post_correction(self, by: dict[str, Any], id_: str, body: dict[str, Any], key: str | None) -> Answer:
        path = "/api/outcomes/{id}/corrections"
        event = proxy_event("POST", path, authorizer=by, body=body, headers=header(key), parameters={"id": id_})
        return self.call(correct_outcome.handler, event)

    def correct_several(self) -> None:
        """Correct several outcomes in one call. Those with an idempotency key can be sent again as single requests."""
        known = self.outcomes_there()
        type_ = self.random.choice(("amend", "amend", "confirm", "dispute", "void"))
        by: dict[str, Any] = OWNER if type_ in {"confirm", "dispute"} else KEY
        self.post_several(by, type_, self.random.sample(known, min(len(known), self.random.randint(1, 4))))

    def post_several(self, by: dict[str, Any], type_: str, ids: list[str]) -> list[Any]:
        """Return the results, or nothing if there was no answer."""
        items: list[tuple[Sent, dict[str, Any]]] = []
        for id_ in ids:
            sent = self.new_sent("c")
            sent.is_correction = True
            body: dict[str, Any] = {"type": type_, "reason": sent.name, "userId": USER}
            if type_ == "amend":
                body["changes"] = {"description": sent.name, "valueUsd": self.random.choice(VALUES)}
            if self.random.random() < 0.5:
                sent.again = lambda id_=id_, body=dict(body), key=sent.name: self.post_correction(by, id_, body, key)
                body["idempotencyKey"] = sent.name
            items.append((sent, body | {"id": id_}))
        if not items:
            return []
        self.note(f"{type_} of several: {', '.join(sent.name for sent, _ in items)}")
        path, sent_ = "/api/outcomes/corrections", {"corrections": [body for _, body in items]}
        answer = self.call(correct_outcome.handler, proxy_event("POST", path, authorizer=by, body=sent_))
        self.note_results([sent for sent, _ in items], answer, {"corrected", "replayed"}, "correction")
        return list(answer.body["results"]) if answer.status == 200 else []

    # Assignments

    def assign(self) -> None:
        """Record an outcome without a user, or assign one to the user, or correct one."""
        since = self.erasures[-1][0] if self.erasures else 0
        known = [id_ for id_, sent in self.unassigned.items() if sent.began_at > since]
        if not known or self.random.random() < 0.1:
            sent, body = self.outcome()
            answer = self.post_outcome(KEY, body | {"userId": None}, None)
            self.note(f"records {sent.name} without a user = {answer.status or 'none'}")
            if answer.status == 200:
                self.unassigned[answer.body["id"]] = sent
            return
        id_ = known[-1]
        if self.random.random() < 0.3:
            sent = self.new_sent("c")
            sent.is_correction = True
            body = {"type": self.random.choice(("amend", "amend", "void")), "reason": sent.name}
            if body["type"] == "amend":
                body["changes"] = {"valueUsd": self.random.choice(VALUES), "outcomeType": self.random.choice(TYPES)}
            self.note(f"{body['type']} of {id_[-6:]}, which has no user")
            self.send(sent, lambda: self.post_correction(KEY, id_, body, None), is_once=False)
            return
        self.note(f"assigns {id_[-6:]}")
        self.send(self.unassigned[id_], lambda: self.post_assignment(id_), is_once=False)

    def post_assignment(self, id_: str) -> Answer:
        path, body = "/api/outcomes/{id}/assign", {"userId": USER}
        event = proxy_event("POST", path, authorizer=KEY, body=body, parameters={"id": id_})
        return self.call(correct_outcome.handler, event)

    # Sending

    def send(self, sent: Sent, post: Callable[[], Answer], *, is_once: bool) -> None:
        """Send a request, and store its answer. is_once: whether an idempotency key lets it be repeated safely."""
        if is_once:
            sent.again = post
        self.note(f"sends {sent.name}{', with a key' if is_once else ''}")
        answer = post()
        self.note(f"= {answer.status or 'none'} to {sent.name}")
        if answer.status == 200:
            sent.stored.append((answer.body["id"], self.schedule.now))
        elif answer.status in {0, 500}:
            sent.is_doubtful = True
        else:
            assert answer.status != 422, answer.body

    def again(self) -> None:
        """Repeat a request that has an idempotency key, no matter what its answer was."""
        since = self.erasures[-1][0] if self.erasures else 0
        keyed = [each for each in self.sent.values() if each.again and each.began_at > since]
        if keyed:
            sent = self.random.choice(keyed[-4:])
            assert sent.again
            self.send(sent, sent.again, is_once=True)

    # Reading

    def look(self) -> None:
        """List the outcomes.

        Unless data was erased, the list must contain each outcome whose POST had succeeded before this request.
        """
        known = self.stored_so_far()
        event = proxy_event("GET", authorizer=OWNER, query={"limit": "50", "include": "ledger"})
        answer = self.call(list_outcomes.handler, event)
        self.note(f"lists = {answer.status or 'none'}")
        if answer.status == 200 and not self.erasures and answer.body["next_cursor"] is None:
            found = {each["id"] for each in answer.body["outcomes"]}
            assert known <= found, f"not in the list: {known - found}"

    def stored_so_far(self, since: float = 0) -> set[str]:
        outcomes = [each for each in self.sent.values() if not each.is_correction and each.began_at >= since]
        return {id_ for each in outcomes for id_, _ in each.stored}

    def history(self) -> None:
        known = self.outcomes_there()
        if not known:
            return
        event = proxy_event("GET", "/api/outcomes/{id}", authorizer=OWNER, parameters={"id": self.random.choice(known)})
        answer = self.call(get_outcome.handler, event)
        self.note(f"reads a history = {answer.status or 'none'}")
        if answer.status == 200 and not self.erasures:
            assert answer.body["outcome"]["version"] == len(answer.body["corrections"])

    def summarize(self) -> None:
        """Request a summary. It must count every outcome whose POST had succeeded before this request."""
        least = len(self.stored_so_far(BEGIN - DAY))
        answer = self.summary(*self.random.choice(PERIODS))
        self.note(f"adds up = {answer.status or 'none'}")
        if answer.status == 200:
            counts = [answer.body["count"], *(answer.body[name]["count"] for name in ("disputed", "voided"))]
            is_whole = answer.body["from"] == PERIODS[0][0]
            if not self.erasures:  # counts can be negative, because outcomes are erased before their corrections
                assert min(counts) >= 0, counts
                assert not is_whole or sum(counts) >= least, f"{counts} of {least}"

    def summary(self, since: str, until: str, by: dict[str, Any] = OWNER) -> Answer:
        query: Any = {"userId": "none", "from": since, "to": until, "timezone": self.zone}
        event = proxy_event("GET", "/api/outcomes/summary", authorizer=by, query=query)
        return self.call(summarize_outcomes.handler, event)

    # Agent keys

    def make_key(self) -> None:
        body = {"name": "Nightly", "agentId": AGENT, "scopes": SCOPES.split()}
        answer = self.call(manage_keys.handler, proxy_event("POST", "/api/keys", authorizer=OWNER, body=body))
        self.keys.append(AgentKey(answer.body["id"], answer.body["key"]))

    def somebody(self) -> dict[str, Any] | None:
        """Return a random caller. Return None if an agent key was chosen and is refused."""
        if not self.keys or self.random.random() < 0.6:
            return self.random.choice([KEY, OWNER])
        return self.by_agent_key(self.keys[0])

    def by_agent_key(self, key: AgentKey) -> dict[str, Any] | None:
        """Authorize the agent key. Check that the result fits what is known of the key and its revocation."""
        began_at, was_sure, text = self.schedule.now, key.is_sure, key.text
        try:
            found = self.within(5, lambda: self.authorizer.authenticate(text))
        except (Killed, Busy, CallFailed):
            if self.schedule.is_over:
                raise
            return None
        assert not (found and key.revoked_at < began_at), "a revoked key was let in"
        is_sure = was_sure and key.is_sure and text == key.text and not self.erasures
        assert found or not is_sure, "the text that was told last of a key was refused"
        return agent(SCOPES, keyId=key.id, agentId=str(AGENT)) if found else None

    def end_key(self) -> None:
        """Rotate the key up to twice, and then revoke it. As the owner, void before and after that what it recorded."""
        key = self.keys[0]
        for _ in range(self.random.randint(0, 2)):
            self.schedule.stop(self.random.choice(THINKING))
            self.rotate(key)
        self.schedule.stop(self.random.choice(THINKING))
        for result, _ in self.clean(key):
            assert result["status"] not in {"corrected", "replayed"}, "voided, although the key is not ended"
        self.revoke(key)
        for result, is_confirmed in self.clean(key):
            is_revoked = key.revoked_at < NEVER and not self.erasures
            assert result["status"] != "forbidden" or is_confirmed or not is_revoked, (
                "not voided, although nobody confirmed"
            )

    def clean(self, key: AgentKey) -> list[tuple[Any, bool]]:
        """Void what the key recorded last. Return each result, and whether the owner has ever confirmed its outcome."""
        rows = rows_of(USER).get("OutcomesTable", [])
        ids = sorted(id_of(row) for row in rows if row.get("recorded_by") == {"S": f"key:{key.id}"})[-4:]
        results = self.post_several(OWNER, "void", ids)
        rows = rows_of(USER).get("OutcomesTable", [])
        confirmed = {row["outcome"]["S"] for row in rows if row.get("type") == {"S": "confirm"}}
        return [(result, result.get("id") in confirmed) for result in results]

    def rotate(self, key: AgentKey) -> None:
        was_sure, key.is_sure = key.is_sure, False
        path = "/api/keys/{id}/rotate"
        event = proxy_event("POST", path, authorizer=OWNER, body={"overlapHours": 0}, parameters={"id": key.id})
        self.note("rotates the key")
        answer = self.call(manage_keys.handler, event)
        self.note(f"= {answer.status or 'none'}")
        if answer.status == 200:
            key.text, key.is_sure = answer.body["key"], was_sure
        elif answer.status not in {0, 500}:
            key.is_sure = was_sure

    def revoke(self, key: AgentKey) -> None:
        was_sure, key.is_sure = key.is_sure, False
        event = proxy_event("DELETE", "/api/keys/{id}", authorizer=OWNER, parameters={"id": key.id})
        self.note("revokes the key")
        answer = self.call(manage_keys.handler, event)
        self.note(f"= {answer.status or 'none'}")
        if answer.status == 200:
            key.revoked_at = self.schedule.now
        elif answer.status not in {0, 500}:
            key.is_sure = was_sure

    # Erasure and events

    def erase(self) -> None:
        """Erase the user portion by portion, until the erasure is done."""
        self.schedule.stop(self.random.choice(THINKING))
        began_at = self.schedule.now
        self.erasures.append((began_at, NEVER))
        self.note("begins to erase")
        while True:
            try:
                progress = self.within(60, lambda: erase_user.handler({"user_id": USER}, None))
            except (Killed, Busy, CallFailed):
                if self.schedule.is_over:
                    raise
                self.schedule.stop(5)
                continue
            if progress["done"]:
                self.note("has erased")
                self.erasures[-1] = (began_at, self.schedule.now)
                return
            self.schedule.stop(progress["wait"])

    def publish(self) -> None:
        """Publish stream records from time to time, as Lambda does."""
        for _ in range(4):
            self.schedule.stop(self.random.choice(THINKING))
            self.tell()

    def tell(self) -> None:
        records = self.records()[self.told :][:10]
        if not records:
            return
        try:
            left = self.within(60, lambda: publish_events.handler({"Records": records}, None))["batchItemFailures"]
        except (Killed, Busy, CallFailed, TimeoutError):
            if self.schedule.is_over:
                raise
            return
        first_left = left[0]["itemIdentifier"] if left else None
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        self.told += numbers.index(first_left) if first_left else len(records)

    def records(self, table: str = "OutcomesTable") -> list[dict[str, Any]]:
        """Return the stream records of a table in Lambda's format."""
        return [
            record | {"dynamodb": record["dynamodb"] | {"ApproximateCreationDateTime": BEGIN}}
            for record in (item.to_json() for item in moto_tables()[table].stream_shard.items)
        ]

    # Shared

    def outcomes_there(self) -> list[str]:
        """Return the ids of stored outcomes, oldest first."""
        partition = moto_tables()["OutcomesTable"].items.get(PARTITION, {})
        keys = sorted(key.value for key in partition)
        return [key.partition("#")[2] for key in keys if not key.startswith("~")]

    def call(self, handler: Callable[[Any, None], Any], event: Any) -> Answer:
        """Call a function. Return an empty Answer if it is killed or times out."""
        caller = self.schedule.running
        trouble = caller.trouble if caller else 0
        try:
            response = self.within(20, lambda: handler(event, None))
        except Killed:
            if self.schedule.is_over:
                raise
            return Answer()
        is_troubled = caller is not None and caller.trouble > trouble
        assert is_troubled or response["statusCode"] != 500, "a failure without any trouble"
        return Answer(response["statusCode"], json_text.read(response["body"]), response["headers"])

    def within[T](self, seconds: float, run: Callable[[], T]) -> T:
        """Call `run`. Kill the caller if this takes more than `seconds`, as Lambda does."""
        caller = self.schedule.running
        if not caller:
            return run()
        caller.ends_at = self.schedule.now + seconds
        try:
            return run()
        finally:
            caller.ends_at = NEVER

    def new_sent(self, kind: str) -> Sent:
        name = f"{kind}{len(self.sent)}"
        self.sent[name] = Sent(name, self.schedule.now)
        return self.sent[name]

    def note(self, what: str) -> None:
        self.schedule.note(what)


def header(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Idempotency-Key": key}


def keep(_bucket: str, record: dict[str, Any]) -> None:
    """Stand in for the function that stores dead letters. Raise AssertionError, because no dead letter may occur."""
    raise AssertionError(f"a record that cannot be told: {record['eventName']} of {record['dynamodb']['Keys']}")
