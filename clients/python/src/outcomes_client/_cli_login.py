"""Try URL, key and session, and keep them: `outcomes doctor`, `login` and `logout`."""

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
    """Say what is wrong with URL, key, session, clock or version. Records nothing."""
    with connect(url, cookie) as client:
        if not _healthy(client):
            raise typer.Exit(1)


def login(url: Url = None, cookie: Cookie = None) -> None:
    """Try URL, key and session, and keep them for later commands.

    What neither an option nor a variable says is asked for. They are kept in a file that nobody else can read, and
    count where variables and options say nothing.
    """
    from . import _login
    from ._client import OutcomesClient

    key = os.environ.get("INTERNAL_API_KEY")
    asks = sys.stdin.isatty()
    if asks and not url:
        url = typer.prompt("URL of the API", err=True).strip()
    if asks and not (key or cookie):
        key = _unseen("Key")
        cookie = _unseen("Session as name=value")
    if not url or not (key or cookie):
        missing = "a key, a session or both are needed. Nothing was kept." if asks else _SET
        print(f"outcomes: {missing}", file=sys.stderr)
        raise typer.Exit(2)
    with OutcomesClient(url, key, cookie=cookie) as client:
        if not _healthy(client):
            print("Nothing was kept.", file=sys.stderr)
            raise typer.Exit(1)
        try:
            file = _login.keep(client._address)
        except OSError as exc:
            print(f"outcomes: {exc.filename}: {exc.strerror}. Nothing was kept.", file=sys.stderr)
            raise typer.Exit(1) from exc
    print(f"Kept in {file}, until `outcomes logout`.", file=sys.stderr)


_SET = "set OUTCOMES_URL, and INTERNAL_API_KEY or OUTCOMES_COOKIE, or both"


def _unseen(what: str) -> str:
    """Ask for what the terminal does not show; spaces around it come of copying."""
    typed: str = typer.prompt(
        f"{what} (unseen; empty for none)", default="", hide_input=True, show_default=False, err=True
    )
    return typed.strip()


def logout() -> None:
    """Remove what login kept on this machine. Key and session stay valid."""
    from . import _login

    print("Removed." if _login.forget() else "There is nothing to remove.", file=sys.stderr)


def _healthy(client: OutcomesClient) -> bool:
    """Show what the doctor finds; tell whether all is well."""
    from rich.text import Text

    from ._doctor import examine

    console = _terminal.console()
    healthy = True
    for finding in examine(client):
        healthy = healthy and finding.ok
        mark = ("ok   ", "green") if finding.ok else ("wrong", "bold red")
        console.print(Text.assemble(mark, "  ", printable(finding.text)), soft_wrap=True)
    return healthy
