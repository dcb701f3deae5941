"""Open the data of the local stack, whether or not it is running, for the commands of operators and for `make seed`."""

import argparse
import asyncio
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from local.__main__ import log_to_stderr, parser, settings_of
from ops.errors import StackError

if TYPE_CHECKING:
    from history.run import Target
    from local.aws import Aws
    from local.data import State
    from local.environment import AwsEndpoint
    from local.lambdas import Spec
    from local.stack import Settings
    from local.template import Template

SETTLE_SECONDS = 30
"""No call on a laptop takes longer, because functions time out sooner and the network is not slow."""


class OpenData(NamedTuple):
    """Data of the local stack, served by `aws`. running: the stack that uses it, if it is running."""

    template: "Template"
    aws: "AwsEndpoint"
    running: "State | None"


@contextmanager
def open_data(options: argparse.Namespace, *, compact: bool = False) -> Iterator[OpenData]:
    """Yield the data of the running stack or, if no stack is running, serve the data folder. Raises StackError.

    options: those of `python -m local`, see `on_folder`. compact: whether to remove deleted items from the journal of a
    served folder at the end.
    """
    from local.environment import forget_real_aws

    forget_real_aws()
    from local.data import JOURNAL, STACK, State, exclusive
    from local.journal import Journal
    from local.stack import local_parameters
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


def on_folder(folder: Path) -> argparse.Namespace:
    """Return the options of `python -m local` for a command that gets only the data folder."""
    log_to_stderr()
    return parser().parse_args(["--data", str(folder)])


@contextmanager
def function_for(options: argparse.Namespace, logical_id: str) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Start a Lambda function on the tables of the running stack or, without one, of the data folder.

    options: those of `ops.data_request`. Yield what calls the function with an event. Raises StackError.
    """
    is_erasure = options.name == "erase"
    with open_data(on_folder(options.data), compact=is_erasure) as (template, aws, running), ExitStack() as cleanup:
        from local.data import DAMAGED, JOURNAL, SEEDED
        from local.lambdas import EventTooLarge, Function, FunctionError, specs
        from local.seed import forget

        if running:
            if "DataRequests" in running.off:
                raise StackError("DataRequests is Off in the stack that runs: stop it, and try again")
            _name_secrets(template, aws)
        spec = _settling(specs(template)[template.arn(logical_id)], SETTLE_SECONDS if running else 0)
        runner = cleanup.enter_context(asyncio.Runner())
        function = Function(spec, aws)
        cleanup.callback(lambda: runner.run(function.close()))

        def invoke(event: dict[str, Any]) -> dict[str, Any]:
            try:
                answer: dict[str, Any] = runner.run(function.invoke(event, str(uuid4())))
            except (EventTooLarge, FunctionError) as error:
                raise StackError(f"{spec.name} failed: {error}; run the same command to continue") from error
            return answer

        yield invoke
        if is_erasure and options.user_id:
            forget(options.user_id, options.data / SEEDED)
            (options.data / DAMAGED).unlink(missing_ok=True)
            if running:
                print(f"The next make run also removes what {options.data / JOURNAL} still has of earlier writes.")


@contextmanager
def import_target(options: argparse.Namespace) -> "Iterator[Target]":
    """Yield the tables of the running stack or, without one, of the data folder. options: see `open_data`.

    Raises StackError.
    """
    with open_data(options) as (template, aws, running):
        os.environ |= aws.variables  # the code in the layer reads these variables
        from history.run import Target

        parameters = running.parameters if running else template.texts
        yield Target(
            template.name("OutcomesTable"),
            template.name("TotalsTable"),
            template.name("StatementsTable"),
            template.name("ErasuresTable"),
            settings_of(options).erasure_secret.encode(),
            parameters["OutcomeTypes"].split(","),
            units_per_second=float("inf"),
            edition=parameters["TotalsEdition"],
        )


def bring_rows(options: argparse.Namespace, rows: list[dict[str, Any]]) -> int:
    """Import rows as of an NDJSON file, print nothing, and return how many were not there before. Raises StackError."""
    with import_target(options) as target, NamedTemporaryFile("w", suffix=".ndjson", dir=options.data) as file:
        from history.files import RowFile
        from history.run import Import

        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.flush()
        with RowFile(Path(file.name)) as opened, Import(opened, {}, target) as import_, redirect_stdout(StringIO()):
            import_.read()
            import_.refuse_users()
            return import_.write()


def _start(settings: "Settings", template: "Template", cleanup: ExitStack) -> "Aws":
    """Serve the tables and secrets of a stack that is not running."""
    from local.aws import Aws
    from local.data import JOURNAL
    from local.engine import start

    engine = start(settings.engine, settings.data, cleanup)
    aws = Aws(settings.data / JOURNAL, settings.aws_secret)
    cleanup.callback(aws.close)
    aws.create(template, settings.secrets, engine)
    return aws


def _name_secrets(template: "Template", aws: "AwsEndpoint") -> None:
    """Look up the ARNs of the running stack's secrets, because ARNs are only known after creation.

    A capability that is off has no secret.
    """
    found = {each["Name"]: each["ARN"] for each in aws.client("secretsmanager").list_secrets()["SecretList"]}
    for logical_id in template.resources("AWS::SecretsManager::Secret"):
        template.arns[logical_id] = found.get(template.name(logical_id), "")


def _settling(spec: "Spec", seconds: int) -> "Spec":
    """Set how many seconds an erasure waits for calls in flight."""
    return dataclasses.replace(spec, variables=spec.variables | {"SETTLE_SECONDS": str(seconds)})
