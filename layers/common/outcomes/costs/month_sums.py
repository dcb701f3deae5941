"""Add up a month's costs, and encode the sums for rows of the table of costs (see `cost_rows`).

A report of whole months needs a month's sums by day and source, and by agent. It does not need their product, the sums
by day, source and agent, which are many more: these are only for reports of one agent, or of a part of the month. They
are encoded apart, in blocks of days. Whoever adds up the same days gets the same blocks, so concurrent reports may
overwrite each other's rows.

A row has lines of JSON, compressed (RFC 1950, whose checksum shows damage). Lines of the sums:

    ["block",1,4,[499,1000]]          days of a block, and the last agent in each of its parts
    ["source","openai",[9.8,null]]    a source's costs of the days 1, 2 and so on; null if they are not known
    ["agents",[0,7,4],[0.37,9.8,1]]   costs of agents: none, 7 and 11; each id is the difference to the previous
    ["restated","2026-09-30","openai","2026-11-28T12:00:00.000Z"]

Line of a block, sorted by agent: `[["openai"],[0,7,0],[1,1,2],[0,0,0],[0.37,9.8,1]]`, which are the names of sources,
and then of each sum the agent as above, the day, the index of the source, and the cost.

Increment FORMAT whenever this changes.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import accumulate, batched, pairwise
from typing import Any, NamedTuple

from outcomes.calendar import instants
from outcomes.contract.json_text import compact
from outcomes.contract.sums import EXACT
from outcomes.totals.codec import PART_CHARACTERS

FORMAT = 1

BLOCK_CHARACTERS = 1_500_000
"""A block ends with the day with which its rows' lines have this many characters. They take some 400 read units, so a
report that runs out of time goes on after the last block."""

LINE_SUMS = 1000
"""Sums in a line, which at the most digits of an amount is shorter than a part."""

_NOTHING = Decimal(0)


class SourceDay(NamedTuple):
    """The costs of a UTC day by agent, as put by one source. The agent is None for costs that belong to no agent.

    restated_at: when the costs were last replaced, if they were replaced after the day; otherwise None.
    """

    date: str
    source: str
    by_agent: dict[int | None, Decimal]
    restated_at: str | None = None


def is_recent(restated_at: str) -> bool:
    """Check whether costs were restated within the last day, so that a report says it."""
    return instants.read(restated_at) > instants.now() - instants.DAY


class Block(NamedTuple):
    """Days of a month whose sums by day, source and agent are stored together.

    agents: the last agent of each part. Parts are sorted by agent; 0 is no agent.
    """

    first: int
    last: int
    agents: list[int]

    def parts(self, agent: int | None) -> list[int]:
        """Return the indexes of the parts that may have costs of an agent; of all parts if the agent is None."""
        before = [0, *self.agents]
        return [
            index
            for index, last in enumerate(self.agents)
            if agent is None or before[index] <= agent <= last  # the last agent may go on in the next part
        ]


class MonthSums:
    """Sums of a month's costs, from its first day until `until`, a day of the month or 0.

    lines: the number of lines that were added. characters: of the lines in the block that has not ended.
    """

    def __init__(self, month: str) -> None:
        self.month = month
        self.until = 0
        self.by_source: dict[str, dict[str, Decimal]] = {}
        self.by_agent: dict[int | None, Decimal] = {}
        self.restated: dict[tuple[str, str], str] = {}
        self.blocks: list[Block] = []
        self.lines = 0
        self.characters = 0
        self._days: list[SourceDay] = []

    def date(self, day: int) -> str:
        return f"{self.month}-{day:02d}"

    def add(self, day: SourceDay, lines: int, characters: int) -> None:
        """Add a day's costs to the block that has not ended. Days come in order."""
        self._days.append(day)
        self.lines += lines
        self.characters += characters

    def end_block(self, last: int, *, has_parts: bool) -> Iterator[bytes]:
        """End a block with this day of the month, and add it to the sums. Yield its parts, if they are to be stored."""
        agents = []
        for agent, part in _parts(_lines_of(self._days)) if has_parts else ():
            agents.append(agent)
            yield part
        if has_parts:
            self.blocks.append(Block(self.until + 1, last, agents))
        for day in self._days:
            total = _NOTHING
            for agent_id, cost in day.by_agent.items():
                self.by_agent[agent_id] = EXACT.add(self.by_agent.get(agent_id, _NOTHING), cost)
                total = EXACT.add(total, cost)
            self.by_source.setdefault(day.source, {})[day.date] = total
            if day.restated_at and is_recent(day.restated_at):
                self.restated[day.date, day.source] = day.restated_at
        self._days, self.characters, self.until = [], 0, last

    def parts(self) -> list[bytes]:
        """Encode the sums without the block that has not ended."""
        return [part for _, part in _parts((0, line) for line in self._lines())] or [_compress([])]

    def _lines(self) -> Iterator[str]:
        for block in self.blocks:
            yield compact(["block", *block])
        for source, by_date in sorted(self.by_source.items()):
            days = (str(by_date.get(self.date(day), "null")) for day in range(1, self.until + 1))
            yield f'["source","{source}",[{",".join(days)}]]'
        agents = sorted((agent or 0, cost) for agent, cost in self.by_agent.items())
        for some in batched(agents, LINE_SUMS, strict=False):
            costs = ",".join([str(cost) for _, cost in some])
            yield f'["agents",{_differences([agent for agent, _ in some])},[{costs}]]'
        # These lines come last, because they depend on the time: all others are alike for whoever adds up the same.
        for (date, source), restated_at in self.restated.items():
            yield compact(["restated", date, source, restated_at])

    @classmethod
    def read(cls, month: str, until: int, parts: Iterable[bytes]) -> "MonthSums":
        """Decode the result of `parts`. Raises ValueError if it is damaged."""
        sums = cls(month)
        sums.until = until
        for kind, *values in (line for part in parts for line in read_part(part)):
            match kind:
                case "block":
                    sums.blocks.append(Block(*values))
                case "source":
                    source, costs = values
                    known = enumerate(costs, start=1)
                    sums.by_source[source] = {sums.date(day): Decimal(cost) for day, cost in known if cost is not None}
                case "agents":
                    for agent, cost in zip(accumulate(values[0]), values[1], strict=True):
                        sums.by_agent[agent or None] = Decimal(cost)
                case "restated":
                    date, source, sums.restated[date, source] = values
        return sums

    def days_of(self, block: list[Any], agent: int | None) -> Iterator[SourceDay]:
        """Yield the sums in a part of a block, one at a time: those of an agent, or of all agents if it is None."""
        for sources, agents, days, indexes, costs in block:
            for each, day, index, cost in zip(accumulate(agents), days, indexes, costs, strict=True):
                if agent is None or each == agent:
                    yield SourceDay(self.date(day), sources[index], {each or None: Decimal(cost)})


