"""Commands of docs/runbook.md, tried as far as there is no AWS here."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from outcomes.contract import instants
from outcomes.contract.agent_keys import NewAgentKey
from outcomes.keys.agent_keys import AgentKeys

from tests.aws import aws_client

PAGE = (Path(__file__).parents[2] / "docs/runbook.md").read_text()
LEAKED = 1_775_044_800_000  # 2026-04-01T12:00:00Z, as the command has it
BEFORE, SINCE = LEAKED - 1, LEAKED


def options(command: str) -> dict[str, str]:
    """Read the options of a command of the AWS CLI that stands on the page once."""
    [found] = re.findall(rf"^{command} (.*?[^\\])$", PAGE, re.MULTILINE | re.DOTALL)
    words = shlex.split(found.replace("\\\n", " "))
    return {name: value for name, value in pairwise(words) if name.startswith("--")}


@pytest.mark.parametrize(
    ("made_by", "made_at", "rotations", "is_found"),
    [
        ("platform", BEFORE, [], False),
        ("platform", SINCE, [], True),
        ("platform", BEFORE, [(BEFORE, "platform")], False),
        ("platform", BEFORE, [(SINCE, "platform")], True),
        # The secret that it made works on for as long as the overlap lasts.
        ("platform", BEFORE, [(SINCE, "platform"), (SINCE, "session")], True),
        ("session", SINCE, [(SINCE, "session")], False),
    ],
)
@pytest.mark.usefixtures("tables")
def test_what_a_leaked_platform_key_made_or_rotated_since_is_found(
    monkeypatch: pytest.MonkeyPatch, made_by: str, made_at: int, rotations: list[tuple[int, str]], is_found: bool
) -> None:
    keys = AgentKeys("KeysTable")
    monkeypatch.setattr(instants, "now", lambda: made_at)
    _, key = keys.create(NewAgentKey("Nightly import", 42), made_by)
    for at, by in rotations:
        monkeypatch.setattr(instants, "now", lambda at=at: at)
        keys.rotate(42, key.id, 24, by)

    command = options("aws dynamodb scan")
    found = aws_client("dynamodb").scan(
        TableName="KeysTable",
        FilterExpression=command["--filter-expression"],
        ExpressionAttributeValues=json.loads(command["--expression-attribute-values"]),
    )["Items"]
    assert [(item["id"]["S"], item["user_id"]["N"]) for item in found] == ([(key.id, "42")] if is_found else [])
    assert command["--query"] == "Items[].[id.S, user_id.N]"
