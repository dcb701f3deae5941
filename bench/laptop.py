"""python -m bench.laptop [COUNT ...]: what a list of 20 takes on a local stack, by how many outcomes its user has.

Over HTTP on a stack of its own, by the wall clock: gateway, authorizer, function and moto are all in it. RESULTS.md has
what it printed.
"""

import argparse
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
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "layers" / "common"))

import boto3  # noqa: E402 (after the place where the package lies)
import httpx  # noqa: E402

from bench.outcome import API_KEY, SESSION_SECRET, cookie, stored  # noqa: E402
from local.data import STACK  # noqa: E402
from local.environment import forget_real_aws  # noqa: E402
from local.errors import StackError  # noqa: E402
from local.state import State  # noqa: E402

LISTS = 60
AT_ONCE = 4
START_SECONDS = 60


def main() -> None:
    """Print a row for each count, while the stack fills."""
    options = argparse.ArgumentParser(prog="python -m bench.laptop")
    options.add_argument("counts", nargs="*", type=int, default=[100, 1_000, 10_000], metavar="COUNT")
    forget_real_aws()
    print("| outcomes stored | ms a list | lists a second |\n| --: | --: | --: |")
    with running() as stack, httpx.Client(timeout=30) as client:
        filled = 0
        for count in sorted(options.parse_args().counts):
            fill(stack, range(filled, count))
            filled = count
            milliseconds, a_second = measured(client, f"{stack.url}/api/outcomes")
            print(f"| {count:,} | {milliseconds:.1f} | {a_second:.0f} |", flush=True)


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
    """Wait until the stack has written down where it is. Raises StackError when it has not within START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while not file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise StackError("the local stack does not start")
        time.sleep(0.05)
    return State.read(file)


def fill(stack: State, indexes: range) -> None:
    """Store outcomes of the bench, by their index."""
    dynamodb = boto3.client("dynamodb", endpoint_url=stack.aws_url)
    for group in batched(indexes, 25, strict=False):
        puts: Any = [{"PutRequest": {"Item": stored(index)}} for index in group]
        dynamodb.batch_write_item(RequestItems={stack.table("OutcomesTable"): puts})


def measured(client: httpx.Client, url: str) -> tuple[float, float]:
    """Return the median milliseconds of a list of 20, and the lists a second with AT_ONCE of them at once."""
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
