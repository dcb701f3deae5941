"""Safeguards of the product, each with an edit of the code that takes it out, and with what then finds the fault."""

from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LAYER = "layers/common/outcomes"


class Edit(NamedTuple):
    """Replaces `old`, a text that is there once. file: a path below the layer's package, or below the repository."""

    file: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        return ROOT / (self.file if self.file.startswith("history/") else f"{LAYER}/{self.file}")

    def apply(self, source: str) -> str:
        """Edit a source. Raises ValueError if the text is not there exactly once."""
        if source.count(self.old) != 1:
            raise ValueError(f"{self.path}: {self.old!r} is there {source.count(self.old)} times, not once")
        return source.replace(self.old, self.new)


class Found(NamedTuple):
    """The judge finds it if `second` runs between the calls of `first`. young: before the user's first statement."""

    first: str
    second: str
    young: bool = False


class Seed(NamedTuple):
    """A schedule finds the fault. lately: the seed that is tried first. everyone: whether all features are in it."""

    lately: int
    everyone: bool = False


class History(NamedTuple):
    """A history of `tests.sequences.test_any_watch` finds the fault. lately: the seed that is tried first."""

    lately: int


class Look(NamedTuple):
    """A course of `tests.sequences.test_any_look` finds the fault. lately: the seed that is tried first."""

    lately: int


