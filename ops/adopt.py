"""python -m ops.adopt STACK [--use "LogicalId=name ..."]: prepare a stack that takes over what a deleted stack left.

The command finds the tables, secrets and buckets of the deleted stack, and writes the files for CloudFormation's import
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-manually.html). It changes nothing in
AWS. The runbook's entry "The stack is gone" says how to import them, and which permissions the caller needs.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.command import Parser, exit_code, named_stack
from ops.configuration import aws_session, cli_options, environment_of
from ops.errors import StackError, one_line
from ops.stacks import find_stack, parameters
from ops.template import pairs, parse_yaml

ROOT = Path(__file__).parents[1]
IDENTIFIERS = {
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SecretsManager::Secret": "Id",
    "AWS::S3::Bucket": "BucketName",
}
"""The types that are adopted, and the property by which CloudFormation's import identifies a resource of the type."""

WITHOUT = {
    "ErasureSecret": "no record of an erasure matches its user: after a restore, `make erase AGAIN=1` erases nobody",
    "StatementSecret": "a new key signs later statements",
    "SessionSecret": "all sessions are refused until you store the dashboard's secret in the new secret",
    "WebhookSecret": "receivers refuse webhooks until they have the new secret",
}
"""The secrets that must come along, and what happens without each."""

type Found = dict[str, str]
"""The identifiers of resources, by logical id."""

type Tagged = list[tuple[str, dict[str, str]]]
"""The ARN and the tags of resources."""


def main() -> int:
    """Write the files, and return the exit code of the process."""
    parser = Parser(prog="make adopt")
    parser.add_argument("stack")
    parser.add_argument("--use", default="")

    def run() -> None:
        given = parser.parse_args()
        adopt(named_stack(given.stack), pairs(given.use), ROOT)

    return exit_code(run)


def adopt(stack: str, chosen: Mapping[str, str], root: Path) -> None:
    """Write `resources.json`, `template.json` and `tags.json` into the folder `.adopt/STACK` of `root`.

    chosen: identifiers of resources by logical id, where more than one was found. Raises StackError if the stack
    exists, if a resource is not found or ambiguous, if CloudFormation cannot import it, or if AWS refuses.
    """
    samconfig = root / "samconfig.toml"
    settings = _settings(samconfig, stack)
    whole = parse_yaml((root / "template.yaml").read_text())
    left = {name: each for name, each in whole["Resources"].items() if each["Type"] in IDENTIFIERS}
    try:
        session = aws_session(settings)
        _refuse_existing(session, stack, cli_options(settings))
        tagged = _tagged(session, stack)
        found = _found(session, stack, left, chosen, tagged)
        earlier = _earlier_parameters(session, {tags["aws:cloudformation:stack-id"] for _, tags in tagged})
        versions = _current_versions(
            session, {name: found[name] for name in WITHOUT if name in found}, cli_options(settings)
        )
        template = reduced(whole, found, earlier | pairs(settings.get("parameter_overrides", [])))
        _check_importable(session, template)
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"cannot look up what {stack} left: {one_line(error)}") from error
    resources = [
        {"LogicalResourceId": name, "ResourceType": type_, "ResourceIdentifier": {IDENTIFIERS[type_]: found[name]}}
        for name, type_ in ((name, left[name]["Type"]) for name in found)
    ]
    tags = [{"Key": key, "Value": value} for key, value in pairs(settings.get("tags", "")).items()]
    folder = root / ".adopt" / stack
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in (("resources", resources), ("template", template), ("tags", tags)):
            (folder / f"{file}.json").write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise StackError(f"cannot write into {folder}: {error.strerror}") from error
    for name, identifier in found.items():
        print(f"{name:17}{identifier}{f'  version {versions[name]}' if name in versions else ''}")
    for name, resource in left.items():
        if name not in found and name in WITHOUT:
            print(f"NOT FOUND: {name}. If {stack} had one, restore it before the import. Without it, {WITHOUT[name]}.")
        elif name not in found and resource["Type"] == "AWS::DynamoDB::Table":
            print(
                f"NOT FOUND: {name}. If {stack} had one, restore it before the import: a deployment makes an empty one."
            )
    if not earlier:
        print(
            f"NOT FOUND: the parameters of the deleted stack. Look through {samconfig.name}: its KeyFingerprints may "
            "still have a key that `make end-key` has ended."
        )
    print(f"Wrote resources.json, template.json and tags.json into {folder}. Nothing was changed.")
    print('Next: docs/runbook.md, "The stack is gone".')


def reduced(whole: Any, found: Found, overrides: Mapping[str, str]) -> dict[str, Any]:
    """Return the template of the import: only the found resources, as the next deployment will define them.

    An import may create nothing, and may not add outputs. The parameters' defaults are the next deployment's values.
    The resources' properties must be those of the whole template, because CloudFormation would take a difference for a
    change: with another GenerateSecretString, the next deployment would replace a secret's value. Raises StackError if
    a parameter has no value.
    """
    parameters = {
        name: declared | ({"Default": overrides[name]} if name in overrides else {})
        for name, declared in whole["Parameters"].items()
    }
    if missing := [name for name, declared in parameters.items() if "Default" not in declared]:
        raise StackError(
            f"samconfig.toml has no value for {', '.join(missing)}: check out the one that was deployed last"
        )
    return {
        "AWSTemplateFormatVersion": whole["AWSTemplateFormatVersion"],
        "Parameters": parameters,
        "Conditions": whole["Conditions"],
        "Resources": {
            # Without its condition, because the resource exists. An import that fails must never delete anything.
            name: {key: value for key, value in whole["Resources"][name].items() if key != "Condition"}
            | {"DeletionPolicy": "Retain"}
            for name in found
        },
    }


