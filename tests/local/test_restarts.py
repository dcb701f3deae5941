"""Data, the platform's key and sessions survive a restart of the local stack."""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from local.data import JOURNAL, LOCK
from local.journal import Journal
from tests.local.stacks import ENGINES, Stack, local, running

AWS_ALONE = ("aws", "--port", "0")
USER = 42
OUTCOME = {"outcomeType": "task_complete", "title": "Checked", "userId": USER}
AGENTS = 6
ANSWERS = 60


class Agents:
    """Threads that record outcomes until the stack is killed: one by one, with idempotency keys, and in batches.

    Each thread waits for its answers. answered: the ids in the answers. by_key: the ids by idempotency key.
    """

    def __init__(self, stack: Stack) -> None:
        self.answered: set[str] = set()
        self.by_key: dict[str, str] = {}
        self._stack = stack
        self._enough = threading.Event()
        threads = [threading.Thread(target=self._record, args=[f"agent-{number}"]) for number in range(AGENTS)]
        for thread in threads:
            thread.start()
        assert self._enough.wait(60)
        stack.stop(signal.SIGKILL)
        for thread in threads:
            thread.join(60)

    def _record(self, name: str) -> None:
        headers = {"Authorization": f"Bearer {self._stack.key}"}
        with httpx.Client(base_url=self._stack.url, headers=headers, timeout=30) as client:
            for number in range(1_000):
                key = f"{name}-{number}"
                in_batch = [OUTCOME, OUTCOME | {"idempotencyKey": f"{key}-batch"}]
                with suppress(httpx.TransportError):
                    answer = client.post("/api/outcomes", json=OUTCOME)
                    self._note(answer.raise_for_status().headers["Outcome-Id"])
                    answer = client.post("/api/outcomes", json=OUTCOME, headers={"Idempotency-Key": key})
                    self._note(answer.raise_for_status().headers["Outcome-Id"], key)
                    answer = client.post("/api/outcomes/batch", json={"outcomes": in_batch})
                    new, keyed = answer.raise_for_status().json()["results"]
                    self._note(new["id"])
                    self._note(keyed["id"], f"{key}-batch")
                if self._stack.process.poll() is not None:
                    return

    def _note(self, id_: str, key: str | None = None) -> None:
        self.answered.add(id_)
        if key:
            self.by_key[key] = id_
        if len(self.answered) >= ANSWERS:
            self._enough.set()


def feed(stack: Stack, cookie: str) -> list[str]:
    """Return the ids of all outcomes that a session lists, on all pages."""
    ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        url = f"{stack.url}/api/outcomes?limit=50" + (f"&cursor={cursor}" if cursor else "")
        page = httpx.get(url, headers={"Cookie": cookie}, timeout=30).raise_for_status().json()
        ids += [outcome["id"] for outcome in page["outcomes"]]
        cursor = page["next_cursor"]
    return ids


@pytest.mark.parametrize("engine", ENGINES)
def test_answered_outcomes_and_sessions_survive_a_kill(tmp_path: Path, engine: str) -> None:
    with running(tmp_path, environment={"ENGINE": engine}) as first:
        page = httpx.get(first.url).headers["Set-Cookie"].partition(";")[0]
        stored = first.command("session", "--kind", "stored").stdout.strip().removeprefix("Cookie: ")
        assert "User 7 now has" in first.command("seed", "--user-id", "7").stdout
        seeded = feed(first, first.cookie(7))
        agents = Agents(first)
    assert agents.by_key
    with running(tmp_path) as second:
        assert second.url != first.url  # the second stack has another port than the first
        assert (second.key, second.session_secret) == (first.key, first.session_secret)
        found = feed(second, page)
        assert agents.answered <= set(found)
        assert len(set(found)) == len(found)
        assert feed(second, stored) == found
        for key, id_ in list(agents.by_key.items())[-5:]:
            headers = {"Authorization": f"Bearer {second.key}", "Idempotency-Key": key}
            again = httpx.post(f"{second.url}/api/outcomes", json=OUTCOME, headers=headers, timeout=30)
            assert (again.headers["Outcome-Id"], again.headers["Idempotent-Replayed"]) == (id_, "true")
        assert feed(second, page) == found
        assert "User 7 was seeded before: nothing was added.\n" in second.command("seed", "--user-id", "7").stdout
        assert feed(second, second.cookie(7)) == seeded


@contextmanager
def dynamodb(stack: Stack) -> Iterator[Any]:
    """Yield a DynamoDB client that does not retry."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=stack.aws_url,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    yield client
    client.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
def test_a_write_is_not_acknowledged_when_the_journal_cannot_be_written(tmp_path: Path) -> None:
    with running(tmp_path, *AWS_ALONE) as stack, dynamodb(stack) as client:
        table, journal = stack.tables["SessionsTable"], stack.data / JOURNAL

        def put(token: str) -> None:
            client.put_item(TableName=table, Item={"token_sha256": {"S": token}, "user_id": {"N": "7"}})

        # The limit below applies to each file, so also to the stack's log. Make the journal longer than the log.
        put("x" * 1_000)
        limits = resource.prlimit(stack.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(stack.process.pid, resource.RLIMIT_FSIZE, (journal.stat().st_size + 10, limits[1]))
        with pytest.raises(client.exceptions.InternalServerError):
            put("refused")
        assert stack.log == "cannot write to the journal: File too large\n"
        resource.prlimit(stack.process.pid, resource.RLIMIT_FSIZE, limits)
        put("answered")
        stack.stop(signal.SIGKILL)
    kept = {change.key["token_sha256"]["S"] for change in Journal(journal).read()}
    assert kept == {"x" * 1_000, "refused", "answered"}


def test_a_folder_in_use_is_refused_and_a_reset_empties_it_afterwards(tmp_path: Path) -> None:
    with running(tmp_path, *AWS_ALONE) as first:
        for arguments in ["--parameter", "AcceptPlainCookies=true"], AWS_ALONE, ["reset"]:
            refused = local(first.data, *arguments, environment={"PORT": "0"})
            assert (refused.returncode, refused.stdout) == (1, "")
            assert refused.stderr == (
                f"error: a stack is running on {first.data}: stop it, or choose another folder with DATA=\n"
            )
        assert first.command("session", "--kind", "stored").returncode == 0
        assert first.stop() == 0
    reset = local(first.data, "reset")
    assert (reset.returncode, reset.stderr) == (0, "")
    assert [path.name for path in first.data.iterdir()] == [LOCK]
    with running(tmp_path, *AWS_ALONE) as second, dynamodb(second) as client:
        assert {first.key, first.session_secret} & {second.key, second.session_secret} == set()
        assert client.scan(TableName=second.tables["SessionsTable"])["Count"] == 0
