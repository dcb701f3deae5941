"""Read files of outcomes for import. If a file is imported again, each line gets the same idempotency key again."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import batched, chain
from threading import Thread
from typing import TYPE_CHECKING, Any

from . import _json
from ._errors import BusyError, ConfigurationError, LimitError, OutcomesError
from ._models import SENT_AS, NewOutcome, Result
from ._refusals import why
from ._requests import BATCH_ITEMS

if TYPE_CHECKING:
    from ._client import OutcomesClient

# Maps other spellings of field names to those that `_body` returns: `agent_id`, as in exports and Python, to `agentId`,
# as in requests; and `createdAt` to `created_at`.
_SENT_AS = {**SENT_AS, "createdAt": "created_at"}
_LEDGER_FIELDS = ("status", "recorded_by", "version")
_COUNTS_FIELDS = ("counts", "counts_state", "counts_on", "counts_usd", "imported")  # in JSON Lines, or in CSV
# CSV cells are text: parse them according to their field's type.
_TYPES = {each.name: str(each.type) for each in fields(NewOutcome) if each.name != "idempotency_key"}
_JSON = [name for name, type_ in _TYPES.items() if type_.startswith(("int", "Decimal", "Mapping"))]
_TEXTS = [name for name, type_ in _TYPES.items() if type_ in ("str", "str | None")]

IN_FLIGHT = 3  # maximum batches that an import sends at a time

_BOM = b"\xef\xbb\xbf"
# In exports, the API puts an apostrophe before a cell that begins with one of these characters.
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_SEPARATOR = re.compile("([;\t\r\n])")


@dataclass(frozen=True)
class Line:
    """A line of the file: a body to record, or the reason why the line is wrong."""

    number: int
    size: int  # size of the line in bytes, for the progress bar
    body: dict[str, Any] | None
    fault: str = ""


class HeadingError(Exception):
    """The first line of a CSV file is not a valid heading."""


def json_lines(file: Iterable[bytes]) -> Iterator[Line]:
    """Read JSON Lines. Skip blank lines."""
    for number, line in enumerate(file, start=1):
        text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
        if not text:
            continue
        try:
            said = _json.decode(text)
        except ValueError as exc:
            yield Line(number, len(line), None, f"Invalid line: {exc}")
            continue
        if isinstance(said, dict):
            yield Line(number, len(line), said)
        else:
            yield Line(number, len(line), None, "Invalid line: not a JSON object")


def ids(file: Iterable[bytes]) -> list[str]:
    """Read outcomes' ids, each once: an id in each line, JSON Lines with `id`, or CSV with a column `id`.

    Raises:
        ValueError: a line has no id.
    """
    lines = [*file]
    first = next((text for line in lines if (text := line.removeprefix(_BOM).strip())), b"")
    found: Iterable[Line]
    if first.startswith(b"{"):
        found = json_lines(lines)
    elif b"id" in re.split(rb'[",\s]+', first):
        found = csv_rows(lines, ("id",), lambda _, cell: cell)
    else:
        texts = (line.removeprefix(_BOM).strip().decode(errors="replace") for line in lines)
        found = (Line(number, 0, {"id": each}) for number, each in enumerate(texts, start=1) if each)
    named: dict[str, None] = {}
    for line in found:
        id_ = line.body.get("id") if line.body else None
        if not isinstance(id_, str) or not id_.strip():
            raise ValueError(f"line {line.number} has no id: {line.fault}".removesuffix(": "))
        named[id_.strip()] = None
    return [*named]


def outcome_rows(file: Iterable[bytes]) -> Iterator[Line]:
    """Read CSV with the columns of the API's export. Raises HeadingError."""
    return csv_rows(file, ("outcome_type", "title"), _cell)


