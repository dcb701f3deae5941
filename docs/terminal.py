"""make terminal: draw clients/python/terminal.svg, which shows `outcomes summary` and `outcomes watch`.

The picture shows the commands' output for user 42 of the running stack, in the commands' own colors. `make seed`
records outcomes for this user; two more are recorded while `watch` runs. The picture has its own dark background, so it
looks the same on light and dark pages.
"""

import os
import re
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from signal import SIGINT

from rich.console import Console
from rich.text import Text

from local.data import STACK, State
from local.session_cookies import mint
from ops.command import Parser, exit_code

TARGET = Path(__file__).parents[1] / "clients/python/terminal.svg"
OUTCOMES = Path(sys.executable).with_name("outcomes")
COLUMNS = 112
USER = 42
SUMMARY = ["summary", "--days", "14", "--compare"]
WATCH = ["watch", "-n", "4", "--interval", "0.5"]
NEWS = [
    ["--type", "negotiation_complete", "--title", "Redwood Insurance: 9 % less for the fleet", "--value", "3120.50"],
    ["--type", "task_complete", "--title", "Reconciled the invoices of November"],
]
LONGEST = 30.0


def main() -> int:
    """Draw the picture, and return the exit code of the process."""
    return exit_code(draw)


def draw() -> None:
    """Run `summary` and `watch`, and write their output as a picture. Raises StackError."""
    options = Parser(prog="python -m docs.terminal")
    options.add_argument("--data", type=Path, required=True, help="the folder of the running stack")
    state = State.read(options.parse_args().data / STACK)
    variables = {
        "COLUMNS": str(COLUMNS),
        "FORCE_COLOR": "1",
        "TERM": "xterm-256color",
        "OUTCOMES_URL": state.url,
        "INTERNAL_API_KEY": state.key,
        "OUTCOMES_COOKIE": mint("next-auth", USER, state.session_secret, int(time.time())).cookie,
        "OUTCOMES_USER_ID": str(USER),
        "OUTCOMES_AGENT_ID": "2",
    }
    screen = Console(record=True, width=COLUMNS, file=StringIO())
    for command, printed in ((SUMMARY, _run(SUMMARY, variables)), (WATCH, _watched(variables))):
        screen.print(Text.assemble(("$ ", "dim"), (f"outcomes {' '.join(command)}", "bold")))
        screen.print(Text.from_ansi(printed.rstrip()))
        screen.print()
    svg = screen.export_svg(title="outcomes")
    # A picture in a page cannot load other files, so the font that rich chooses would be missing.
    TARGET.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))


def _watched(variables: dict[str, str]) -> str:
    """Return the output of `watch`: the existing outcomes, and those that are recorded while it runs."""
    with subprocess.Popen([OUTCOMES, *WATCH], stdout=subprocess.PIPE, text=True, env=os.environ | variables) as watch:
        assert watch.stdout
        lines = [watch.stdout.readline() for _ in range(4)]
        for news in NEWS:
            _run(["record", *news], variables)
            lines.append(watch.stdout.readline())
        watch.send_signal(SIGINT)
    return "".join([*lines, "^C"])


def _run(command: list[str], variables: dict[str, str]) -> str:
    ended = subprocess.run(
        [OUTCOMES, *command], stdout=subprocess.PIPE, text=True, env=os.environ | variables, check=True, timeout=LONGEST
    )
    return ended.stdout


if __name__ == "__main__":
    sys.exit(main())
