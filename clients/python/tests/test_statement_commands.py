"""Test the commands `outcomes statement` and `outcomes verify`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from outcomes_client import StatementError, _cli_statements, _kept_keys

from clients.python.tests.conftest import ONE_TRY, Outcomes
from clients.python.tests.faults import FaultyServer
from tests.servers import serving
from tests.statements import example

FOLDER = Path(__file__).parents[2] / "statements"
OCTOBER, SEPTEMBER, ENTRIES = (str(FOLDER / name) for name in ("2026-10.json", "2026-09.json", "2026-10.ndjson"))
PROOF, KEYS = str(FOLDER / "proof.json"), str(FOLDER / "keys.json")
WRONG = json.loads((FOLDER / "wrong.json").read_text())
ID = "/api/statements/2026-10@Europe~Berlin"
NO_STATEMENT = "signature: expected the API to have this statement of the session's user, but it has none"
ALL_BUT_ONE = b"".join(Path(ENTRIES).read_bytes().splitlines(keepends=True)[:-1])
CAVEAT = "The signature proves what the platform said and when, not that it is true.\n"


@pytest.fixture
def served(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:  # noqa: ARG001 - sets OUTCOMES_URL, too
    """Serve an API with one statement. Yield a dict of its answers by method and path, which a test may change."""
    bodies = {
        "POST /api/statements": Path(OCTOBER).read_bytes(),
        f"GET {ID}": Path(OCTOBER).read_bytes(),
        f"GET {ID}/entries": Path(ENTRIES).read_bytes(),
        f"GET {ID}/proof?outcome=01M": Path(PROOF).read_bytes(),
        "GET /.well-known/outcomes-keys.json": Path(KEYS).read_bytes(),
    }

    def upstream(method: str, target: str, _: Mapping[str, str], body: bytes) -> Any:
        if method == "POST":
            assert json.loads(body) == {"period": "2026-10", "timezone": "Europe/Berlin"}
        if f"{method} {target}" not in bodies:
            return 404, {}, b'{"error":"Not found"}'
        return (
            200,
            {"Content-Type": "application/x-ndjson"} if "entries" in target else {},
            bodies[f"{method} {target}"],
        )

    with serving(FaultyServer(upstream)) as server:
        monkeypatch.setenv("OUTCOMES_URL", server.url)
        yield bodies


MAKE = ("statement", "2026-10", "--timezone", "Europe/Berlin")
TRUST = (*MAKE, "--trust-keys")
ISSUER = "https://api.example.com"


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_kept_keys, "time", lambda: 1_796_083_200)  # 2026-12-01


@pytest.mark.usefixtures("served")
def test_without_the_outcomes_entries_it_is_not_said_that_there_is_no_statement(outcomes: Outcomes) -> None:
    run = outcomes(*TRUST, "--proof", "01X")
    reason = "404 Not found: this user has no such statement, or it has no entry of this outcome"
    assert (run.code, run.out, run.err.splitlines()[-1]) == (1, "", f"outcomes: {reason}")


def test_a_statement_is_printed_byte_for_byte_and_verified_by_the_kept_keys(
    served: dict[str, bytes], outcomes: Outcomes, tmp_path: Path
) -> None:
    assert outcomes("verify", OCTOBER).err.startswith("key: expected keys of https://api.example.com: give --keys")
    entries = tmp_path / "e.ndjson"
    run = outcomes(*TRUST, "--entries", str(entries))
    assert (run.code, run.out.encode()) == (0, Path(OCTOBER).read_bytes())
    assert run.err.startswith(f"The keys of {ISSUER}, from {os.environ['OUTCOMES_URL']}, are kept in ")
    assert entries.read_bytes() == Path(ENTRIES).read_bytes()
    url = os.environ["OUTCOMES_URL"]
    served.clear()  # `outcomes verify` must not need the API, which now has no answer
    verified = outcomes("verify", OCTOBER, "--entries", str(entries), "--previous", SEPTEMBER, "--proof", PROOF)
    assert (verified.code, verified.err) == (0, "")
    assert verified.out.endswith(CAVEAT)
    assert "Not verified" not in verified.out
    for said in (
        f"keys of {ISSUER}, from {url}, kept 2026-12-01\nVerified: ",
        "Verified: 2026-10@Europe/Berlin of https://api.example.com, signed 2026-10-31T23:11:00.000Z\n",
        "Total: 1 outcome, $0.01\n  disputed: 1 outcome, $80.00\n",
        "Z to 2026-08-31T22:00:00.000Z: -1 outcomes, $0.00\n  confirmed: 1 outcome, $12,500.50\n",
        ': "Sold the small plan"\n',
        "A proof shows what was recorded, not that nothing corrects it later.\n",
    ):
        assert said in verified.out


def test_the_entries_need_another_file_than_the_statement(tmp_path: Path) -> None:
    for name in ("-", "october.json"):
        with (tmp_path / "october.json").open("wb") as file:
            command = [sys.executable, "-m", "outcomes_client", *MAKE, "--entries", name]
            run = subprocess.run(command, cwd=tmp_path, stdout=file, stderr=subprocess.PIPE, text=True, check=False)
        assert (run.returncode, "--entries: must be another file than standard output" in run.stderr) == (2, True)


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("name", "said"), [("none/e.ndjson", "No such file or directory"), ("/dev/full", "No space left on device")]
)
def test_entries_that_cannot_be_written_are_named(outcomes: Outcomes, tmp_path: Path, name: str, said: str) -> None:
    file = tmp_path / name
    if name == "/dev/full" and not file.exists():
        pytest.skip("only Linux has it")
    run = outcomes(*TRUST, "--entries", str(file))
    assert (run.code, run.out, run.err.splitlines()[-1]) == (1, "", f"outcomes: {file}: {said}")


def test_statements_and_entries_may_be_pipes(outcomes: Outcomes) -> None:
    """A shell gives `<(cat october.json)` such a name. Its bytes can be read only once."""

    def piped(name: str) -> str:
        reader, writer = os.pipe()
        with open(writer, "wb") as file:
            file.write((FOLDER / name).read_bytes())
        return f"/dev/fd/{reader}"

    entries = [word for month in ("2026-09", "2026-10") for word in ("--entries", piped(f"{month}.ndjson"))]
    run = outcomes("verify", piped("2026-09.json"), piped("2026-10.json"), *entries, "--keys", KEYS)
    assert (run.code, run.err) == (0, "")


@pytest.mark.usefixtures("served")
def test_a_proof_is_printed_and_verified_without_its_statement(outcomes: Outcomes, tmp_path: Path) -> None:
    proof = tmp_path / "p.json"
    proof.write_text(outcomes(*TRUST, "--proof", "01M").out)
    run = outcomes("verify", "--proof", str(proof))
    assert (run.code, run.out.count("Contains "), run.out.endswith(CAVEAT)) == (0, 3, True)


def test_a_title_prints_no_line_of_its_own(outcomes: Outcomes, tmp_path: Path) -> None:
    text, shown = example.deceiving_proof()
    proof = tmp_path / "p.json"
    proof.write_text(text)
    run = outcomes("verify", "--proof", str(proof), "--keys", KEYS)
    assert (run.code, "Z: " + shown in run.out.splitlines()[-3]) == (0, True)
    assert "\nTotal" not in run.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keys", KEYS, "--entries", str(FOLDER / "2026-08.ndjson")], "size: expected 10 entries, found 3"),
        (["--keys", KEYS, "--previous", PROOF], "previous: expected bytes whose hash is sha256:"),
        (["--keys", OCTOBER], "format: the keys: expected an object with a list of keys"),
    ],
)
def test_a_refusal_is_exit_1_and_begins_with_the_check(outcomes: Outcomes, arguments: list[str], said: str) -> None:
    run = outcomes("verify", OCTOBER, *arguments)
    assert (run.code, run.out.count("\n"), run.err[: len(said)]) == (1, 1, said)
    assert run.out.startswith(f"keys of {ISSUER}, from ")
    run = outcomes("verify", OCTOBER, "--keys", KEYS)
    assert "Not verified: whether the sums follow from the entries (--entries).\n" in run.out
    assert "Not verified: whether it continues the statement before (--previous), sha256:" in run.out


def test_the_help_and_the_error_name_all_checks_of_the_format_in_their_order() -> None:
    page = (FOLDER.parents[1] / "docs/statement-format.md").read_text()
    checks = [*dict.fromkeys(re.findall(r"^\| `([a-z]+)` \|", page.partition("\n## Checks\n")[2], re.MULTILINE))]
    for text in (_cli_statements.verify.__doc__, StatementError.__doc__):
        listed = f"{text}".partition("the first check that failed:")[2].partition(".")[0]
        assert re.findall("[a-z]{3,}", listed) == checks


AUGUST = str(FOLDER / "2026-08.json")
ALL_SAID = f"""\
Verified: 2026-08@Europe/Berlin of https://api.example.com, signed 2026-08-31T22:11:00.000Z
Verified: 2026-09@Europe/Berlin of https://api.example.com, signed 2026-09-30T22:11:00.000Z
Verified: 2026-10@Europe/Berlin of https://api.example.com, signed 2026-10-31T23:11:00.000Z
August to October 2026: 4 outcomes, $12,650.77
  confirmed: 1 outcome, $12,500.50
  disputed: 1 outcome, $80.00
  voided: 1 outcome, $0.00
