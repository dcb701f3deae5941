"""Test `outcomes login` and `outcomes logout`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import typer
from outcomes_client import OutcomesClient, _login
from outcomes_client.testing import OutcomesFake

from clients.python.tests.conftest import Api, Outcomes

VARIABLES = ("OUTCOMES_URL", "INTERNAL_API_KEY", "OUTCOMES_COOKIE")
KEY, COOKIE = OutcomesFake.key, "session=session-of-user-42"
RECORD = ("record", "--type", "deal_closed", "--title", "Acme renewed", "--user", "42")


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
    assert outcomes(*RECORD).code == outcomes("list").code == outcomes("doctor").code == 0
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
    api: Api, outcomes: Outcomes, file: Path, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    with OutcomesClient(api.url, cookie=api.cookie) as owner:
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
