"""Test the output and the exit codes of the command `outcomes`."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from threading import Barrier, Event
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import pytest
from outcomes.ledger.export import _text_cell
from outcomes_client import NoAnswerError, OutcomesClient, OutcomesError, Result
from outcomes_client._importing import Line, outcome_rows, record, unguarded
from outcomes_client._json import encode
from rich.cells import cell_len

from clients.python.tests.conftest import ONE_TRY, ROOT, Api, FullDisk, Outcomes, everywhere

COMMAND = [sys.executable, "-m", "outcomes_client"]


def write(path: Path, *bodies: dict[str, Any] | str) -> str:
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in bodies))
    return str(path)


def task(title: str, **fields: Any) -> dict[str, Any]:
    return {"outcomeType": "task_complete", "title": title, "userId": 42, **fields}


RECORD = ("record", "--type", "deal_closed", "--title", "Acme renewed")
FOR_42 = ("--user", "42")


# version, help


def test_the_version_is_the_package_s(outcomes: Outcomes) -> None:
    run = outcomes("--version")
    assert (run.code, run.out, run.err) == (0, f"outcomes {version('outcomes-client')}\n", "")


CALLS = {"anyio", "httpcore", "httpx", "mcp", "outcomes_client._calls", "pyarrow", "pydantic", "rich", "simplejson"}


@pytest.mark.parametrize(
    ("arguments", "slow"),
    [
        (["--version"], CALLS),
        (["--help"], {*CALLS, "importlib.metadata"}),
        (["record", "--help"], {*CALLS, "importlib.metadata"}),
    ],
)
def test_version_and_help_import_no_slow_module(arguments: list[str], slow: set[str]) -> None:
    program = (
        "import atexit, sys; from outcomes_client.__main__ import main; "
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main(sys.argv[1:])"
    )
    run = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert "outcomes" in run.stdout
    assert not slow & set(run.stderr.split())


def test_the_help_has_a_line_for_each_command_and_each_command_a_help_of_its_own(
    outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for group, count in (((), 26), (("keys",), 7)):
        _, commands = outcomes(*group, "--help").out.split("Commands:\n")
        listed = dict(line.split(maxsplit=1) for line in commands.partition("\n\n")[0].splitlines())
        assert len(listed) == count
        for name, about in listed.items():
            assert not about.endswith("...")
            run = outcomes(*group, name, "--help")
            assert (run.code, run.out.startswith(f"Usage: outcomes {' '.join((*group, name))} ")) == (0, True)
            assert about[:-1] in " ".join(run.out.split())


# What a command says

NO_KEY, NO_SESSION = {"INTERNAL_API_KEY": ""}, {"OUTCOMES_COOKIE": ""}
NOBODY = {"OUTCOMES_URL": "http://127.0.0.1:9", "OUTCOMES_DEADLINE": "0.5"}
NEITHER = {**NO_KEY, **NO_SESSION}
NO_URL = {"OUTCOMES_URL": "", **NEITHER}
WRONG_KEY = {"INTERNAL_API_KEY": "wrong"}
DEAL, AMEND = "record --type deal_closed --title Acme --user 42", "amend 01A --reason x --user 42"
NEW_KEY = "keys create --name x --user 42"
GIVE_URL = "give --url, set OUTCOMES_URL, or run `outcomes login`"
AGENT_KEY = f"oc_7Fq2LmXw9KdR4sTb_{'0' * 38}"
PART_OF_A_KEY = AGENT_KEY[:-5]
MAKE_SESSION = 'with the local stack, export OUTCOMES_COOKIE="$(make session)"'
INVALID = "is not valid: wrong, expired or revoked"
NOT_UTF_8 = "outcomes: an argument is not UTF-8. Nothing was sent."

SAID: list[tuple[str, dict[str, str], int, str, str]] = [
    ("recrod", {}, 2, "No such command 'recrod'. Did you mean 'record'?", ""),
    ("keys crate", {}, 2, "No such command 'crate'. Did you mean 'create', 'rotate'?", ""),
    ("--bogus", {}, 2, "No such option: --bogus", ""),
    ("record --bogus", {}, 2, "No such option: --bogus", ""),
    ("record", {}, 2, "Missing option '--type'", ""),
    ("record --type deal_closed", {}, 2, "--title", ""),
    ("record --type deal_closed --title ' '", {}, 1, "400 Invalid title", ""),
    ("record --type nonsense --title x", {}, 1, "400 Invalid --type", ""),
    (f"{DEAL} --value much", {}, 2, "not a number", ""),
    (f"{DEAL} --value NaN", {}, 2, "not a finite number", ""),
    (f"{DEAL} --agent 0", {}, 2, "--agent", ""),
    (f"{DEAL} --metadata [1]", {}, 2, "not a JSON object", ""),
    (f"{DEAL} --metadata {{", {}, 2, "not JSON", ""),
    (f"{DEAL} --metadata '{{\"n\":1e99999999999999999999}}'", {}, 2, "not JSON", ""),
    (f"{DEAL} --idempotency-key 'two words'", {}, 1, "Idempotency-Key: --idempotency-key must be 1 to 255", ""),
    (f"{DEAL} --url nowhere", {}, 2, "OUTCOMES_URL", "url="),
    (f"{DEAL} --at soon", {}, 1, "400 Invalid --at: --at must be a date-time with an offset", ""),
    (f"{DEAL} --value 1e99", {}, 1, "400 Invalid --value: --value must be a number", ""),
    (f"{AMEND} --value 1e99", {}, 1, "400 Invalid changes: --value must be a number", ""),
    (f"{AMEND} --at soon", {}, 1, "400 Invalid changes: --at must be a date-time", ""),
    (f"{NEW_KEY} --expires 2020-01-01", {}, 1, "400 Invalid --expires: --expires must be a date-time with", ""),
    (f"{NEW_KEY} --max-value -1", {}, 1, "400 Invalid --max-value: --max-value must be a number from 0", ""),
    (DEAL, {"OUTCOMES_DEADLINE": "soon"}, 2, "OUTCOMES_DEADLINE", ""),
    ("list --limit 51", {}, 2, "--limit", ""),
    ("list --cookie session=expired", {}, 1, f"401 Unauthorized: the session (OUTCOMES_COOKIE) {INVALID}", ""),
    ("list --cookie nonsense", {}, 2, "OUTCOMES_COOKIE", ""),
    ("list", NO_URL, 2, GIVE_URL, "url="),
    ("list", {**NO_SESSION, "OUTCOMES_URL": "https://api.example"}, 2, "; run `outcomes doctor`", "make session"),
    ("summary", NO_SESSION, 2, MAKE_SESSION, "Recording"),
    ("summary --by hour", {}, 2, "--by", ""),
    ("summary --days 7 --to 2026-04-01", {}, 2, "--days", ""),
    ("mcp", NO_URL, 2, GIVE_URL, "url="),
    ("mcp", NO_KEY, 2, "MCP needs a key (INTERNAL_API_KEY): create one with `outcomes keys create`. A session can", ""),
    ("mcp --http", {}, 2, "No such option", ""),
    ("mcp --cookie=session=x", {}, 2, "No such option", ""),
    ("keys list", NEITHER, 2, "Managing keys needs the session (OUTCOMES_COOKIE), or the platform", ""),
    ("import /no/such/file", {}, 2, "No such file", ""),
    ("import work.jsonl", WRONG_KEY, 1, "Fix what is named above first. The same command then", "Run it again"),
    ("import work.jsonl", WRONG_KEY, 1, "0 recorded, 0 already there, 0 refused, 2 to be sent again", ""),
    ("import bad.jsonl", WRONG_KEY, 1, "line 2: Invalid line", "line 1:"),
    ("import work.jsonl", NOBODY, 1, "0 recorded, 0 already there, 0 refused, 2 to be sent again", "0 refused\n"),
    ("import work.jsonl", NOBODY, 1, "Not everything was sent. Run it again", "Fix"),
    *((f"{command} \udcff", {}, 2, NOT_UTF_8, "") for command in ("get", "list --cursor", "summary --from")),
    ("void \udcff --reason x", {}, 2, NOT_UTF_8, ""),
    ("-h", {}, 0, "Record the valuable work that agents finish", "No such option"),
    ("record -h", {}, 0, "Record one outcome and print its id", "No such option"),
    ("--help", {}, 0, "Dismiss the dispute of an outcome.", "Uphold"),
    ("uphold --help", {}, 0, "status becomes recorded", "Uphold"),
    ("get --help", {}, 0, "The outcome's id, as `outcomes list` shows it", "list --json"),
    ("export --help", {}, 0, "the package's extra parquet", ""),
    ("doctor", {"OUTCOMES_URL": "http://h:300O"}, 2, "The URL (OUTCOMES_URL) cannot be used: Invalid port: '300O'", ""),
    ("doctor", WRONG_KEY, 1, "wrong the key (INTERNAL_API_KEY) is not valid", ""),
    ("doctor", {"INTERNAL_API_KEY": AGENT_KEY}, 1, f"wrong the agent key (INTERNAL_API_KEY) {INVALID}", PART_OF_A_KEY),
    ("doctor", {"INTERNAL_API_KEY": PART_OF_A_KEY}, 1, "begins like an agent key but is not a complete", PART_OF_A_KEY),
    ("doctor", {"OUTCOMES_COOKIE": "session=old"}, 1, "wrong the session (OUTCOMES_COOKIE) is not valid", ""),
    ("doctor", NOBODY, 1, "wrong http://127.0.0.1:9 cannot be reached: [Errno 111]", ""),
    ("doctor", NO_KEY, 0, "ok no key (INTERNAL_API_KEY): recording uses the session", ""),
    ("doctor", NO_SESSION, 0, "ok no session (OUTCOMES_COOKIE): list, summary and export will not work", ""),
    ("doctor", NO_SESSION, 0, MAKE_SESSION, INVALID),
    ("doctor", NEITHER, 1, "wrong no key", ""),
    ("doctor", {}, 0, "ok no user (OUTCOMES_USER_ID): outcomes that name none are in nobody's feed", ""),
    ("doctor", {**NO_KEY, "OUTCOMES_USER_ID": "42"}, 0, "ok OUTCOMES_USER_ID is not used: without a key", ""),
]
"""Commands, environment variables, the exit code, and what is said and not said."""


@pytest.mark.parametrize(("command", "environment", "code", "says", "says_not"), SAID)
def test_a_command_says_what_is_wrong_in_its_own_words(
    api: Api,
    outcomes: Outcomes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    environment: dict[str, str],
    code: int,
    says: str,
    says_not: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "work.jsonl", task("One"), task("Two"))
    (tmp_path / "bad.jsonl").write_text(json.dumps(task("One")) + "\nbad\n")
    run = outcomes(*shlex.split(command))
    assert run.code == code
    assert says in " ".join((run.out + run.err).split())
    assert not says_not or says_not not in run.out + run.err
    assert code != 2 or run.out == ""
    assert not api.recorded()


# record


@everywhere
def test_record_prints_the_id(api: Api, outcomes: Outcomes) -> None:
    more = ("--value", "12.50", "--agent", "7", "--description", "Two years", "--metadata", '{"k":0.10}')
    run = outcomes(*RECORD, *more, "--user", str(api.user))
    [outcome] = api.recorded()
    assert (run.code, run.out, run.err) == (0, outcome["id"] + "\n", "")
    assert (outcome["value_usd"], outcome["agent_id"]) == (Decimal("12.50"), 7)
    assert (outcome["description"], outcome["metadata"]) == ("Two years", {"k": Decimal("0.10")})


def test_an_outcome_without_a_user_is_recorded_with_a_warning(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = outcomes(*RECORD)
    assert run.code == 0
    assert "Recorded for no user, which is in nobody's feed: assign it, and set OUTCOMES_USER_ID" in run.err
    monkeypatch.setenv("OUTCOMES_USER_ID", "42")
    assert outcomes(*RECORD).err == ""
    assert len(api.recorded()) == 1


@pytest.mark.parametrize(
    ("interrupted", "says"),
    [(False, "No answer from the Outcomes API"), (True, "Interrupted. The outcome may have been recorded.")],
)
def test_a_recording_without_an_answer_can_be_repeated(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, interrupted: bool, says: str
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        if interrupted:
            patched.setattr("outcomes_client._client.time.sleep", interrupt)
        else:
            patched.setattr("outcomes_client._settings.Retry", lambda **_: ONE_TRY)
        api.fail("drop after the write")
        run = outcomes(*RECORD, *FOR_42)
    assert (run.code, says in run.err) == (1, True)
    key = run.err.split("--idempotency-key ")[1].strip()
    again = outcomes(*RECORD, *FOR_42, "--idempotency-key", key)
    [recorded] = api.recorded()
    assert (again.code, again.out, again.err) == (0, f"{recorded['id']}\n", "Already recorded under this key.\n")


CREATE, ADD = "keys create --name Nightly --user 42", "costs add --date 2026-04-01 --source runs --cost 1 --user 42"
MAY_EXIST = "The key may exist: check `outcomes keys list`, and revoke a key that nobody has.\n"
MAY_BE_ADDED = "The cost may have been added: check with `outcomes costs get` before you run it again.\n"


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (
            "record --type deal_closed --title Acme --user 42 --idempotency-key mine",
            "The outcome may have been recorded. Safe to repeat with --idempotency-key mine\n",
        ),
        (  # a shell would read another key than the one that was sent
            "record --type deal_closed --title Acme --user 42 --idempotency-key deal$1&2",
            "The outcome may have been recorded. Safe to repeat with --idempotency-key 'deal$1&2'\n",
        ),
        (CREATE, MAY_EXIST),
        (ADD, MAY_BE_ADDED),
        ("list", ""),
        ("--version", ""),
    ],
)
def test_a_result_that_cannot_be_printed_is_reported_in_one_line_with_what_to_do(
    outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    monkeypatch.setattr("sys.stdout", FullDisk())
    run = outcomes(*command.split())
    assert (run.code, run.err.endswith(f"{says}outcomes: standard output: No space left on device\n")) == (1, True)
    assert says in run.err


@pytest.mark.parametrize("command", ["record --type deal_closed --title Acme", CREATE, ADD])
def test_without_a_standard_output_nothing_is_sent(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    run = outcomes(*command.split())
    assert (run.code, run.err) == (1, "outcomes: standard output is closed. Nothing was sent.\n")
    assert not api.door.requests


def test_a_process_whose_output_is_lost_ends_with_one_line_and_code_1() -> None:
    with open(os.devnull, "rb") as unwritable:
        run = subprocess.run([*COMMAND, "--version"], stdout=unwritable, stderr=subprocess.PIPE, text=True, check=False)
    assert (run.returncode, run.stderr) == (1, "outcomes: standard output: Bad file descriptor\n")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (CREATE, MAY_EXIST),
        (ADD, MAY_BE_ADDED),
        (
            "void 01A --reason Cancelled --idempotency-key mine",
            "The correction may have been made. Safe to repeat with --idempotency-key mine\n",
        ),
    ],
)
def test_an_interrupted_call_says_what_to_check_or_how_to_repeat_it(
    outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(OutcomesClient, "_send", interrupt)
    run = outcomes(*command.split())
    assert (run.code, run.out, run.err) == (1, "", f"Interrupted. {says}")


@pytest.mark.parametrize("command", ["import {file}", "costs import {file} --format ndjson"])
def test_a_file_without_a_credential_is_wrong_usage(
    outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    for name in ("INTERNAL_API_KEY", "OUTCOMES_COOKIE"):
        monkeypatch.delenv(name)
    file = write(tmp_path / "work.jsonl", {**task("One"), "date": "2026-04-01", "source": "x", "cost": 1})
    run = outcomes(*command.format(file=file).split())
    assert (run.code, run.out) == (2, "")
    assert " needs the key (INTERNAL_API_KEY) or the session (OUTCOMES_COOKIE); run `outcomes doctor`\n" in run.err


@pytest.mark.parametrize("arguments", [(*RECORD, *FOR_42), ("list",)])
def test_a_wait_is_printed_with_its_reason(
    api: Api, outcomes: Outcomes, waited: list[float], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    api.fail("drop", "drop")
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.StreamHandler(sys.stderr)])  # as the MCP SDK adds one
    run = outcomes(*arguments)
    assert (run.code, len(waited)) == (0, 2)
    assert run.err.startswith(f"outcomes: {api.url}: No answer from the Outcomes API: Server disconnected")
    assert run.err.endswith("Trying again, for at most 20 s\n")
    assert run.err.count("\n") == 1


# list, summary, export


@pytest.fixture
def feed(api: Api, client: OutcomesClient) -> None:
    of: dict[str, Any] = {"userId": api.user, "occurredAt": "2026-04-01T12:00:00Z", "valueUsd": Decimal("0.10")}
    client.record_many(task(f"No. {n}", agentId=n % 2 + 1, **of) for n in range(60))
    deal: dict[str, Any] = {
        "outcome_type": "deal_closed",
        "title": "[bold]Big\t \u202edeal",
        "value_usd": Decimal("1234567.891"),
    }
    client.record(**deal, user_id=api.user, occurred_at=of["occurredAt"])


@pytest.mark.usefixtures("feed")
def test_a_list_in_a_pipe_has_a_line_for_each_outcome_with_tabs_between_whole_cells(
    client: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    title = "A title that is longer than a terminal is wide: " + "word " * 20 + "end"
    client.record("task_complete", title, user_id=42, occurred_at=datetime(2026, 3, 14, 15, 9, tzinfo=UTC))
    run = outcomes("list", "--limit", "3")
    assert run.code == 0
    heading, first, second, third, more = run.out.splitlines()
    assert heading.split("\t") == ["Id", "When", "Type", "Agent", "Value", "Title"]
    page = json.loads(outcomes("list", "--json", "--limit", "3").out)
    ids = [one["id"] for one in page["outcomes"]]
    when = datetime(2026, 3, 14, 15, 9, tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    assert first.split("\t") == [ids[0], when, "task_complete", "", "", title]
    assert [second.split("\t")[0], *second.split("\t")[2:]] == [
        *(ids[1], "deal_closed", "", "$1,234,567.891", "[bold]Big\ufffd \ufffddeal"),
    ]
    assert third.split("\t")[2:] == ["task_complete", "2", "$0.10", "No. 59"]
    assert more == f"More: --cursor {page['next_cursor']}"


@pytest.fixture
def terminal(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that runs the command in a terminal of a width, and returns its lines."""

    def run(width: int, *arguments: str) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        written = io.BytesIO()
        written.isatty = lambda: True  # type: ignore[method-assign]
        with monkeypatch.context() as patched, io.TextIOWrapper(written, encoding="utf-8") as screen:
            patched.setattr("sys.stdout", screen)
            assert outcomes(*arguments).code == 0
            return re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue().decode()).splitlines()

    return run


