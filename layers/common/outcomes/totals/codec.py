"""Encode sums for storage: compact text, compressed. For example, a block:

    2026-04-01 1 1~3 2
    deal_closed,7:82/03000712:3000.50/001234500000,4:1:99;1:99
    task_complete,:1

First line: the local days, here April 1, 2, 3 and 5. The first day is a date, each further day the number of days after
the previous. `~3` means that outcomes of this day were recorded up to 3 days later (`Sums.days`).

Other lines: a type and its agents, here the agents 7 and 11. The first agent is written as its id, each further agent
as the difference to the previous id; "no agent" is empty and comes first. The type `*` means all types, the agent 0 all
agents. After the agent come its tallies in the order of TALLIES (outcomes that are standing, confirmed and so on),
separated by `;`, without trailing empty tallies. A tally is `counts:values`, or only `counts` if all values are 0.

Counts have one number for each day, and so have values. They are written as their minimum, `/`, and each day's excess
over the minimum: `82/03000712` means 85, 82, 89 and 94. An excess is an integer in units of the minimum's last digit.
All have the same width, so they need no separators, which halves the size. If all days have the same number, only this
number is written. If most agents have nothing on most days, each day is a separate block.

Equal sums have equal bytes. A part is the CRC-32 of its text (4 bytes), then the text in raw DEFLATE (RFC 1951) with
_WORDS as preset dictionary. Increment FORMAT whenever this format changes.
"""

import zlib
from binascii import crc32
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import batched, pairwise

from outcomes.contract.sums import EXACT, Cell, Sum, Sums, Tallies

FORMAT = 3

