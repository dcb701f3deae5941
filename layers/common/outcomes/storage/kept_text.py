"""Sums as they are kept: compact text, compressed.

    2026-04-01 deal_closed,7:2:12500.5,4:1:99;1:99 task_complete,:1:0
    2026-04-02 ...

is a line for each local day; in it, the types; after each type, its agents (the first is the id, of further ones the
difference to the one before; nothing for no agent, which comes first); of each, count and value of what stands,
and after semicolons those of what is confirmed, disputed and voided, without those at the end that are nothing.

Equal sums are equal bytes, whoever writes them. FORMAT changes with anything that is said here.
"""

import zlib
from decimal import Decimal

from outcomes.contract.sums import Cell, Sums

FORMAT = 1

PART_CHARACTERS = 350_000
"""Characters of text in an item: below DynamoDB's 400 KB also where it does not compress.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

_WORDS = (
    b"0123456789:0:0;:1:1.5,1:1:0;;1: negotiation_complete, amplification_complete, content_published,"
    b" broadcast_complete, task_complete, deal_closed,\n2026-"
)
"""Text that the beginning of another is likely to repeat, the likeliest last: RFC 1950 has such dictionaries."""
_RAW = -15


def write(sums: Sums) -> list[bytes]:
    """Write sums as parts, each of which can be read alone; at least one."""
    parts: list[bytes] = []
    text: list[str] = []
    length, date, type_, agent = 0, "", "", 0
    for cell, tallies in sums.sorted():
        if length > PART_CHARACTERS - 5000:  # more than a cell takes: four sums of at most 200 digits, written plainly
            parts.append(_compress("".join(text)))
            text, length, date = [], 0, ""
        written = ""
        if cell.date != date:
            written, date, type_ = f"\n{cell.date}", cell.date, ""
        if cell.outcome_type != type_:
            written, type_, agent = f"{written} {cell.outcome_type}", cell.outcome_type, 0
        difference = "" if cell.agent_id is None else str(cell.agent_id - agent)
        agent = cell.agent_id or 0
        sums_text = ";".join(f"{sum_.count}:{sum_.exact}" if sum_ else "" for sum_ in tallies).rstrip(";")
        written = f"{written},{difference}:{sums_text}"
        text.append(written)
        length += len(written)
    parts.append(_compress("".join(text)))
    return parts


def read(part: bytes, sums: Sums) -> None:
    """Add what a part says to `sums`."""
    unpack = zlib.decompressobj(_RAW, zdict=_WORDS)
    for line in (unpack.decompress(part) + unpack.flush()).decode().splitlines():
        date, *types = line.split(" ")
        for type_ in types:
            name, *agents = type_.split(",")
            agent = 0
            for each in agents:
                difference, _, tallies = each.partition(":")
                agent += int(difference or 0)
                cell = Cell(date, name, agent if difference else None)
                for sum_, said in zip(sums.of(cell), tallies.split(";"), strict=False):
                    if said:
                        count, _, value = said.partition(":")
                        sum_.add(int(count), Decimal(value))


def _compress(text: str) -> bytes:
    pack = zlib.compressobj(9, wbits=_RAW, zdict=_WORDS)
    return pack.compress(text.removeprefix("\n").encode()) + pack.flush()
