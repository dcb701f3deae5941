"""Test upgrades, canaries and rollbacks: each version of the code reads and changes the other version's data."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from standardwebhooks.webhooks import Webhook

from tests.people import restore
from tests.upgrade import make
from tests.upgrade.make import FUNCTIONS, LAYER, RENEW, SALT
from tests.upgrade.planted import ADDITIONS, NEWER_CURSOR, PLANTS, Plant, planted
from tests.upgrade.promises import PROMISES, WHILE_BOTH_RUN, BrokenPromise, keep, recorded
from tests.upgrade.stack import SECRETS, Code, Stack
from tests.upgrade.story import Story, tell


@pytest.fixture(scope="module")
def stack(template: Any) -> Iterator[Stack]:
    with Stack.running(template) as running:
        yield running


@pytest.fixture(scope="module")
def new_and_its_story(stack: Stack) -> tuple[Code, Story]:
    """Start the code of this commit, and run the story.

    This must be the code's first story, because its ids depend on its earlier calls.
    """
    code = stack.start(LAYER, FUNCTIONS, SALT)
    return code, tell(stack, code)


@pytest.fixture(scope="module")
def new(new_and_its_story: tuple[Code, Story]) -> Code:
    return new_and_its_story[0]


@pytest.fixture(scope="module")
def told_by_new(new_and_its_story: tuple[Code, Story]) -> Story:
    return new_and_its_story[1]


@pytest.fixture(scope="module")
def old(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Code:
    """Start the code of the release."""
    folder = tmp_path_factory.mktemp("release")
    make.unpack(folder)
    return stack.start(folder, folder / "functions", "old")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package with its compiled files."""
    return shutil.copytree(LAYER / "outcomes", tmp_path_factory.mktemp("planted") / "outcomes")


@pytest.fixture
def start_planted(stack: Stack, copied: Path) -> Iterator[Callable[[Plant], Code]]:
    """Return a function that starts the code of this commit with planted changes."""
    with ExitStack() as cleanup:

        def start(plant: Plant) -> Code:
            cleanup.enter_context(planted(plant, copied))
            code = stack.start(copied.parent, FUNCTIONS, "planted")
            cleanup.callback(stack.stop, code)
            return code

        yield start


@pytest.fixture(scope="module")
def released(stack: Stack) -> Story:
    """Return the release's saved story: its rows and answers."""
    return make.read(stack)


@pytest.fixture(scope="module")
def told_by_both(stack: Stack, new: Code, old: Code) -> Story:
    """Run the story alternating between both versions, as during a canary."""
    return tell(stack, old, new)


@pytest.mark.parametrize("promise", PROMISES)
def test_after_an_upgrade(stack: Stack, new: Code, released: Story, promise: str) -> None:
    try:
        keep(stack, new, released, promise, is_newer=True)
    except BrokenPromise as broken:
        pytest.fail(f"{broken} {RENEW}")


@pytest.mark.parametrize("promise", WHILE_BOTH_RUN)
def test_after_a_rollback(stack: Stack, old: Code, told_by_new: Story, promise: str) -> None:
    keep(stack, old, told_by_new, promise)


@pytest.mark.parametrize("promise", WHILE_BOTH_RUN)
@pytest.mark.parametrize("version", ["old", "new"])
def test_during_a_canary(
    stack: Stack, told_by_both: Story, version: str, promise: str, request: pytest.FixtureRequest
) -> None:
    keep(stack, request.getfixturevalue(version), told_by_both, promise)


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS)
def test_a_changed_format_breaks_the_promise_that_is_named(
    stack: Stack, start_planted: Callable[[Plant], Code], released: Story, plant: Plant
) -> None:
    with pytest.raises(BrokenPromise, match=PROMISES[plant.promise]):
        keep(stack, start_planted(plant), released, plant.promise, is_newer=True)


def test_a_format_that_older_code_cannot_read_breaks_the_promise_of_a_rollback(
    stack: Stack, start_planted: Callable[[Plant], Code], old: Code, released: Story
) -> None:
    code = start_planted(NEWER_CURSOR)
    keep(stack, code, released, "cursors", is_newer=True)
    with pytest.raises(BrokenPromise, match=PROMISES["cursors"]):
        keep(stack, old, tell(stack, code), "cursors")