PART_CHARACTERS = 300_000
"""Characters of text after which a part ends. With one more agent (at most 8 numbers of 200 digits on each day of a
block), even uncompressed text is below DynamoDB's limit of 400 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

BLOCK_DAYS = 31

_WORDS = (
    b"0123456789\nnegotiation_complete,\namplification_complete,\ncontent_published,\nbroadcast_complete,\ntask_complete,"
    b"\ndeal_closed,1:0/:0.00/,1:1/:0/00,1:1,1:1:1.5,1: 1 1~1 1 1 1 1 1\n2026-"
)
"""The preset dictionary: frequent text, the most frequent last (RFC 1950)."""
_RAW = -15
_CRC_BYTES = 4

_NOTHING: Tallies = (Sum(), Sum(), Sum(), Sum())

type _Row = tuple[str, int | None]  # the key of a row: a type and an agent


class Damaged(Exception):
    """A part is corrupt, or was compressed with a different dictionary."""


def rules() -> str:
    """Return the version of the format. Parts of a different version cannot be read."""
    return f"{FORMAT} {crc32(_WORDS):08x}"


def write(sums: Sums) -> list[bytes]:
    """Encode sums to one or more parts. Each part can be decoded without the others."""
    parts: list[bytes] = []
    text: list[str] = []
    length = 0
    for days, columns in _blocks(sums):
        text.append(first_line := f"\n{_days_text(days, sums)}")
        type_, agent = "", 0
        for (outcome_type, agent_id), column in columns:
            if length > PART_CHARACTERS:
                parts.append(_compress("".join(text)))
                text, length, type_ = [first_line], 0, ""
            line = ""
            if outcome_type != type_:
                line, type_, agent = f"\n{outcome_type}", outcome_type, 0
            difference = "" if agent_id is None else str(agent_id - agent)
            agent = agent_id or 0
            tallies = ";".join(map(_tally_text, zip(*column, strict=True))).rstrip(";")
            line = f"{line},{difference}:{tallies}"
            text.append(line)
            length += len(line)
    parts.append(_compress("".join(text)))
    return parts


def read(part: bytes, sums: Sums) -> None:
    """Decode a part and add it to `sums`. If it raises Damaged, nothing was added."""
    days: list[str] = []
    for line in _decompress(part).splitlines():
        name, *agents = line.split(",")
        if name[0].isdigit():
            days = _read_days(name, sums)
        agent = 0
        for each in agents:
            difference, _, tallies = each.partition(":")
            agent += int(difference or 0)
            cells = [Cell(day, name, agent if difference else None) for day in days]
            for tally, said in enumerate(tallies.split(";")):
                counts, _, values = said.partition(":")
                numbers = zip(cells, _apart(counts, len(days)), _apart(values, len(days)), strict=True)
                for cell, count, value in numbers:
                    if count or value:
                        sums.of(cell)[tally].add(int(count), value)


def _blocks(sums: Sums) -> Iterator[tuple[Sequence[str], list[tuple[_Row, list[Tallies]]]]]:
    """Yield blocks. A block contains days, and rows with their tallies on each of these days."""
    by_day: defaultdict[str, dict[_Row, Tallies]] = defaultdict(dict)
    cells = sums.sorted()
    for cell, tallies in cells:
        by_day[cell.date][cell[1:]] = tallies
    days = sorted({*sums.days, *by_day})
    is_dense = 2 * len(cells) >= len(days) * len({cell[1:] for cell, _ in cells})
    for block in batched(days, BLOCK_DAYS if is_dense else 1, strict=False):
        rows = sorted(
            {row for day in block for row in by_day[day]}, key=lambda row: (row[0], row[1] is not None, row[1] or 0)
        )
        yield block, [(row, [by_day[day].get(row, _NOTHING) for day in block]) for row in rows]


def _days_text(days: Sequence[str], sums: Sums) -> str:
    dates = [date.fromisoformat(day) for day in days]
    words = [days[0], *(str((later - earlier).days) for earlier, later in pairwise(dates))]
    lags = [(date.fromisoformat(sums.days.get(day, day)) - each).days for day, each in zip(days, dates, strict=True)]
    return " ".join(f"{word}~{lag}" if lag else word for word, lag in zip(words, lags, strict=True))


def _read_days(text: str, sums: Sums) -> list[str]:
    days: list[date] = []
    for word in text.split(" "):
        day, _, lag = word.partition("~")
        days.append(days[-1] + timedelta(int(day)) if days else date.fromisoformat(day))
        sums.touch(days[-1].isoformat(), (days[-1] + timedelta(int(lag or 0))).isoformat())
    return [day.isoformat() for day in days]


def _tally_text(sums: Sequence[Sum]) -> str:
    if not any(sums):
        return ""
    counts, values = _together([Decimal(sum_.count) for sum_ in sums]), _together([sum_.exact for sum_ in sums])
    return counts if values == "0" else f"{counts}:{values}"


def _together(numbers: list[Decimal]) -> str:
    exponent = min(0, *(_exponent(number) for number in numbers))
    least = min(numbers)
    text = str(least.quantize(Decimal((0, (1,), exponent)), context=EXACT))
    if least == max(numbers):
        return text
    above = [str(int(EXACT.subtract(number, least).scaleb(-exponent, EXACT))) for number in numbers]
    width = max(map(len, above))
    return f"{text}/{''.join([each.rjust(width, '0') for each in above])}"


def _apart(text: str, many: int) -> list[Decimal]:
    least_text, _, digits = text.partition("/")
    least = Decimal(least_text or 0)
    if not digits:
        return [least] * many
    width, exponent = len(digits) // many, _exponent(least)
    above = (digits[at : at + width] for at in range(0, len(digits), width))
    return [EXACT.add(least, Decimal(f"{each}E{exponent}")) for each in above]


def _exponent(number: Decimal) -> int:
    return int(number.as_tuple().exponent)  # mypy requires int(), because the exponent of NaN is a letter


def _compress(text: str) -> bytes:
    # Z_FILTERED uses no match of at most 5 characters. Such a match takes more bits than the digits that it replaces.
    pack = zlib.compressobj(9, wbits=_RAW, strategy=zlib.Z_FILTERED, zdict=_WORDS)
    plain = text.removeprefix("\n").encode()
    return crc32(plain).to_bytes(_CRC_BYTES) + pack.compress(plain) + pack.flush()


def _decompress(part: bytes) -> str:
    unpack = zlib.decompressobj(_RAW, zdict=_WORDS)
    try:
        plain = unpack.decompress(part[_CRC_BYTES:])
    except zlib.error as failure:
        raise Damaged from failure
    if not unpack.eof or unpack.unused_data or part[:_CRC_BYTES] != crc32(plain).to_bytes(_CRC_BYTES):
        raise Damaged
    return plain.decode()
