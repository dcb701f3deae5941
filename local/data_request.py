"""python -m local.data_request erase|export: erase a person, or write out all that is held of one.

With --stack of a deployed stack, in the account and region of the AWS settings; else of the local stack, whether it
runs or not. docs/runbook.md says what else a request for data takes.
"""

import argparse
import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from local.__main__ import ROOT, Parser, log_to_stderr, settings_of, user_id
from local.errors import StackError

if TYPE_CHECKING:
    from local.aws import Aws
    from local.environment import AwsEndpoint
    from local.lambdas import Spec
    from local.stack import Settings
    from local.template import Template

type Invoke = Callable[[dict[str, Any]], dict[str, Any]]
"""Calls a function with an event, and returns its answer. Raises StackError when there is none."""

FUNCTIONS = {"erase": "EraseUserFunction", "export": "ExportUserFunction"}

LOCAL_SETTLE_SECONDS = 30
"""Seconds after which no call is under way on a laptop: functions are ended sooner, and no network is slow."""


def main() -> int:
    """Run one command and return the exit code of the process."""
    log_to_stderr()
    try:
        options = parser().parse_args()
        with deployed(options) if options.stack else on_this_machine(options) as invoke:
            options.command(options, invoke)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print("\nThe same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def parser() -> Parser:
    """Make the parser of the commands and their options."""
    parser = Parser(prog="python -m local.data_request")
    parser.add_argument("--stack", default="", help="a deployed stack; the local one unless given")
    parser.add_argument("--data", type=Path, default=ROOT / ".local", metavar="FOLDER", help="of the local stack")
    parser.set_defaults(template=ROOT / "template.yaml", parameter=[])
    commands = parser.add_subparsers(dest="name", required=True)

    command = commands.add_parser("erase", help="erase all that is held of a user")
    command.add_argument("--user-id", type=named_user)
    command.add_argument("--again", action="store_true", help="of all who were erased before, after a restore")
    command.set_defaults(command=erase)

    command = commands.add_parser("export", help="write all that is held of a user into a file")
    command.add_argument("--user-id", type=named_user, required=True)
    command.add_argument("--file", default="", help="unless given, user-<id>.ndjson")
    command.set_defaults(command=export)
    return parser


def named_user(text: str) -> int:
    """Read a user's id from the command line. Raises StackError, which names it as `make` does."""
    if not text:
        raise StackError("say whose, as USER_ID=42")
    return user_id(text)


def erase(options: argparse.Namespace, invoke: Invoke) -> None:
    """Erase portion after portion, and tell how many of each were deleted."""
    if options.again == (options.user_id is not None):
        raise StackError("say either USER_ID=42 or AGAIN=1")
    event: dict[str, Any] = {"again": True} if options.again else {"user_id": options.user_id}
    if not options.again and sys.stdin.isatty():
        confirm(options)
    deleted: dict[str, int] = {}
    waited = False
    while True:
        answer = _answer(invoke(event))
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


def confirm(options: argparse.Namespace) -> None:
    """Have the user's id typed once more. Raises StackError when it is another."""
    where = options.stack or f"the local stack ({options.data})"
    asked = f"All that {where} holds of user {options.user_id} will be deleted for good. Type the id again: "
    if input(asked).strip() != str(options.user_id):
        raise StackError("that is another id; nothing was deleted")


def export(options: argparse.Namespace, invoke: Invoke) -> None:
    """Write all lines into a file, for its owner only, once they are all there."""
    from local.data import write_lines

    file = Path(options.file or f"user-{options.user_id}.ndjson")
    count = 0

    def lines() -> Iterator[str]:
        nonlocal count
        event = {"user_id": options.user_id}
        while True:
            answer = _answer(invoke(event))
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
def deployed(options: argparse.Namespace) -> Iterator[Invoke]:
    """Look up the function of a deployed stack. Raises StackError when it is not there or AWS refuses."""
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
            raise StackError(f"{' '.join(str(error).split())}; the same command goes on from here") from error
        if "FunctionError" in response:
            raise StackError(f"{name} failed: {answer.get('errorMessage')}; the same command goes on from here")
        return answer

    yield invoke


@contextmanager
def on_this_machine(options: argparse.Namespace) -> Iterator[Invoke]:
    """Start the function on the data of the local stack, of the running one if there is one. Raises StackError."""
    from local.environment import forget_real_aws

    forget_real_aws()
    from local.data import JOURNAL, SEEDED, STACK, exclusive
    from local.journal import Journal
    from local.lambdas import EventTooLarge, Function, FunctionError, specs
    from local.seed import forget
    from local.stack import local_parameters
    from local.state import State
    from local.template import load

    if not options.data.is_dir():
        raise StackError(f"there is no {options.data}: nothing was kept there yet")
    settings = settings_of(options)
    template = load(settings.template, local_parameters(settings, settings.port), settings.parameters)
    with ExitStack() as cleanup:
        try:
            running = State.read(options.data / STACK)
        except StackError:
            running = None
        if running:
            aws = running.aws
            _name_secrets(template, aws)
        else:
            cleanup.enter_context(exclusive(options.data))
            if options.name == "erase":  # last of all, when nothing writes to it any more
                cleanup.callback(lambda: Journal(options.data / JOURNAL).compact())
            aws = _start(settings, template, cleanup).endpoint
        spec = _settling(specs(template)[template.arn(FUNCTIONS[options.name])], LOCAL_SETTLE_SECONDS if running else 0)
        runner = cleanup.enter_context(asyncio.Runner())
        function = Function(spec, aws)
        cleanup.callback(lambda: runner.run(function.close()))

        def invoke(event: dict[str, Any]) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = runner.run(function.invoke(event, str(uuid4())))
            except (EventTooLarge, FunctionError) as error:
                raise StackError(f"{spec.name} failed: {error}; the same command goes on from here") from error
            return answer

        yield invoke
        if options.name == "erase" and options.user_id:
            forget(options.user_id, options.data / SEEDED)
            if running:
                print(f"What {options.data / JOURNAL} has of before goes with the next make run.")


def _start(settings: "Settings", template: "Template", cleanup: ExitStack) -> "Aws":
    """Serve the tables and secrets of a stack that does not run."""
    from local.aws import Aws
    from local.data import JOURNAL

    aws = Aws(settings.data / JOURNAL, settings.aws_secret)
    cleanup.callback(aws.close)
    aws.create(template, settings.secrets)
    return aws


def _name_secrets(template: "Template", aws: "AwsEndpoint") -> None:
    """Look up how the running stack's secrets are called, which their creation decided."""
    client = aws.client("secretsmanager")
    for logical_id in template.resources("AWS::SecretsManager::Secret"):
        template.arns[logical_id] = client.describe_secret(SecretId=template.name(logical_id))["ARN"]


def _settling(spec: "Spec", seconds: int) -> "Spec":
    """Let an erasure wait for as long as calls can be under way here: while no stack runs, there are none."""
    return dataclasses.replace(spec, variables=spec.variables | {"SETTLE_SECONDS": str(seconds)})


if __name__ == "__main__":
    sys.exit(main())
