"""python -m local.data_request erase|export: erase a user from the local stack, or export a user's data.

It works whether or not the stack is running.
"""

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from local.__main__ import ROOT, log_to_stderr, settings_of
from ops.command import Parser
from ops.data_request import FUNCTIONS, Holder, run
from ops.errors import StackError

if TYPE_CHECKING:
    from local.aws import Aws
    from local.environment import AwsEndpoint
    from local.lambdas import Spec
    from local.stack import Settings
    from local.state import State
    from local.template import Template

SETTLE_SECONDS = 30
"""No call on a laptop takes longer, because functions time out sooner and the network is not slow."""


class OpenData(NamedTuple):
    """Data of the local stack, served by `aws`. running: the stack that uses it, if it is running."""

    template: "Template"
    aws: "AwsEndpoint"
    running: "State | None"


def main() -> int:
    """Run one command and return the exit code of the process."""
    log_to_stderr()
    return run(data_parser("python -m local.data_request"), on_this_machine)


def data_parser(program: str) -> Parser:
    """Return a parser with the option of the data folder, and the settings that `open_data` needs."""
    parser = Parser(prog=program)
    parser.add_argument("--data", type=Path, default=ROOT / ".local", metavar="FOLDER", help="the local stack's data")
    parser.set_defaults(template=ROOT / "template.yaml", parameter=[], parameters="", off="", core=False)
    return parser


@contextmanager
def open_data(options: argparse.Namespace, *, compact: bool = False) -> Iterator[OpenData]:
    """Yield the data of the running stack or, if no stack is running, serve the data folder. Raises StackError.

    compact: whether to remove deleted items from a served folder's journal at the end.
    """
    from local.environment import forget_real_aws

    forget_real_aws()
    from local.data import JOURNAL, STACK, exclusive
    from local.journal import Journal
    from local.stack import local_parameters
    from local.state import State
    from local.template import load

    if not options.data.is_dir():
        raise StackError(f"there is no {options.data}: no stack has used it yet")
    settings = settings_of(options)
    template = load(settings.template, local_parameters(settings, settings.port), settings.parameters)
    try:
        running = State.read(options.data / STACK)
    except StackError:
        running = None
    if running:
        yield OpenData(template, running.aws, running)
        return
    with ExitStack() as cleanup:
        cleanup.enter_context(exclusive(options.data))
        if compact:  # this callback runs last, when nothing else writes to the journal
            cleanup.callback(lambda: Journal(options.data / JOURNAL).compact())
        yield OpenData(template, _start(settings, template, cleanup).endpoint, None)


@contextmanager
def on_this_machine(options: argparse.Namespace) -> Iterator[Holder]:
    """Start the command's Lambda function on the tables of the running stack or, without one, of the data folder.

    Raises StackError.
    """
    with open_data(options, compact=options.name == "erase") as (template, aws, running), ExitStack() as cleanup:
        from local.data import JOURNAL, SEEDED
        from local.lambdas import EventTooLarge, Function, FunctionError, specs
        from local.seed import forget

        if running:
            if "DataRequests" in running.off:
                raise StackError("DataRequests is Off in the stack that runs: stop it, and try again")
            _name_secrets(template, aws)
        spec = _settling(specs(template)[template.arn(FUNCTIONS[options.name])], SETTLE_SECONDS if running else 0)
        runner = cleanup.enter_context(asyncio.Runner())
        function = Function(spec, aws)
        cleanup.callback(lambda: runner.run(function.close()))

        def invoke(event: dict[str, Any]) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = runner.run(function.invoke(event, str(uuid4())))
            except (EventTooLarge, FunctionError) as error:
                raise StackError(f"{spec.name} failed: {error}; run the same command to continue") from error
            return answer

        yield Holder(f"the local stack ({options.data})", invoke)
        if options.name == "erase" and options.user_id:
            forget(options.user_id, options.data / SEEDED)
            if running:
                print(f"The next make run also removes what {options.data / JOURNAL} still has of earlier writes.")


def _start(settings: "Settings", template: "Template", cleanup: ExitStack) -> "Aws":
    """Serve the tables and secrets of a stack that is not running."""
    from local.aws import Aws
    from local.data import JOURNAL

    aws = Aws(settings.data / JOURNAL, settings.aws_secret)
    cleanup.callback(aws.close)
    aws.create(template, settings.secrets)
    return aws


def _name_secrets(template: "Template", aws: "AwsEndpoint") -> None:
    """Look up the ARNs of the running stack's secrets, because ARNs are only known after creation."""
    client = aws.client("secretsmanager")
    for logical_id in template.resources("AWS::SecretsManager::Secret"):
        template.arns[logical_id] = client.describe_secret(SecretId=template.name(logical_id))["ARN"]


def _settling(spec: "Spec", seconds: int) -> "Spec":
    """Set how many seconds an erasure waits for calls in flight."""
    return dataclasses.replace(spec, variables=spec.variables | {"SETTLE_SECONDS": str(seconds)})


if __name__ == "__main__":
    sys.exit(main())
