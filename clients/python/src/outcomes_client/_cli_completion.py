"""Shell completion: `outcomes completion bash` prints the script for bash."""

from __future__ import annotations

from typing import Annotated, Literal

import typer
from typer.completion import (  # type: ignore[attr-defined]  # public, but not in an __all__
    completion_init,
    get_completion_script,
)

# typer calls this itself only with `add_completion=True`. But that also adds the option --install-completion, which
# edits the shell's settings.
completion_init()


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish", "powershell"], typer.Argument(metavar="SHELL", help="The shell.")],
) -> None:
    """Print the shell completion script.

    It completes commands, options and their values.

    Add the line of your shell to its startup file:

    bash: source <(outcomes completion bash)

    zsh, after compinit: source <(outcomes completion zsh)

    fish: outcomes completion fish | source

    PowerShell: outcomes completion powershell | Out-String | Invoke-Expression
    """
    print(get_completion_script(prog_name="outcomes", complete_var="_OUTCOMES_COMPLETE", shell=shell))


def files() -> list[str]:
    """Return no completions, so that the shell offers file names. By default, typer would offer the typed text."""
    return []


def time_zones() -> list[str]:
    """Return the time zones available on this machine."""
    from zoneinfo import available_timezones

    return sorted(available_timezones())
