"""`make run ENGINE=dynamodb` keeps items in DynamoDB Local. test_restarts.py has kills, test_bus_events.py events."""

import subprocess
from contextlib import ExitStack
from pathlib import Path
from shutil import which

import pytest

from local.data import ITEMS, JOURNAL, empty, engine_of
from local.engine import Engine, start
from ops.errors import StackError
from tests.local.stacks import ROOT, by_dynamodb


@pytest.mark.parametrize(
    ("kept", "wanted", "engine"),
    [
        (None, "", "moto"),
        (None, "dynamodb", "dynamodb"),
        (JOURNAL, "", "moto"),
        (JOURNAL, "moto", "moto"),
        (JOURNAL, "dynamodb", "moto holds the items of .*: choose another folder with DATA=, or make reset .* first"),
        (ITEMS, "", "dynamodb"),
        (ITEMS, "moto", "dynamodb holds the items of .*: choose another folder with DATA="),
        (None, "DynamoDB", "ENGINE is moto or dynamodb, not 'DynamoDB'"),
    ],
)
def test_a_folder_stays_with_its_engine_until_it_is_emptied(
    tmp_path: Path, kept: str | None, wanted: str, engine: str
) -> None:
    if kept:
        (tmp_path / kept).mkdir() if kept == ITEMS else (tmp_path / kept).touch()
    if " " in engine:
        with pytest.raises(StackError, match=engine):
            engine_of(tmp_path, wanted)
    else:
        assert engine_of(tmp_path, wanted) == engine
    empty(tmp_path)
    assert engine_of(tmp_path, "dynamodb") == "dynamodb"


def test_without_java_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with ExitStack() as cleanup, pytest.raises(StackError, match="DynamoDB Local needs java and npm: install them"):
        start("dynamodb", tmp_path, cleanup)
    assert not (tmp_path / ITEMS).exists()


def test_it_is_not_installed_without_npm_and_a_sentence_says_what_to_install(tmp_path: Path) -> None:
    install = [str(which("bash")), str(ROOT / ".ci/dynamodb/install"), str(tmp_path / "dynamodb")]
    (tmp_path / "dirname").symlink_to(str(which("dirname")))
    ended = subprocess.run(install, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.startswith("DynamoDB Local needs npm: install it, for example with apt-get install npm")


@by_dynamodb
def test_an_engine_keeps_its_tables_and_ends_when_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setenv("TMPDIR", str(own))
    table = {
        "TableName": "Tab",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    day = [{"AttributeName": "day", "KeyType": "HASH"}]
    for _ in range(2):
        engine = Engine(tmp_path / ITEMS)
        engine.create(table, None)
        assert [*own.glob("*/*")] != []
        assert engine.call("Scan", {"TableName": "Tab"})["Items"] == []
        with pytest.raises(
            StackError, match="the items of Tab have other keys or indexes; make reset with this DATA deletes"
        ):
            engine.create(table | {"KeySchema": day}, None)
        engine.close()
        assert [*own.iterdir()] == []
        with pytest.raises(ConnectionError):
            engine.call("Scan", {"TableName": "Tab"})
