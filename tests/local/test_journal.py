"""Test the journal, and the tables restored from it."""

import errno
import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from local.data import DAMAGED, LOCK, empty
from local.journal import Journal
from local.moto_backend import backend
from local.persistence import Backlog, Persistence
from ops.errors import StackError
from ops.template import parse_yaml
from tests.aws import aws_client, mock_aws, scan
from tests.conftest import template_tables
from tests.local.stacks import ROOT
from tests.local.test_moto_backend import CALLS, PUT, sent
from tests.local.values import VALUES

PAGES, STEPS = "Pages", "Steps"
KEYS = {PAGES: ["page"], STEPS: ["page", "step"]}


@contextmanager
def persistent_tables(journal: Path, *names: str, step_type: str = "N", streams: bool = False) -> Iterator[Persistence]:
    """Create tables in an empty account, and restore their items from the journal."""
    with mock_aws():
        for name in names:
            types = {"page": "S", "step": step_type}
            aws_client("dynamodb").create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": types[key]} for key in KEYS[name]],
                KeySchema=[
                    {"AttributeName": key, "KeyType": type_}
                    for key, type_ in zip(KEYS[name], ("HASH", "RANGE"), strict=False)
                ],
                **({"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}} if streams else {}),
            )
        persistence = Persistence(backend("dynamodb"), Journal(journal))
        with closing(persistence):
            persistence.restore(names)
            yield persistence


def items(*names: str) -> dict[str, list[Any]]:
    """Return all items of the tables, by table."""
    return {name: aws_client("dynamodb").scan(TableName=name)["Items"] for name in names}


def put(page: str, **attributes: Any) -> None:
    aws_client("dynamodb").put_item(TableName=PAGES, Item={"page": {"S": page}, **attributes})


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_a_value_of_every_type_is_restored_unchanged(journal: Path) -> None:
    with persistent_tables(journal, PAGES) as persistence:
        for number, value in enumerate(VALUES):
            put(f"{number}", value=value)
        persistence.write()
        before = items(PAGES)
        assert sorted(before[PAGES], key=lambda item: int(item["page"]["S"])) == [
            {"page": {"S": f"{number}"}, "value": value} for number, value in enumerate(VALUES)
        ]
    for _ in range(2):  # the first round restores from logged requests, the second from the compacted file
        with persistent_tables(journal, PAGES):
            assert items(PAGES) == before
    with persistent_tables(journal, PAGES):
        for number, value in enumerate(VALUES):  # a condition compares bytes, not their text in the journal
            aws_client("dynamodb").delete_item(
                TableName=PAGES,
                Key={"page": {"S": f"{number}"}},
                ConditionExpression="#value = :value",
                ExpressionAttributeNames={"#value": "value"},
                ExpressionAttributeValues={":value": value},
            )
        assert items(PAGES) == {PAGES: []}


def put_step(text: str) -> None:
    key = {"page": {"S": "a"}, "step": {"N": "1"}}
    aws_client("dynamodb").put_item(TableName=STEPS, Item=key | {"text": {"S": text}})


@contextmanager
def deployed(journal: Path) -> Iterator[Persistence]:
    template = parse_yaml((ROOT / "template.yaml").read_text())
    with template_tables(template) as names, closing(Persistence(backend("dynamodb"), Journal(journal))) as persistence:
        persistence.restore(names)
        yield persistence


BOTH = {"Put": PUT}, {"Put": {"TableName": "IdempotencyTable", "Item": {"key_sha256": {"S": "a"}}}}
# moto cannot compute the size of an attribute that an item does not have.
REQUESTS = [each for each in CALLS if "size(" not in str(each)] + [("TransactWriteItems", {"TransactItems": [*BOTH]})]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(REQUESTS), max_size=12))
def test_any_sequence_of_requests_is_restored(requests: list[tuple[str, dict[str, Any]]]) -> None:
    with TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.jsonl"
        with deployed(journal) as persistence:
            for operation, parameters in requests:
                written = journal.read_bytes()
                sent(operation, parameters)
                persistence.write()
                # A request is one line, so that a torn line loses it as a whole.
                assert journal.read_bytes().removeprefix(written).count(b"\n") <= 1
            before = scan(), scan("IdempotencyTable")
        with deployed(journal):
            assert (scan(), scan("IdempotencyTable")) == before


