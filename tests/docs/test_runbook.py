"""Try the commands of docs/runbook.md, and those of AWS on all pages, as far as possible without AWS."""

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from outcomes.calendar import instants
from outcomes.contract.agent_key_bodies import NewAgentKey
from outcomes.keys.agent_keys import AgentKeys

from tests.aws import aws_client

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/runbook.md").read_text()
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


@pytest.mark.usefixtures("tables")
def test_the_end_of_a_key_that_was_never_published_adds_no_row_with_which_no_key_could_be_listed() -> None:
    command = options(r"aws dynamodb update-item")
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        aws_client("dynamodb").update_item(
            TableName="StatementsTable",
            Key=json.loads(command["--key"]),
            UpdateExpression=command["--update-expression"],
            ExpressionAttributeValues=json.loads(command["--expression-attribute-values"]),
            ConditionExpression=command["--condition-expression"],
        )


ANY = {"query", "output", "clibinaryformat"}
"""Options of every command of the AWS CLI."""
AWS = r"\baws (?!s3 |cloudformation deploy)"
"""A command that is an operation of AWS, and not the CLI's own."""


def commands_of_aws() -> list[str]:
    """Return the lines with such commands in all pages' blocks."""
    pages = "".join(page.read_text() for page in sorted((ROOT / "docs").glob("*.md")))
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", pages, re.MULTILINE | re.DOTALL)
    return [line for line in "".join(blocks).replace("\\\n", " ").splitlines() if re.search(AWS, line)]


@pytest.mark.parametrize("line", commands_of_aws())
def test_aws_has_each_command_and_its_options(line: str) -> None:
    taken = set(ANY)
    for service, command, waiter in re.findall(rf"{AWS}([a-z]+) ([a-z-]+)(?: ([a-z-]+))?", line):
        client = aws_client("codedeploy" if service == "deploy" else service)
        if command == "wait":
            operation = client.get_waiter(waiter.replace("-", "_")).config.operation
        else:
            operation = client.meta.method_to_api_mapping[command.replace("-", "_")]
        taken |= {member.lower() for member in client.meta.service_model.operation_model(operation).input_shape.members}
    given = {option.removeprefix("no-").replace("-", "") for option in re.findall(r"(?<= --)[a-z0-9-]+", line)}

    assert given <= taken


# An AWS that needs time: the backup is AVAILABLE when it is described again, and the first wait after the restore ends
# too early.
SLOW_AWS = """
sleep() { :; }
aws() {
    echo "$2" >>calls
    [ "$2" != "$FAILS" ] || return 255
    case "$2" in
        create-backup) echo arn;;
        describe-backup) [ $(grep -c describe-backup calls) = 1 ] && echo CREATING || echo AVAILABLE;;
        wait) ! tail -n 2 calls | grep -q restore;;
    esac
}
table=outcomes
"""
BEFORE_DELETION = ["create-backup", "describe-backup", "describe-backup", "update-table", "wait", "delete-table"]
RESTORED = ["wait", "restore-table-from-backup", "wait", "wait", "update-continuous-backups", "update-table"]


@pytest.mark.parametrize(
    ("fails", "calls"),
    [
        ("none", [*BEFORE_DELETION, *RESTORED]),
        ("create-backup", BEFORE_DELETION[:1]),
        ("update-table", BEFORE_DELETION[:4]),
        ("delete-table", BEFORE_DELETION),
    ],
)
def test_a_table_is_deleted_once_its_backup_can_be_used_and_protected_once_it_is_restored(
    tmp_path: Path, fails: str, calls: list[str]
) -> None:
    [block] = [
        block for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "$backup" in block
    ]
    subprocess.run(["bash", "-c", SLOW_AWS + block], cwd=tmp_path, env={**os.environ, "FAILS": fails}, check=False)
    assert (tmp_path / "calls").read_text().split() == calls


def test_functions_log_each_message_that_the_runbook_searches_for() -> None:
    code = "".join(
        file.read_text() for folder in ("functions", "layers/common") for file in (ROOT / folder).rglob("*.py")
    )
    messages = re.findall(r'message = "(.*?)"', PAGE)

    assert messages
    assert [message for message in messages if f'"{message}"' not in code] == []


def test_the_page_names_the_alarms_that_start_after_one_bad_period(template: Any) -> None:
    alarms = {
        name.removesuffix("Alarm"): alarm["Properties"]
        for name, alarm in template["Resources"].items()
        if alarm["Type"] == "AWS::CloudWatch::Alarm"
    }
    at_once = {name for name, each in alarms.items() if each.get("DatapointsToAlarm", each["EvaluationPeriods"]) == 1}
    [named] = re.findall(r"after five bad minutes; (.*?) after one, and Throttled after", PAGE, re.DOTALL)
    assert {*re.findall(r"\w{4,}", named), "Throttled"} == at_once


