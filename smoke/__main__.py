"""python -m smoke: check a deployed API against the contract. Print one line for each check.

With only --url, it makes the calls that need no credentials. --key (or INTERNAL_API_KEY) and --cookie add calls that
store nothing. --stack, or the URL of the local stack, adds calls that record outcomes for new users. The last of these
calls come from a checker: it makes many calls from several threads, compares the answers with a model and with the
access log, and writes a report.

The new users and all their data are deleted afterwards, but log lines and counts in metrics stay. --stack needs IAM
permissions for the stack's tables.
"""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
from botocore.exceptions import BotoCoreError, ClientError

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "common"))

from ops.command import Parser, exit_code, named_stack
from ops.errors import StackError, one_line
from smoke import checks
from smoke.api import Api, outcome_types, switched_off
from smoke.aws import LeftBehind, Stack, visiting
from smoke.checker import CALLS, IMPATIENT_SECONDS, Checker
from smoke.report import compare_with_log, write

PATH = "/api/outcomes"
TIMEOUT_SECONDS = 35  # API Gateway's own timeout is 29 s


def main() -> int:
    """Run the checks and return the exit code: 0 if all pass, 1 if any fails, 2 if they cannot run."""
    return exit_code(check_api, if_refused=2)


def check_api() -> int:
    """Run the checks. Return 1 if any fails. Raises StackError if they cannot run."""
    options = parser().parse_args()
    try:
        stack = Stack.deployed(named_stack(options.stack)) if options.stack else Stack.local(options.url or "")
        url = options.url or (stack.url if stack else "")
        if not url:
            parser().error("URL or STACK is missing, such as STACK=outcomes-dev")
        if not url.startswith(("https://", "http://")):
            parser().error(f"URL must begin with https:// (or http://), unlike '{url}'")
        with httpx.Client(http2=True, timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            origin = options.origin or (stack.origin if stack else None)
            url = url.rstrip("/").removesuffix(PATH) + PATH
            key = options.key or (stack.key if stack else None)
            api = Api(url, client, key, origin, options.cookie or None)
            api.off = stack.off if stack else switched_off(api)
            api.types = outcome_types(api)
            return run(api, stack, options)
    except (BotoCoreError, ClientError, LeftBehind, httpx.HTTPError, httpx.InvalidURL, KeyError) as error:
        told = f"the stack has no {error}" if isinstance(error, KeyError) else one_line(error) or "no answer"
        raise StackError(told) from error


def parser() -> Parser:
    """Return the parser. Secrets can be passed in the environment, where process lists do not show them."""
    parser = Parser(prog="python -m smoke", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--url", help="the API, with or without /api/outcomes")
    parser.add_argument("--key", default=os.environ.get("INTERNAL_API_KEY"), help="a valid bearer key")
    parser.add_argument("--cookie", default=os.environ.get("COOKIE"), help="the Cookie header of a session")
    parser.add_argument("--origin", help="a dashboard's origin (default: the stack's first)")
    parser.add_argument("--stack", help="the stack's name")
    parser.add_argument("--seed", type=int, help="of the checker's calls (default: a random one, which is printed)")
    parser.add_argument("--calls", type=int, default=CALLS, help="of the checker (default: %(default)s)")
    parser.add_argument("--reports", type=Path, default=Path(), metavar="FOLDER", help="for the checker's report")
    return parser


def run(api: Api, stack: Stack | None, options: argparse.Namespace) -> int:
    """Run the checks that the given options allow, and report the others as skipped."""
    report = Report(api.off)
    report.all(partial(check, api) for check in checks.WITHOUT_A_CALLER)
    if api.key:
        report.all(partial(check, api) for check in checks.WITH_A_KEY)
    else:
        report.skipped("calls with a key", "no KEY")
    if stack and api.key:
        with visiting(stack) as visit:
            report.all(partial(check, api, visit) for check in checks.THAT_RECORD)
            with_session = replace(api, cookie=api.cookie or visit.users[0].cookie)
            report.all(partial(check, with_session) for check in checks.WITH_A_SESSION)
        check_many_calls(api, stack, options, report)
        print("ok    nothing is left behind")
    else:
        report.skipped("calls that record", "no KEY" if stack else "no STACK to delete from afterwards")
        if api.cookie:
            report.all(partial(check, api) for check in checks.WITH_A_SESSION)
        else:
            report.skipped("calls with a session", "no COOKIE and no STACK")
    protocols = ", ".join(sorted(api.protocols))
    print(
        f"{report.passed} passed, {report.failed} failed, {f'over {protocols}' if protocols else 'without an answer'}"
    )
    return 1 if report.failed else 0


def check_many_calls(api: Api, stack: Stack, options: argparse.Namespace, report: "Report") -> None:
    """Run the checker with new users, compare its calls with the access log, and write the report."""
    since = time.time() - 60  # clocks may differ
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    # FirewallRequests is the number of requests that the firewall allows each IP address in five minutes.
    [allowed] = stack.limits.get("FirewallRequests", [0])
    calls = min(options.calls, allowed // 4) if allowed else options.calls
    first = len(report.lines)
    timeout = httpx.Timeout(TIMEOUT_SECONDS, read=IMPATIENT_SECONDS)
    with visiting(stack) as visit, httpx.Client(timeout=timeout) as impatient:
        checker = Checker(api, impatient, visit, seed=seed, limits=stack.limits, budget=calls)
        report.one(f"the answers to many calls at once fit the model, SEED={seed}", checker.run)
    try:
        if stack.name is None:
            report.skipped("the access log", "the local stack has none")
        else:
            report.one("the access log says the same", partial(compare_with_log, stack.access_log, since, checker))
    except ClientError as error:
        report.skipped("the access log", error.response["Error"]["Code"])
    path = write(options.reports, checker, report.lines[first:])
    print(f"      report for an issue: {path}")


class Report:
    """Prints one line for each check, and counts passed and failed checks. lines: the printed lines."""

    def __init__(self, off: Collection[str]) -> None:
        self.passed = self.failed = 0
        self.lines: list[str] = []
        self._off = off

    def all(self, runs: "Iterator[partial[None]]") -> None:
        for check in runs:
            name = check.func.__name__.replace("_", " ").replace(" s ", "'s ")
            needed = checks.NEEDED.get(check.func.__name__)
            if needed in self._off:
                self.skipped(name, f"{needed} is Off")
            else:
                self.one(name, check)

    def one(self, name: str, check: Callable[[], None]) -> None:
        try:
            check()
        except (AssertionError, httpx.HTTPError, KeyError, ValueError) as failure:
            self.failed += 1
            self._print(f"FAIL  {name}: {type(failure).__name__} {failure}")
        else:
            self.passed += 1
            self._print(f"ok    {name}")

    def skipped(self, what: str, why: str) -> None:
        self._print(f"skip  {what}: {why}")

    def _print(self, line: str) -> None:
        print(line)
        self.lines.append(line)


if __name__ == "__main__":
    sys.exit(main())
