"""`make adopt` finds what a deleted stack left, and writes the files of CloudFormation's import."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ops import adopt
from ops.adopt import IDENTIFIERS, WITHOUT, reduced
from tests.aws import PARAMETERS, STACKS, STATUSES, Given, answering, mock_aws, refused
from tests.conftest import RunMain
from tests.template.conftest import ROOT

REGION = "eu-central-1"
STACK = "outcomes-prod"
SAMCONFIG = f"""
version = 0.1
[prod.deploy.parameters]
stack_name = "{STACK}"
region = "{REGION}"
tags = "project=outcomes environment=prod"
parameter_overrides = ["DashboardOrigins=https://app.example.com", "MaxReadUnits=9000", "EventBusName=platform"]
"""
MAX_TEMPLATE_BYTES = 51_200
"""CloudFormation's limit of --template-body:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""

TAGGED: list[tuple[str, str, str]] = []
"""ARN, stack and logical id of resources, for the tagging API."""


def importable(type_: str) -> list[str]:
    """Return the properties by which CloudFormation imports a type: the primary identifier of its published schema.

    CloudFormation imports the types that can be read: their schema has a read handler.
    """
    # Imported late, because only one process needs it. It has no types.
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, type_).schema
    return (
        [each.removeprefix("/properties/") for each in schema["primaryIdentifier"]]
        if "read" in schema["handlers"]
        else []
    )


def summary(given: Given) -> Given:
    types = {each["Type"] for each in json.loads(given["TemplateBody"])["Resources"].values()}
    return {
        "ResourceIdentifierSummaries": [
            {"ResourceType": type_, "ResourceIdentifiers": importable(type_)} for type_ in types
        ]
    }


def resources(given: Given) -> Given:
    [wanted] = given["TagFilters"]
    assert wanted["Key"] == "aws:cloudformation:stack-name"
    found = [
        {
            "ResourceARN": arn,
            "Tags": [
                {"Key": "aws:cloudformation:stack-name", "Value": stack},
                {"Key": "aws:cloudformation:logical-id", "Value": logical_id},
                {"Key": "aws:cloudformation:stack-id", "Value": f"arn:{stack}/{arn[-1]}"},
                {"Key": "project", "Value": "outcomes"},
            ],
        }
        for arn, stack, logical_id in TAGGED
        if stack in wanted["Values"]
    ]
    return {"ResourceTagMappingList": found}


@pytest.fixture(autouse=True)
def aws() -> Iterator[None]:
    TAGGED.clear()
    with (
        mock_aws(),
        answering("cloudformation.GetTemplateSummary", summary),
        answering("resource-groups-tagging-api.GetResources", resources),
    ):
        yield


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    shutil.copy(ROOT / "template.yaml", tmp_path)
    monkeypatch.setattr(adopt, "ROOT", tmp_path)
    return tmp_path


def make_table(name: str, logical_id: str, *, stack: str = STACK, is_tagged: bool = True) -> str:
    boto3.client("dynamodb", REGION).create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "user", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "user", "KeyType": "HASH"}],
    )
    if is_tagged:
        TAGGED.append((f"arn:aws:dynamodb:{REGION}:123456789012:table/{name}", stack, logical_id))
    return name


def make_secret(name: str) -> tuple[str, str]:
    """Return the ARN of a new secret, and its version."""
    made = boto3.client("secretsmanager", REGION).create_secret(Name=f"{name}-A1", SecretString="s")
    TAGGED.append((made["ARN"], STACK, name))
    return made["ARN"], made["VersionId"]


def written(root: Path, file: str) -> Any:
    return json.loads((root / ".adopt" / STACK / f"{file}.json").read_text())


def imported(root: Path) -> dict[str, dict[str, str]]:
    return {each["LogicalResourceId"]: each["ResourceIdentifier"] for each in written(root, "resources")}


