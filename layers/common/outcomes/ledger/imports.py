"""Read and change the row that records imports of a user's earlier outcomes (`make import-history`).

The row decides whether stored sums may be used.

Stored sums of a settled interval are correct only if nothing more is recorded in the interval. An import breaks this
rule, because imported outcomes keep their `created_at`. So an import changes this row before its first write:

user_id (HASH, S)       `42`, or a partition of outcomes without a user, `unassigned#0`
stretch (RANGE, S)      `import`
epoch                   N, incremented whenever an import begins to block stored sums, or blocks them for longer
runs                    M, the imports that have not ended: by id, N, the instant until which the import blocks stored
                        sums, in milliseconds since 1970 by DynamoDB's clock
changes                 N, incremented by each write, for optimistic locking
cut                     S, the instant at which the user's latest statement ends; absent without statements

A summary reads this row before it reads sums and entries, and never writes it. It stores sums with the epoch in their
attribute `rules`. Sums of an earlier epoch are ignored, even if a slow summary stores them after the import. While an
import blocks stored sums, summaries store nothing.

The undo of an import is one of the `runs`, too, so that no statement ends meanwhile after an outcome that it voids. It
leaves `epoch` unchanged, because its voids are recorded now, and not in an interval whose sums are stored.

An import refuses outcomes before `cut`. Code that stores a statement has to set `cut` in the same transaction, if no
import blocks stored sums, and on the condition that `changes` still has the value that was read. An import changes the
row on the same condition, so if both read the same `changes`, one of the two writes fails.
"""

from collections.abc import Mapping
from typing import NamedTuple

from outcomes.aws.services import Item
from outcomes.calendar import instants

STRETCH = "import"


def imports_key(partition: int | str) -> Item:
    """Return the key of the row. partition: a user's id, or a partition of outcomes without a user."""
    return {"user_id": {"S": str(partition)}, "stretch": {"S": STRETCH}}


class Imports(NamedTuple):
    """The row of imports. The defaults are the values of a missing row."""

    epoch: int = 0
    runs: Mapping[str, int] = {}
    changes: int = 0
    cut: str = ""

    @classmethod
    def of(cls, item: Item) -> "Imports":
        """Read the row from its item, which is empty if it does not exist."""
        if not item:
            return cls()
        runs = {run: int(until["N"]) for run, until in item["runs"]["M"].items()}
        cut = item["cut"]["S"] if "cut" in item else ""
        return cls(int(item["epoch"]["N"]), runs, int(item["changes"]["N"]), cut)

    def item(self) -> Item:
        """Return the attributes of the changed row, without its key."""
        item: Item = {
            "epoch": {"N": str(self.epoch)},
            "runs": {"M": {run: {"N": str(until)} for run, until in self.runs.items()}},
            "changes": {"N": str(self.changes + 1)},
        }
        return item | ({"cut": {"S": self.cut}} if self.cut else {})

    def blocking(self, now: int | None) -> dict[str, int]:
        """Return the imports that block stored sums.

        now: the time of DynamoDB's clock; if it is None, all imports block them.
        """
        return {run: until for run, until in self.runs.items() if now is None or until > now}


def service_time(date: str) -> int | None:
    """Convert a Date header to milliseconds since 1970. Return None if it is missing or damaged."""
    try:
        return instants.read_http_date(date)
    except ValueError:
        return None
