"""Import a file: plan its rows, show the plan, and write the outcomes."""

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import batched
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Self

from outcomes.aws.backoff import KEYS_PER_CALL
from outcomes.calendar import instants
from outcomes.contract.outcome_type import Types
from outcomes.contract.sums import Sum
from outcomes.ledger import ulid
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from rich.console import Console
from rich.progress import Progress

from history.compare import compare
from history.definitions import by_rule
from history.files import Row, RowFile
from history.mapper import Mapper, NotImported
from history.past import Pasts
from history.plan import LAST_ID, Partition, Plan
from history.stored import StoredOutcomes, before_cut
from history.undo import Undo
from history.writer import Pace, Writer
from ops.errors import StackError
from ops.patience import patiently

PRICES = Path(__file__).parents[1] / "bench/prices.toml"


class Target(NamedTuple):
    """The tables to import into.

    secret: the secret for the HMAC in erasure records; empty if the stack cannot erase users. types: the types that can
    be recorded. units_per_second: the write units to use. edition: see `Totals`. statements: also has definitions.
    """

    outcomes: str
    totals: str
    statements: str
    erasures: str
    secret: bytes
    types: Types
    units_per_second: float
    edition: str = "1"


class Import:
    """The import of a file into a stack, its undo, and the comparison of both.

    It is a context manager. refused: the number of rows that cannot be imported.
    """

    def __init__(
        self,
        file: RowFile,
        mapping: dict[str, Any],
        target: Target,
        last_round: int = 1,
        *,
        finds_only: bool = False,
    ) -> None:
        """last_round: see `StoredOutcomes`. finds_only: see `Mapper`.

        Raises StackError if the mapping is wrong, or the file lacks a column.
        """
        self.file = file
        self.target = target
        self.mapper = Mapper(mapping, target.types, instants.now(), finds_only=finds_only)
        file.require(self.mapper.required)
        self._unseen = set(self.mapper.mapped.values()) - set(file.columns or ())
        self.pasts = Pasts(target.totals, target.erasures, target.secret)
        self.stored = StoredOutcomes(target.outcomes, last_round)
        self.plan = Plan()
        self.refused = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.plan.close()

    def read(self) -> None:
        """Plan the rows of the file, of any user. Refuse rows that cannot be imported, and report the reasons.

        Raises StackError if the mapping names a column that no row of NDJSON has.
        """
        with _progress("Reading", self.file.size) as advance:
            for row in self.file.rows():
                if reason := self._plan(row):
                    self._refuse(f"line {row.number}: {reason}")
                advance(row.size)
        if self._unseen:  # rows may lack an optional field, but not all rows one that the mapping names
            raise StackError(f"no row of {self.file.path} has {', '.join(sorted(self._unseen))}")

    def show(self) -> None:
        """Print the counts and sums by user and type, how much of them counts at once, and the cost."""
        _print_sums(self.plan.sums())
        for user_id, figures in by_rule(self.target.statements, self.plan):
            print(
                f"user {user_id}, by the user's definitions: {_amount(figures.counted)} count at once, "
                f"{_amount(figures.all_waiting)} wait, {_amount(figures.unconfirmed)} need the user's word, "
                f"{_amount(figures.not_counted)} never count, {_amount(figures.before_rules)} are from before."
            )
        cost = self.plan.cost()
        print(f"{cost.outcomes:,} outcomes of {cost.users:,} users can be imported; {self.refused:,} rows are refused.")
        self._print_cost(cost.write_units, cost.bytes)

    def write(self) -> int:
        """Write the planned outcomes, partition by partition, and return how many were not there before.

        Raises StackError if DynamoDB does not answer.
        """
        with _progress("Importing", self.plan.cost().outcomes) as advance:
            target = self.target
            writer = Writer(
                *(self.file, self.mapper, target.outcomes, self.pasts, self.stored),
                pace=Pace(target.units_per_second),
                refuse=self._refuse,
                advance=advance,
            )
            for partition in self.plan.partitions():
                writer.write(partition.name, self.plan.rows(partition))
        if self.stored.undone:
            print(f"{self.stored.undone:,} outcomes were undone.")
        print(
            f"{writer.imported:,} outcomes were imported, {self.stored.present:,} were there before, "
            f"{self.refused:,} rows were refused."
        )
        return writer.imported

    def undo(self, *, force: bool, is_real: bool) -> None:
        """Void the outcomes of the planned rows, and print their counts and sums by user and type.

        is_real: if false, write nothing. Raises StackError if DynamoDB does not answer.
        """
        with _progress("Undoing", self.plan.cost().outcomes) as advance:
            undo = Undo(
                *(self.target.outcomes, self.pasts if is_real else None, self.stored),
                force=force,
                pace=Pace(self.target.units_per_second),
                advance=advance,
            )
            for partition, cut in self._cuts():
                undo.undo(partition.name, self.plan.rows(partition), cut)
        _print_sums((user or None, type_, sum_) for (user, type_), sum_ in sorted(undo.sums.items(), key=itemgetter(0)))
        if not is_real:
            self._print_cost(undo.units)
        if undo.again:
            print(f"{undo.again:,} of those undone before were imported again, and count: undo them with their ROUND.")
        print(
            f"{undo.undone:,} outcomes {'were' if is_real else 'can be'} undone, {undo.before:,} were undone before, "
            f"{undo.left:,} are left, {undo.absent:,} are not there, {self.refused:,} rows were refused."
        )

    def compare(self) -> bool:
        """Print the sums of the planned rows beside those of the API. Return whether there are differences."""
        totals = Totals(OutcomeStore(self.target.outcomes), self.target.totals, self.target.edition)
        return compare(totals, self.plan.months())

    def _print_cost(self, write_units: int, stored_bytes: int = 0) -> None:
        prices = tomllib.loads(PRICES.read_text())["prices"]
        once = write_units / 1e6 * prices["write_units_per_million"]
        monthly = stored_bytes / 1e9 * (prices["kept_gb_month"] + prices["restorable_gb_month"])
        minutes = write_units / self.target.units_per_second / 60
        storage = f", and storage ${monthly:,.2f} a month" if stored_bytes else ""
        print(f"{write_units:,} write units cost ${once:,.2f}{storage}. Writing takes at least {minutes:,.0f} minutes.")

    def _refuse(self, text: str) -> None:
        self.refused += 1
        print(text)

    def _plan(self, row: Row) -> str:
        """Plan a row, or return why it is refused."""
        if row.fault:
            return row.fault
        self._unseen -= row.cells.keys()
        try:
            outcome = self.mapper.outcome(row.cells)
        except NotImported as reason:
            return str(reason)
        earlier = self.plan.add(outcome, row.number, row.offset, row.size)
        return f"id and created_at are those of line {earlier}" if earlier else ""

    def refuse_users(self) -> None:
        """Remove the rows of erased users, and rows from before the end of the user's latest statement.

        Refuse those of them that are not stored.
        """
        erased = patiently(self.pasts.erased)
        for partition, cut in self._cuts():
            is_erased = self.pasts.digest(partition.name) in erased
            before = LAST_ID if is_erased else ulid.from_number(instants.read(cut) << 80) if cut else ""
            for rows in batched(self.plan.rows(partition, before), KEYS_PER_CALL, strict=False):
                missing = patiently(partial(self.stored.missing, partition.name, rows, cut)) if not is_erased else rows
                for row in missing:
                    reason = f"user {partition.name} was erased" if is_erased else before_cut(cut)
                    self._refuse(f"line {row.number}: {reason}")
            self.plan.remove(partition, before)

    def _cuts(self) -> Iterator[tuple[Partition, str]]:
        """Yield the partitions, each with the end of the user's latest statement, or an empty text."""
        for partitions in batched(self.plan.partitions(), KEYS_PER_CALL, strict=False):
            cuts = patiently(partial(self.pasts.cuts, [each.name for each in partitions]))
            for partition in partitions:
                yield partition, cuts.get(partition.name, "")


def _amount(sum_: Sum) -> str:
    return f"{sum_.count:,} (${sum_.exact:,f})"


def _print_sums(sums: Iterable[tuple[int | None, str, Sum]]) -> None:
    """Print a table of the count and value of outcomes by user (None: no user) and type."""
    print(f"{'user':>16}  {'type':24}  {'outcomes':>9}  value_usd")
    for user_id, type_, sum_ in sums:
        print(f"{user_id or 'nobody':>16}  {type_:24}  {sum_.count:>9,}  {sum_.exact:f}")


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal. Yield a function that advances it."""
    console, on_terminal = Console(stderr=True), sys.stdout.isatty()
    # With redirect_stdout, Rich prints the text of standard output on the terminal, above the progress bar. Text for a
    # file or a pipe must not appear there.
    with Progress(console=console, redirect_stdout=on_terminal, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=total)
        yield partial(progress.advance, task)
