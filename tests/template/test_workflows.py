"""GitHub's workflows run the same commands as people, by pinned actions, without a stored AWS key."""

import re
from pathlib import Path
from typing import Any

import pytest

from ops.template import parse_yaml
from tests.template.conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def jobs(file: Path) -> Any:
    return parse_yaml(file.read_text())["jobs"]


def steps(file: Path) -> list[Any]:
    return [step for job in jobs(file).values() for step in job.get("steps", [])]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_an_action_is_pinned_by_commit_with_its_version_named(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text())

    assert used
    for action in used:
        assert re.fullmatch(r"\./\.github/workflows/check\.yml|[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_job_has_only_the_rights_it_needs(file: Path) -> None:
    assert parse_yaml(file.read_text())["permissions"] == {"contents": "read"}
    for name, job in jobs(file).items():
        allowed = {"contents": "read", "id-token": "write"} if name == "deploy" else {"contents": "read"}
        assert job.get("permissions", {"contents": "read"}) == allowed
        assert "timeout-minutes" in job or "uses" in job


def test_a_pull_request_runs_what_people_run() -> None:
    [file] = [file for file in WORKFLOWS if file.name == "check.yml"]
    text = file.read_text()

    assert "pull_request:" in text
    assert "pull_request_target" not in text
    assert "run: make check audit examples coverage build" in text


def test_a_deployment_is_checked_before_and_smoke_tested_after() -> None:
    [file] = [file for file in WORKFLOWS if file.name == "deploy.yml"]
    deploy = jobs(file)["deploy"]

    assert deploy["needs"] == "check"
    assert deploy["environment"] == "${{ inputs.environment }}"
    commands = [step["run"] for step in deploy["steps"] if "run" in step]
    assert [command.split()[:2] for command in commands] == [["make", "build"], ["make", "deploy"], ["make", "smoke"]]


def test_everything_is_built_before_the_role_is_assumed() -> None:
    [file] = [file for file in WORKFLOWS if file.name == "deploy.yml"]
    told = [step.get("run", step.get("uses", "")) for step in jobs(file)["deploy"]["steps"]]
    [assumed] = [place for place, text in enumerate(told) if "configure-aws-credentials" in text]

    assert "make build" in told[:assumed]
    assert [text.split()[:3] for text in told[assumed + 1 :]] == [
        ["make", "deploy", "BUILT=1"],
        ["make", "smoke", 'STACK="outcomes-$ENVIRONMENT"'],
    ]


def test_workflows_use_aws_without_a_stored_key() -> None:
    for file in WORKFLOWS:
        assert "aws-access-key-id" not in file.read_text()
    [credentials] = [step for file in WORKFLOWS for step in steps(file) if "configure-aws" in step.get("uses", "")]
    assert credentials["with"].keys() == {"role-to-assume", "aws-region"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_no_outside_input_becomes_part_of_a_command(file: Path) -> None:
    """Inputs go into variables, where they cannot become part of a script."""
    for step in steps(file):
        assert "${{" not in step.get("run", "")


def test_every_check_that_is_skipped_says_why() -> None:
    skipped = (ROOT / ".checkov.yaml").read_text().partition("skip-check:\n")[2].splitlines()
    checks = [line for line in skipped if line.strip().startswith("- ")]

    assert checks
    assert all(re.fullmatch(r"  - CKV2?_AWS_\d+ # .{4,}", line) for line in checks)
