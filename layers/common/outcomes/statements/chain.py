"""Make a user's statements one after the other, from the month of the first entry to the requested month."""

import hmac
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from outcomes.aws.backoff import Backoff
from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import CallFailed, DynamoDB, Limits, SecretsManager
from outcomes.calendar import instants
from outcomes.calendar.period import have_same_days
from outcomes.contract.json_text import response_bytes
from outcomes.contract.statements import StatementRequest
from outcomes.definitions.definition_rules import Definitions
from outcomes.definitions.stored_definitions import (
    check_unchanged,
    definitions_of,
    head_request,
    types_of,
    version_key,
)
from outcomes.errors import Busy, Fault, Forbidden, NotFound, NotPossible, StillAddingUp
from outcomes.ledger.imports import Imports, imports_key
from outcomes.limits import MAX_RESPONSE_BYTES, MAX_STATEMENT_ZONES
from outcomes.statements.format import definition_text, digest, head_text, statement_text
from outcomes.statements.months import Calendar
from outcomes.statements.recorded_entries import RecordedEntries
from outcomes.statements.signing_keys import SigningKey, signing_key
from outcomes.statements.statement_rows import ListedStatement, Statement, StatementsTable, Unfinished, store
from outcomes.statements.statement_sums import Bounds
from outcomes.statements.work import RULES, Work, other_periods
from outcomes.totals.stored_sums import SETTLED_SECONDS

LIMITS = Limits(attempts=3, connect=1, read=3, total=8)
READ_SECONDS = 10.0
"""No read begins later. Together with the last read and a write, each of at most 8 s, this is below the function's
timeout."""

MAX_STATEMENTS = 12  # maximum statements made in one call
MAX_ENTRIES = 100_000  # maximum entries read in one call
MAX_AGENTS = 200_000  # maximum agents of a statement, each counted once for each period in which its outcomes happened
WORK_SECONDS = 14.0  # no unfinished work is written later than this many seconds after READ_SECONDS
USER_KEY_BYTES = 32


class Statements:
    """Makes statements.

    outcomes, statements, totals: the names of the tables. secret_arn: the ARN of the signing key's secret.
    """

    def __init__(self, outcomes: str, statements: str, totals: str, secret_arn: str) -> None:
        self.outcomes = outcomes
        self.table = StatementsTable(statements)
        self.totals = totals
        self.secret_arn = secret_arn
        self.dynamodb = DynamoDB(LIMITS)
        self.secrets_manager = SecretsManager(LIMITS)

    def make(self, user_id: int, request: StatementRequest, issuer: str, *, may_begin: bool) -> str:
        """Return the text of a user's statement. If it is missing, make it and all missing statements before it.

        issuer: the address of the API. may_begin: whether the caller may make the first statement of a time zone;
        otherwise it raises Forbidden. Raises NotPossible if the month is not over, if it ends before the first entry,
        if one of these statements is too large for a response or a transaction, or if the user has statements in
        MAX_STATEMENT_ZONES other time zones. Raises StillAddingUp while an import is running, or if the work takes more
        than one call; the next call continues.
        """
        return _Chain(self, user_id, request, issuer, may_begin=may_begin).make()


