"""Follow pages as a person does: in a fresh clone, with terminals whose variables stay from command to command."""

import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from docs.examples.tests.conftest import EXAMPLES, free_port
from local.data import STACK, State
from local.session_cookies import mint

ROOT = EXAMPLES.parents[1]

SECONDS = 180
"""Maximum time of a command, on a busy machine. The first command installs the project's packages."""

PORTS = ("3000", "4010", "9000")
"""Ports in the pages. Others may use them on this machine, so each is replaced by a free one."""

PRINTED = {
    "01M...": re.compile(r"\b0[0-7][0-9A-HJKMNP-TV-Z]{24}\b"),
    "oc_...": re.compile(r"\boc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}\b"),
    "7Fq2...": re.compile(r"(?<=\boc_)[0-9A-Za-z]{16}(?=_)"),
    "whsec_...": re.compile(r"\bwhsec_[A-Za-z0-9+/]+=*"),
}
"""The forms in which pages shorten what was printed, and patterns that match the whole."""


@dataclass(frozen=True)
class Ended:
    """The exit code of a command, or None if it took too long and its shell was killed, and what it printed."""

    code: int | None
    output: str
    errors: str


class Newcomer:
    """A person with a fresh clone of this commit and its edits, a terminal for each server, and one for the rest."""

    def __init__(self, folder: Path) -> None:
        self.clone = folder / "clone"
        self._folder = folder
        self._ports = {port: str(free_port()) for port in PORTS}
        self._environment = environment(folder)
        self._servers: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
        self._latest: dict[str, str] = {}  # what was printed last, by its short form
        git = ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", str(ROOT), str(self.clone)]
        subprocess.run(git, check=True)
        edits = subprocess.run(["git", "diff", "--binary", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        if edits:
            subprocess.run(["git", "apply"], cwd=self.clone, input=edits, check=True)
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=self.clone,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.paste("set -o pipefail")

    def begin_page(self, stack: str) -> None:
        """Return to the clone's folder, with only the stack that this command starts."""
        self.paste(f"cd {self.clone}")
        for command in [*self._servers]:
            if command != stack:
                self.stop(command)
        self.start(stack)

    def paste(self, text: str) -> Ended:
        """Run a command in the terminal that is not occupied."""
        script, output, errors = (self._folder / name for name in ("command", "output", "errors"))
        script.write_text(self._typed(text))
        assert self._shell.stdin
        assert self._shell.stdout
        timer = threading.Timer(SECONDS, os.killpg, (self._shell.pid, signal.SIGKILL))
        timer.start()
        self._shell.stdin.write(f". {script} </dev/null >{output} 2>{errors}; echo $?\n")
        self._shell.stdin.flush()
        code = self._shell.stdout.readline()
        timer.cancel()
        ended = Ended(int(code) if code else None, output.read_text(), errors.read_text())  # also turns \r\n into \n
        self._read(ended.output + ended.errors)
        return ended

    def start(self, text: str) -> None:
        """Run a command that serves until Ctrl-C in a terminal of its own. Of `make run`, wait until it serves."""
        if text in self._servers:
            return
        is_stack = "make run" in text
        if is_stack:
            for command in [each for each in self._servers if "make run" in each]:
                self.stop(command)
        log = self._folder / f"server-{len(self._servers)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", self._typed(text)],
                cwd=self.clone,
                env=self._environment | {"PORT": self._ports["3000" if is_stack else "9000"]},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._servers[text] = process, log
        if is_stack:
            self.wait_for(text, r"Edits to functions/ and layers/ apply from the next request on\.")
            self._read(log.read_text())

    def wait_for(self, text: str, pattern: str) -> None:
        """Wait until a server has printed the pattern."""
        process, log = self._servers[text]
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, log.read_text()):
            assert process.poll() is None, f"{text} ended:\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{text} printed no {pattern}:\n{log.read_text()}"
            time.sleep(0.05)

    def stop(self, text: str) -> None:
        """Press Ctrl-C in the terminal of a server."""
        process, _ = self._servers.pop(text)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(SECONDS)

    def stop_all(self) -> None:
        for command in [*self._servers]:
            self.stop(command)

    def leave(self) -> None:
        self.stop_all()
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.close()
        self._shell.stdout.close()
        self._shell.wait(SECONDS)

    def deals(self) -> int:
        """Count the outcomes of user 42 with the title that the pages record."""
        state = State.read(self.clone / ".local" / STACK)
        cookie = mint("next-auth", 42, state.session_secret, int(time.time())).cookie
        url = f"{state.url}/api/outcomes/export?format=ndjson&outcomeType=deal_closed"
        return httpx.get(url, headers={"Cookie": cookie}).text.count('"Renewed Acme for a year"')

    def _typed(self, text: str) -> str:
        """Return a command with this machine's ports, and with what was printed in place of its short forms."""
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", free, text)
        for short, value in self._latest.items():
            text = text.replace(short, value)
        return text

    def _read(self, printed: str) -> None:
        for short, whole in PRINTED.items():
            if found := whole.findall(printed):
                self._latest[short] = found[-1]


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of a login: without those of pytest, of the make that runs it, and of other terminals."""
    mine = re.compile(r"MAKE|MFLAGS|PYTEST|COV|OUTCOMES_|INTERNAL_|SESSION_|AWS_|VIRTUAL_ENV|PYTHON|LOCAL_|EVENTS_|CI$")
    others = {name: value for name, value in os.environ.items() if not mine.match(name)}
    return others | {"XDG_CONFIG_HOME": str(folder / "config")}
