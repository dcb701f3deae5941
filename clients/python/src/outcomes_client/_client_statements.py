"""The blocking client's calls about statements. `make awaiting` generates the async client's calls from this module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import _statement_calls
from ._models import ExportPart, StatementPage

if TYPE_CHECKING:
    from ._calls import Calls
    from ._steps import Call


class StatementsClient:
    """The part of `OutcomesClient` that makes and reads statements; `statements.verify` verifies them."""

    _calls: Calls

    if TYPE_CHECKING:

        def _run[T](self, call: Call[T]) -> T: ...

    def make_statement(self, period: str, timezone: str | None = None) -> bytes:
        """Return the statement of a month, such as `2026-10`, by default in UTC.

        Save the bytes as they are. They are the same in each call, because the first call stores them. Needs the
        session or an agent key with the scope `read`; only the session makes the first statement of a time zone. Raises
        ConflictError until ten minutes after the month's end, and for a fourth time zone. The first statement of a long
        history takes longer; see `Retry`.
        """
        return self._run(_statement_calls.make(self._calls, period, timezone))

    def list_statements(self, *, limit: int | None = None, cursor: str | None = None) -> StatementPage:
        """List one page of the existing statements, latest period first."""
        return self._run(_statement_calls.page(self._calls, limit, cursor))

    def get_statement(self, statement_id: str) -> bytes:
        """Return the bytes of the existing statement with this id, such as `2026-10@Europe/Berlin`."""
        return self._run(_statement_calls.get(self._calls, statement_id))

    def statement_entries(self, statement_id: str, *, cursor: str | None = None) -> Iterator[ExportPart]:
        """Yield the entries of a statement, in parts. The joined texts of the parts are the file."""
        while True:
            part = self._run(_statement_calls.entries(self._calls, statement_id, cursor))
            yield part
            cursor = part.next_cursor
            if cursor is None:
                return

    def statement_proof(self, statement_id: str, outcome_id: str) -> bytes:
        """Return the proof that a statement contains an outcome's entries. A proof discloses no sums."""
        return self._run(_statement_calls.proof(self._calls, statement_id, outcome_id))

    def statement_keys(self) -> bytes:
        """Return the API's public keys, which verify its statements."""
        return self._run(_statement_calls.keys(self._calls))
