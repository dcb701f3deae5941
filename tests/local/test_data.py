"""Test the data folder of the local stack."""

import errno
import fcntl
import json
import os
import stat
from pathlib import Path

import pytest

from local import data
from local.__main__ import parser, settings_of
from local.data import SECRETS, Secrets, empty, exclusive, kept_secrets, write
from ops.errors import StackError


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_can_read_the_data_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    before = os.umask(0)
    try:
        with exclusive(folder):
            kept_secrets(folder)
            write(folder / "stack.json", "{}")
    finally:
        os.umask(before)
    assert _mode(folder) == 0o700
    assert {path.name: _mode(path) for path in folder.iterdir()} == dict.fromkeys(
        ("lock", "secrets.json", "stack.json"), 0o600
    )


MINE = json.dumps(Secrets("mine", "b", "c", "d")._asdict())


def test_secrets_are_created_once(tmp_path: Path) -> None:
    made = kept_secrets(tmp_path)
    assert len({*made, *kept_secrets(tmp_path)}) == len(made)
    assert min(map(len, made)) >= 40


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"key": "a"}', MINE.replace('"mine"', "5"), MINE.replace("mine", "")]
)
def test_a_damaged_secrets_file_is_named_in_the_error(tmp_path: Path, text: str) -> None:
    (tmp_path / SECRETS).write_text(text)
    says = rf"^{tmp_path / SECRETS} cannot be read; make reset DATA={tmp_path} deletes all$"
    with pytest.raises(StackError, match=says):
        kept_secrets(tmp_path)


def test_secrets_may_be_edited_by_hand(tmp_path: Path) -> None:
    (tmp_path / SECRETS).write_text(MINE)
    assert kept_secrets(tmp_path) == Secrets("mine", "b", "c", "d")


def test_reset_removes_only_our_files_and_only_from_a_folder_not_in_use(tmp_path: Path) -> None:
    names = {data.JOURNAL, data.SECRETS, data.SEEDED, data.STACK, f"{data.JOURNAL}.new", "notes.txt"}
    for name in names:
        (tmp_path / name).write_text("x")
    (other := tmp_path / "other").mkdir()
    (other / "notes.txt").touch()
    with pytest.raises(StackError, match="has files, but no data of a local stack"):
        empty(other)
    with exclusive(tmp_path), pytest.raises(StackError, match="is running on"):
        empty(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "other", *names}
    empty(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "other", "notes.txt"}


def test_an_operating_system_error_becomes_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StackError, match=f"^cannot use {file}/data: Not a directory$"), exclusive(file / "data"):
        pass
    with pytest.raises(StackError, match=f"^cannot write {file}/a: Not a directory$"):
        write(file / "a", "")
    (tmp_path / data.JOURNAL).mkdir()
    with pytest.raises(StackError, match=f"^cannot empty {tmp_path}: "):
        empty(tmp_path)

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StackError, match=f"^cannot lock {tmp_path}: No locks available$"), exclusive(tmp_path):
        pass


def test_environment_variables_override_kept_secrets_and_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = parser().parse_args(["--data", str(tmp_path)])
    kept = kept_secrets(tmp_path)
    variables = {"INTERNAL_API_KEY": "a key", "SESSION_SECRET": "a secret", "LOCAL_AWS_SECRET": "another"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    chosen = settings_of(options)
    assert [chosen.key, chosen.session_secret, chosen.aws_secret] == [*variables.values()]
    for name in variables:
        monkeypatch.setenv(name, "")
    settings = settings_of(options)
    assert (settings.key, settings.session_secret, settings.erasure_secret, settings.aws_secret) == kept