TITLE = "Renegotiated the enterprise agreement with Consolidated Telecommunications for another year"
AN_ADDRESS = "https://example.com/" + "x" * 90


@pytest.mark.parametrize("width", [40, 80, 100, 140, 200])
@pytest.mark.parametrize("arguments", [("list",), ("list", "--ledger")])
def test_a_list_in_a_terminal_breaks_no_word_and_fits(
    client: OutcomesClient, terminal: Callable[..., list[str]], width: int, arguments: tuple[str, ...]
) -> None:
    at = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
    made = client.record(
        "negotiation_complete", TITLE, value_usd=Decimal("1234567.891"), agent_id=7, user_id=42, occurred_at=at
    )
    lines = terminal(width, *arguments)
    words = {made.id, "negotiation_complete", "7", "$1,234,567.891", *TITLE.split()}
    words |= set(at.astimezone().strftime("%Y-%m-%d %H:%M").split())
    assert words <= {word for line in lines for word in line.split()}
    assert max(map(len, lines)) <= width
    heading = " ".join(lines[: 1 if width > 40 else 2]).split()
    assert heading[:2] == ["Id", "When"]


def test_a_word_that_is_longer_than_a_terminal_is_whole_and_characters_may_take_two_columns(
    client: OutcomesClient, terminal: Callable[..., list[str]]
) -> None:
    client.record("task_complete", " ".join(["契約を更新"] * 12), user_id=42)
    assert max(map(cell_len, terminal(60, "list"))) <= 60
    client.record("task_complete", f"See {AN_ADDRESS}", user_id=42)
    assert any(AN_ADDRESS in line for line in terminal(80, "list"))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_value_of_many_digits_hides_no_label_of_a_summary(
    client: OutcomesClient, terminal: Callable[..., list[str]], width: int
) -> None:
    """Else one outcome of an agent makes the summary of all unreadable."""
    client.record("deal_closed", "Acme", value_usd=Decimal("1E-100"), agent_id=1234567, user_id=42)
    words = [word for line in terminal(width, "summary") for word in line.split()]
    assert {"Day", "Type", "deal_closed", "Agent", "1234567"} <= set(words)
    assert words.count(f"$0.{'0' * 99}1") == 4  # the total, its day, type and agent
    assert sum(bool(re.fullmatch(r"\d{4}-\d\d-\d\d", word)) for word in words) == 30