def test_what_a_deleted_stack_left_is_written_for_the_import(root: Path, run_main: RunMain) -> None:
    secrets = {name: make_secret(name) for name in WITHOUT}
    make_table("outcomes-prod-OutcomesTable-A1", "OutcomesTable")
    make_table("outcomes-prod-KeysTable-A1", "KeysTable", is_tagged=False)  # restored from a backup, so without tags
    TAGGED.append(("arn:aws:s3:::outcomes-prod-keptevents-a1", STACK, "KeptEvents"))
    TAGGED.append(("arn:aws:s3:::outcomes-prod-other-a1", STACK, "NotInTheTemplate"))
    TAGGED.append((f"arn:aws:dynamodb:{REGION}:123456789012:table/already-deleted", STACK, "CostsTable"))

    done = run_main(adopt.main, STACK)

    assert (done.returncode, done.stderr) == (0, "")
    assert imported(root) == {
        "OutcomesTable": {"TableName": "outcomes-prod-OutcomesTable-A1"},
        "KeysTable": {"TableName": "outcomes-prod-KeysTable-A1"},
        "KeptEvents": {"BucketName": "outcomes-prod-keptevents-a1"},
    } | {name: {"Id": arn} for name, (arn, _) in secrets.items()}
    assert written(root, "template")["Resources"].keys() == imported(root).keys()
    assert written(root, "tags") == [
        {"Key": "project", "Value": "outcomes"},
        {"Key": "environment", "Value": "prod"},
    ]
    for arn, version in secrets.values():
        assert f"{arn}  version {version}\n" in done.stdout
    assert "NOT FOUND: CostsTable. If outcomes-prod had one, restore it before the import: a deployment" in done.stdout
    assert "NOT FOUND: OutcomesTable" not in done.stdout
    assert "Nothing was changed.\n" in done.stdout


def test_the_new_stack_has_the_parameters_of_the_deleted_one_below_those_of_samconfig(
    root: Path, run_main: RunMain
) -> None:
    """Without EndedFingerprints, a samconfig.toml from before `make end-key` would let it accept a leaked key."""
    make_table("outcomes-prod-KeysTable-A1", "KeysTable")
    make_table("outcomes-prod-CostsTable-A2", "CostsTable")
    make_table("outcomes-prod-TotalsTable-A3", "TotalsTable")  # CloudFormation has forgotten the stack of this table
    described = {
        f"arn:{STACK}/1": {"EndedFingerprints": "a" * 64},
        f"arn:{STACK}/2": {"EndedFingerprints": "b" * 64, "MaxReadUnits": "7", "TotalsEdition": "3", "Gone": "1"},
    }
    for id_, parameters in described.items():
        STACKS[REGION, id_], PARAMETERS[REGION, id_] = {}, parameters

    done = run_main(adopt.main, STACK)

    assert (done.returncode, done.stderr) == (0, "")
    found = written(root, "template")["Parameters"]
    values = [found[name]["Default"] for name in ("EndedFingerprints", "MaxReadUnits", "TotalsEdition")]
    assert values == ["b" * 64, "9000", "3"]
    assert "Gone" not in found
    assert "make end-key" not in done.stdout


def test_what_is_not_found_is_named_with_what_is_lost_without_it(root: Path, run_main: RunMain) -> None:
    make_table("outcomes-prod-OutcomesTable-A1", "OutcomesTable")

    done = run_main(adopt.main, STACK)

    for name, lost in WITHOUT.items():
        says = f"NOT FOUND: {name}. If outcomes-prod had one, restore it before the import. Without it, {lost}.\n"
        assert says in done.stdout
    assert written(root, "template")["Parameters"]["EndedFingerprints"]["Default"] == ""
    assert "NOT FOUND: the parameters of the deleted stack. Look through samconfig.toml" in done.stdout


