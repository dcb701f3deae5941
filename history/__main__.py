"""python -m history --stack STACK | --data FOLDER --file FILE [--mapping MAPPING] [--yes]: import a table.

With --undo, it voids what an import created; with --compare, it compares sums. Without --yes, it writes nothing.
docs/migrating.md describes the files and the other steps of a migration. With --data, it imports into the local stack,
which need not run. With --stack, the caller needs IAM permissions to describe the stack, to read the secret of erasure
records, and to read and write the tables of outcomes, totals and erasures.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from history import MAX_ROUND
from ops.command import Parser, add_place, exit_code
from ops.errors import StackError, one_line

if TYPE_CHECKING:
    from history.run import Target


def main() -> int:
    """Run the command, and return the exit code of the process: 1 if it refused rows, or if compared sums differ."""
    parser = Parser(prog="python -m history")
    add_place(parser)
    parser.add_argument("--file", required=True)
    parser.add_argument("--mapping", default="")
    parser.add_argument("--round", type=_round, default=1)
    for flag in ("--yes", "--undo", "--force", "--compare", "--skip-refused"):
        parser.add_argument(flag, action="store_true")

    def command() -> bool:
        options = parser.parse_args()
        if not options.file:
            raise StackError("FILE is missing, such as FILE=outcomes.csv")
        if options.compare and (options.undo or options.yes):
            raise StackError("COMPARE=1 only compares: leave out UNDO=1 and YES=1")
        if options.force and not options.undo:
            raise StackError("FORCE=1 is only for UNDO=1")
        with deployed(options) if options.stack else on_this_machine(options) as target:
            return import_file(options, target)

    return exit_code(command, if_interrupted="Run the same command to go on.")


def import_file(options: argparse.Namespace, target: "Target") -> bool:
    """Show what an import or its undo would do. If `options.yes` is set, do it, and return whether it refused rows.

    With `options.compare`, return whether the sums of the file and of the API differ.
    """
    # Import this late, because the local stack first replaces the AWS settings in the environment.
    from outcomes.aws.services import CallFailed

    from history.files import RowFile
    from history.mapper import read_mapping
    from history.run import Import

    mapping = read_mapping(Path(options.mapping) if options.mapping else None)
    try:
        with (
            RowFile(Path(options.file)) as file,
            Import(file, mapping, target, options.round, finds_only=options.undo) as import_,
        ):
            import_.read()
            if options.compare:
                return import_.compare()
            if options.undo:
                import_.undo(force=options.force, is_real=options.yes)
            else:
                import_.refuse_users()
                import_.show()
            if not options.yes:
                print(f"Nothing was written. Add YES=1 to {'undo' if options.undo else 'import'}.")
                return False
            if not options.undo:
                import_.write()
            return import_.refused > 0 and not (options.undo or options.skip_refused)
    except CallFailed as error:
        raise StackError(f"{one_line(error)}; run the same command to go on") from error


def _round(text: str) -> int:
    if text not in map(str, range(1, MAX_ROUND + 1)):
        raise StackError(f"ROUND must be a whole number from 1 to {MAX_ROUND}, not {text!r}")
    return int(text)


def on_this_machine(options: argparse.Namespace) -> AbstractContextManager["Target"]:
    """Open the tables of the local stack. Raises StackError."""
    from local.data_folder import import_target, on_folder  # imported here, because a deployed stack needs no local one

    return import_target(on_folder(options.data))


@contextmanager
def deployed(options: argparse.Namespace) -> "Iterator[Target]":
    """Look up the tables of a deployed stack. Raises StackError if it does not exist or AWS refuses."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from ops import stacks

    try:
        stack = stacks.describe_stack(options.stack)
        outputs, parameters = stacks.outputs(stack), stacks.parameters(stack)
        # Without DataRequests, nobody has been erased: `ops.configuration` does not let a stack switch DataRequests off
        # after an erasure.
        secret = ""
        if parameters["DataRequests"] == "On":
            arn = outputs["ErasureSecretArn"]
            secret = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    except KeyError as error:
        raise StackError(f"{options.stack} has no {error.args[0]}: deploy this version first") from error
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"{options.stack}: {one_line(error)}") from error
    # The code in the layer reads the region only from the environment.
    os.environ.setdefault("AWS_DEFAULT_REGION", boto3.Session().region_name or "")
    from outcomes.privacy.data_sources import SHARE

    from history.run import Target
    from ops.patience import MAX_UNITS_PER_SECOND

    yield Target(
        outputs["OutcomesTableName"],
        outputs["TotalsTableName"],
        outputs["StatementsTableName"],
        outputs["ErasuresTableName"],
        secret.encode(),
        parameters["OutcomeTypes"].split(","),
        min(float(parameters["MaxWriteUnits"]) * SHARE, MAX_UNITS_PER_SECOND),
        parameters["TotalsEdition"],
    )


if __name__ == "__main__":
    sys.exit(main())
