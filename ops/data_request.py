"""python -m ops.data_request --stack STACK erase|export: erase a person, or write out all that is held of one.

In the account and region of the AWS settings. docs/runbook.md says what else a request for data takes.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ops.command import Parser, user_id
from ops.errors import StackError
from ops.files import write_lines

FUNCTIONS = {"erase": "EraseUserFunction", "export": "ExportUserFunction"}


class Holder(NamedTuple):
    """Who holds data: its name, and how its function is called with an event. Raises StackError without an answer."""

    name: str
    invoke: Callable[[dict[str, Any]], dict[str, Any]]


type Reach = Callable[[argparse.Namespace], AbstractContextManager[Holder]]


def main() -> int:
    """Run one command on a deployed stack, and return the exit code of the process."""
    parser = Parser(prog="python -m ops.data_request")
    parser.add_argument("--stack", required=True)
    return run(parser, deployed)


def run(parser: Parser, reach: Reach) -> int:
    """Add the commands to a parser, run the one that is asked for, and return the exit code of the process."""
    add_commands(parser)
    try:
        options = parser.parse_args()
        with reach(options) as holder:
            options.command(options, holder)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print("\nRun the same command to continue.", file=sys.stderr)
        return 130
    return 0


def add_commands(parser: Parser) -> None:
    """Add the commands and their options to a parser."""
    commands = parser.add_subparsers(dest="name", required=True)

    command = commands.add_parser("erase", help="erase all that is held of a user")
    command.add_argument("--user-id", type=named_user)
    command.add_argument("--again", action="store_true", help="of all who were erased before, after a restore")
    command.set_defaults(command=erase)

    command = commands.add_parser("export", help="write all that is held of a user into a file")
    command.add_argument("--user-id", type=named_user, required=True)
    command.add_argument("--file", default="", help="unless given, user-<id>.ndjson")
    command.set_defaults(command=export)


def named_user(text: str) -> int:
    """Read a user's id from the command line. Raises StackError, which names it as `make` does."""
    if not text:
        raise StackError("say whose, as USER_ID=42")
    return user_id(text)


def erase(options: argparse.Namespace, holder: Holder) -> None:
    """Erase portion after portion, and tell how many of each were deleted."""
    if options.again == (options.user_id is not None):
        raise StackError("say either USER_ID=42 or AGAIN=1")
    event: dict[str, Any] = {"again": True} if options.again else {"user_id": options.user_id}
    if not options.again and sys.stdin.isatty():
        confirm(options.user_id, holder)
    deleted: dict[str, int] = {}
    waited = False
    while True:
        answer = _answer(holder.invoke(event))
        if options.again:
            deleted = {name: number + deleted.get(name, 0) for name, number in answer["erased"].items()}
            event["cursor"] = answer["cursor"]
        else:
            if waited and answer["step"] == "wait" and answer["erased"] != deleted:
                print("Something of this user came in meanwhile: stop whoever records for them.", file=sys.stderr)
            waited = waited or answer["step"] == "wait"
            deleted = answer["erased"]
        if answer["done"]:
            break
        if answer["wait"] > 1:
            print(f"Deleted. In {answer['wait']} s, what was on its way has landed, and is looked for.", flush=True)
        time.sleep(answer["wait"])
    told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in deleted.items() if number)
    whom = "All that was erased before is erased again" if options.again else f"User {options.user_id} is erased"
    print(f"{whom}: {told or 'nothing was there'}.")


def confirm(user_id: int, holder: Holder) -> None:
    """Have the user's id typed once more. Raises StackError when it is another."""
    asked = f"All that {holder.name} holds of user {user_id} will be deleted for good. Type the id again: "
    if input(asked).strip() != str(user_id):
        raise StackError("that is another id; nothing was deleted")


def export(options: argparse.Namespace, holder: Holder) -> None:
    """Write all lines into a file, for its owner only, once they are all there."""
    file = Path(options.file or f"user-{options.user_id}.ndjson")
    count = 0

    def lines() -> Iterator[str]:
        nonlocal count
        event = {"user_id": options.user_id}
        while True:
            answer = _answer(holder.invoke(event))
            count += len(answer["lines"])
            yield from answer["lines"]
            if answer["cursor"] is None:
                return
            event["cursor"] = answer["cursor"]
            time.sleep(answer["wait"])

    write_lines(file, lines()).close()
    print(f"{file}: {count} lines, all that is held of user {options.user_id}.")


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise StackError(answer["error"])
    return answer


@contextmanager
def deployed(options: argparse.Namespace) -> Iterator[Holder]:
    """Look up the function of a deployed stack. Raises StackError when it is not there or AWS refuses."""
    # Not before: the local stack forgets AWS settings first, which an SDK remembers.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        [stack] = boto3.client("cloudformation").describe_stacks(StackName=options.stack)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        name = f"{FUNCTIONS[options.name]}Arn"
        if name not in outputs:
            raise StackError(f"{options.stack} has no {name}: deploy it first")
        # Longer than the function has; an answer that is lost is asked for again, which does no harm.
        client = boto3.client("lambda", config=Config(read_timeout=70))
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"{options.stack}: {' '.join(str(error).split())}") from error

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        try:
            response = client.invoke(FunctionName=outputs[name], Payload=json.dumps(event).encode())
            answer: dict[str, Any] = json.loads(response["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"{' '.join(str(error).split())}; run the same command to continue") from error
        if "FunctionError" in response:
            raise StackError(f"{name} failed: {answer.get('errorMessage')}; run the same command to continue")
        return answer

    yield Holder(options.stack, invoke)


if __name__ == "__main__":
    sys.exit(main())