def test_two_stacks_of_one_name_need_a_choice(root: Path, run_main: RunMain) -> None:
    make_table("outcomes-prod-KeysTable-A1", "KeysTable")
    make_table("outcomes-prod-KeysTable-B2", "KeysTable")

    refused = run_main(adopt.main, STACK)

    assert refused.returncode == 1
    assert refused.stderr == (
        'error: more than one stack was named outcomes-prod. Choose with USE="KeysTable=...": '
        "KeysTable is outcomes-prod-KeysTable-A1 or outcomes-prod-KeysTable-B2\n"
    )
    assert run_main(adopt.main, STACK, "--use=KeysTable=outcomes-prod-KeysTable-B2").returncode == 0
    assert imported(root) == {"KeysTable": {"TableName": "outcomes-prod-KeysTable-B2"}}


def test_copies_without_tags_are_named(root: Path, run_main: RunMain) -> None:
    make_table("copied", "KeysTable", is_tagged=False)
    arn, version = make_secret("ErasureSecret")
    TAGGED.clear()

    done = run_main(adopt.main, STACK, f"--use=KeysTable=copied ErasureSecret={arn}")

    assert imported(root) == {"KeysTable": {"TableName": "copied"}, "ErasureSecret": {"Id": arn}}
    assert f"{arn}  version {version}\n" in done.stdout


def make_others(_root: Path) -> None:
    """Make what another stack, and a restore under another name, left."""
    make_table("outcomes-prod-eu-OutcomesTable-A1", "OutcomesTable", stack="outcomes-prod-eu")
    make_table("outcomes-prod-OutcomesTable-A1-restored", "OutcomesTable", is_tagged=False)


def make_keys(_root: Path) -> None:
    make_table("outcomes-prod-KeysTable-A1", "KeysTable")


def make_stack(status: str) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        make_keys(root)
        STACKS[REGION, STACK], STATUSES[REGION, STACK] = {}, status

    return make


def delete_secret(_root: Path) -> None:
    boto3.client("secretsmanager", REGION).delete_secret(SecretId=make_secret("ErasureSecret")[0])


def leave_out_origins(root: Path) -> None:
    make_keys(root)
    (root / "samconfig.toml").write_text(SAMCONFIG.replace("DashboardOrigins=https://app.example.com", "Batch=On"))


def make_file(root: Path) -> None:
    make_keys(root)
    (root / ".adopt").touch()


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (make_keys, [""], "STACK is missing, such as STACK=outcomes-prod"),
        (
            *(make_keys, ["outcomes-dev"]),
            'samconfig.toml has no environment with stack_name = "outcomes-dev", which `make deploy` needs',
        ),
        (make_keys, [STACK, "--use=Outcomes=a"], "USE names Outcomes, but may name only OutcomesTable, "),
        (make_keys, [STACK, "--use='"], "cannot read ': No closing quotation"),
        (make_keys, [STACK, "--use=KeysTable=gone"], "there is no table gone, which USE names as KeysTable"),
        (make_others, [STACK], f"nothing is left of outcomes-prod in {REGION}. Was it in another region or account?"),
        # CloudFormation could make no change set of the template, because a parameter has no value
        (leave_out_origins, [STACK], "samconfig.toml has no value for DashboardOrigins: check out the one that was"),
        (
            *(make_stack("UPDATE_COMPLETE"), [STACK]),
            "outcomes-prod exists (UPDATE_COMPLETE). Only what a deleted stack left can be adopted.",
        ),
        (
            *(make_stack("DELETE_FAILED"), [STACK]),
            "outcomes-prod is not deleted yet (DELETE_FAILED). Run `aws cloudformation delete-stack ",
        ),
        (
            *(delete_secret, [STACK]),
            "ErasureSecret will be deleted. Run `aws secretsmanager restore-secret --secret-id arn:aws:secretsmanager:",
        ),
        (make_file, [STACK], "cannot write into "),
    ],
)
def test_what_cannot_be_adopted_is_one_line_and_nothing_is_written(
    root: Path, run_main: RunMain, make: Callable[[Path], None], arguments: list[str], says: str
) -> None:
    make(root)
    done = run_main(adopt.main, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"error: {says}")
    assert not (root / ".adopt").is_dir()


