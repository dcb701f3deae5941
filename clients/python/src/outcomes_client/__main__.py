"""Run the command line with `outcomes` or `python -m outcomes_client`."""

from __future__ import annotations

import gc
import io
import sys

from ._errors import ConfigurationError, OutcomesError, StatementError, missing


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Exit with 0 after success, 1 after a refusal or failure, 2 after wrong usage."""
    is_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if is_process:
            gc.disable()
        from ._cli import app_for
        from ._terminal import by_options, repeat, show_warnings

        if is_process:  # modules are no garbage: looking for some among them would take a fifth of the time of --help
            gc.freeze()
            gc.enable()
    except ModuleNotFoundError as exc:
        print(missing(exc, "cli"), file=sys.stderr)
        sys.exit(2)
    if sys.stdout is None:  # a closed descriptor: the result of a call that counts only once would be lost
        print("outcomes: standard output is closed. Nothing was sent.", file=sys.stderr)
        sys.exit(1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Pipes and files get UTF-8, as JSON requires and `export` writes; on Windows, Python would choose an old
        # encoding. A terminal keeps its own encoding, and shows the characters that this lacks as escapes.
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    show_warnings()
    try:
        try:
            app_for(arguments)(arguments, prog_name="outcomes")
        finally:
            sys.stdout.flush()  # now, because a failure at exit could not be reported well
    except StatementError as refused:
        print(refused, file=sys.stderr)  # no prefix: the text begins with the name of the failed check
        sys.exit(1)
    except OutcomesError as failure:
        print(f"outcomes: {by_options(str(failure), arguments[0])}", file=sys.stderr)
        if failure.retryable and failure.idempotency_key:
            print(repeat(failure.idempotency_key), file=sys.stderr)
        is_usage = isinstance(failure, ConfigurationError) or isinstance(failure.__cause__, UnicodeEncodeError)
        sys.exit(2 if is_usage else 1)
    except OSError as failure:
        sys.stdout = io.StringIO()  # drop the old one: Python would flush it again at exit, and fail again
        if not isinstance(failure, BrokenPipeError):  # this is no error: a reader such as `| head` has read enough
            print(f"outcomes: {failure.filename or 'standard output'}: {failure.strerror or failure}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