def instructions(verb: str) -> list[str]:
    """Return the sentences in tables, and after "Do", that tell the operator to do something."""
    told = [line for line in PAGE.splitlines() if line.startswith(("| ", "**Do**"))]
    return [part for line in told for part in re.split(r"[|.] ", line) if re.search(rf"\b{verb}\b", part)]


@pytest.mark.parametrize(
    ("verb", "says"),
    [
        ("wait", r"\bwait until .*([;,] (after|then) )"),
        ("report", r"\[report\]\(#runbook\) the "),
        ("ask AWS", r"\[ask AWS\]\(#runbook\)"),
    ],
)
def test_each_wait_report_and_question_says_until_when_where_and_how(verb: str, says: str) -> None:
    assert [told for told in instructions(verb) if not re.search(says, told)] == []
    assert instructions(verb) or verb == "ask AWS"
    assert "**To report a bug**, open an issue in the GitHub repository" in PAGE
    assert "**ask AWS**: open a case" in PAGE


# An AWS CLI with the stacks and tables of account.json. It applies --query with the library that the CLI uses. It logs
# deletions to `deleted`, and fails the operation $FAILS.
ACCOUNT_AWS = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
import jmespath

operation, options = sys.argv[2], dict(zip(sys.argv[3::], sys.argv[4:] + [""]))
account = json.loads(Path("account.json").read_text())
named = [each for each in account["stacks"] if options.get("--stack-name") in (each["StackName"], each["StackId"])]
if operation == os.environ["FAILS"]:
    sys.exit(255)
elif operation == "describe-stacks":
    answer = {{"Stacks": named}}
elif operation == "list-stack-resources":
    [stack] = [each for each in named if each["StackId"] == options["--stack-name"]]
    answer = {{"StackResourceSummaries": stack["Resources"]}}
elif operation == "list-tables":
    answer = {{"TableNames": account["tables"]}}
else:
    answer = {{}}
    if operation.startswith("delete-"):
        with open("deleted", "a") as deleted:
            print(options.get("--table-name") or options["--stack-name"], file=deleted)
found = jmespath.search(options.get("--query", "@"), answer)
for row in found if isinstance(found, list) else [found]:
    print(*row if isinstance(row, list) else [row], sep="\\t")
"""


def table(name: str | None) -> dict[str, str | None]:
    return {"ResourceType": "AWS::DynamoDB::Table", "PhysicalResourceId": name}


def stack(name: str, status: str, *tables: str | None) -> dict[str, Any]:
    bucket = {"ResourceType": "AWS::S3::Bucket", "PhysicalResourceId": f"{name}-bucket"}
    resources = [bucket, *map(table, tables)]
    return {"StackName": name, "StackId": f"arn:{name}/1", "StackStatus": status, "Resources": resources}


FAILED = stack("outcomes-prod", "ROLLBACK_COMPLETE", "outcomes-prod-OutcomesTable-B", "outcomes-prod-KeysTable-B", None)
NEIGHBOUR = stack("outcomes-prod-eu", "UPDATE_COMPLETE", "outcomes-prod-eu-OutcomesTable-C")
EARLIER = "outcomes-prod-OutcomesTable-A"
"""A table that an earlier stack of the same name left."""


@pytest.mark.parametrize(
    ("stacks", "fails", "deleted"),
    [
        (
            [FAILED, NEIGHBOUR],
            "none",
            ["arn:outcomes-prod/1", "outcomes-prod-OutcomesTable-B", "outcomes-prod-KeysTable-B"],
        ),
        ([FAILED | {"StackStatus": "UPDATE_COMPLETE"}, NEIGHBOUR], "none", []),
        ([NEIGHBOUR], "none", []),
        ([FAILED, NEIGHBOUR], "list-stack-resources", []),
        ([FAILED, NEIGHBOUR], "wait", ["arn:outcomes-prod/1"]),
        ([FAILED, NEIGHBOUR], "update-table", ["arn:outcomes-prod/1"]),
    ],
)
def test_cleaning_up_a_failed_creation_deletes_only_what_the_failed_stack_created(
    tmp_path: Path, stacks: list[dict[str, Any]], fails: str, deleted: list[str]
) -> None:
    [block] = [
        block for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "delete-stack" in block
    ]
    tables = [each["PhysicalResourceId"] or "" for one in stacks for each in one["Resources"]]
    (tmp_path / "account.json").write_text(json.dumps({"stacks": stacks, "tables": [EARLIER, *tables]}))
    (tmp_path / "aws").write_text(ACCOUNT_AWS)
    (tmp_path / "aws").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "FAILS": fails}

    subprocess.run(["bash", "-c", f"stack=outcomes-prod\n{block}"], cwd=tmp_path, env=environment, check=False)
    log = tmp_path / "deleted"
    assert (log.read_text().splitlines() if log.exists() else []) == deleted