EVIL = "[bold]x[/bold] :smile: \x1b]0;title\x07\x9b31m\u202e\nline"
SHOWN = "[bold]x[/bold] :smile: \ufffd]0;title\ufffd\ufffd31m\ufffd\ufffdline"
EVIL_OUTCOME = {
    **dict.fromkeys(("id", "outcome_type", "title", "description"), EVIL),
    **{"user_id": 42, "agent_id": None, "value_usd": 1, "metadata": {EVIL: EVIL}},
    "created_at": "2026-04-01T12:00:00.000Z",
}
EVIL_STANDING = {"status": EVIL, "occurred_at": "2026-04-01T12:00:00.000Z", "recorded_by": EVIL, "version": 0}
EVIL_CORRECTION = {"id": EVIL, "type": EVIL, "reason": EVIL, "by": EVIL, "created_at": "2026-04-01T12:00:00.000Z"}
EVIL_HISTORY = {
    "outcome": {**EVIL_OUTCOME, **EVIL_STANDING},
    "corrections": [{**EVIL_CORRECTION, "changes": {"title": {"before": EVIL, "after": EVIL}}}],
}
EVIL_TOTAL = {"count": 1, "value_usd": 1}
EVIL_SUMMARY = {
    **dict.fromkeys(("from", "to", "timezone"), EVIL),
    **EVIL_TOTAL,
    "by_type": [{"outcome_type": EVIL, **EVIL_TOTAL}],
    "by_agent": [],
    "by_day": [],
}


