"""`make deploy ENV=prod` turns on the termination protection of the stack."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from ops import publish
from tests.aws import NO_STACK, PARAMETER, Answer, answering, mock_aws
from tests.conftest import RunMain

SAMCONFIG = """
[prod.deploy.parameters]
stack_name = "outcomes-prod"
region = "eu-central-1"
"""
STACK: dict[str, str] = {}
"""The stack's status and protection."""


def described(_request: Any) -> Answer:
    if not STACK:
        return 400, {}, NO_STACK.format("outcomes-prod")
    parameters = f"<Parameters>{PARAMETER.format('Monitoring', 'Off')}</Parameters>"  # so nothing is said of alarms
    members = "".join(f"<{name}>{value}</{name}>" for name, value in STACK.items()) + parameters
    return 200, {}, f"<R><DescribeStacksResult><Stacks><member>{members}</member></Stacks></DescribeStacksResult></R>"


def updated(request: Any) -> Answer:
    query = parse_qs(request.body)
    assert query["StackName"] == ["outcomes-prod"]
    STACK["EnableTerminationProtection"] = query["EnableTerminationProtection"][0]
    return 200, {}, "<R><UpdateTerminationProtectionResult/></R>"


def denied(_request: Any) -> Answer:
    return (
        403,
        {},
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not\nyours</Message></Error></ErrorResponse>",
    )


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    STACK.clear()
    with (
        mock_aws(),
        answering("cloudformation.DescribeStacks", described),
        answering("cloudformation.UpdateTerminationProtection", updated),
    ):
        yield


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"])
def test_a_deployed_stack_is_protected_once_and_this_is_said(run_main: RunMain, status: str) -> None:
    STACK.update(StackStatus=status, EnableTerminationProtection="false")

    done = run_main(publish.main, "prod")

    assert STACK["EnableTerminationProtection"] == "true"
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Termination protection of outcomes-prod is on now: to delete the stack, turn it off first (docs/deploy.md).\n"
    )
    assert run_main(publish.main, "prod").stdout == ""


@pytest.mark.parametrize("environment", ["dev", "core"])
def test_only_production_is_protected(run_main: RunMain, tmp_path: Path, environment: str) -> None:
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG.replace("[prod.", f"[{environment}."))
    STACK.update(StackStatus="UPDATE_COMPLETE", EnableTerminationProtection="false")

    assert run_main(publish.main, environment).returncode == 0
    assert STACK["EnableTerminationProtection"] == "false"


def test_a_refusal_says_that_the_deployment_itself_is_done(run_main: RunMain) -> None:
    STACK.update(StackStatus="UPDATE_COMPLETE", EnableTerminationProtection="false")

    with answering("cloudformation.UpdateTerminationProtection", denied):
        done = run_main(publish.main, "prod")

    assert (done.returncode, done.stdout) == (1, "")
    says = "error: outcomes-prod was deployed, but its termination protection could not be turned on: "
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 1
