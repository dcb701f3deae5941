"""Let a shell complete the command: `outcomes completion bash` prints the script by which it asks the command."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from typer.completion import (  # type: ignore[attr-defined]  # offered by that module, but not named in an __all__
    completion_init,
    get_completion_script,
)

app = typer.Typer()

# typer does so by itself only where it adds two options of its own, one of which edits the shell's settings.
completion_init()


@app.command()
def completion(
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"], typer.Argument(metavar="SHELL", help="For which shell.")
    ],
) -> None:
    """Print the script by which a shell completes this command.

    It completes commands, options and their values.

    Put this into what the shell reads when it starts:

    bash: source <(outcomes completion bash)

    zsh, after compinit: source <(outcomes completion zsh)

    fish: outcomes completion fish | source

    PowerShell: outcomes completion powershell | Out-String | Invoke-Expression
    """
    print(get_completion_script(prog_name="outcomes", complete_var="_OUTCOMES_COMPLETE", shell=shell))


def files() -> list[str]:
    """Offer nothing, so that the shell offers its files; typer would offer what is typed as if it were all."""
    return []


def time_zones() -> list[str]:
    """Offer the names of time zones that this machine knows."""
    from zoneinfo import available_timezones

    return sorted(available_timezones())
