"""Run the command line with `outcomes` or `python -m outcomes_client`."""

from __future__ import annotations

import sys

from ._errors import ConfigurationError, OutcomesError, StatementError, missing


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. Exit with 0 after success, 1 after a refusal or failure, 2 after wrong usage."""
    try:
        from ._cli import app
        from ._terminal import by_options, repeat, show_warnings
    except ModuleNotFoundError as exc:
        print(missing(exc, "cli"), file=sys.stderr)
        sys.exit(2)
    show_warnings()
    try:
        app(arguments, prog_name="outcomes")
    except StatementError as refused:
        print(refused, file=sys.stderr)  # no prefix: the text begins with the name of the failed check
        sys.exit(1)
    except OutcomesError as failure:
        print(f"outcomes: {by_options(str(failure))}", file=sys.stderr)
        if failure.retryable and failure.idempotency_key:
            print(repeat(failure.idempotency_key), file=sys.stderr)
        sys.exit(2 if isinstance(failure, ConfigurationError) else 1)


if __name__ == "__main__":
    main()
