"""Test `outcomes login` on a real terminal (pty)."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import stat
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from outcomes_client.testing import OutcomesFake

from clients.python.tests.conftest import Api, Outcomes
from clients.python.tests.test_cli import COMMAND

CTRL_C, CTRL_D = "\x03", "\x04"
SECONDS = 30.0
KEY, COOKIE = OutcomesFake.key, "session=session-of-user-42"


class Terminal:
    """A terminal that runs a command. shown: the terminal's output so far."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self.end = end
        self.shown = ""

    def answer(self, question: str, text: str) -> None:
        """Wait for a prompt, then type an answer. The terminal is ready when the prompt ends in a space."""
        answered = len(self.shown)
        self._read(lambda: self.shown[answered:].endswith(f"{question}: "))
        os.write(self.end, text.encode())

    def ended(self) -> int:
        """Read the rest of the output, and return the exit code."""
        self._read(lambda: False)
        return self.process.wait(SECONDS)

    def _read(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not enough():
            ready, _, _ = select.select([self.end], [], [], deadline - time.monotonic())
            assert ready, self.shown
            try:
                read = os.read(self.end, 4096)
            except OSError:  # on Linux, EIO means that the other end is closed
                read = b""
            if not read:
                return
            self.shown += read.decode()


@contextmanager
def terminal(*arguments: str) -> Iterator[Terminal]:
    ours, its = pty.openpty()

    def own_it() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the shell may have made the tests ignore SIGINT
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    try:
        with subprocess.Popen(
            [*COMMAND, *arguments], stdin=its, stdout=its, stderr=its, start_new_session=True, preexec_fn=own_it
        ) as process:
            os.close(its)
            try:
                yield Terminal(process, ours)
            finally:
                process.kill()
    finally:
        os.close(ours)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the login file."""
    if os.uname().sysname == "Darwin":
        monkeypatch.setenv("HOME", str(tmp_path))
        return tmp_path / "Library/Application Support/outcomes/login.json"
    return tmp_path / "config" / "outcomes" / "login.json"


def test_a_valid_login_is_saved_and_only_the_url_is_shown(api: Api, file: Path) -> None:
    with terminal("login") as shown:
        shown.answer("URL of the API", f"{api.url}\n")
        shown.answer("Key (hidden; empty for none)", f" {KEY} \n")
        shown.answer("Session as name=value (hidden; empty for none)", f"{COOKIE}\n")
        assert shown.ended() == 0
    assert api.url in shown.shown
    assert KEY not in shown.shown
    assert COOKIE not in shown.shown
    assert re.search("ok .* key", shown.shown)
    assert "until `outcomes logout`" in shown.shown
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KEY in file.read_text()
    assert COOKIE in file.read_text()


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
def test_ctrl_c_and_ctrl_d_save_nothing(api: Api, file: Path, key: str) -> None:
    with terminal("login", "--url", api.url) as shown:
        shown.answer("Key (hidden; empty for none)", f"{KEY}\n")
        shown.answer("Session as name=value (hidden; empty for none)", key)
        assert shown.ended() == 1
    assert shown.shown.endswith("Aborted!\r\n")
    assert "Traceback" not in shown.shown
    assert KEY not in shown.shown
    assert not file.parent.exists()


def test_ctrl_c_during_the_check_saves_nothing(outcomes: Outcomes, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("outcomes_client._doctor.examine", interrupt)
    assert outcomes("login").code == 130
    assert not file.parent.exists()
