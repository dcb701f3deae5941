"""`make deploy` passes to `sam deploy` the parameters in samconfig.toml, and a digest of all parameters."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest

from ops import configuration
from ops.command import named_stack
from ops.template import pairs
from tests.aws import PARAMETERS, STACKS, STATUSES, mock_aws
from tests.sam import in_sam
from tests.template.conftest import ROOT

REGION = "eu-central-1"
SAMCONFIG = f"""
version = 0.1
[dev.deploy.parameters]
stack_name = "outcomes-dev"
region = "{REGION}"
parameter_overrides = [
    "DashboardOrigins=https://app.example.com,https://beta.example.com",
    "AlarmTopicArn=\\"\\"",
    "Configuration=\\"\\"",
]
"""
DEPLOY = """
import json, sys
from unittest.mock import patch
from samcli.commands.deploy import command

def deployed(options):
    with patch.object(command, "do_cli") as deploy:
        command.cli(options, prog_name="deploy", standalone_mode=False)
    [parameters] = [value for value in deploy.call_args.args if isinstance(value, dict) and "DashboardOrigins" in value]
    return parameters

print(json.dumps([deployed(options) for options in json.loads(sys.argv[1])]))
"""
"""Runs `sam deploy` for each list of options without deploying. Prints the parameters that each run would deploy."""
OVERRIDES = {"DashboardOrigins": "https://app.example.com,https://beta.example.com", "AlarmTopicArn": ""}
OWN = {"Deployment": "AllAtOnce", "ReleaseAlarms": "On"}
DEV = REGION, "outcomes-dev"
ENDED, OTHER = "e" * 64, "0" * 64

type Printed = Callable[..., dict[str, str]]


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Return a function that runs `make deploy`'s command on SAMCONFIG, and returns its output."""
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    monkeypatch.setattr(configuration, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["configuration", "dev", str(ROOT / "template.yaml")])

    def run() -> Any:
        assert configuration.main() == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_a_first_deployment_gets_the_overrides_and_a_digest(told: Printed) -> None:
    digest = told()["Configuration"]

    assert told() == OWN | OVERRIDES | {"Configuration": digest}
    assert len(digest) == 16


def test_the_digest_covers_the_stacks_parameters_that_are_not_overridden(told: Printed) -> None:
    STACKS[DEV] = {}
    first = told()
    PARAMETERS[DEV] = {"LogRetentionDays": "30", "AlarmTopicArn": "is overridden"} | first
    assert told() == first
    PARAMETERS[DEV]["LogRetentionDays"] = "90"
    assert told()["Configuration"] != first["Configuration"]


def test_sam_deploys_with_exactly_these_parameters(told: Printed, tmp_path: Path) -> None:
    # SAM chooses the format by the file's suffix, and JSON is also valid YAML.
    parameters = tmp_path / "parameters.yaml"
    parameters.write_text(json.dumps(told()))

    by_sam = ["--config-file", str(tmp_path / "samconfig.toml"), "--config-env", "dev"]
    by_make = [*by_sam, f"--parameter-overrides=file://{parameters}"]

    # Without `make deploy`, the digest is empty, and a rule of the template refuses an empty digest.
    assert in_sam(DEPLOY, json.dumps([by_make, by_sam])) == [told(), OVERRIDES | {"Configuration": ""}]


@pytest.mark.parametrize("environment", ["core", "dev", "prod"])
def test_samconfig_has_no_digest_so_that_deploying_without_make_is_refused(environment: str) -> None:
    settings = configuration.deploy_settings(ROOT / "samconfig.toml", environment)
    assert pairs(settings["parameter_overrides"])["Configuration"] == ""