@pytest.mark.parametrize(
    ("arguments", "status", "body", "times"),
    [
        (("list",), 200, {"outcomes": [EVIL_OUTCOME], "next_cursor": EVIL}, 4),
        (("list", "--ledger"), 200, {"outcomes": [{**EVIL_OUTCOME, **EVIL_STANDING}], "next_cursor": EVIL}, 5),
        (("summary",), 200, EVIL_SUMMARY, 4),
        (("get", "01A"), 200, EVIL_HISTORY, 8),
        ((*RECORD, *FOR_42), 200, {"ok": True, "id": EVIL}, 1),
        ((*RECORD, *FOR_42), 400, {"error": EVIL, "details": [{"field": EVIL, "message": EVIL}]}, 3),
        (("list",), 418, {"error": EVIL}, 1),
    ],
)
def test_control_characters_of_a_server_never_reach_the_terminal(
    api: Api,
    outcomes: Outcomes,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    status: int,
    body: Any,
    times: int,
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    api.door.upstream = lambda *_: (status, {}, json.dumps(body).encode())
    run = outcomes(*arguments)
    assert (run.out + run.err).count(SHOWN) == times
    assert {c for c in run.out + run.err if not c.isprintable()} <= {"\n", "\t"}


@pytest.mark.parametrize("arguments", [("list", "--json"), ("export",)])
def test_json_output_escapes_control_characters(api: Api, outcomes: Outcomes, arguments: tuple[str, ...]) -> None:
    tricky = {**EVIL_OUTCOME, "title": "ü 🎉 \U000e0001 \x7f"}
    body = tricky if arguments == ("export",) else {"outcomes": [tricky], "next_cursor": None}
    text = json.dumps(body, ensure_ascii=False) + "\n"
    api.door.upstream = lambda *_: (200, {"Content-Type": "application/x-ndjson"}, text.encode())
    out = outcomes(*arguments).out
    assert "ü 🎉" in out
    assert {c for c in out if not c.isprintable()} == {"\n"}
    assert json.loads(out) == body


@pytest.mark.parametrize(
    ("is_terminal", "command", "says"),
    [
        (False, ("list",), "Zürich 🎉".encode()),
        (False, ("list", "--json"), '"title":"Zürich 🎉"'.encode()),
        (True, ("list",), b"Z\xfcrich \\U0001f389"),
    ],
)
def test_a_pipe_gets_utf_8_and_a_terminal_its_own_encoding_whatever_a_title_contains(
    client: OutcomesClient,
    outcomes: Outcomes,
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
    command: tuple[str, ...],
    says: bytes,
) -> None:
    client.record("task_complete", "Zürich 🎉", user_id=42)
    written = io.BytesIO()
    written.isatty = lambda: is_terminal  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="cp1252"))
    assert outcomes(*command).code == 0
    assert says in written.getvalue()


@pytest.mark.usefixtures("feed")
def test_list_as_json_is_the_page(outcomes: Outcomes) -> None:
    page = json.loads(outcomes("list", "--json", "--limit", "3", "--type", "task_complete", "--agent", "1").out)
    assert [one["title"] for one in page["outcomes"]] == ["No. 58", "No. 56", "No. 54"]
    rest = json.loads(outcomes("list", "--json", "--cursor", page["next_cursor"], "--agent", "1").out)
    assert rest["outcomes"][0]["title"] == "No. 52"


def test_lists_and_exports_go_by_when_it_happened_and_take_no_agent_and_statuses(
    api: Api, client: OutcomesClient, outcomes: Outcomes
) -> None:
    on_time = client.record("task_complete", "On time", user_id=42).id
    at = datetime.fromtimestamp(api.clock.now / 1000, UTC) - timedelta(days=2)
    late = client.record("task_complete", "Late", user_id=42, agent_id=7, occurred_at=at).id
    void = client.record("task_complete", "Void", user_id=42).id
    client.void(void, "Twice", user_id=42)

    def listed(*arguments: str) -> list[str]:
        return [one["id"] for one in json.loads(outcomes("list", "--json", *arguments).out)["outcomes"]]

    def exported(*arguments: str) -> list[str]:
        return [json.loads(line)["id"] for line in outcomes("export", *arguments).out.splitlines()]

    for shown in (listed, exported):
        assert shown() == [late, on_time]
        assert shown("--time", "occurred") == [on_time, late]
        assert shown("--agent", "none") == [on_time]
        assert shown("--status", "void", "--status", "recorded", "--agent", "none") == [void, on_time]
        assert shown("--recorded-by", f"key:{'a' * 16}") == []
    for wrong in ("0", "nobody", "1.5", "٣"):
        assert outcomes("list", "--agent", wrong).code == 2