class _Chain:
    """Makes statements of one user during one call."""

    def __init__(
        self, statements: Statements, user_id: int, request: StatementRequest, issuer: str, *, may_begin: bool
    ) -> None:
        self.statements = statements
        self.table = statements.table
        self.user_id = user_id
        self.request = request
        self.issuer = issuer
        self.may_begin = may_begin
        self.reads = PacedReads(statements.dynamodb, time.monotonic() + READ_SECONDS, StillAddingUp)
        self.entries = RecordedEntries(self.reads, statements.outcomes, user_id)
        self.calendar = Calendar(request.timezone)
        self.room = MAX_ENTRIES

    def make(self) -> str:
        wanted = self.request.period
        if found := self._read():
            return found
        self._require_over(self.calendar.bounds(wanted).end)
        backoff = Backoff()
        for _ in range(MAX_STATEMENTS):
            # Read the definitions before all else. If they change after that, storing fails, because the transaction
            # checks their row, too. So no definition comes into force in a month whose statement lacks it.
            definitions = definitions_of(
                self.reads.call(head_request(self.table.name, self.user_id), "GetItem").get("Item", {})
            )
            # Read the row of imports first. If an import, or a statement of another time zone, changes this row after
            # that, storing fails, because the transaction checks the row's `changes`. In another order, an import could
            # add entries before the first one that was read, or two statements could both take the last time zone.
            imports = self._read_imports()
            # Read the key before the list. If an erasure runs in between, storing fails, because the transaction checks
            # this key. In the opposite order, the erased list could be continued with a new key.
            user_key = self.table.read_user_key(self.reads, self.user_id)
            chain = self._listed()
            if imports.blocking(instants.read(self.reads.now)):
                raise StillAddingUp
            period = self.calendar.following(chain[-1].period) if chain else self._first_period()
            if period > wanted:
                if found := self._read():
                    return found
                raise _not_possible("is before the first entry")
            text = self._make(period, chain, user_key, imports, definitions)
            if text and period == wanted:
                return text
            if not text:  # another call wrote first
                backoff.wait()
        raise StillAddingUp

    @cached_property
    def key(self) -> tuple[SigningKey, str]:
        return signing_key(self.reads, self.table.name, self.statements.secrets_manager, self.statements.secret_arn)

    def _read(self) -> str | None:
        return self.table.read_text(self.reads, self.user_id, f"{self.request.period}@{self.request.timezone}")

    def _require_over(self, end: str) -> None:
        """Raise NotPossible while an entry before `end` may still be written."""
        settled_at = instants.text(instants.read(end) + SETTLED_SECONDS * 1000)
        if self.reads.now < settled_at:
            raise _not_possible(f"can be requested from {settled_at} on")

    def _listed(self) -> list[ListedStatement]:
        """Return the user's statements of the requested time zone, oldest first.

        If there are none, raises Forbidden if the caller may not make the first one, and NotPossible if there are
        statements in as many other time zones as a user may have.
        """
        every = self.table.read_list(self.reads, self.user_id)
        chain = [each for each in every if each.timezone == self.request.timezone]
        zones = sorted({each.timezone for each in every})
        if not chain and not self.may_begin:
            message = "only the owner's session makes the first statement of a time zone"
            raise Forbidden(details=[Fault(field="timezone", message=message)])
        if not chain and len(zones) >= MAX_STATEMENT_ZONES:
            raise _not_possible(f"must be one of those that have statements: {', '.join(zones)}", "timezone")
        return sorted(chain, key=lambda each: each.period)

    def _read_imports(self) -> Imports:
        get = {"TableName": self.statements.totals, "Key": imports_key(self.user_id), "ConsistentRead": True}
        return Imports.of(self.reads.call(get, "GetItem").get("Item", {}))

    def _first_period(self) -> str:
        if first := self.entries.reader.first():
            return self.calendar.name_of(first)
        raise _not_possible("is before the first entry")

    def _make(
        self,
        period: str,
        chain: list[ListedStatement],
        user_key: bytes | None,
        before: Imports,
        definitions: Definitions,
    ) -> str | None:
        """Make one statement. Return None if another call wrote first. before: the row of imports."""
        id_ = f"{period}@{self.request.timezone}"
        if chain and not user_key:  # another call made the first statement meanwhile, or an erasure deleted the key
            return None
        unfinished = self.table.read_unfinished(self.reads, self.user_id, id_) if user_key else None
        bounds = self.calendar.bounds(period)
        if chain:
            bounds = Bounds(chain[-1].cut, max(chain[-1].cut, bounds.end))
        bounds_of = other_periods(bounds, [Bounds(each.begin, each.cut) for each in chain], self.calendar)
        continues = unfinished and (unfinished.epoch, unfinished.rules) == (before.epoch, RULES)
        work = Work(bounds, bounds_of, unfinished if continues else None)
        stored = work.size
        signing, valid_from = self.key
        is_new = user_key is None
        user_key = user_key or os.urandom(USER_KEY_BYTES)
        # Read it before the entries: a call that runs out of time after them would store no unfinished work.
        definition = self._definition(definitions, period)
        try:
            self._add_entries(work)
        except StillAddingUp:
            if work.size > stored:
                _require_room(work, work.sums_text(), period)
                stored_ids = unfinished.agents_ids if unfinished else ()
                self._store_unfinished(id_, work.unfinished(before.epoch), stored_ids, user_key, is_new=is_new)
            raise
        sums = work.sums_text(definition)
        issued_at = max(self.reads.now, valid_from)  # the clocks of DynamoDB's hosts differ, so `now` may be earlier
        root = work.tree.finish()
        head = head_text(
            issuer=self.issuer,
            user=hmac.digest(user_key, str(self.user_id).encode(), "sha256").hex(),
            period=period,
            timezone=self.request.timezone,
            begin=bounds.begin,
            cut=bounds.end,
            previous=chain[-1].sha256 if chain else None,
            size=work.size,
            root=root,
            issued_at=issued_at,
            sums=sums,
        )
        text = statement_text(head, sums, signing.sign(head))
        _require_room(work, text, period)
        statement = Statement(text, work.tree.index, work.salt_key, *bounds)
        listed = ListedStatement(period, self.request.timezone, *bounds, work.size, root.hex(), digest(text))
        after = before._replace(cut=max(before.cut, bounds.end))
        put: dict[str, Any] = {"TableName": self.statements.totals, "Item": imports_key(self.user_id) | after.item()}
        if before.changes:
            put |= {"ConditionExpression": "changes = :seen"}
            put |= {"ExpressionAttributeValues": {":seen": {"N": str(before.changes)}}}
        else:
            put |= {"ConditionExpression": "attribute_not_exists(stretch)"}
        others = [
            self._user(user_key, is_new=is_new),
            {"Put": put},
            check_unchanged(self.table.name, self.user_id, definitions),
            *(self.table.delete_unfinished(self.user_id, id_, unfinished) if unfinished else []),
        ]
        actions = self.table.put_statement(self.user_id, statement, listed, issued_at, len(others))
        if not store(self.statements.dynamodb, [*actions, *others]):
            return None
        if unfinished:
            made = {id_, *(each.id for each in chain)}
            self._delete_agents(self.table.agents_ids(self.statements.dynamodb, self.user_id, made))
        return text

    def _definition(self, definitions: Definitions, period: str) -> str:
        """Return the text of the definition in force for a month, `null` without one or in another time zone."""
        found = definitions.of(period)
        if found is None or not have_same_days(definitions.timezone, self.request.timezone):
            return "null"
        key = version_key(self.user_id, found.month, found.version)
        version = self.reads.call({"TableName": self.table.name, "Key": key, "ConsistentRead": True}, "GetItem")
        if "Item" not in version:  # the user is being erased
            raise StillAddingUp
        return definition_text(found.month, definitions.timezone, found.dispute_days, types_of(version["Item"]))

    def _add_entries(self, work: Work) -> None:
        """Add all entries to a statement. Raises StillAddingUp if not all entries can be read now."""
        try:
            for entry in self.entries.recorded(*work.period, work.last):
                if not self.room:
                    raise StillAddingUp
                work.add(entry)
                self.room -= 1
        except NotFound:  # the user is being erased
            raise StillAddingUp from None

    def _store_unfinished(
        self, id_: str, work: Unfinished, replaced: Sequence[str], user_key: bytes, *, is_new: bool
    ) -> None:
        """Store the work so far. replaced: the ids of the rows with sums of agents that it replaces.

        If another call was faster, the new rows with sums of agents stay until the statement is made.
        """
        agents, others = self.table.put_unfinished(self.user_id, id_, work, self.reads.now)
        for put in agents:
            self._store_patiently([put])
        if self._store_patiently([*others, self._user(user_key, is_new=is_new)]):
            self._delete_agents(replaced)

    def _delete_agents(self, ids: Iterable[str]) -> None:
        """Delete rows with sums of agents. Rows that cannot be deleted now are deleted with those of later statements.

        Each row has its own transaction: several could need more units than the user's partition has in a second.
        """
        with suppress(Busy, CallFailed):
            for each in ids:
                self._store_patiently([self.table.delete(self.user_id, each)])

    def _store_patiently(self, actions: list[dict[str, Any]]) -> bool:
        """Write a transaction. Retry while the user's partition is throttled, which takes 1,000 units a second.

        Raises Busy if the time is up. See `store`.
        """
        backoff, until = Backoff(), self.reads.until + WORK_SECONDS
        while True:
            try:
                return store(self.statements.dynamodb, actions, until)
            except Busy:
                backoff.wait()  # only its pauses are used
                if time.monotonic() > until:
                    raise

    def _user(self, key: bytes, *, is_new: bool) -> dict[str, Any]:
        if is_new:
            return self.table.put_user_key(self.user_id, key, self.reads.now)
        return self.table.check_user_key(self.user_id, key)


def _require_room(work: Work, text: str, period: str) -> None:
    """Raise NotPossible if a statement has too many agents, or if this text, or these sums, exceed a response.

    Texts exceed a response only if the deployment has had more than 50 outcome types.
    """
    if work.sums.agents > MAX_AGENTS:
        raise _not_possible(f"has more than {MAX_AGENTS:,} agents in {period}")
    if response_bytes(text) > MAX_RESPONSE_BYTES:
        raise _not_possible(f"has more than 6 MB of sums in {period}")


def _not_possible(rule: str, field: str = "period") -> NotPossible:
    return NotPossible(details=[Fault(field=field, message=rule)])
