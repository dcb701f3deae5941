"""Check URL, key and session, and save them: `outcomes doctor`, `login` and `logout`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from . import _terminal
from ._display import printable
from ._terminal import Cookie, Url, connect

if TYPE_CHECKING:
    from ._client import OutcomesClient


def doctor(url: Url = None, cookie: Cookie = None) -> None:
    """Check URL, key, session, clock and version. Records nothing."""
    with connect(url, cookie) as client:
        if not _healthy(client):
            raise typer.Exit(1)


def login(url: Url = None, cookie: Cookie = None) -> None:
    """Check URL, key and session, and save them for later commands. A key need not be able to record.

    Asks for values that neither an option nor a variable sets. Only you can read the file; options and variables take
    precedence over it.
    """
    from . import _login
    from ._client import OutcomesClient

    key = os.environ.get("INTERNAL_API_KEY")
    asks = sys.stdin.isatty()
    if asks and not url:
        url = typer.prompt("URL of the API", err=True).strip()
    if asks and not (key or cookie):
        key = _hidden("Key")
        cookie = _hidden("Session as name=value")
    if not url or not (key or cookie):
        missing = "a key, a session or both are needed. Nothing was saved." if asks else _SET
        print(f"outcomes: {missing}", file=sys.stderr)
        raise typer.Exit(2)
    with OutcomesClient(url, key, cookie=cookie) as client:
        if not _healthy(client, to_record=False):
            print("Nothing was saved.", file=sys.stderr)
            raise typer.Exit(1)
        try:
            file = _login.save(client._address)
        except OSError as exc:
            print(f"outcomes: {exc.filename}: {exc.strerror}. Nothing was saved.", file=sys.stderr)
            raise typer.Exit(1) from exc
    print(f"Saved in {file}, until `outcomes logout`.", file=sys.stderr)


_SET = "set OUTCOMES_URL, and INTERNAL_API_KEY or OUTCOMES_COOKIE, or both"


def _hidden(what: str) -> str:
    """Prompt without echo. Strip spaces, which copying may add."""
    typed: str = typer.prompt(
        f"{what} (hidden; empty for none)", default="", hide_input=True, show_default=False, err=True
    )
    return typed.strip()


def logout() -> None:
    """Remove what login saved on this machine. Key and session stay valid."""
    from . import _login

    print("Removed." if _login.remove() else "There is nothing to remove.", file=sys.stderr)


def _healthy(client: OutcomesClient, *, to_record: bool = True) -> bool:
    """Print the results of `doctor`. Return whether all checks passed, or all that matter if nothing is to record."""
    from rich.text import Text

    from ._doctor import examine

    console = _terminal.console()
    healthy = True
    for finding in examine(client):
        healthy = healthy and (finding.ok or (finding.prevents_only_recording and not to_record))
        mark = ("ok   ", "green") if finding.ok else ("wrong", "bold red")
        console.print(Text.assemble(mark, "  ", printable(finding.text)), soft_wrap=True)
    return healthy
