"""Try the commands of docs/runbook.md, as far as possible without AWS."""

import json
import re
import shlex
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from outcomes.contract import instants
from outcomes.contract.agent_keys import NewAgentKey
from outcomes.keys.agent_keys import AgentKeys

from tests.aws import aws_client

PAGE = (Path(__file__).parents[2] / "docs/runbook.md").read_text()
LEAKED = 1_775_044_800_000  # 2026-04-01T12:00:00Z, the time in the page's command
BEFORE, SINCE = LEAKED - 1, LEAKED


def options(command: str) -> dict[str, str]:
    """Return the options of an AWS CLI command that occurs once on the page."""
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
        # The secret that the platform created stays valid for 24 hours after the owner's rotation.
        ("platform", BEFORE, [(SINCE, "platform"), (SINCE, "session")], True),
        ("session", SINCE, [(SINCE, "session")], False),
    ],
)
@pytest.mark.usefixtures("tables")
def test_agent_keys_created_or_rotated_by_a_leaked_platform_key_are_found(
    monkeypatch: pytest.MonkeyPatch, made_by: str, made_at: int, rotations: list[tuple[int, str]], is_found: bool
) -> None:
    keys = AgentKeys("KeysTable")
    monkeypatch.setattr(instants, "now", lambda: made_at)
    _, key = keys.create(NewAgentKey("Nightly import", 42), made_by)
    for at, by in rotations:
        monkeypatch.setattr(instants, "now", lambda at=at: at)
        keys.rotate(42, key.id, 24, by)

    command = options(r"aws dynamodb scan --table-name \$table")
    found = aws_client("dynamodb").scan(
        TableName="KeysTable",
        FilterExpression=command["--filter-expression"],
        ExpressionAttributeValues=json.loads(command["--expression-attribute-values"]),
    )["Items"]
    assert [(item["id"]["S"], item["user_id"]["N"]) for item in found] == ([(key.id, "42")] if is_found else [])
    assert command["--query"] == "Items[].[id.S, user_id.N]"


ANY = {"query", "output"}
"""Options of every command of the AWS CLI."""


def commands_of_aws() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for line in "".join(blocks).replace("\\\n", " ").splitlines() if re.search(r"\baws (?!s3 )", line)]


@pytest.mark.parametrize("line", commands_of_aws())
def test_aws_has_each_command_and_its_options(line: str) -> None:
    taken = set(ANY)
    for service, command, waiter in re.findall(r"\baws (?!s3 )([a-z]+) ([a-z-]+)(?: ([a-z-]+))?", line):
        client = aws_client("codedeploy" if service == "deploy" else service)
        if command == "wait":
            operation = client.get_waiter(waiter.replace("-", "_")).config.operation
        else:
            operation = client.meta.method_to_api_mapping[command.replace("-", "_")]
        taken |= {member.lower() for member in client.meta.service_model.operation_model(operation).input_shape.members}
    given = {option.removeprefix("no-").replace("-", "") for option in re.findall(r"(?<= --)[a-z-]+", line)}

    assert given <= taken


def test_functions_log_each_message_that_the_runbook_searches_for() -> None:
    root = Path(__file__).parents[2]
    code = "".join(
        file.read_text() for folder in ("functions", "layers/common") for file in (root / folder).rglob("*.py")
    )
    messages = re.findall(r'message = "(.*?)"', PAGE)

    assert messages
    assert [message for message in messages if f'"{message}"' not in code] == []


def test_each_block_is_valid_shell() -> None:
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        script = re.sub(r"<[\w -]+>", "VALUE", block)
        read = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (read.returncode, read.stderr) == (0, ""), block