@pytest.mark.parametrize("api", ["stack"], indirect=True)
@pytest.mark.usefixtures("feed")
def test_a_summary_has_totals_and_a_bar_for_each_day_week_or_month(outcomes: Outcomes) -> None:
    run = outcomes("summary", "--from", "2026-04-01", "--to", "2026-04-03")
    assert run.code == 0
    assert "$1,234,573.891 in 61 outcomes" in run.out
    days = [line for line in run.out.splitlines() if line.startswith("2026-04-0")]
    assert ["█" in day for day in days[1:]] == [True, False]
    assert run.out.index("deal_closed") < run.out.index("task_complete")
    assert ["task_complete", "60", "$6.00"] in [line.split() for line in run.out.splitlines()]

    run = outcomes("summary", "--from", "2026-03-01", "--to", "2026-05-01")
    assert "Week of" in run.out
    [week] = [line for line in run.out.splitlines() if line.startswith("2026-03-30")]
    assert "$1,234,573.891" in week

    run = outcomes(*SPRING, "--by", "month", "--type", "task_complete", "--type", "deal_closed", "--agent", "2")
    assert run.out.startswith("$3.00 in 30 outcomes\n")
    lines = [line.split() for line in run.out.splitlines()]
    assert ["Month", "of", "Count", "Value"] in lines
    assert [line[:3] for line in lines if line and line[0].startswith("2026-")][1:] == [
        ["2026-03-20", "0", "$0.00"],
        ["2026-04-01", "30", "$3.00"],
        ["2026-05-01", "0", "$0.00"],
    ]
    told = outcomes(*SPRING, "--by", "month", "--compare", "--json").out
    totals = json.loads(told, parse_float=Decimal)
    assert totals["value_usd"] == Decimal("1234573.891")
    assert [one["date"] for one in totals["by_month"]] == ["2026-03-20", "2026-04-01", "2026-05-01"]
    assert totals["previous"] == {"from": "2026-02-05T00:00:00.000Z", "to": "2026-03-20T00:00:00.000Z", **NONE}
    standing = {"confirmed", "disputed", "voided"}
    assert totals.keys() == {
        *("from", "to", "timezone", "count", "value_usd", "by_type", "by_agent", "by_month", "previous", *standing),
    }


SPRING = ("summary", "--from", "2026-03-20", "--to", "2026-05-02")
NONE = {"count": 0, "value_usd": 0}
LONG = Decimal("98765432109876.543210987654321098765432")  # a value with the maximum number of digits


def test_no_digit_of_a_long_value_is_lost(api: Api, client: OutcomesClient, outcomes: Outcomes) -> None:
    client.record("task_complete", "Long", value_usd=LONG, user_id=42)
    assert "\t$98,765,432,109,876.543210987654321098765432\t" in outcomes("list").out
    first = date(2026, 3, 2)
    days = [{"date": f"{first + timedelta(n)}", "count": 1, "value_usd": 0} for n in range(49)]
    days[0]["value_usd"], days[1]["value_usd"] = LONG, Decimal("-1E-36")
    body = {**EVIL_SUMMARY, "by_day": days}
    api.door.upstream = lambda *_: (200, {}, encode(body))
    assert "$98,765,432,109,876.543210987654321098765431999999999999" in outcomes("summary").out


def test_a_summary_of_many_agents_has_a_total_of_all_others(api: Api, outcomes: Outcomes) -> None:
    agents = [{"agent_id": 7, "count": 1, "value_usd": 2}, {"agent_id": None, "count": 1, "value_usd": 1}]
    others = {"agents": 1900, "count": 2500, "value_usd": Decimal("9.50")}
    api.door.upstream = lambda *_: (200, {}, encode({**EVIL_SUMMARY, "by_agent": agents, "other_agents": others}))
    assert [line.split() for line in outcomes("summary").out.splitlines()[-3:]] == [
        ["7", "1", "$2.00"],
        ["none", "1", "$1.00"],
        ["1,900", "other", "agents", "2,500", "$9.50"],
    ]
    assert json.loads(outcomes("summary", "--json").out, parse_float=Decimal)["other_agents"] == others


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("--days", "30"), {"from": ["2026-03-01"]}),  # today is the last day
        (("--days", "1"), {"from": ["2026-03-30"]}),
        (("--days", "30", "--timezone", "Asia/Tokyo"), {"from": ["2026-03-02"]}),
        (("--days", "7", "--timezone", "America/Los_Angeles"), {"from": ["2026-03-24"]}),
        (("--days", "7", "--timezone", "Mars/Olympus"), {"from": ["2026-03-24"]}),
        (("--days", "7", "--timezone", "../../etc/passwd"), {"from": ["2026-03-24"]}),
        ((), {}),
        (("--days", "366"), {"from": ["2025-03-30"]}),
        (("--days", "367"), {"from": ["2025-03-29"], "by": ["week"]}),
        (("--days", "2554"), {"from": ["2019-04-03"], "by": ["week"]}),
        (("--days", "2555"), {"from": ["2019-04-02"], "by": ["month"]}),
        (("--days", "3652"), {"from": ["2016-03-31"], "by": ["month"]}),
        (("--days", "30", "--by", "week"), {"from": ["2026-03-01"], "by": ["week"]}),
        # sent unchanged, although the API refuses more than 366 days
        (("--days", "400", "--by", "day"), {"from": ["2025-02-24"], "by": ["day"]}),
    ],
)
def test_a_summary_of_days_ends_today_and_many_days_are_grouped(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], asked: dict[str, Any]
) -> None:
    class Evening(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2026, 3, 30, 20, tzinfo=UTC).astimezone(tz)

    monkeypatch.setattr("outcomes_client._cli_summary.datetime", Evening)
    queries: list[dict[str, list[str]]] = []

    def upstream(_: str, target: str, *__: Any) -> Any:
        queries.append(parse_qs(urlsplit(target).query))
        return 200, {}, encode({**EVIL_SUMMARY, f"by_{queries[-1].get('by', ['day'])[0]}": []})

    api.door.upstream = upstream
    assert outcomes("summary", *arguments).code == 0
    assert [{name: query[name] for name in query if name != "timezone"} for query in queries] == [asked]


MARCH = ("2026-03-01T23:00:00.000Z", "2026-03-31T22:00:00.000Z", "Europe/Berlin")  # the clocks change to summer time
MONTH, LENGTH = "the 30 days before", "the same length of time before"