def csv_rows(file: Iterable[bytes], needed: Collection[str], cell: Callable[[str, str], Any]) -> Iterator[Line]:
    """Read CSV with columns in any order. If a row spans several lines, its number is that of its last line.

    `cell` parses a column's cell.

    Raises:
        HeadingError: the heading does not name the `needed` columns, or names a column twice.
    """
    read = [0]  # bytes

    def text() -> Iterator[str]:
        for number, line in enumerate(file, start=1):
            read[0] += len(line)
            # Decode invalid UTF-8 to surrogates. `cell` refuses them, so that only their row is refused.
            yield (line.removeprefix(_BOM) if number == 1 else line).decode(errors="surrogateescape")

    rows = csv.reader(text(), strict=True)
    try:
        heading = next(rows, [])
    except csv.Error:
        heading = []
    if not set(needed) <= set(heading) or len(set(heading)) < len(heading):
        *most, last = needed
        raise HeadingError(
            f"the first line must name each column once, among them {', '.join(most)} and {last}, separated by commas"
        )
    before = 0
    while True:
        said, fault = None, ""
        try:
            row = next(rows)
            if row and len(row) != len(heading):
                fault = f"it has {len(row)} cells, and the heading {len(heading)}"
            elif row:
                said = {name: cell(name, text) for name, text in zip(heading, row, strict=True)}
        except StopIteration:
            return
        except (csv.Error, ValueError) as exc:
            fault = str(exc)
        size, before = read[0] - before, read[0]
        if said is not None or fault:
            yield Line(rows.line_num, size, said, f"Invalid line: {fault}" if fault else "")


def _cell(name: str, cell: str) -> Any:
    """Parse a cell. An empty cell is null.

    Raises:
        ValueError: the cell is not UTF-8, or a number or metadata is not valid JSON.
    """
    cell.encode()  # raises UnicodeEncodeError
    if not cell:
        return None
    if name in _JSON:
        try:
            return _json.decode(cell.encode() if name != "metadata" else unguarded(cell).encode())
        except ValueError as exc:
            raise ValueError(f"{name} cannot be read: {exc}") from exc
    return unguarded(cell) if name in _TEXTS else cell


def unguarded(text: str) -> str:
    """Remove the apostrophes that an export puts before text that a spreadsheet would run as a formula."""
    first, *more = _SEPARATOR.split(text)
    is_separator = not first.strip("'") and more and more[0] != ";"
    if first.startswith("'") and (_begins_formula(first) or is_separator):
        first = first[1:]
    cells = [each[1:] if each.startswith("'") and _begins_formula(each.replace('"', "")) else each for each in more]
    return "".join([first, *cells])


def _begins_formula(text: str) -> bool:
    return next((char for char in text.lstrip("'") if char.isprintable() and not char.isspace()), "") in _FORMULA


def keyed(lines: Iterable[Line], scope: str) -> Iterator[Line]:
    """Turn each line into a request body with an idempotency key.

    A line is a request body, or an outcome from a list or an export. If it has no `idempotencyKey`, its key consists of
    a digest of `scope` and the line's content, and the count of equal lines so far. The digest ignores layout, the
    order of fields, and whether a name is written `agent_id` or `agentId`.

    So an interrupted import can be repeated, even if lines were moved, removed or split over several files. An added or
    edited line is a new outcome. With a different `scope`, equal lines are new outcomes.

    If an outcome from a list or an export has no `occurred_at`, its `created_at` is sent as `occurredAt`.
    """
    seen: Counter[bytes] = Counter()
    for line in lines:
        if line.body is None:
            yield line
            continue
        try:
            body = _body(line.body)
            canonical = _json.canonical(body)
        except (ValueError, RecursionError) as exc:
            yield replace(line, body=None, fault=f"Invalid line: {exc}")
            continue
        if "idempotencyKey" not in body:
            digest = hashlib.sha256(scope.encode() + b"\0" + canonical).digest()
            seen[digest] += 1
            body["idempotencyKey"] = f"import-{digest.hex()}-{seen[digest]}"
        # An outcome from a list or an export has `id` and `created_at`. The digest includes both, but neither is sent,
        # because the new outcome gets its own.
        if "created_at" in body:
            created_at = body.pop("created_at")
            body.pop("id", None)
            body.setdefault("occurredAt", created_at)
        yield replace(line, body=body)


