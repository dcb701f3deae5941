"""python -m local.import_history --file FILE [--mapping MAPPING] [--yes]: import a table into the local stack.

It works whether or not the stack is running.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from local.__main__ import log_to_stderr
from local.data_request import data_parser, open_data
from ops.import_history import run

if TYPE_CHECKING:
    from ops.history.run import Target


def main() -> int:
    """Run the command and return the exit code of the process."""
    log_to_stderr()
    return run(data_parser("python -m local.import_history"), on_this_machine)


@contextmanager
def on_this_machine(options: argparse.Namespace) -> "Iterator[Target]":
    """Yield the tables of the running stack or, if no stack is running, serve the tables of the data folder.

    Raises StackError.
    """
    with open_data(options) as (template, aws, running):
        os.environ |= aws.variables  # the code in the layer reads these variables
        from ops.history.run import Target

        secret = ""
        if not running or "DataRequests" not in running.off:
            found = aws.client("secretsmanager").get_secret_value(SecretId=template.name("ErasureSecret"))
            secret = found["SecretString"]
        parameters = running.parameters if running else template.texts
        yield Target(
            template.name("OutcomesTable"),
            template.name("TotalsTable"),
            template.name("ErasuresTable"),
            secret.encode(),
            parameters["OutcomeTypes"].split(","),
            units_per_second=float("inf"),
            edition=parameters["TotalsEdition"],
        )


def bring_rows(options: argparse.Namespace, rows: list[dict[str, Any]]) -> int:
    """Import rows as of an NDJSON file, print nothing, and return how many were not there before. Raises StackError."""
    with on_this_machine(options) as target, NamedTemporaryFile("w", suffix=".ndjson", dir=options.data) as file:
        from ops.history.files import RowFile
        from ops.history.run import Import

        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.flush()
        with RowFile(Path(file.name)) as opened, Import(opened, {}, target) as import_, redirect_stdout(StringIO()):
            import_.read()
            import_.refuse_users()
            return import_.write()


if __name__ == "__main__":
    sys.exit(main())
