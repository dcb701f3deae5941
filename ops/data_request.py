"""python -m ops.data_request --stack STACK | --data FOLDER erase|export: erase a user, or export a user's data.

With --stack, it uses the account and region of the AWS settings; with --data, the local stack, which need not run.
docs/runbook.md describes the other steps of a data request.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ops.command import Parser, add_place, exit_code, user_id
from ops.errors import StackError, one_line
from ops.files import write_lines

FUNCTIONS = {"erase": "EraseUserFunction", "export": "ExportUserFunction"}


class Holder(NamedTuple):
    """The stack that stores the user's data.

    invoke: calls the stack's Lambda function for the command `erase` or `export` with an event, and returns the
    function's answer. Raises StackError if the call fails.
    """

    name: str
    invoke: Callable[[dict[str, Any]], dict[str, Any]]


def main() -> int:
    """Run one command on a deployed stack or the local one, and return the exit code of the process."""
    parser = Parser(prog="python -m ops.data_request")
    add_place(parser)
    add_commands(parser)

    def command() -> None:
        options = parser.parse_args()
        with deployed(options) if options.stack else on_this_machine(options) as holder:
            options.command(options, holder)

    return exit_code(command, if_interrupted="Run the same command to continue.")


def add_commands(parser: Parser) -> None:
    """Add the commands and their options to a parser."""
    commands = parser.add_subparsers(dest="name", required=True)

    command = commands.add_parser("erase", help="erase all data of a user")
    command.add_argument("--user-id", type=named_user)
    command.add_argument("--again", action="store_true", help="erase all earlier erased users again, after a restore")
    command.set_defaults(command=erase)

    command = commands.add_parser("export", help="write all data of a user to a file")
    command.add_argument("--user-id", type=named_user, required=True)
    command.add_argument("--file", default="", help="default: user-<id>.ndjson")
    command.set_defaults(command=export)


def named_user(text: str) -> int:
    """Parse a user's id. Raises StackError."""
    if not text:
        raise StackError("USER_ID is missing, such as USER_ID=42")
    return user_id(text)


def erase(options: argparse.Namespace, holder: Holder) -> None:
    """Call the function until the erasure is done, and print how many items of each kind were deleted."""
    if options.again == (options.user_id is not None):
        raise StackError("give either USER_ID=42 or AGAIN=1")
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
                print("New data of this user arrived: stop what records for them.", file=sys.stderr)
            waited = waited or answer["step"] == "wait"
            deleted = answer["erased"]
        if answer["done"]:
            break
        if answer["wait"] > 1:
            print(f"Deleted. Waiting {answer['wait']} s for calls in progress, then checking again.", flush=True)
        time.sleep(answer["wait"])
    counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in deleted.items() if number)
    whom = "All earlier erased users are erased again" if options.again else f"User {options.user_id} is erased"
    print(f"{whom}: {counts or 'there was no data'}.")


def confirm(user_id: int, holder: Holder) -> None:
    """Ask for the user's id again. Raises StackError if the answer differs."""
    question = f"All data of user {user_id} in {holder.name} will be deleted for good. Type the id again: "
    if input(question).strip() != str(user_id):
        raise StackError("the ids differ; nothing was deleted")


def export(options: argparse.Namespace, holder: Holder) -> None:
    """Write all lines to a new file that only its owner can read. If the export is incomplete, no file is left."""
    file = Path(options.file or f"user-{options.user_id}.ndjson")
    if file.exists():  # after an erasure, it may be all that is left of the user's data
        raise StackError(f"{file} exists: give another FILE, or move it away")
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
    print(f"{file}: {count} lines, all data of user {options.user_id}.")


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise StackError(answer["error"])
    return answer


@contextmanager
def on_this_machine(options: argparse.Namespace) -> Iterator[Holder]:
    """Start the Lambda function that runs the requested command on the local stack's data. Raises StackError."""
    from local.data_folder import function_for  # imported here, because a deployed stack needs no local one

    with function_for(options, FUNCTIONS[options.name]) as invoke:
        yield Holder(f"the local stack ({options.data})", invoke)


@contextmanager
def deployed(options: argparse.Namespace) -> Iterator[Holder]:
    """Look up the Lambda function that runs the requested command in a deployed stack.

    Raises StackError if the stack or the function does not exist, or if AWS refuses.
    """
    # Import this late, because the SDK reads AWS settings at import, and the local stack must first remove them.
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    from ops.stacks import describe_stack, outputs

    try:
        found = outputs(describe_stack(options.stack))
        name = f"{FUNCTIONS[options.name]}Arn"
        if name not in found:
            raise StackError(f"{options.stack} has no {name}: deploy it with DataRequests=On")
        # The timeout is longer than the function's. botocore repeats a call whose answer was lost, which is safe
        # because calls are idempotent.
        client = boto3.client("lambda", config=Config(read_timeout=70))
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"{options.stack}: {one_line(error)}") from error

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        try:
            response = client.invoke(FunctionName=found[name], Payload=json.dumps(event).encode())
            answer: dict[str, Any] = json.loads(response["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"{one_line(error)}; run the same command to continue") from error
        if "FunctionError" in response:
            raise StackError(f"{name} failed: {answer.get('errorMessage')}; run the same command to continue")
        return answer

    yield Holder(options.stack, invoke)


if __name__ == "__main__":
    sys.exit(main())