def test_a_torn_last_line_is_ignored(journal: Path) -> None:
    with persistent_tables(journal, PAGES) as persistence:
        put("answered")
        persistence.write()
        answered = journal.read_bytes()
        put("unanswered")
        persistence.write()
        torn = journal.read_bytes()
    for length in range(len(answered), len(torn)):
        journal.write_bytes(torn[:length])
        assert [change.key for change in Journal(journal).read()] == [{"page": {"S": "answered"}}]
    with persistent_tables(journal, PAGES) as persistence:
        put("later")
        persistence.write()
    with persistent_tables(journal, PAGES):
        assert {item["page"]["S"] for item in items(PAGES)[PAGES]} == {"answered", "later"}


@pytest.mark.parametrize(
    "lines",
    [
        ["not JSON"],
        ["{}["],
        ["5"],
        ["[5]"],
        ['[["Pages", {"page": {"S": "a"}}]]'],
        ['[["Pages", {}, null]]'],
        ['[["Pages", {"page": "a"}, null]]'],
        ['[["Pages", [], null]]'],
        ['[[7, {"page": {"S": "a"}}, null]]'],
        ['[["Pages", {"page": {"S": "a"}}, {"page": {"S": "b"}}]]'],
        ['[["Pages", {"page": {"S": "a"}}, []]]'],
        ["\udcff"],
        ["first", "second"],
    ],
)
def test_the_error_names_damaged_lines_and_how_to_remove_them(journal: Path, lines: list[str]) -> None:
    good = '[["Pages", {"page": {"S": "a"}}, {"page": {"S": "a"}}]]\n'
    journal.write_text(good + "".join(f"{line}\n{good}" for line in lines), errors="surrogateescape")
    before = journal.read_bytes()
    with pytest.raises(StackError) as damaged:
        list(Journal(journal).read())
    of, edit, these = {
        1: ("line 2 of {} is", "2d", "this line"),
        2: ("lines 2, 4 of {} are", "'2d;4d'", "these lines"),
    }[len(lines)]
    keep = f"sed -i.damaged {edit} {journal}"
    says = f"{keep} removes only {these}, make reset DATA={journal.parent} deletes all"
    assert str(damaged.value) == f"{of.format(journal)} damaged: {says}"
    subprocess.run(shlex.split(keep), check=True)
    assert len(list(Journal(journal).read())) == len(lines) + 1
    assert journal.with_name(DAMAGED).read_bytes() == before
    empty(journal.parent)
    assert [file.name for file in journal.parent.iterdir()] == [LOCK], "the copy that sed made, too"


def test_an_unreadable_journal_is_named(journal: Path) -> None:
    journal.mkdir()
    with pytest.raises(StackError, match=rf"^cannot read {journal}: Is a directory$"):
        list(Journal(journal).read())


def test_a_start_compacts_the_journal(journal: Path) -> None:
    with persistent_tables(journal, PAGES) as persistence:
        for page in ["a", "b", "a", "a"]:
            put(page)
            persistence.write()
        aws_client("dynamodb").delete_item(TableName=PAGES, Key={"page": {"S": "b"}})
        persistence.write()
        assert len(journal.read_text().splitlines()) == 5
    with persistent_tables(journal, PAGES):
        assert journal.read_text() == '[["Pages", {"page": {"S": "a"}}, {"page": {"S": "a"}}]]\n'


def test_a_failed_compaction_keeps_the_journal(journal: Path) -> None:
    with persistent_tables(journal, PAGES) as persistence:
        put("a")
        persistence.write()
    before = journal.read_bytes()
    journal.with_name("journal.jsonl.new").mkdir()
    with (
        pytest.raises(StackError, match=rf"^cannot write {journal}: Is a directory$"),
        persistent_tables(journal, PAGES),
    ):
        pass
    assert journal.read_bytes() == before