def test_commands_with_a_stack_use_the_region_and_profile_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG.replace("region =", 'profile = "dev"\nregion ='))
    monkeypatch.setattr(configuration, "ROOT", tmp_path)
    others = {"AWS_ACCESS_KEY_ID": "of another account", "AWS_DEFAULT_PROFILE": "another"}
    monkeypatch.setattr(os, "environ", os.environ | others)
    before = dict(os.environ)
    assert named_stack("outcomes-prod") == "outcomes-prod"
    assert dict(os.environ) == before
    assert named_stack("outcomes-dev") == "outcomes-dev"
    assert (os.environ["AWS_DEFAULT_REGION"], botocore.session.Session().profile) == (REGION, "dev")
    assert "AWS_ACCESS_KEY_ID" not in os.environ  # it would win over the profile


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("KeyOutcomesPerDay=1.5", "KeyOutcomesPerDay must be a whole number from 1 to 1000000"),
        ("MaxReadUnits=1_000", "MaxReadUnits must be a whole number of at least 1"),
        ("ReadThrottle=100", "ReadThrottle must have as many numbers as 100,200"),
        ("WebhookTypes=outcome.reached", "WebhookTypes must be types of events separated by commas"),
    ],
)
def test_a_value_that_would_break_the_deployment_or_its_functions_is_refused_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], override: str, says: str
) -> None:
    wrong = SAMCONFIG.replace('"Configuration', f'"{override}",\n    "Configuration')
    (tmp_path / "samconfig.toml").write_text(wrong)
    assert configuration.main() == 1
    assert f"error: parameter {says}" in capsys.readouterr().err


def test_printed_commands_name_the_region_and_profile_of_a_stack() -> None:
    assert configuration.cli_options({"stack_name": "outcomes-dev"}) == ""
    options = configuration.cli_options({"profile": "my own", "region": REGION})
    assert options == f" --region {REGION} --profile 'my own'"


def test_make_deploy_passes_the_printed_parameters() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ndeploy: ")[2].partition("\n\n")[0]

    assert "ops.configuration '$(ENV)' '$(BUILD_DIR)/template.yaml' > '$(parameters)'" in recipe
    assert recipe.count("$(sam) deploy") == recipe.count("--parameter-overrides 'file://$(parameters)'") == 1


def test_sams_packages_are_enough_for_every_step_of_a_deployment() -> None:
    """So a pipeline's job that may deploy installs only SAM, and builds no package from source."""
    recipes = (ROOT / "Makefile").read_text().partition("\ndeploy: ")[2].partition("\n# Lint the examples")[0]
    modules = re.findall(r"-m (ops\.\w+)", recipes)

    assert modules
    assert "$(bin)/python" not in recipes
    imports = (
        "import importlib, json, sys; [importlib.import_module(each) for each in sys.argv[1:]]; print(json.dumps(0))"
    )
    assert in_sam(imports, *modules) == 0


def override(samconfig: Path, *overrides: str) -> None:
    """Write further overrides before AlarmTopicArn, which is in line 8 of SAMCONFIG."""
    lines = "".join(f'    "{each}",\n' for each in overrides)
    samconfig.write_text(SAMCONFIG.replace('    "Alarm', f'{lines}    "Alarm'))


@pytest.mark.parametrize("given", [{}, {"Deployment": "Linear10PercentEvery1Minute", "ReleaseAlarms": "Off"}])
def test_a_deployment_does_not_keep_what_end_key_has_set(told: Printed, tmp_path: Path, given: dict[str, str]) -> None:
    STACKS[DEV] = {}
    PARAMETERS[DEV] = {"Deployment": "Canary10Percent5Minutes", "ReleaseAlarms": "Off"}
    override(tmp_path / "samconfig.toml", *(f"{name}={value}" for name, value in given.items()))

    assert {name: told()[name] for name in OWN} == OWN | given


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([f"KeyFingerprints={ENDED}"], "delete line 8 of samconfig.toml: "),
        ([f'Tracing=Active", "KeyFingerprints={ENDED}'], f"delete {ENDED} from line 8 of samconfig.toml: "),
        (["LogRetentionDays=7", f"KeyFingerprints={OTHER},{ENDED}"], f"delete {ENDED} from line 9 of samconfig.toml: "),
        ([f"KeyFingerprints={ENDED},{ENDED}"], f"delete {ENDED} from line 8 of samconfig.toml: "),
    ],
)
def test_a_key_that_was_ended_is_not_accepted_again(
    told: Printed, tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], says: str
) -> None:
    assert told()
    STACKS[DEV] = {}
    PARAMETERS[DEV] = {"KeyFingerprints": OTHER, "EndedFingerprints": f"{'f' * 64},{ENDED}"}
    override(tmp_path / "samconfig.toml", *overrides)

    assert configuration.main() == 1
    assert capsys.readouterr() == ("", f"error: {says}`make end-key` has ended this key for good\n")


