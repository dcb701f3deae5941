"""python -m bench.laptop: measure a local stack with few and with many recorded outcomes.

Times are wall time over HTTP, including gateway, authorizer, functions and moto. RESULTS.md contains the output.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import batched
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "layers" / "common"))

import httpx  # noqa: E402 (after sys.path is set)
from outcomes.ledger.items import new_item  # noqa: E402

from bench.outcome import API_KEY, OUTCOME, SESSION_SECRET, cookie, new_outcome, stored  # noqa: E402
from bench.report import Report  # noqa: E402
from local.data import STACK  # noqa: E402
from local.environment import forget_real_aws  # noqa: E402
from local.state import State  # noqa: E402
from ops.errors import StackError  # noqa: E402

LISTS = 60
AT_ONCE = 4
START_SECONDS = 60
BATCH = 100
DAY = 24 * 60 * 60 * 1000

IMPORTED = 20_000
MOST_MEGABYTES = 450
"""Maximum memory of all processes of a stack after IMPORTED outcomes."""
MOST_STOP_SECONDS = 2

SUMMED_UP = 12_000
MOST_OF_FIRST_LOOK = 0.25
"""Maximum time of the next summary of SUMMED_UP outcomes, as a fraction of the first summary's time."""


class Import(NamedTuple):
    """The results of an import.

    megabytes: memory of all processes at the end of the import. stop: seconds until all processes have ended.
    """

    seconds: float
    megabytes: float
    stop: float


def main() -> None:
    """Print the report."""
    report = Report()
    laptop_growth(report, short=False)
    print("\n\n".join(report.parts))


def laptop_growth(report: Report, short: bool) -> None:
    """Measure lists of 20 for each number of stored outcomes. Also measure an import and a summary.

    The summary is measured before and after its totals are materialized.
    """
    forget_real_aws()
    report.text("## On a laptop: `python -m bench.laptop`")
    columns = ["outcomes stored", "ms a list of 20", "lists a second"]
    report.table(columns, [[f"{count:,}", *cells] for count, *cells in lists([100] if short else [100, 1_000, 10_000])])
    count = BATCH if short else IMPORTED
    taken = imported(count)
    summed = 1_000 if short else SUMMED_UP  # for only 1,000 outcomes, no totals are stored
    first, next_ = looks(summed)
    report.bars_table(
        [
            (f"megabytes of all processes after an import of {count:,}", MOST_MEGABYTES, taken.megabytes),
            ("seconds from SIGTERM to their end", MOST_STOP_SECONDS, taken.stop),
            (f"next look at a summary of {summed:,} over the first", MOST_OF_FIRST_LOOK, next_ / first),
        ]
    )


def lists(counts: list[int]) -> Iterator[tuple[int, str, str]]:
    """Measure a list of 20 for each number of stored outcomes."""
    with running() as stack, httpx.Client(timeout=30) as client:
        filled = 0
        for count in counts:
            fill(stack, map(stored, range(filled, count)))
            filled = count
            milliseconds, a_second = measured(client, f"{stack.url}/api/outcomes")
            yield count, f"{milliseconds:.1f}", f"{a_second:.0f}"


def imported(count: int) -> Import:
    """Record outcomes in batches with idempotency keys, like `outcomes import`."""
    with running() as stack, httpx.Client(timeout=60) as client:
        began = time.perf_counter()
        for numbers in batched(range(count), BATCH, strict=False):
            items = [OUTCOME | {"idempotencyKey": f"deal-{number}"} for number in numbers]
            url, headers = f"{stack.url}/api/outcomes/batch", {"Authorization": f"Bearer {API_KEY}"}
            answer = client.post(url, json={"outcomes": items}, headers=headers).raise_for_status().json()
            if answer["created"] != len(items):
                raise StackError(f"{len(items)} outcomes were sent, {answer['created']} recorded")
        seconds = time.perf_counter() - began
        megabytes = sum(map(resident_megabytes, processes(stack.pid)))
        began = time.perf_counter()
    return Import(seconds, megabytes, time.perf_counter() - began)


def looks(count: int) -> tuple[float, float]:
    """Request a summary of `count` recent outcomes twice. Return the seconds of both requests."""
    now = time.time_ns() // 1_000_000
    items = (new_item(new_outcome(), "key", now - DAY * (1 + 20 * index // count))[1] for index in range(count))

    def look() -> float:
        begin = time.perf_counter()
        answer = client.get(f"{stack.url}/api/outcomes/summary", headers={"Cookie": cookie("next-auth")})
        if answer.raise_for_status().json()["count"] != count:
            raise StackError(f"a look at {count} outcomes found {answer.json()['count']}")
        return time.perf_counter() - begin

    with running() as stack, httpx.Client(timeout=60) as client:
        client.get(f"{stack.url}/api/outcomes/summary", headers={"Cookie": cookie("next-auth")}).raise_for_status()
        fill(stack, items)
        return look(), look()


def processes(pid: int) -> Iterator[int]:
    """Yield the ids of a process and its descendants."""
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from processes(int(child))


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process, including shared memory."""
    [kilobytes] = [
        line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    ]
    return int(kilobytes) * 1024 / 1e6


@contextmanager
def running() -> Iterator[State]:
    """Run a local stack on a free port until the block ends."""
    environment = os.environ | {"PORT": "0", "INTERNAL_API_KEY": API_KEY, "SESSION_SECRET": SESSION_SECRET}
    with TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "--data", folder],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield started(process, Path(folder) / STACK)
        finally:
            process.terminate()
            process.wait(10)


def started(process: "subprocess.Popen[bytes]", file: Path) -> State:
    """Wait for the stack's state file. Raises StackError after START_SECONDS or if the process ends."""
    deadline = time.monotonic() + START_SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError("the local stack does not start")
        time.sleep(0.05)
    return State.read(file)


def fill(stack: State, items: Iterator[Any]) -> None:
    dynamodb = stack.aws.client("dynamodb")
    for group in batched(items, 25, strict=False):
        puts: Any = [{"PutRequest": {"Item": item}} for item in group]
        dynamodb.batch_write_item(RequestItems={stack.table("OutcomesTable"): puts})


def measured(client: httpx.Client, url: str) -> tuple[float, float]:
    """Return the median milliseconds of a list of 20, and the lists per second with AT_ONCE concurrent callers."""
    headers = {"Cookie": cookie("next-auth")}

    def listed(_: int) -> float:
        begin = time.perf_counter()
        client.get(url, params={"limit": 20}, headers=headers).raise_for_status()
        return (time.perf_counter() - begin) * 1000

    milliseconds = median(map(listed, range(LISTS)))
    begin = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(listed, range(LISTS)))
    return milliseconds, LISTS / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