def test_what_a_minor_version_may_add_breaks_no_promise(
    stack: Stack, start_planted: Callable[[Plant], Code], old: Code, released: Story
) -> None:
    code = start_planted(ADDITIONS)
    story = tell(stack, code)
    for promise in PROMISES:
        keep(stack, code, released, promise, is_newer=True)
    for promise in WHILE_BOTH_RUN:
        keep(stack, old, story, promise)


def test_rows_of_keys_in_a_later_format_are_not_misread_and_nothing_counts_twice(
    stack: Stack, new: Code, released: Story
) -> None:
    restore(released.tables)
    stack.fill({"IdempotencyTable": [row | {"format": {"N": "2"}} for row in stack.rows("IdempotencyTable")]})
    before = stack.rows("OutcomesTable")
    for call in released.of("once"):
        assert {id_ for id_, _ in recorded(stack.run(new, call).answer)} == {None}, call.name
    assert stack.rows("OutcomesTable") == before


def test_cursors_and_agent_keys_of_a_later_format_are_refused(stack: Stack, new: Code, released: Story) -> None:
    restore(released.tables)
    for call in released.of("cursors"):
        if "event" in call.request:
            event = call.request["event"] | {"cursor": '{"version":2}'}
            assert stack.run(new, call._replace(request={"event": event})).answer == {"error": "Invalid cursor"}
        else:
            query = call.request["query"] | {"cursor": f"3.{call.request['query']['cursor']}"}
            answer = stack.run(new, call._replace(request=call.request | {"query": query})).answer
            assert (answer["status"], answer["body"]) == (400, '{"error":"Invalid cursor"}')
    for call in released.of("keys"):
        sent = call.request.get("headers", {}).get("Authorization", "")
        if "oc_" in sent:
            headers = {"Authorization": sent.replace("oc_", "oc2_")}
            answer = stack.run(new, call._replace(request=call.request | {"headers": headers})).answer
            assert answer == "Exception: Unauthorized"


def test_the_official_library_makes_the_kept_signatures_of_webhooks(released: Story) -> None:
    posted = [each for call in released.of("events") for each in call.answer["posted"]]
    for each in posted:
        sent = datetime.fromtimestamp(int(each["headers"]["webhook-timestamp"]), UTC)
        signature = Webhook(SECRETS["webhook-secret"]).sign(each["headers"]["webhook-id"], sent, each["body"])
        assert each["headers"]["webhook-signature"] == signature
    assert len(posted) == 4


def test_what_is_kept_is_what_this_version_writes(stack: Stack, told_by_new: Story) -> None:
    if make.is_released(make.version(), make.tags()):
        return  # a later version may store more, as long as it keeps the promises
    restore(told_by_new.tables)
    for name, text in make.files(told_by_new, stack.all_rows()).items():
        kept = (make.FOLDER / name).read_text().splitlines()
        changed = [(was, now) for was, now in zip(kept, text.splitlines(), strict=False) if was != now]
        assert kept == text.splitlines(), f"{name}: {changed[:3]} {RENEW}"


def test_the_archive_of_a_release_is_its_code(tmp_path: Path) -> None:
    if make.version() == make.RELEASE:
        make.unpack(tmp_path)
        kept = {str(file.relative_to(tmp_path)): file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        assert kept == dict(make.sources()), RENEW
    some = list(make.sources())[:3]
    assert make.pack(some) == make.pack(some)


@pytest.mark.parametrize(
    ("version", "tags", "is_released"),
    [
        ("1.0.0.dev0", [], False),
        ("1.0.0", ["v0.9.0"], False),
        ("1.0.0", ["v1.0.0"], True),
        ("1.0.1.dev0", [], True),
        ("1.1.0", ["v1.0.0"], True),
    ],
)
def test_what_a_release_stored_is_never_renewed(
    version: str,
    tags: list[str],
    is_released: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["make"])
    monkeypatch.setattr(make, "version", lambda: Version(version))
    monkeypatch.setattr(make, "tags", lambda: tags)
    monkeypatch.setattr(make, "write", lambda: (tmp_path / "renewed").touch())

    assert make.main() == int(is_released)
    assert (tmp_path / "renewed").exists() != is_released
    assert ("never be renewed" in capsys.readouterr().err) == is_released
