"""Import a file: plan its rows, show the plan, and write the outcomes."""

import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import batched
from pathlib import Path
from typing import Any, NamedTuple, Self

from outcomes.aws.backoff import KEYS_PER_CALL
from outcomes.contract import instants
from outcomes.contract.outcome_type import Types
from outcomes.ledger import ulid
from rich.console import Console
from rich.progress import Progress

from ops.errors import StackError
from ops.history.files import Row, RowFile
from ops.history.mapper import Mapper, NotImported
from ops.history.past import Pasts
from ops.history.plan import Plan
from ops.history.writer import Writer, before_cut, patiently

PRICES = Path(__file__).parents[2] / "bench/prices.toml"
LAST_ID = "~"  # this text sorts after all ids


class Target(NamedTuple):
    """The tables to import into.

    secret: the secret for the HMAC in erasure records; empty if the stack cannot erase users. types: the types that can
    be recorded. units_per_second: the write units to use.
    """

    outcomes: str
    totals: str
    erasures: str
    secret: bytes
    types: Types
    units_per_second: float


class Import:
    """The import of a file into a stack.

    It is a context manager. refused: the number of rows that cannot be imported.
    """

    def __init__(self, file: RowFile, mapping: dict[str, Any], target: Target) -> None:
        """Raises StackError if the mapping is wrong, or the file lacks a column."""
        self.file = file
        self.target = target
        self.mapper = Mapper(mapping, target.types, instants.now())
        file.require(self.mapper.required)
        self._unseen = set(self.mapper.mapped.values()) - set(file.columns or ())
        self.pasts = Pasts(target.totals, target.erasures, target.secret)
        self.plan = Plan()
        self.refused = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.plan.close()

    def read(self) -> None:
        """Plan the rows of the file. Refuse rows that cannot be imported, and report the reasons.

        Raises StackError if the mapping names a column that no row of NDJSON has.
        """
        with _progress("Reading", self.file.size) as advance:
            for row in self.file.rows():
                if reason := self._plan(row):
                    self._refuse(f"line {row.number}: {reason}")
                advance(row.size)
        if self._unseen:  # rows may lack an optional field, but not all rows one that the mapping names
            raise StackError(f"no row of {self.file.path} has {', '.join(sorted(self._unseen))}")
        self._refuse_users()

    def show(self) -> None:
        """Print the counts and sums by user and type, and the cost."""
        print(f"{'user':>16}  {'type':24}  {'outcomes':>9}  value_usd")
        for user_id, type_, sum_ in self.plan.sums():
            print(f"{user_id or 'nobody':>16}  {type_:24}  {sum_.count:>9,}  {sum_.exact:f}")
        cost, prices = self.plan.cost(), tomllib.loads(PRICES.read_text())["prices"]
        once = cost.write_units / 1e6 * prices["write_units_per_million"]
        monthly = cost.bytes / 1e9 * (prices["kept_gb_month"] + prices["restorable_gb_month"])
        minutes = cost.write_units / self.target.units_per_second / 60
        print(
            f"{cost.outcomes:,} outcomes of {cost.users:,} users can be imported; {self.refused:,} rows are refused.\n"
            f"{cost.write_units:,} write units cost ${once:,.2f}, and storage ${monthly:,.2f} a month. "
            f"Writing takes at least {minutes:,.0f} minutes."
        )

    def write(self) -> None:
        """Write the planned outcomes, partition by partition. Raises StackError if DynamoDB does not answer."""
        with _progress("Importing", self.plan.cost().outcomes) as advance:
            target = self.target
            writer = Writer(
                *(self.file, self.mapper, target.outcomes, self.pasts, target.units_per_second),
                refuse=self._refuse,
                advance=advance,
            )
            for partition in self.plan.partitions():
                writer.write(partition.name, self.plan.rows(partition))
        print(
            f"{writer.imported:,} outcomes were imported, {writer.present:,} were there before, "
            f"{self.refused:,} rows were refused."
        )

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

    def _refuse_users(self) -> None:
        """Refuse the rows of erased users, and rows from before the end of the user's latest statement."""
        erased = patiently(self.pasts.erased)
        for partitions in batched(self.plan.partitions(), KEYS_PER_CALL, strict=False):
            cuts = patiently(partial(self.pasts.cuts, [each.name for each in partitions]))
            for partition in partitions:
                before, reason = "", ""
                if self.pasts.digest(partition.name) in erased:
                    before, reason = LAST_ID, f"user {partition.name} was erased"
                elif cut := cuts.get(partition.name):
                    before, reason = ulid.from_number(instants.read(cut) << 80), before_cut(cut)
                for number in self.plan.remove(partition, before):
                    self._refuse(f"line {number}: {reason}")


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on a terminal. Yield a function that advances it."""
    console, on_terminal = Console(stderr=True), sys.stdout.isatty()
    # With redirect_stdout, Rich prints the text of standard output on the terminal, above the progress bar. Text for a
    # file or a pipe must not appear there.
    with Progress(console=console, redirect_stdout=on_terminal, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=total)
        yield partial(progress.advance, task)