def _settings(samconfig: Path, stack: str) -> Any:
    """Return the deploy parameters of the environment that has this stack."""
    if settings := environment_of(stack, samconfig)[1]:
        return settings
    raise StackError(f'{samconfig.name} has no environment with stack_name = "{stack}", which `make deploy` needs, too')


def _refuse_existing(session: boto3.Session, stack: str, options: str) -> None:
    # A stack in review has only a change set, such as one of an earlier import.
    status = find_stack(stack, session).get("StackStatus", "REVIEW_IN_PROGRESS")
    if status.startswith("DELETE_"):
        raise StackError(
            f"{stack} is not deleted yet ({status}). Run "
            f"`aws cloudformation delete-stack --stack-name {stack}{options}` and "
            f"`aws cloudformation wait stack-delete-complete --stack-name {stack}{options}`, then this command again"
        )
    if status != "REVIEW_IN_PROGRESS":
        raise StackError(f"{stack} exists ({status}). Only what a deleted stack left can be adopted.")


def _found(
    session: boto3.Session, stack: str, left: Mapping[str, Any], chosen: Mapping[str, str], tagged: Tagged
) -> Found:
    """Find resources by the tags that CloudFormation sets, and tables also by the names that it gives them.

    A table that was restored from a backup has no tags. Raises StackError if a logical id is unknown or ambiguous.
    """
    if unknown := chosen.keys() - left.keys():
        raise StackError(f"USE names {', '.join(sorted(unknown))}, but may name only {', '.join(left)}")
    pages = session.client("dynamodb").get_paginator("list_tables").paginate()
    tables = {name for page in pages for name in page["TableNames"]}
    found, ambiguous = {}, {}
    for name, type_ in ((name, resource["Type"]) for name, resource in left.items()):
        candidates = {_identifier(type_, arn) for arn, tags in tagged if tags["aws:cloudformation:logical-id"] == name}
        if type_ == "AWS::DynamoDB::Table":
            candidates = tables & (
                candidates | {each for each in tables if each.rpartition("-")[0] == f"{stack}-{name}"}
            )
            if name in chosen and chosen[name] not in tables:
                raise StackError(f"there is no table {chosen[name]}, which USE names as {name}")
        if name in chosen:
            candidates = {chosen[name]}
        if len(candidates) > 1:
            ambiguous[name] = sorted(candidates)
        elif candidates:
            [found[name]] = candidates
    if ambiguous:
        use = " ".join(f"{name}=..." for name in ambiguous)
        raise StackError(
            f'more than one stack was named {stack}. Choose with USE="{use}": '
            + "; ".join(f"{name} is {' or '.join(each)}" for name, each in ambiguous.items())
        )
    if not found:
        raise StackError(f"nothing is left of {stack} in {session.region_name}. Was it in another region or account?")
    return found


def _tagged(session: boto3.Session, stack: str) -> Tagged:
    """Return the resources that have CloudFormation's tags of a stack."""
    pages = (
        session.client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(
            TagFilters=[{"Key": "aws:cloudformation:stack-name", "Values": [stack]}],
            ResourceTypeFilters=["dynamodb:table", "secretsmanager:secret", "s3"],
        )
    )
    found = (each for page in pages for each in page["ResourceTagMappingList"])
    return [(each["ResourceARN"], {tag["Key"]: tag["Value"] for tag in each["Tags"]}) for each in found]


def _earlier_parameters(session: boto3.Session, stacks: set[str]) -> dict[str, str]:
    """Return the parameters of the newest of deleted stacks, or {} if CloudFormation describes none of them.

    stacks: their ids. CloudFormation describes a deleted stack for 90 days:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
    """
    described = [found for each in stacks if (found := find_stack(each, session))]
    newest = max(described, key=lambda each: each["CreationTime"], default=None)
    return parameters(newest) if newest else {}


def _identifier(type_: str, arn: str) -> str:
    """Return what identifies a resource for an import: a secret's ARN, and the name of any other resource.

    The ARNs of a table and a bucket are arn:aws:dynamodb:eu-west-1:123456789012:table/NAME and arn:aws:s3:::NAME.
    """
    return arn if IDENTIFIERS[type_] == "Id" else arn.rpartition(":")[2].removeprefix("table/")


def _current_versions(session: boto3.Session, secrets: Found, options: str) -> Found:
    """Return the id of each secret's current version, to compare it after the import. Do not read the secrets.

    Raises StackError if a secret is scheduled for deletion.
    """
    client = session.client("secretsmanager")
    versions: Found = {}
    for name, arn in secrets.items():
        described = client.describe_secret(SecretId=arn)
        if "DeletedDate" in described:
            raise StackError(
                f"{name} will be deleted. Run `aws secretsmanager restore-secret --secret-id {arn}{options}`, "
                "then this command again"
            )
        stages = described.get("VersionIdsToStages", {})
        versions[name] = next((version for version, each in stages.items() if "AWSCURRENT" in each), "unknown")
    return versions


def _check_importable(session: boto3.Session, template: Any) -> None:
    """Ask CloudFormation which types it can import in this region, and by which property. Raises StackError."""
    summary = session.client("cloudformation").get_template_summary(TemplateBody=json.dumps(template))
    by = {each["ResourceType"]: each["ResourceIdentifiers"] for each in summary.get("ResourceIdentifierSummaries", [])}
    types = {each["Type"] for each in template["Resources"].values()}
    if wrong := sorted(type_ for type_ in types if by.get(type_) != [IDENTIFIERS[type_]]):
        raise StackError(
            f"CloudFormation cannot import {', '.join(wrong)} in this region as this command expects: {by}"
        )


if __name__ == "__main__":
    sys.exit(main())
