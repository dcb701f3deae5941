"""Test `outcomes login` and `outcomes logout`, also on a real terminal (pty)."""

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
import typer
from outcomes_client import OutcomesClient, _login
from outcomes_client.testing import OutcomesFake

from clients.python.tests.conftest import Api, Outcomes
from clients.python.tests.test_cli import COMMAND, RECORD

VARIABLES = ("OUTCOMES_URL", "INTERNAL_API_KEY", "OUTCOMES_COOKIE")
KEY, COOKIE = OutcomesFake.key, "session=session-of-user-42"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.platform", "linux")  # other platforms have a different folder for settings
    return tmp_path / "config" / "outcomes" / "login.json"


@pytest.fixture
def logged_in(outcomes: Outcomes, file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert outcomes("login").code == 0
    for name in VARIABLES:
        monkeypatch.delenv(name)
    return file


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_saved_login_is_used_until_it_is_removed(outcomes: Outcomes, api: Api, logged_in: Path) -> None:
    assert outcomes(*RECORD, "--user", "42").code == outcomes("list").code == outcomes("doctor").code == 0
    assert len(api.recorded()) == 1
    assert outcomes("logout").err == "Removed.\n"
    assert not logged_in.exists()
    assert "OUTCOMES_URL" in outcomes("list").err
    again = outcomes("logout")
    assert (again.code, again.err) == (0, "There is nothing to remove.\n")


def test_only_its_owner_can_read_the_login_file(outcomes: Outcomes, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.parent.chmod(0o755)
    file.write_text("{}")
    file.chmod(0o644)
    run = outcomes("login")
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert list(file.parent.iterdir()) == [file]
    assert KEY not in run.out + run.err
    assert COOKIE not in run.out + run.err


def test_a_url_alone_is_not_enough(outcomes: Outcomes, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES[1:]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: " ")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    run = outcomes("login")
    assert (run.code, run.err) == (2, "outcomes: a key, a session or both are needed. Nothing was saved.\n")
    assert not file.exists()


@pytest.mark.parametrize(
    ("variable", "value", "code", "says"),
    [
        ("OUTCOMES_COOKIE", "session=expired", 1, "the session (OUTCOMES_COOKIE) is not valid"),
        ("INTERNAL_API_KEY", "mistyped", 1, "the key (INTERNAL_API_KEY) is not valid"),
        ("OUTCOMES_URL", "http://127.0.0.1:9", 1, "cannot be reached"),
        ("OUTCOMES_URL", "nowhere", 2, "OUTCOMES_URL"),
        ("OUTCOMES_URL", "", 2, "set OUTCOMES_URL"),
    ],
)
def test_settings_that_do_not_work_are_not_saved(
    outcomes: Outcomes,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    code: int,
    says: str,
) -> None:
    monkeypatch.setenv(variable, value)
    run = outcomes("login")
    assert run.code == code
    assert says in run.out + run.err
    assert not file.exists()


@pytest.mark.parametrize("scope", ["read", "cost", "correct"])
def test_an_agent_key_that_may_not_record_is_saved_for_what_it_may_do(
    owner: OutcomesClient, outcomes: Outcomes, file: Path, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", owner.create_key("Finance", scopes=[scope]).key)
    monkeypatch.delenv("OUTCOMES_COOKIE")
    run = outcomes("login")
    assert (run.code, run.err) == (0, f"Saved in {file}, until `outcomes logout`.\n")
    assert "lacks the scope record, and may not record" in run.out
    assert outcomes("doctor").code == 1  # it checks whether this machine can record


@pytest.mark.usefixtures("file")
def test_a_folder_that_cannot_be_created_is_an_error(outcomes: Outcomes, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("no folder")
    run = outcomes("login")
    assert run.code == 1
    assert run.err.endswith("Nothing was saved.\n")


def test_a_login_that_cannot_be_removed_is_an_error(outcomes: Outcomes, file: Path) -> None:
    file.parents[1].write_text("no folder")
    run = outcomes("logout")
    assert (run.code, run.err) == (1, f"outcomes: {file}: Not a directory\n")


@pytest.mark.usefixtures("logged_in")
@pytest.mark.parametrize(
    ("variables", "credentials"),
    [
        ({}, [KEY, COOKIE]),
        ({"INTERNAL_API_KEY": "other"}, ["other", None]),
        ({"OUTCOMES_COOKIE": "session=other"}, [None, "session=other"]),
        ({"OUTCOMES_URL": "http://elsewhere"}, [None, None]),
    ],
)
def test_variables_win_and_two_callers_are_never_mixed(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], credentials: list[str | None]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    chosen = _login.settings(variables.get("OUTCOMES_URL"), variables.get("OUTCOMES_COOKIE"))
    assert [chosen["api_key"], chosen["cookie"]] == credentials
    assert ("OUTCOMES_URL" in variables) == (chosen["url"] == "http://elsewhere")


@pytest.mark.parametrize("text", ["", "[1]", '{"url": "nowhere"}', '{"secret-of": "mine"}', '{"url": 1}'])
def test_an_unreadable_login_file_is_an_error_without_its_content(
    outcomes: Outcomes, logged_in: Path, text: str
) -> None:
    logged_in.write_text(text)
    run = outcomes("list")
    assert run.code == 2
    assert "secret-of" not in run.err
    assert outcomes("logout").code == 0


# On a terminal

CTRL_C, CTRL_D = "\x03", "\x04"
SECONDS = 30.0


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
def file_of_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the login file of a process."""
    if os.uname().sysname == "Darwin":
        monkeypatch.setenv("HOME", str(tmp_path))
        return tmp_path / "Library/Application Support/outcomes/login.json"
    return tmp_path / "config" / "outcomes" / "login.json"


def test_a_valid_login_is_saved_and_only_the_url_is_shown(api: Api, file_of_platform: Path) -> None:
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
    assert stat.S_IMODE(file_of_platform.stat().st_mode) == 0o600
    assert KEY in file_of_platform.read_text()
    assert COOKIE in file_of_platform.read_text()


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
def test_ctrl_c_and_ctrl_d_save_nothing(api: Api, file_of_platform: Path, key: str) -> None:
    with terminal("login", "--url", api.url) as shown:
        shown.answer("Key (hidden; empty for none)", f"{KEY}\n")
        shown.answer("Session as name=value (hidden; empty for none)", key)
        assert shown.ended() == 1
    assert shown.shown.endswith("Aborted!\r\n")
    assert "Traceback" not in shown.shown
    assert KEY not in shown.shown
    assert not file_of_platform.parent.exists()


def test_ctrl_c_during_the_check_saves_nothing(
    outcomes: Outcomes, file_of_platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("outcomes_client._doctor.examine", interrupt)
    assert outcomes("login").code == 130
    assert not file_of_platform.parent.exists()