@pytest.mark.parametrize(
    ("period", "now", "before", "says"),
    [
        (MARCH, (5, "112"), (4, "100"), f"+12 % against {MONTH} ($100.00 in 4)"),
        (MARCH, (5, "50"), (4, "100"), f"-50 % against {MONTH} ($100.00 in 4)"),
        (MARCH, (5, "-50"), (4, "100"), f"-150 % against {MONTH} ($100.00 in 4)"),
        (MARCH, (5, "100.4"), (4, "100"), f"+0 % against {MONTH} ($100.00 in 4)"),
        (MARCH, (5, "99.6"), (4, "100"), f"+0 % against {MONTH} ($100.00 in 4)"),
        (MARCH, (5, "1e15"), (4, "1e-2"), f"+9,999,999,999,999,999,900 % against {MONTH} ($0.01 in 4)"),
        (MARCH, (6, "0"), (4, "0"), f"+50 % outcomes against {MONTH} ($0.00 in 4)"),
        (MARCH, (5, "100"), (4, "0"), f"{MONTH}: $0.00 in 4"),
        (MARCH, (5, "100"), (4, "-1"), f"{MONTH}: -$1.00 in 4"),
        (MARCH, (0, "0"), (0, "0"), f"{MONTH}: $0.00 in 0"),
        *(
            ((start, end, zone), (1, "1"), (0, "0"), f"{says}: $0.00 in 0")
            for start, end, zone, says in (
                ("2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z", "UTC", "the day before"),
                ("2016-03-01T00:00:00.000Z", "2026-03-01T00:00:00.000Z", "UTC", "the 3,652 days before"),
                ("2026-03-01T00:00:00.000Z", "2026-03-01T18:00:00.000Z", "UTC", LENGTH),
                ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z", "UTC", LENGTH),
                ("2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z", EVIL, LENGTH),
                (EVIL, EVIL, "UTC", LENGTH),
                ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "Asia/Tokyo", LENGTH),
            )
        ),
    ],
)
def test_a_summary_compares_with_the_period_before_in_days_if_they_are_whole(
    api: Api, outcomes: Outcomes, period: tuple[str, ...], now: tuple[int, str], before: tuple[int, str], says: str
) -> None:
    start, end, zone = period
    previous = {"from": start, "to": end, "count": before[0], "value_usd": Decimal(before[1])}
    body = {**EVIL_SUMMARY, "timezone": zone, "count": now[0], "value_usd": Decimal(now[1]), "previous": previous}
    api.door.upstream = lambda *_: (200, {}, encode(body))
    assert outcomes("summary", "--compare").out.splitlines()[1] == says


def test_losses_draw_no_bar(api: Api, outcomes: Outcomes) -> None:
    days = [{"date": f"2026-04-0{n}", "count": 1, "value_usd": -n} for n in (1, 2)]
    api.door.upstream = lambda *_: (200, {}, encode({**EVIL_SUMMARY, "by_day": days}))
    assert "█" not in outcomes("summary").out


# import


def test_import_reports_refused_lines_and_records_the_rest(api: Api, outcomes: Outcomes, tmp_path: Path) -> None:
    file = write(
        tmp_path / "work.jsonl",
        "\ufeff" + json.dumps(task("First")),
        "nonsense",
        "",
        "[1]",
        task(""),
        {"outcomeType": "x"},
        '{"outcomeType":"task_complete","title":"\\ud800"}',
        '{"a":' * 2000,
        '{"outcomeType":"task_complete","title":"Priceless","valueUsd":1e99999999999999999999}',
        task("Last", valueUsd=0.1),
    )
    run = outcomes("import", file)
    assert run.code == 1
    assert run.out == "2 recorded, 0 already there, 7 refused\n"
    assert [line.split(":")[0] for line in run.err.splitlines()] == [f"line {n}" for n in (2, 4, 5, 6, 7, 8, 9)]
    assert "line 5: Invalid title: title must be a string of 1 to " in run.err
    assert [one["title"] for one in api.recorded()] == ["Last", "First"]


@everywhere
def test_an_import_reports_ignored_fields_and_lines_without_a_user(
    api: Api, outcomes: Outcomes, tmp_path: Path
) -> None:
    lines = [task("One", userId=api.user, valueUSD=5), task("Two", userId=api.user), task("", valueUSD=5, worth=5)]
    nobodys = [task(f"No. {n} beside {api.user}'s", userId=None) for n in range(2)]
    file = write(tmp_path / "work.jsonl", *lines, *nobodys)
    for said in ("4 recorded, 0 already there", "0 recorded, 4 already there"):
        run = outcomes("import", file)
        assert (run.code, run.out) == (1, f"{said}, 1 refused\n")
        assert "Recorded, but the API did not read valueUSD: is it misspelt?" in run.err
        assert "The API ignored valueUSD in 2 lines." in run.err
        assert "The API ignored worth in 1 line." in run.err
        assert "2 lines recorded for no user, which is in nobody's feed: `outcomes assign` gives them to" in run.err


def test_only_new_lines_are_recorded_unless_a_scope_makes_them_new_work(
    api: Api, outcomes: Outcomes, tmp_path: Path
) -> None:
    same, other, own = task("Same"), task("Other", metadata={"a": 1, "b": 2}), task("One", idempotencyKey="mine")
    outcomes("import", write(tmp_path / "a.jsonl", same, other, own))
    laid_out_anew = '{ "metadata": {"b": 2, "a": 1}, "userId": 42, "title": "Other", "outcomeType": "task_complete" }'
    file = write(tmp_path / "b.jsonl", laid_out_anew, same, same, task("Edited"), {**own, "title": "Two"})
    run = outcomes("import", file)
    assert (run.code, run.out) == (1, "2 recorded, 2 already there, 1 refused\n")
    assert "line 5: Idempotency key reused: title differs from what was recorded under this key" in run.err
    for scope in ("monday", "tuesday", "tuesday"):
        outcomes("import", file, "--scope", scope)
    assert len(api.recorded()) == 5 + 2 * 4


def test_a_field_may_have_either_spelling_but_not_both(api: Api, outcomes: Outcomes, tmp_path: Path) -> None:
    camel = task("One", valueUsd=5, agentId=7, idempotencyKey=None)
    snake = {"outcome_type": "task_complete", "title": "One", "user_id": 42, "value_usd": 5, "agent_id": 7}
    outcomes("import", write(tmp_path / "a.jsonl", camel))
    both = task("One", valueUsd=5, value_usd=6)
    run = outcomes("import", write(tmp_path / "b.jsonl", snake, {**snake, "idempotency_key": "mine"}, both))
    assert run.out == "1 recorded, 1 already there, 1 refused\n"
    assert "line 3: Invalid line: it has both value_usd and valueUsd" in run.err
    assert [one["value_usd"] for one in api.recorded()] == [5, 5]