def test_a_stack_in_review_is_adopted(root: Path, run_main: RunMain) -> None:
    """An import that was created and not executed leaves a stack that is in review and has no resources."""
    make_stack("REVIEW_IN_PROGRESS")(root)
    assert run_main(adopt.main, STACK).returncode == 0


def denied(given: Given) -> Given:
    raise refused("AccessDeniedException", "not\nauthorized", given["operation"])


@pytest.mark.parametrize(
    ("event", "answer", "says"),
    [
        ("cloudformation.GetTemplateSummary", lambda _: {}, "CloudFormation cannot import AWS::SecretsManager::Secret"),
        ("resource-groups-tagging-api.GetResources", denied, "cannot look up what outcomes-prod left: "),
    ],
)
def test_what_aws_refuses_is_one_line(
    root: Path, run_main: RunMain, event: str, answer: Callable[[Given], Given], says: str
) -> None:
    make_secret("ErasureSecret")
    with answering(event, answer):
        done = run_main(adopt.main, STACK)
    assert done.stderr.startswith(f"error: {says}")
    assert done.stderr.count("\n") == 1
    assert not (root / ".adopt").exists()


def referenced(value: Any) -> set[str]:
    """Return the names that a part of a template refers to."""
    match value:
        case {"Ref": name} | {"Condition": str(name)} | {"Fn::If": [name, *_]}:
            rest = value.get("Fn::If", [None])[1:]
            return {name} | referenced(rest)
        case dict():
            return set().union(*map(referenced, value.values()))
        case list():
            return set().union(*map(referenced, value))
    return set()


def everything(whole: Any) -> Any:
    found = {name: name for name, each in whole["Resources"].items() if each["Type"] in IDENTIFIERS}
    return reduced(whole, found, {"DashboardOrigins": "https://app.example.com", "MaxReadUnits": "9000"})


def test_whatever_a_deletion_retains_is_adopted(template: Any) -> None:
    retained = {
        name for name, each in template["Resources"].items() if each.get("DeletionPolicy", "").startswith("Retain")
    }
    secrets = {name for name, each in template["Resources"].items() if each["Type"] == "AWS::SecretsManager::Secret"}

    # API Gateway's role for logs belongs to the account.
    assert everything(template)["Resources"].keys() == retained - {"ApiGatewayLogWriter", "ApiGatewayAccount"}
    assert secrets == WITHOUT.keys()


@pytest.mark.parametrize(("type_", "identifier"), IDENTIFIERS.items())
def test_cloudformation_imports_each_adopted_type_by_our_identifier(type_: str, identifier: str) -> None:
    assert importable(type_) == [identifier]


def test_the_import_creates_nothing_and_fits_its_limits(template: Any) -> None:
    import_ = everything(template)

    assert import_.keys() == {"AWSTemplateFormatVersion", "Parameters", "Conditions", "Resources"}
    assert len(json.dumps(import_, indent=1)) < MAX_TEMPLATE_BYTES
    assert referenced([import_["Resources"], import_["Conditions"]]) <= import_["Parameters"].keys() | import_[
        "Conditions"
    ] | {"AWS::NoValue"}
    assert all("Default" in parameter for parameter in import_["Parameters"].values())
    assert import_["Parameters"]["MaxReadUnits"]["Default"] == "9000"


def test_an_adopted_resource_is_defined_as_the_next_deployment_defines_it(template: Any) -> None:
    """Otherwise, the next deployment changes it. With a new GenerateSecretString, a secret gets a new value."""
    for name, resource in everything(template)["Resources"].items():
        assert resource["Properties"] == template["Resources"][name]["Properties"]
        assert "Condition" not in resource
        assert resource["DeletionPolicy"] == "Retain"