SAFEGUARDS: dict[str, tuple[Edit, Found | Seed | History | Look]] = {
    "a statement is stored if the row of imports has not changed": (
        Edit("statements/chain.py", '"changes = :seen"', '"changes = :seen OR changes <> :seen"'),
        Found("state March", "import newer rows"),
    ),
    "a first statement is stored if there is no row of imports": (
        Edit(
            "statements/chain.py",
            '"attribute_not_exists(stretch)"',
            '"attribute_not_exists(stretch) OR attribute_exists(stretch)"',
        ),
        Found("state February", "import", young=True),
    ),
    "a first statement reads the row of imports before the first entry": (
        Edit(
            "statements/chain.py",
            "if chain else self._first_period()\n",
            "if chain else self._first_period()\n            imports = imports if chain else self._read_imports()\n",
        ),
        Found("state February", "import", young=True),
    ),
    "no statement is made during an import": (
        Edit("statements/chain.py", "if imports.blocking(instants.read(self.reads.now)):", "if False:"),
        Found("import newer rows", "state March"),
    ),
    "a statement is stored if no definition has changed": (
        Edit("statements/chain.py", "            check_unchanged(self.table.name, self.user_id, definitions),\n", ""),
        Found("state March", "put a definition"),
    ),
    "a definition is stored if no statement has been made": (
        Edit(
            "definitions/definition_store.py",
            '"ConditionExpression": "cut = :cut"',
            '"ConditionExpression": "cut = :cut OR cut <> :cut"',
        ),
        Found("put a definition", "state March"),
    ),
    "a definition is stored if no other has changed": (
        Edit(
            "definitions/stored_definitions.py",
            '"changes = :changes AND put_at = :put_at"',
            '"changes = :changes OR changes <> :changes AND put_at <> :put_at"',
        ),
        Found("put a definition", "put a definition"),
    ),
    "what is told of a watch is stored on the watch that was read": (
        Edit(
            "watches/stored_watches.py",
            "made = :made AND version = :version",
            "(made = :made OR made <> :made) AND (version = :version OR version <> :version)",
        ),
        Found("evaluate watches", "put a watch"),
    ),
    "what is told of a watch is stored on what was told before": (
        Edit("watches/stored_watches.py", "AND changes = :changes", "AND (changes = :changes OR changes <> :changes)"),
        Seed(24, everyone=True),
    ),
    "nothing is told of a watch after its erasure": (
        Edit(
            "watches/stored_watches.py",
            '"made = :made AND version = :version AND changes = :changes"',
            '"attribute_not_exists(made) OR made = :made AND version = :version AND changes = :changes"',
        ),
        Seed(20, everyone=True),
    ),
    "a watch that is put anew forgets what was told": (
        Edit("watches/watch_store.py", '" REMOVE states"', '""'),
        Seed(0, everyone=True),
    ),
    "a line is told three times in a period": (
        Edit("watches/thresholds.py", ' and crossed[each]["n"] < MOST_TELLINGS', ""),
        Seed(22, everyone=True),
    ),
    "a closed period is told no more": (
        Edit("watches/thresholds.py", 'if not each.get("closed") and each["period"]', 'if each["period"]'),
        Seed(3, everyone=True),
    ),
    "a digest tells the age of the oldest dispute": (
        Edit("watches/digest.py", "date.fromisoformat(min(days))", "date.fromisoformat(max(days))"),
        History(82),
    ),
    "an event tells what is new in the row": (
        Edit("events/watch_events.py", 'if each["n"] != told.get((period, percent), 0)', 'if each["n"]'),
        Seed(5, everyone=True),
    ),
    "a first definition is stored if no statement has been made": (
        Edit(
            "definitions/definition_store.py",
            '{"ConditionExpression": "attribute_not_exists(cut)"}',
            '{"ConditionExpression": "attribute_not_exists(cut) OR attribute_exists(cut)"}',
        ),
        Found("put a definition", "state March", young=True),
    ),
    "a first definition is stored if there is no other": (
        Edit(
            "definitions/stored_definitions.py",
            '"attribute_not_exists(changes)"',
            '"attribute_not_exists(changes) OR attribute_exists(changes)"',
        ),
        Found("put a definition", "put a definition", young=True),
    ),
    "an entry says since when the entry before it stood": (
        Edit("ledger/correction_entries.py", "newest_of(before)", "id_of(before)"),
        Seed(10, everyone=True),
    ),
    "work on a statement is not stored after the statement": (
        Edit(
            "statements/statement_rows.py",
            "return [*map(self._put, agents)], [is_not_made,",
            "return [*map(self._put, agents)], [",
        ),
        Found("state February in parts", "state February in parts"),
    ),
    "a call that publishes a key of statements looks again": (
        Edit(
            "statements/signing_keys.py",
            "        store(reads.dynamodb, actions)\n",
            "        store(reads.dynamodb, actions)\n        return new\n",
        ),
        Found("state February", "state with a new secret", young=True),
    ),
    "a correction is stored on the version that it read": (
        Edit("ledger/correction_entries.py", '"#version = :as_read"', '"#version = :as_read OR #version <> :as_read"'),
        Found("amend", "void"),
    ),
    "a first correction is stored if there is no other": (
        Edit(
            "ledger/correction_entries.py",
            '"attribute_exists(user_id) AND attribute_not_exists(#version)"',
            '"attribute_exists(user_id) OR attribute_not_exists(#version)"',
        ),
        Found("amend what has no user", "assign"),
    ),
    "a correction is replayed on an outcome that has it": (
        Edit("ledger/corrections.py", "is_current = row.version <= recorded.version", "is_current = True"),
        Found("amend with a key", "amend with a key"),
    ),
    "an outcome with a key is stored once": (
        Edit("ledger/idempotency_keys.py", "OR expires_at <= :now", "OR expires_at > :now"),
        Found("record with a key", "record with a key"),
    ),
    "a user's keys are counted before another one is created": (
        Edit("keys/agent_keys.py", '"changes = :seen" if row', '"changes = :seen OR changes <> :seen" if row'),
        Found("create a key", "create a key"),
    ),
    "a rotation needs a key": (
        Edit(
            "keys/agent_keys.py",
            'f"user_id = :user AND secret_sha256 = :present AND {_LIVE}"',
            'f"attribute_not_exists(id) OR user_id = :user AND secret_sha256 = :present AND {_LIVE}"',
        ),
        Found("rotate the key", "revoke the key"),
    ),
    "a use needs a key": (
        Edit(
            "keys/agent_keys.py",
            '"attribute_exists(id)"\n            " AND (',
            '"(attribute_not_exists(id) OR attribute_exists(id))"\n            " AND (',
        ),
        Found("use the key", "revoke the key"),
    ),
    "an owner's void of what a key recorded needs that the key is still paused": (
        Edit("ledger/ended_keys.py", '"user_id = :user AND attribute_exists({ended})"', '"user_id = :user"'),
        Found("void what the leaked key recorded", "resume the leaked key"),
    ),
    "costs of a day replace the version that was read": (
        Edit(
            "costs/cost_rows.py",
            '"#version = :version AND put_at = :put_at AND attribute_not_exists(repeated_by)"',
            '"#version = :version OR put_at <> :put_at"',
        ),
        Found("put costs", "put costs"),
    ),
    "stored sums of costs name the changes that they include": (
        Edit("costs/stored_costs.py", 'get("changes", {}).get("N", "0")', 'get("none", {}).get("N", "0")'),
        Found("report costs", "put costs of a past month"),
    ),
    "sources are counted before another one is created": (
        Edit("costs/cost_rows.py", '"changes = :before"', '"changes = :before OR changes <> :before"'),
        Found("put costs of a new source", "put costs of a new source"),
    ),
    "an import blocks on the row that it read": (
        Edit("history/past.py", '"changes = :seen" if before', '"changes = :seen OR changes <> :seen" if before'),
        Found("import newer rows", "state March"),
    ),
    "an import refuses what a statement may contain": (
        Edit("history/writer.py", "if outcome.created_at < past.cut]", "if outcome.created_at < '']"),
        Found("import newer rows", "state March"),
    ),
    "sums before an import are not used": (
        Edit("totals/stored_sums.py", "if found.epoch:", "if False:"),
        Found("add up", "import", young=True),
    ),
    "no sums are stored during an import": (
        Edit("totals/stored_sums.py", "and not found.blocking(now)", ""),
        Found("import", "add up", young=True),
    ),
    "an erasure looks again after its scans": (
        Edit("privacy/erasure.py", 'in {"wait", "end"}:', 'in {"wait"}:'),
        Found("erase", "record with a key"),
    ),
    "sums are stored only of what is settled": (
        Edit(
            "totals/stored_sums.py",
            "service_time(pages[0].date)\n",
            "(service_time(pages[0].date) or 0) + 2 * SETTLED_SECONDS * 1000\n",
        ),
        Seed(32, everyone=True),
    ),
    "a write is signed within a minute of its time": (
        Edit("aws/services.py", "abs(signed_at - recorded_at / 1000) > MAX_AGE", "False"),
        Seed(4, everyone=True),
    ),
    "entries between two intervals are added, even if nothing can be stored": (
        Edit(
            "totals/materialized.py",
            "SettledInterval(current.begin, end, current.sums)",
            "SettledInterval(current.begin, end, Sums())",
        ),
        Look(0),
    ),
    "open months are those of any definition": (
        Edit("definitions/counting.py", "found = min(found or month, month)", "found = month"),
        Look(1),
    ),
    "an entry of a midnight is after it": (
        Edit("totals/materialized.py", "elif at < midnight <= over:", "elif at <= midnight <= over:"),
        Look(11),
    ),
    "a day has sums even if they are zero, so that parts of it are read": (
        Edit("totals/codec.py", "sorted({*sums.days, *by_day})", "sorted({*by_day})"),
        Look(8),
    ),
    "sums of another edition are not read": (
        Edit("totals/stored_sums.py", 'part.get("rules") != {"S": self.rules} or any(', "any("),
        Look(0),
    ),
    "what needs a confirmation counts once it is confirmed": (
        Edit("definitions/counting.py", "counted.count_for(rule, confirmed)", "counted.count_for(rule, standing)"),
        Look(0),
    ),
}