def test_a_void_outcome_of_a_list_is_not_recorded_again(api: Api, outcomes: Outcomes, tmp_path: Path) -> None:
    listed = task("One") | {"created_at": "2026-03-15T12:00:00.000Z", "status": "void", "version": 1}
    run = outcomes("import", write(tmp_path / "a.jsonl", listed, listed | {"title": "Two", "status": "recorded"}))
    assert (run.code, run.out) == (1, "1 recorded, 0 already there, 1 refused\n")
    assert "line 1: Invalid line: it is void: what was taken back is not recorded again" in run.err
    assert [one["title"] for one in api.recorded()] == ["Two"]


@pytest.mark.usefixtures("one_try")
@pytest.mark.parametrize(("api", "count", "whole"), [("fake", 3000, 10), ("stack", 450, 3)], indirect=["api"])
def test_an_import_whose_api_dies_can_be_run_again(
    api: Api, outcomes: Outcomes, tmp_path: Path, count: int, whole: int
) -> None:
    file = write(tmp_path / "work.jsonl", *(task(f"No. {n}", userId=api.user) for n in range(count)))
    api.fail(*[""] * (whole - 1), "drop after the write")
    run = outcomes("import", file)
    assert run.code == 1
    assert "Run it again: nothing is recorded twice." in run.err
    there = len(api.recorded())
    # The batch whose answer was lost was recorded as well, and perhaps the two that were sent at the same time, and two
    # that were sent when these were recorded.
    assert there in range(whole * 100, min(count, whole * 100 + 400) + 1, 50)
    again = outcomes("import", file)
    assert (again.code, again.out) == (0, f"{count - there:,} recorded, {there:,} already there, 0 refused\n")
    recorded = api.recorded()
    assert len({one["title"] for one in recorded}) == len(recorded) == count