def _body(said: dict[str, Any]) -> dict[str, Any]:
    """Rename the fields to those of a request.

    Remove an idempotency key that is null. From an outcome of a list or an export, also remove `status`, `recorded_by`,
    `version`, what it counts for, and an `occurredAt` that equals `created_at`. The digest in the idempotency key must
    not depend on these fields, because older exports lack them, and a confirmation or a month's end changes some.

    Raises:
        ValueError: a field is given in two spellings, such as `agent_id` and `agentId`, or the outcome is void.
    """
    body = {_SENT_AS.get(name, name): value for name, value in said.items()}
    if len(body) < len(said):
        raise ValueError(
            "it has both {} and {}".format(*next(pair for pair in _SENT_AS.items() if said.keys() >= {*pair}))
        )
    if body.get("idempotencyKey") is None:
        body.pop("idempotencyKey", None)
    if "created_at" in body:
        if body.get("status") == "void":
            raise ValueError("it is void: what was taken back is not recorded again")
        for name in _LEDGER_FIELDS + _COUNTS_FIELDS:
            body.pop(name, None)
        if body.get("occurredAt") in (None, body["created_at"]):
            body.pop("occurredAt", None)
    return body


@dataclass(frozen=True)
class Outcome:
    """The result of one line: recorded, refused, limited (beyond the key's daily limit) or unsent."""

    line: Line
    status: str
    reason: str = ""
    ignored_fields: tuple[str, ...] = ()
    unassigned: bool = False


def record(client: OutcomesClient, parsed: Iterable[Line]) -> Iterator[tuple[list[Outcome], OutcomesError | None]]:
    """Record the lines in batches, up to IN_FLIGHT at a time.

    Yield the results of each batch, in the order of the lines, and the error if it ended the import. Then the results
    come last of all batches that failed.
    """
    sending: deque[_Batch] = deque()
    most = 1  # the first batch is sent alone, because it shows whether others can succeed
    for batch in chain(batched(parsed, BATCH_ITEMS), [None] * IN_FLIGHT):
        if batch:
            sending.append(_Batch(client, batch))
        if len(sending) < (most if batch else 1):
            continue
        done, failure = sending.popleft().result()
        if failure is not None:
            others = [each.result() for each in sending]
            yield from ((recorded, None) for recorded, also in others if also is None)
            yield [*chain.from_iterable(failed for failed, also in others if also), *done], failure
            return
        yield done, None
        most = IN_FLIGHT


class _Batch(Thread):
    """Sends a batch in a thread of its own. Ctrl-C does not wait for it, because it is a daemon."""

    def __init__(self, client: OutcomesClient, lines: Sequence[Line]) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._lines = lines
        self._readable = [line for line in lines if line.body is not None]
        self._results: list[Result] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._results = self._client.record_many(line.body for line in self._readable if line.body is not None)
        except BaseException as exc:  # noqa: BLE001 - `result` raises it in the thread of the caller
            self._error = exc

    def result(self) -> tuple[list[Outcome], OutcomesError | None]:
        """Wait for the results of the lines, and the error if no other batch can be sent.

        Raises any other error, and ConfigurationError: nothing was sent, and every other line would fail alike.
        """
        while self.is_alive():
            self.join(0.1)  # on Windows, Ctrl-C does not interrupt a wait without end
        failure = self._error
        if isinstance(failure, OutcomesError) and not isinstance(failure, ConfigurationError):
            self._results = failure.results
        elif failure is not None:
            raise failure
        done = [_outcome(line, result) for line, result in zip(self._readable, self._results, strict=True)]
        if failure is None and done and all(one.status == "unsent" for one in done):
            # The client waited until its deadline. Every further batch would wait just as long, and the import could
            # take hours.
            failure = BusyError(f"none of {len(done)} lines was accepted: {done[0].reason}")
        if failure is None and (beyond := next((one for one in done if one.status == "limited"), None)):
            failure = LimitError(beyond.reason, status=429, error="Too many outcomes")
        done += [Outcome(line, "refused", line.fault) for line in self._lines if line.body is None]
        return sorted(done, key=lambda one: one.line.number), failure


def _outcome(line: Line, result: Result) -> Outcome:
    if result.ok:
        return Outcome(line, result.status, "", result.ignored_fields, result.unassigned)
    status = "limited" if result.status == "limited" else "unsent" if result.status == "failed" else "refused"
    return Outcome(line, status, why(result), result.ignored_fields)
