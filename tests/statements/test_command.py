"""The command `outcomes` makes and verifies statements of the running stack."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from outcomes.contract.models import NewOutcome
from outcomes.ledger.store import OutcomeStore
from outcomes_client.__main__ import main

from tests.local.stacks import Stack

USER = 81_001
# LATER's month ended weeks ago: its statement can be requested from ten minutes after the end of the month.
LATER = datetime.now(UTC).replace(day=1) - timedelta(days=50)
EARLIER = LATER.replace(day=1) - timedelta(days=20)


@pytest.fixture
def ids(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Record outcomes in two months for the user of the command. Return their ids."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", stack.aws_url)
    store = OutcomeStore(stack.tables["OutcomesTable"])
    recorded = []
    for moment, value in ((EARLIER, "0.1"), (LATER, "12500.5"), (LATER, "-99.99")):
        body = {
            "outcomeType": "deal_closed",
            "title": "Größe \u2028",
            "userId": Decimal(USER),
            "valueUsd": Decimal(value),
        }
        made = NewOutcome.parse(body, session_user=None)
        recorded.append(store.add(made, "key", milliseconds=round(moment.timestamp() * 1000)))
    store.dynamodb.connection.close()
    for name in ("INTERNAL_API_KEY", "OUTCOMES_USER_ID", "OUTCOMES_AGENT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OUTCOMES_URL", stack.url)
    monkeypatch.setenv("OUTCOMES_COOKIE", stack.cookie(USER))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return recorded


def test_an_auditor_verifies_a_statement_its_entries_and_a_proof(
    ids: list[str],
    stack: Stack,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def outcomes(*arguments: str, code: int = 0) -> bytes:
        with pytest.raises(SystemExit) as exit_:
            main(list(arguments))
        said = capsysbinary.readouterr()
        assert exit_.value.code == code, said.err
        return said.out if code == 0 else said.err

    def file(name: str) -> str:
        return str(tmp_path / name)

    zone = ("--timezone", "America/New_York")
    for name, moment in (("before", EARLIER), ("last", LATER)):
        Path(file(name)).write_bytes(outcomes("statement", f"{moment:%Y-%m}", *zone, "--entries", file("entries")))
    Path(file("proof")).write_bytes(outcomes("statement", f"{LATER:%Y-%m}", *zone, "--proof", ids[1]))
    assert b"$" not in Path(file("proof")).read_bytes()
    verified = outcomes(
        "verify",
        file("last"),
        "--entries",
        file("entries"),
        "--previous",
        file("before"),
        "--proof",
        file("proof"),
        "--against",
    )
    # A local stack names its own address as the issuer, so its keys are kept without --trust-keys.
    assert verified.startswith(f"keys of {stack.url}, from {stack.url}, kept ".encode())
    assert b"Total: 2 outcomes, $12,400.51\n" in verified
    assert b"Not verified" not in verified
    assert ids[1].encode() in verified
    monkeypatch.delenv("OUTCOMES_URL")  # the following commands need no API
    assert b"Contains" in outcomes("verify", "--proof", file("proof"))
    both = outcomes("verify", file("last"), file("before"))
    assert f"{EARLIER:%B}".encode() in both
    assert f" to {LATER:%B %Y}: 3 outcomes, $12,400.61\n".encode() in both
    changed = Path(file("last")).read_bytes().replace(b"12400.51", b"12500.51")
    Path(file("last")).write_bytes(changed)
    assert outcomes("verify", file("last"), code=1).startswith(b"totals: expected ")