Change of 2026-06-30T22:00:00.000Z to 2026-07-31T22:00:00.000Z: 1 outcome, $40.00
Not verified: whether the sums follow from the entries (--entries, of each statement).
{CAVEAT}"""


def test_several_statements_add_up(outcomes: Outcomes) -> None:
    run = outcomes("verify", OCTOBER, AUGUST, SEPTEMBER, "--keys", KEYS)
    assert (run.code, run.out[-len(ALL_SAID) :], run.err) == (0, ALL_SAID, "")
    run = outcomes("verify", OCTOBER, SEPTEMBER, "--keys", KEYS)
    assert "September to October 2026: 2 outcomes, $250.26\n" in run.out
    assert "Not verified: whether they continue the statement before (--previous), sha256:" in run.out
    run = outcomes("verify", OCTOBER, SEPTEMBER, "--keys", KEYS, "--previous", AUGUST)
    assert (run.code, "--previous" in run.out) == (0, False)
    lists = [part for month in ("10", "08", "09") for part in ("--entries", str(FOLDER / f"2026-{month}.ndjson"))]
    run = outcomes("verify", OCTOBER, AUGUST, SEPTEMBER, *lists, "--keys", KEYS)
    assert (run.code, "Not verified" in run.out, "payer" in run.out) == (0, False, False)  # there is no definition
    run = outcomes("verify", OCTOBER, SEPTEMBER, AUGUST, *lists, "--keys", KEYS)
    assert (run.code, run.err) == (1, "size: statement 2: expected 0 entries, found 3\n")
    run = outcomes("verify", OCTOBER, AUGUST, "--keys", KEYS)
    said = "previous: expected the statement of 2026-09 after 2026-08, found 2026-10\n"
    assert (run.code, "Verified" in run.out, run.err) == (1, False, said)


WHAT_COUNTS = """\
By the payer's rules, as of 2026-10-31T23:00:00.000Z:
  counted: 0 outcomes, $0.00
  waiting: 1 outcome, $0.01, $0.01 on 2026-11-15
  unconfirmed: 0 outcomes, $0.00
  not counted: 0 outcomes, $0.00
  before rules: 0 outcomes, $0.00
  no rule known: 3 outcomes, $12,790.75