@pytest.mark.usefixtures("told")
def test_a_parameter_that_the_template_lacks_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    override(tmp_path / "samconfig.toml", "FirewalRequests=1000", "LogRetentionDays = 90")
    assert configuration.main() == 1
    said = "error: delete or correct FirewalRequests, LogRetentionDays  in samconfig.toml: no such parameter\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.usefixtures("told")
def test_the_line_is_that_of_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = f'[prod.deploy.parameters]\nstack_name = "p"\nparameter_overrides = "KeyFingerprints={ENDED}"\n'
    mine = SAMCONFIG.replace(
        '    "Alarm', f'    # KeyFingerprints={ENDED} until December\n    "KeyFingerprints={ENDED}",\n    "Alarm'
    )
    (tmp_path / "samconfig.toml").write_text(other + mine)
    STACKS[DEV] = {}
    PARAMETERS[DEV] = {"EndedFingerprints": ENDED}

    assert configuration.main() == 1
    assert "error: delete line 12 of samconfig.toml" in capsys.readouterr().err


def test_only_end_key_forgets_ended_keys(told: Printed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told()
    override(tmp_path / "samconfig.toml", 'EndedFingerprints=\\"\\"')

    assert configuration.main() == 1
    assert (
        "error: delete EndedFingerprints from line 8 of samconfig.toml: only `make end-key` sets this parameter\n"
        in capsys.readouterr().err
    )


def test_a_stack_without_ended_keys_accepts_every_override(told: Printed, tmp_path: Path) -> None:
    STACKS[DEV] = {}
    PARAMETERS[DEV] = {"KeyFingerprints": OTHER}
    for given in ('KeyFingerprints=\\"\\"', f"KeyFingerprints={ENDED},{OTHER}"):
        override(tmp_path / "samconfig.toml", given)
        assert told()["KeyFingerprints"] == given.partition("=")[2].strip('\\"')


def test_a_release_that_was_rolled_back_can_be_deployed_again_unchanged(told: Printed) -> None:
    """The retry is a new version of each function. Afterwards, the same parameters make no new version."""
    STACKS[DEV] = {}
    first = told()["Configuration"]
    for status in ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"):
        STATUSES[DEV] = status
        drawn = {told()["Configuration"] for _ in range(20)}
        assert {each[:12] for each in drawn} == {first[:12]}
        assert len(drawn) > 10
        assert all(re.fullmatch("[0-9a-f]{16}", each) for each in drawn)
    [retried, *_] = sorted(drawn - {first})
    STATUSES[DEV] = "UPDATE_COMPLETE"
    PARAMETERS[DEV] = {"Configuration": retried}
    assert told()["Configuration"] == retried
    PARAMETERS[DEV] |= {"LogRetentionDays": "90"}
    assert told()["Configuration"][:12] != first[:12]


@pytest.mark.parametrize("is_in_stack", [False, True])
def test_data_requests_can_be_switched_off_only_before_the_first_erasure(
    told: Printed, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_in_stack: bool
) -> None:
    """Records of erasures are keyed by an HMAC with ErasureSecret. With a new secret, they could not be found."""
    dynamodb = boto3.client("dynamodb", REGION)
    dynamodb.create_table(
        TableName="ErasuresTable",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "user", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}],
    )
    STACKS[DEV] = {"ErasuresTableName": "ErasuresTable"}
    if is_in_stack:
        PARAMETERS[DEV] = {"DataRequests": "Off"}
    else:
        override(tmp_path / "samconfig.toml", "DataRequests=Off")
    assert told().get("DataRequests", "Off") == "Off"
    dynamodb.put_item(TableName="ErasuresTable", Item={"user": {"S": "a hash"}})

    assert configuration.main() == 1
    assert capsys.readouterr() == (
        "",
        "error: outcomes-dev has erased users, and keeps records of it that only DataRequests=On can read: "
        "set DataRequests=On in [dev.deploy.parameters] of samconfig.toml\n",
    )


def test_an_error_is_printed_as_one_line(tmp_path: Path, told: Printed, capsys: pytest.CaptureFixture[str]) -> None:
    assert told()
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG + 'profile = "nobody"\n')

    assert configuration.main() == 1
    says = "error: cannot read the parameters of outcomes-dev: The config profile (nobody) could not be found\n"
    assert capsys.readouterr().err == says