def test_an_import_that_is_interrupted_can_be_run_again(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = write(tmp_path / "work.jsonl", *(task(f"No. {n}") for n in range(500)))
    send = OutcomesClient._send

    def interrupted(client: OutcomesClient, step: Any) -> Any:
        if b'"No. 300"' in step.request.body:
            raise KeyboardInterrupt
        if b'"No. 400"' in step.request.body:  # this batch is in flight, and nobody waits for its socket
            raise OutcomesError("interrupted")
        return send(client, step)

    with monkeypatch.context() as patched:
        patched.setattr(OutcomesClient, "_send", interrupted)
        run = outcomes("import", file)
    assert (run.code, "interrupted after line 300\n" in run.err) == (1, True)
    assert run.out == "300 recorded, 0 already there, 0 refused\n"
    assert outcomes("import", file).out.endswith(" already there, 0 refused\n")
    assert len({one["title"] for one in api.recorded()}) == 500


class Batches:
    """A client whose batches after the first end in the opposite order, three at a time. fails: the batches that do."""

    def __init__(self, fails: Collection[int] = ()) -> None:
        self.fails = fails
        self.together = Barrier(3, timeout=20)
        self.ended = [Event() for _ in range(8)]
        self.sent: list[int] = []

    def record_many(self, bodies: Iterable[Any]) -> list[Result]:
        [number] = {body["batch"] for body in bodies}
        self.sent.append(number)
        if number:
            self.together.wait()  # raises BrokenBarrierError unless three are sent at a time
            assert number % 3 == 0 or self.ended[number + 1].wait(20)
        self.ended[number].set()
        if number in self.fails:
            error = NoAnswerError(f"batch {number}")
            error.results = [Result("failed", "", error="x", retryable=True)] * 100
            raise error
        return [Result("invalid" if n == number else "created", "") for n in range(100)]


@pytest.mark.parametrize(
    ("fails", "sent", "yielded"),
    [
        ([], [0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]),
        ([1], [0, 1, 2, 3], [0, 2, 3, 1]),
        ([1, 3], [0, 1, 2, 3], [0, 2, 3, 1]),
        ([0], [0], [0]),
    ],
)
def test_three_batches_are_sent_at_a_time_and_told_in_the_order_of_lines(
    fails: list[int], sent: list[int], yielded: list[int]
) -> None:
    lines = (Line(n, 1, {"batch": n // 100}) for n in range(700))
    client = Batches(fails)
    results = list(record(client, lines))  # type: ignore[arg-type] # it needs no other method
    assert sorted(client.sent) == sent
    assert [
        number for done, _ in results for number in dict.fromkeys(one.line.number // 100 for one in done)
    ] == yielded
    assert [str(failure) for _, failure in results if failure] == [f"batch {number}" for number in fails[:1]]
    assert sum(len(done) for done, _ in results) == 100 * len(sent)
    refused = [one.line.number for done, failure in results for one in done if one.status == "refused"]
    assert refused == [100 * n + n for n in sent if n not in fails]


def test_import_reads_standard_input(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with open(write(tmp_path / "work", *(task(f"No. {n}") for n in range(3)))) as given:
        monkeypatch.setattr("sys.stdin", given)
        assert outcomes("import", "-").out == "3 recorded, 0 already there, 0 refused\n"


@pytest.mark.usefixtures("one_try")
def test_items_that_fail_are_left_for_the_next_run_and_an_import_stops_if_a_whole_batch_fails(
    api: Api, outcomes: Outcomes, tmp_path: Path
) -> None:
    file = write(tmp_path / "work.jsonl", *(task(f"No. {n}") for n in range(300)))
    api.unready_items = 100
    run = outcomes("import", file)
    assert (run.code, run.out) == (1, "0 recorded, 0 already there, 0 refused, 100 to be sent again\n")
    assert "stopped before the end, near line 100: none of 100 lines was accepted: Failed to record outcome" in run.err
    assert len(api.door.requests) == 1
    api.unready_items = 1
    run = outcomes("import", file)
    assert (run.code, run.out) == (1, "299 recorded, 0 already there, 0 refused, 1 to be sent again\n")
    assert "Run it again" in run.err
    assert outcomes("import", file).out == "1 recorded, 299 already there, 0 refused\n"


# import of CSV in the format of the API's export


def rows(text: str) -> list[Line]:
    return list(outcome_rows(text.encode(errors="surrogateescape").splitlines(keepends=True)))


GUARDED = [
    *(
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\uff1d1",
        " =1",
        "a;=1",
        "a\t-1\r\n@x",
        "\t1",
        "\r=1",
        ';"=1"',
        ";",
        "it's",
        "'",
        "''",
    ),
    *("'=1", "''=1", "' '=1", "'\t1", "';=1", "a;'=1", "a;'\"=1", "a;'b", "x"),
]


@pytest.mark.parametrize("text", GUARDED)
def test_an_import_removes_the_guards_of_formulas(text: str) -> None:
    [line] = rows(f"outcome_type,title\r\ndeal_closed,{_text_cell(text)}\r\n")
    assert line.body == {"outcome_type": "deal_closed", "title": text}
    assert unguarded("'tis") == "'tis"


def test_refused_lines_are_named_and_the_rest_is_recorded(outcomes: Outcomes, tmp_path: Path, api: Api) -> None:
    file = tmp_path / "work"
    file.write_bytes(
        b"\xef\xbb\xbfoutcome_type,title,user_id,value_usd,metadata\r\n"
        b'deal_closed,"two\nlines",42,1.50,\r\n'
        b"deal_closed,short,42\r\n"
        b"deal_closed,much,42,much,\r\n"
        b"deal_closed,map,42,,{\r\n"
        b"deal_closed,\xff,42,,\r\n"
        b'deal_closed,"a"b,42,,\r\n'
        b"\r\n"
        b"dance,unknown,42,,\r\n"
        b"deal_closed,last,42,,\r\n"
    )
    run = outcomes("import", "--format", "csv", str(file))
    assert (run.code, run.out) == (1, "2 recorded, 0 already there, 6 refused\n")
    said = run.err.splitlines()
    for line, start in zip(
        said,
        [
            "line 4: Invalid line: it has 3 cells, and the heading 5",
            "line 5: Invalid line: value_usd cannot be read",
            "line 6: Invalid line: metadata cannot be read",
            "line 7: Invalid line: ",
            "line 8: Invalid line: ",
            "line 10: Invalid outcome_type",
        ],
        strict=True,
    ):
        assert line.startswith(start)
    assert [one["title"] for one in api.recorded()] == ["last", "two\nlines"]


@pytest.mark.parametrize("heading", ["", "title\n", "outcome_type;title\n", "outcome_type,title,title\n", '"'])
def test_a_file_without_a_heading_is_wrong_usage(outcomes: Outcomes, tmp_path: Path, api: Api, heading: str) -> None:
    file = tmp_path / "work.csv"
    file.write_text(heading + "deal_closed,x\n" * bool(heading))
    run = outcomes("import", str(file))
    assert (run.code, run.out) == (2, "")
    assert "outcome_type" in run.err
    assert not api.recorded()


# doctor


@everywhere
def test_the_doctor_finds_nothing_wrong(api: Api, outcomes: Outcomes) -> None:
    run = outcomes("doctor")
    assert run.code == 0
    assert [line.split()[0] for line in run.out.splitlines() if "Off in this deployment" not in line] == ["ok"] * 7
    assert not api.recorded()


GREETING, KEY_CHECK, BATCH = "GET /api/outcomes", "POST /api/outcomes", "POST /api/outcomes/batch"
OWN_KEY = "GET /api/keys/self"


@pytest.mark.parametrize(
    ("route", "answer", "says"),
    [
        (GREETING, (200, {}, b"<html>"), "is not an Outcomes API: GET"),
        (GREETING, (403, {}, b"{}"), "is not an Outcomes API, or its firewall refuses this machine: GET"),
        (GREETING, (429, {}, b"{}"), "fails or has too many requests, so try again: GET"),
        (GREETING, (503, {}, b"{}"), "fails or has too many requests, so try again: GET"),
        (GREETING, (401, {"Date": "Wed, 01 Apr 2020 12:00:00 GMT"}, b"{}"), "ahead of the API's: set it by NTP"),
        (GREETING, (401, {"Date": "yesterday"}, b"{}"), "the clock cannot be compared"),
        (KEY_CHECK, (500, {}, b"{}"), "500 instead of 400"),
        (BATCH, (403, {}, b'{"error":"Missing Authentication Token"}'), "the API is older than this client"),
        (OWN_KEY, (404, {}, b'{"error":"Not found"}'), "it knows no agent keys; deploy the current one"),
        (OWN_KEY, (500, {}, b"{}"), "500 instead of 200"),
        (OWN_KEY, (200, {}, b"{}"), "cannot be checked: 200, but not as the contract says"),
    ],
)
def test_the_doctor_checks_the_api(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, route: str, answer: Any, says: str
) -> None:
    if route == OWN_KEY:
        monkeypatch.setenv("INTERNAL_API_KEY", AGENT_KEY)
    current = api.door.upstream
    api.door.upstream = lambda *asked: answer if f"{asked[0]} {asked[1]}" == route else current(*asked)
    run = outcomes("doctor")
    assert (run.code, says in run.out) == (1, True)


def test_the_doctor_reports_a_lost_answer(api: Api, outcomes: Outcomes) -> None:
    api.fail("", "drop")
    run = outcomes("doctor")
    assert (run.code, "no answer: " in run.out) == (1, True)


def test_the_doctor_hides_a_key_that_a_server_echoes(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERNAL_API_KEY", AGENT_KEY)
    current = api.door.upstream
    echoed = {"id": "7Fq2LmXw9KdR4sTb", "user_id": 42, "name": AGENT_KEY, "agent_id": None, "outcome_types": None}
    echoed |= {"max_value_usd": None, "scopes": ["record"], "created_at": "2026-04-01T12:00:00.000Z"}
    answer: Any = (200, {}, encode(echoed | {"expires_at": None, "last_used_at": None}))
    api.door.upstream = lambda *asked: answer if asked[1].endswith("/self") else current(*asked)
    run = outcomes("doctor")
    assert "'***' records for user 42" in run.out
    assert AGENT_KEY not in run.out + run.err


def test_the_doctor_warns_of_an_unencrypted_key(api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    # 0.0.0.0 reaches this machine, but is not a loopback address.
    url = api.url.replace("127.0.0.1", "0.0.0.0")  # noqa: S104 - connected to, not listened on
    refused = outcomes("doctor", "--url", url)
    assert (refused.code, "OUTCOMES_ALLOW_HTTP=1" in refused.err) == (2, True)
    monkeypatch.setenv("OUTCOMES_ALLOW_HTTP", "1")
    run = outcomes("doctor", "--url", url)
    assert run.code == 1
    assert f"wrong  {url} is not https" in run.out


@pytest.mark.parametrize(
    ("command", "missing", "module", "extra"),
    [
        (("list",), "typer", "_cli", "cli"),
        (("export", "--format", "parquet"), "pyarrow.parquet", "_exporting", "parquet"),
        (("verify", f"{ROOT}/clients/statements/2026-10.json"), "cryptography.exceptions", "statements", "statements"),
    ],
)
def test_without_an_extra_the_command_says_what_to_install(
    outcomes: Outcomes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: tuple[str, ...],
    missing: str,
    module: str,
    extra: str,
) -> None:
    for name in [missing, *(name for name in sys.modules if name.startswith(f"{missing}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"outcomes_client.{module}", raising=False)
    monkeypatch.delattr(f"outcomes_client.{module}", raising=False)
    run = outcomes(*command)
    said = f"is not installed: in a checkout of the Outcomes API, run uv pip install './clients/python[{extra}]'"
    assert (run.code, said in run.err) == (2, True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "uv-receipt.toml").touch()  # in an environment of `uv tool`, where `uv pip` installs nothing
    assert f"run uv tool install './clients/python[{extra}]'" in outcomes(*command).err