"""


def test_what_counts_by_a_definition_is_shown_with_the_entries(outcomes: Outcomes, tmp_path: Path) -> None:
    statement = tmp_path / "s.json"
    statement.write_text(WRONG["definition.json"])
    run = outcomes("verify", str(statement), "--entries", ENTRIES, "--keys", KEYS)
    assert (run.code, WHAT_COUNTS in run.out) == (0, True)
    assert "payer" not in outcomes("verify", str(statement), "--keys", KEYS).out


def test_each_statement_has_its_entries_a_proof_is_of_one_statement_and_only_a_proof_needs_none(
    outcomes: Outcomes,
) -> None:
    for option, says in (
        (("--entries", ENTRIES), "--entries: one for each statement, in their order"),
        (("--proof", PROOF), "--proof: only of one statement"),
    ):
        run = outcomes("verify", OCTOBER, SEPTEMBER, *option, "--keys", KEYS)
        assert (run.code, run.out, says in run.err) == (2, "", True)
    for arguments in ((), ("--entries", ENTRIES), ("--proof", PROOF, "--previous", SEPTEMBER)):
        assert outcomes("verify", *arguments).code == 2


def test_against_asks_the_api_about_each_of_several_statements(served: dict[str, bytes], outcomes: Outcomes) -> None:
    run = outcomes("verify", OCTOBER, SEPTEMBER, "--keys", KEYS, "--against")
    assert (run.code, "Verified" in run.out, run.err) == (1, False, f"{NO_STATEMENT}\n")
    september = ID.replace("10", "09")
    served[f"GET {september}"] = Path(SEPTEMBER).read_bytes()
    served[f"GET {september}/entries"] = b""
    run = outcomes("verify", OCTOBER, SEPTEMBER, "--keys", KEYS, "--against")
    assert (run.code, "Not verified: whether the sums" in run.out) == (0, False)  # the API's own entries add up


def test_a_range_of_months_has_a_name() -> None:
    assert _cli_statements._name_of("2026-11", "2027-01") == "November 2026 to January 2027"
    assert _cli_statements._name_of("0001-01", "0001-02") == "January to February 0001"


@pytest.mark.parametrize(
    ("target", "live", "said"),
    [
        (ID, Path(OCTOBER).read_bytes(), ""),
        (ID, WRONG["totals.json"].encode(), "signature: expected the API to say sums sha256:"),
        (ID, None, NO_STATEMENT),
        # entries that a restored table lost
        (f"{ID}/entries", ALL_BUT_ONE, "size: expected 10 entries, found 9"),
        (f"{ID}/entries", None, NO_STATEMENT),
    ],
)
def test_against_asks_the_api_whether_it_still_says_the_same(
    served: dict[str, bytes], outcomes: Outcomes, target: str, live: bytes | None, said: str
) -> None:
    if live is None:
        del served[f"GET {target}"]
    else:
        served[f"GET {target}"] = live
    for what in ([OCTOBER, "--entries", ENTRIES], ["--proof", PROOF]):
        run = outcomes("verify", *what, "--keys", KEYS, "--against")
        assert (run.code, run.err[: len(said)]) == (bool(said), said)


def test_kept_keys_stay_and_none_is_replaced_or_becomes_valid_for_longer(
    served: dict[str, bytes], outcomes: Outcomes
) -> None:
    outcomes(*TRUST)
    retired, current = json.loads(Path(KEYS).read_text())["keys"]
    served["GET /.well-known/outcomes-keys.json"] = json.dumps({"keys": [current]}).encode()
    assert outcomes(*TRUST).code == 0
    assert listed() == [retired, current]
    for other, found in (
        (current | {"x": retired["x"]}, f"x {current['x']}, found {retired['x']}"),
        (retired | {"valid_until": None}, f"valid_until {retired['valid_until']}, found none"),
        (retired | {"valid_from": "2025-01-01"}, f"valid_from {retired['valid_from']}, found 2025-01-01"),
    ):
        served["GET /.well-known/outcomes-keys.json"] = json.dumps({"keys": [other]}).encode()
        run = outcomes(*TRUST)
        assert (run.code, run.out) == (1, "")
        said = f"key: expected https://api.example.com to publish the kept key {other['kid']} with {found}"
        assert (
            run.err
            == f"{said}: if the issuer confirms the change to you, delete {_kept_keys.file_of(ISSUER)} and try again\n"
        )
    assert outcomes("verify", OCTOBER).code == 0


@pytest.mark.usefixtures("served")
def test_a_statement_is_printed_although_its_keys_cannot_be_kept(outcomes: Outcomes, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("no folder")
    run = outcomes(*TRUST)
    assert (run.code, run.out.encode()) == (0, Path(OCTOBER).read_bytes())
    assert run.err.startswith("The keys of https://api.example.com cannot be kept in ")
    assert run.err.endswith("Give `outcomes verify` its --keys\n")
    verified = outcomes("verify", OCTOBER)
    file = _kept_keys.file_of(ISSUER)
    assert (verified.code, verified.err) == (1, f"outcomes: {file}: Not a directory\n")


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("damaged", ['{"url": "http', "{}", "[]", '{"url": "x", "keys": [{}]}'])
def test_a_damaged_file_of_kept_keys_is_reported_in_one_line(outcomes: Outcomes, damaged: str) -> None:
    outcomes(*TRUST)
    file = _kept_keys.file_of(ISSUER)
    file.write_text(damaged)
    said = f"key: expected kept keys of https://api.example.com in {file}: delete it to trust the keys published now\n"
    assert outcomes(*TRUST).err == said
    run = outcomes("verify", OCTOBER)
    assert (run.code, run.out, run.err.count("\n")) == (1, "", 1)
    assert file.read_text() == damaged


def listed(issuer: str = ISSUER) -> list[dict[str, Any]]:
    """Return the kept keys of an issuer as they were published."""
    keys: list[dict[str, Any]] = json.loads(_kept_keys.read(issuer)[0])["keys"]
    return [{name: value for name, value in key.items() if not name.startswith("kept_")} for key in keys]


def claim(served: dict[str, bytes], issuer: str) -> None:
    """Let the API serve a statement that names this issuer."""
    served["POST /api/statements"] = served[f"GET {ID}"].replace(ISSUER.encode(), issuer.encode())


@pytest.mark.parametrize("path", ["", "/", "/v1"])
def test_an_api_names_the_keys_of_an_issuer_at_its_own_origin(
    served: dict[str, bytes], outcomes: Outcomes, path: str
) -> None:
    url = os.environ["OUTCOMES_URL"]
    claim(served, issuer=url + path)
    run = outcomes(*MAKE)
    assert (run.code, run.err.partition(", are kept in ")[0]) == (0, f"The keys of {url}{path}, from {url}")


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("https://api.example.com", "https://API.example.com:443/v1", True),
        ("http://127.0.0.1:80/", "http://127.0.0.1", True),
        ("https://api.example.com", "http://api.example.com", False),
        ("https://api.example.com", "https://api.example.com:8443", False),
        ("https://api.example.com", "https://api.example.com.evil.example", False),
        ("https://api.example.com", "https://api.example.com\\@evil.example", False),
        ("https://evil.example", "https://api.example.com@evil.example", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, *, are_same: bool) -> None:
    assert (_kept_keys._origin(one) == _kept_keys._origin(other)) is are_same


def test_the_keys_of_an_issuer_elsewhere_come_from_the_issuer(served: dict[str, bytes], outcomes: Outcomes) -> None:
    [retired, current] = json.loads(Path(KEYS).read_text())["keys"]
    served["GET /.well-known/outcomes-keys.json"] = json.dumps({"keys": [current]}).encode()
    published: dict[str, Any] = {"keys": [{"kty": "RSA"}, {"kty": "EC", "crv": None}, retired]}
    asked: list[str] = []

    def issuer(method: str, target: str, headers: Mapping[str, str], _: bytes) -> Any:
        asked.append(f"{method} {target}")
        assert not {"authorization", "cookie"} & {name.lower() for name in headers}
        return 200, {}, json.dumps(published).encode()

    with serving(FaultyServer(issuer)) as server:
        for path in ("/v1", ""):
            claim(served, issuer=server.url + path)
            run = outcomes(*MAKE)
            assert run.out.encode() == served["POST /api/statements"]
            said = f"The keys of {server.url}{path}, from {server.url}{path}, are kept in "
            assert (run.code, run.err[: len(said)]) == (0, said)
            assert listed(server.url + path) == [retired]
        published["keys"].append(current)  # a new key of the issuer is trusted, too
        assert outcomes(*MAKE).code == 0
        assert listed(server.url) == [retired, current]
    assert asked == [f"GET {path}/.well-known/outcomes-keys.json" for path in ("/v1", "", "")]


@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        ("http://127.0.0.1:9", "No answer"),  # port 9 is reserved, and nothing listens
        ("http://api.example.com", "this address is not https"),
        ("https://api.example.com@127.0.0.1", "this is not the address of an API"),
        ("https://api.example.com?to=", "this is not the address of an API"),
        ("our platform", "this is not the address of an API"),
        ("", "this is not the address of an API"),
    ],
)
def test_without_keys_of_the_issuer_itself_none_is_kept_and_the_statement_is_printed(
    served: dict[str, bytes], outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, issuer: str, why: str
) -> None:
    claim(served, issuer)
    monkeypatch.setattr(_kept_keys, "_RETRY", ONE_TRY)
    monkeypatch.delenv("INTERNAL_API_KEY")
    run = outcomes(*MAKE, "--cookie", "session=x")
    monkeypatch.delenv("OUTCOMES_COOKIE")
    assert (run.code, run.out.encode()) == (0, served["POST /api/statements"])
    assert run.err.startswith(f"No new keys of {issuer} are kept: {why}"), run.err
    url = os.environ["OUTCOMES_URL"]
    assert run.err.endswith(f"repeat this with --trust-keys if you trust {url} to name the keys of {issuer}\n")
    assert not _kept_keys.file_of(issuer).exists()


@pytest.mark.parametrize(
    ("member", "shown"),
    [
        (r'"issuer":"\ud800\n"', "\ufffd\ufffd"),
        ('"issuer":7', "7"),
        ('"issuer":null', "None"),
        ('"other":null', "None"),
    ],
)
def test_an_issuer_that_is_no_name_is_printed_without_harm(
    served: dict[str, bytes], outcomes: Outcomes, member: str, shown: str
) -> None:
    served["POST /api/statements"] = served[f"GET {ID}"].replace(f'"issuer":"{ISSUER}"'.encode(), member.encode())
    for arguments, said in ((MAKE, f"No new keys of {shown} are"), (TRUST, f"The keys of {shown}, from ")):
        run = outcomes(*arguments)
        assert (run.code, run.err[: len(said)], run.err.count("\n")) == (0, said, 1)


@pytest.mark.usefixtures("one_try")
def test_an_issuer_that_lists_no_keys_has_none_kept(served: dict[str, bytes], outcomes: Outcomes) -> None:
    url = os.environ["OUTCOMES_URL"]
    claim(served, issuer=url)
    for keys in (b'{"keys":[]}', b'{"keys":{}}', b'{"keys":[{"kty":"OKP","crv":"Ed25519","kid":7}]}', b"{}", b"<html>"):
        served["GET /.well-known/outcomes-keys.json"] = keys
        run = outcomes(*MAKE)
        assert (run.code, run.err.splitlines()[-1].partition(": ")[0]) == (0, f"No new keys of {url} are kept")


def test_a_forger_cannot_name_keys_of_an_issuer_whose_keys_are_kept(
    served: dict[str, bytes], outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    [retired, current] = json.loads(Path(KEYS).read_text())["keys"]
    served["GET /.well-known/outcomes-keys.json"] = json.dumps({"keys": [current]}).encode()
    outcomes(*TRUST)
    served["GET /.well-known/outcomes-keys.json"] = json.dumps({"keys": [retired | {"kid": "forged"}]}).encode()
    monkeypatch.setattr(_kept_keys, "_published_by", lambda _: [retired])
    assert outcomes(*MAKE).code == 0
    assert listed() == [current, retired]
    lines = outcomes("verify", OCTOBER).out.splitlines()[:2]
    assert lines == [f"keys of {ISSUER}, from {url}, kept 2026-12-01" for url in (os.environ["OUTCOMES_URL"], ISSUER)]


@pytest.mark.parametrize("arguments", [(OCTOBER,), ("--proof", PROOF), (OCTOBER, "--previous", PROOF)])
def test_the_origin_of_given_keys_is_printed_even_if_the_statement_is_refused(
    outcomes: Outcomes, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(Path(KEYS).read_bytes())
    os.utime(keys, (1_796_083_200, 1_796_083_200))
    run = outcomes("verify", *arguments, "--keys", str(keys))
    assert run.code == ("--previous" in arguments)
    assert run.out.startswith(f"keys of {ISSUER}, from {keys}, kept 2026-12-01\n")