def test_a_write_that_failed_on_a_full_disk_is_written_with_the_next_request(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite

    def half(descriptor: int, line: bytes, offset: int) -> int:
        pwrite(descriptor, line[: len(line) // 2], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with persistent_tables(journal, PAGES) as persistence:
        put("before")
        persistence.write()
        put("refused", text={"S": "x" * 100})
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", half)
            with pytest.raises(OSError, match="No space left"):
                persistence.write()
        assert [change.key["page"]["S"] for change in Journal(journal).read()] == ["before"]
        aws_client("dynamodb").delete_item(TableName=PAGES, Key={"page": {"S": "refused"}})
        put("after")
        persistence.write()
        before = items(PAGES)
    with persistent_tables(journal, PAGES):
        assert items(PAGES) == before


def test_a_partial_write_is_completed(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda descriptor, line, offset: pwrite(descriptor, line[:7], offset))
    with persistent_tables(journal, PAGES) as persistence:
        put("a")
        persistence.write()
    assert journal.read_text() == '[["Pages", {"page": {"S": "a"}}, {"page": {"S": "a"}}]]\n'


def test_items_of_tables_that_the_template_lacks_are_kept(journal: Path) -> None:
    with persistent_tables(journal, PAGES, STEPS) as persistence:
        put_step("kept")
        put("a")
        persistence.write()
        before = items(PAGES, STEPS)
    with persistent_tables(journal, PAGES) as persistence:
        put("b")
        persistence.write()
        before[PAGES] = items(PAGES)[PAGES]
    with persistent_tables(journal, PAGES, STEPS):
        assert items(PAGES, STEPS) == before


def test_a_table_with_a_changed_key_is_named(journal: Path) -> None:
    with persistent_tables(journal, STEPS) as persistence:
        put_step("x")
        persistence.write()
    with (
        pytest.raises(
            StackError, match=r"^the items of Steps have another key; make reset with this DATA deletes all$"
        ),
        persistent_tables(journal, STEPS, step_type="S"),
    ):
        pass


def test_stream_records_are_kept_until_their_reader_is_done(journal: Path) -> None:
    with persistent_tables(journal, PAGES, streams=True) as persistence:
        for page in "abc":
            put(page)
        persistence.write()
        persistence.done(stream(persistence), [1])
    for _ in range(2):
        with persistent_tables(journal, PAGES, streams=True) as persistence:
            assert streamed(persistence) == ["b", "c"]
    with persistent_tables(journal, PAGES, streams=True) as persistence:
        put("d")
        persistence.write()
        assert [number for number, _ in stream(persistence).first(9)] == [2, 3, 4]
    with persistent_tables(journal, PAGES) as persistence:  # without `streams`, the tables have no stream
        assert persistence.stream(PAGES) is None
    with persistent_tables(journal, PAGES, streams=True) as persistence:
        assert streamed(persistence) == []


def test_a_cancelled_transaction_makes_no_stream_records(journal: Path) -> None:
    writes = [
        {"Put": {"TableName": PAGES, "Item": {"page": {"S": "b"}}}},
        {
            "Put": {
                "TableName": PAGES,
                "Item": {"page": {"S": "a"}},
                "ConditionExpression": "attribute_not_exists(page)",
            }
        },
    ]
    with persistent_tables(journal, PAGES, streams=True) as persistence:
        put("a")
        persistence.write()
        with pytest.raises(ClientError, match="TransactionCanceled"):
            aws_client("dynamodb").transact_write_items(TransactItems=writes)
        persistence.write()
        assert streamed(persistence) == ["a"]
        aws_client("dynamodb").transact_write_items(TransactItems=writes[:1])
        persistence.write()
        assert streamed(persistence) == ["a", "b"]


def test_a_write_that_changes_nothing_makes_no_stream_record(journal: Path) -> None:
    with persistent_tables(journal, PAGES, streams=True) as persistence:
        put("a", text={"S": "x"})
        put("a", text={"S": "x"})
        persistence.write()
        assert streamed(persistence) == ["a"]


def test_stream_records_that_could_not_be_written_are_written_with_the_next_request(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with persistent_tables(journal, PAGES, streams=True) as persistence:
        put("a")
        with monkeypatch.context() as full_disk:
            full_disk.setattr(os, "pwrite", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device")))
            with pytest.raises(OSError, match="No space"):
                persistence.write()
        assert streamed(persistence) == []
        put("b")
        persistence.write()
        assert streamed(persistence) == ["a", "b"]


def stream(persistence: Persistence) -> Backlog:
    backlog = persistence.stream(PAGES)
    assert backlog is not None
    return backlog


def streamed(persistence: Persistence) -> list[str]:
    """Return the value of the key attribute `page` in each stream record."""
    return [json.loads(text)["dynamodb"]["Keys"]["page"]["S"] for _, text in stream(persistence).first(9)]


def test_a_deleted_table_is_ignored(journal: Path) -> None:
    with persistent_tables(journal, PAGES) as persistence:
        put("a")
        aws_client("dynamodb").delete_table(TableName=PAGES)
        persistence.write()
    assert list(Journal(journal).read()) == []