def read_part(part: bytes) -> list[Any]:
    """Return the lines of a part. Raises ValueError if it is damaged."""
    try:
        text = zlib.decompress(part).decode()
    except zlib.error as failure:
        raise ValueError("damaged") from failure
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def _lines_of(days: list[SourceDay]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a block, each with its last agent."""
    sums = sorted(
        (agent or 0, int(day.date[-2:]), day.source, cost) for day in days for agent, cost in day.by_agent.items()
    )
    for some in batched(sums, LINE_SUMS, strict=False):
        sources = sorted({source for _, _, source, _ in some})
        indexes = {source: index for index, source in enumerate(sources)}
        columns = zip(*((day, indexes[source], cost) for _, day, source, cost in some), strict=True)
        texts = [f"[{','.join(map(str, column))}]" for column in columns]
        yield some[-1][0], f"[{compact(sources)},{_differences([agent for agent, *_ in some])},{','.join(texts)}]"


def _differences(agents: list[int]) -> str:
    return compact([agents[0], *(later - earlier for earlier, later in pairwise(agents))])


def _parts(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, bytes]]:
    """Join lines to parts of at most PART_CHARACTERS, so that each fits into a row even if it cannot be compressed.

    Yield each part with the number of its last line.
    """
    held: list[str] = []
    characters = last = 0
    for number, line in lines:
        if held and characters + len(line) > PART_CHARACTERS:
            yield last, _compress(held)
            held, characters = [], 0
        held.append(line)
        characters += len(line)
        last = number
    if held:
        yield last, _compress(held)


def _compress(lines: list[str]) -> bytes:
    pack = zlib.compressobj(9, strategy=zlib.Z_FILTERED)  # as in `totals.codec`
    return pack.compress("\n".join(lines).encode()) + pack.flush()
