"""Test docs/examples: the policies of the roles that deploy and test a stack, and the boundary of its own roles."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from smoke.aws import FIRST_ID, LAST_ID
from tests.template.conftest import ROOT, Deployment


def policy(name: str) -> list[Any]:
    return list(json.loads((ROOT / f"docs/examples/{name}.json").read_text())["Statement"])


def texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def granting(statements: list[Any], action: str, resource: str = "*") -> Iterator[Any]:
    """Yield the statements that allow an action on a resource; "*" is any. IAM ignores the case of actions."""
    for statement in statements:
        assert statement["Effect"] == "Allow"
        if any(fnmatchcase(action.lower(), each.lower()) for each in texts(statement["Action"])) and (
            resource == "*" or any(fnmatchcase(resource, each) for each in texts(statement["Resource"]))
        ):
            yield statement


DEPLOY, BOUNDARY, SMOKE = policy("deploy-role"), policy("role-boundary"), policy("smoke-role")
BOUNDARY_ARN = "arn:aws:iam::<account>:policy/outcomes-boundary"

# CloudFormation names these resources, and appends random characters. Roles need rights for the names.
NAMED_BY_CLOUDFORMATION = {
    "AWS::CloudWatch::Alarm": "arn:aws:cloudwatch:<region>:<account>:alarm:outcomes-prod-NAME-A1",
    "AWS::CodeDeploy::Application": "arn:aws:codedeploy:<region>:<account>:application:outcomes-prod-NAME-A1",
    "AWS::CodeDeploy::DeploymentGroup": "arn:aws:codedeploy:<region>:<account>:deploymentgroup:outcomes-prod-NAME-A1",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:<region>:<account>:table/outcomes-prod-NAME-A1",
    "AWS::Events::Rule": "arn:aws:events:<region>:<account>:rule/platform/outcomes-prod-NAME-A1",
    "AWS::IAM::ManagedPolicy": "arn:aws:iam::<account>:policy/outcomes-prod-NAME-A1",
    "AWS::IAM::Role": "arn:aws:iam::<account>:role/outcomes-prod-NAME-A1",
    "AWS::Lambda::Function": "arn:aws:lambda:<region>:<account>:function:outcomes-prod-NAME-A1",
    "AWS::Lambda::LayerVersion": "arn:aws:lambda:<region>:<account>:layer:NAME:1",
    "AWS::S3::Bucket": "arn:aws:s3:::outcomes-prod-NAME-A1",
    "AWS::SNS::Topic": "arn:aws:sns:<region>:<account>:outcomes-prod-NAME-A1",
    "AWS::SQS::Queue": "arn:aws:sqs:<region>:<account>:outcomes-prod-NAME-A1",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:<region>:<account>:secret:NAME-A1",
}

NOT_NEEDED = {
    # replicas, imports of items, streams into Kinesis, and policies of tables; a table is never deleted with its stack
    *(f"dynamodb:{verb}TableReplica" for verb in ("Associate", "Create")),
    *(f"dynamodb:{verb}Item" for verb in ("BatchWrite", "Delete", "Get", "Put", "Update")),
    *(f"dynamodb:{verb}KinesisStreamingDestination" for verb in ("Disable", "Enable", "Update")),
    *(
        f"dynamodb:{name}"
        for name in ("ImportTable", "Query", "PutResourcePolicy", "DeleteResourcePolicy", "DeleteTable")
    ),
    # a secret's value, which CloudFormation reads only to change it, and its copies in other regions
    *(
        f"secretsmanager:{name}"
        for name in ("GetSecretValue", "ReplicateSecretToRegions", "RemoveRegionsFromReplication")
    ),
    # the boundary of a role stays, and policies are attached only to roles
    "iam:DeleteRolePermissionsBoundary",
    *(f"iam:{verb}{whose}Policy" for verb in ("Attach", "Detach") for whose in ("Group", "User")),
    # properties that the template does not set
    *(f"cloudfront:{name}" for name in ("CreateConnectionGroup", "GetConnectionGroup", "GetVpcOrigin")),
    *(f"lambda:{name}" for name in ("AssociateRuntimeAlias", "PassCapacityProvider")),
    *(f"logs:{verb}KmsKey" for verb in ("Associate", "Disassociate")),
    *(f"logs:{verb}{name}Policy" for verb in ("Put", "Delete") for name in ("DataProtection", "Index")),
    *(f"logs:{name}" for name in ("PutBearerTokenAuthentication", "PutLogGroupDeletionProtection")),
    *(f"wafv2:{verb}PermissionPolicy" for verb in ("Get", "Put")),
    "route53:ListHostedZones",
    "sns:PutDataProtectionPolicy",
}
"""Permissions that CloudFormation lists for a type, but that this template does not need."""


@pytest.mark.parametrize("name", ["deploy-role", "role-boundary", "smoke-role"])
def test_iam_takes_each_policy(name: str) -> None:
    """The ids of its statements are unique, and it fits into a managed policy, with the longest name of a region.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    text = (ROOT / f"docs/examples/{name}.json").read_text()
    ids = [statement["Sid"] for statement in policy(name)]

    assert sorted({*ids}) == sorted(ids)
    assert all(re.fullmatch("[A-Za-z0-9]+", each) for each in ids)
    assert len(re.sub(r"\s", "", text.replace("<region>", "ap-southeast-1").replace("<account>", "1" * 12))) <= 6144


def test_the_role_that_deploys_may_use_each_service_and_each_name_of_the_stack(complete: Deployment) -> None:
    for logical_id, resource in complete.document["Resources"].items():
        service = resource["Type"].split("::")[1].lower()
        allowed = [each for each in DEPLOY if any(action.startswith(f"{service}:") for action in texts(each["Action"]))]
        assert allowed, service
        if arn := NAMED_BY_CLOUDFORMATION.get(resource["Type"], "").replace("NAME", logical_id):
            assert any(fnmatchcase(arn, pattern) for each in allowed for pattern in texts(each["Resource"])), arn
    for statement in DEPLOY:
        assert statement["Resource"] != "*" or statement["Sid"] == "WhatHasNoNameOfTheStack", statement["Sid"]


def test_the_role_that_deploys_has_what_cloudformation_lists_for_each_type(complete: Deployment) -> None:
    """CloudFormation publishes for each type which permissions it needs to create, read, update and delete it."""
    # Imported late, because only one process needs it. It has no types.
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

    missing = set()
    for type_ in {resource["Type"] for resource in complete.document["Resources"].values()}:
        service = type_.split("::")[1].lower()
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", type_).schema["handlers"]
        needed = {each for name in handlers.keys() - {"list"} for each in handlers[name]["permissions"]}
        missing |= {each for each in needed if each.startswith(f"{service}:") and not any(granting(DEPLOY, each))}

    assert missing <= NOT_NEEDED


@pytest.mark.parametrize(
    "action",
    [
        *(f"iam:{name}" for name in ("CreateRole", "PutRolePermissionsBoundary", "PutRolePolicy", "AttachRolePolicy")),
        *(f"iam:{name}" for name in ("DeleteRolePolicy", "DetachRolePolicy")),
    ],
)
def test_roles_are_made_and_get_rights_only_within_the_boundary(action: str) -> None:
    [statement] = granting(DEPLOY, action)

    assert statement["Condition"] == {"StringEquals": {"iam:PermissionsBoundary": BOUNDARY_ARN}}


@pytest.mark.parametrize("path", ["/", "/applications/value/"])
def test_the_role_that_deploys_makes_and_passes_roles_with_any_role_path(path: str) -> None:
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:PassRole", "iam:GetRole", "iam:DeleteRole"):
        assert any(granting(DEPLOY, action, f"arn:aws:iam::<account>:role{path}outcomes-prod-ReleaseRole-A1")), action
        assert not any(granting(DEPLOY, action, f"arn:aws:iam::<account>:role{path}another-outcomes-prod-A1")), action


@pytest.mark.parametrize("action", ["iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:DeletePolicy"])
def test_the_role_that_deploys_cannot_change_the_boundary(action: str) -> None:
    assert any(granting(DEPLOY, action))
    assert not any(granting(DEPLOY, action, BOUNDARY_ARN))


def test_roles_are_passed_only_to_the_services_that_use_them(complete: Deployment) -> None:
    [statement] = granting(DEPLOY, "iam:PassRole")

    trusted = {
        role["Principal"]["Service"]
        for each in complete.of("AWS::IAM::Role").values()
        for role in each["AssumeRolePolicyDocument"]["Statement"]
    }
    assert set(statement["Condition"]["StringEquals"]["iam:PassedToService"]) == trusted


READS = [
    *(f"dynamodb:{name}" for name in ("GetItem", "BatchGetItem", "Query", "GetRecords", "PartiQLSelect")),
    *(f"dynamodb:{name}" for name in ("ExportTableToPointInTime", "PutResourcePolicy", "RestoreTableToPointInTime")),
    *(f"secretsmanager:{name}" for name in ("GetSecretValue", "BatchGetSecretValue", "PutResourcePolicy")),
    *(f"logs:{name}" for name in ("GetLogEvents", "FilterLogEvents", "StartQuery", "StartLiveTail")),
    *("sqs:ReceiveMessage", "lambda:InvokeFunction", "lambda:InvokeAsync", "sns:Publish", "kinesis:GetRecords"),
]


LEAVES = [
    *(f"iam:{name}" for name in ("DeleteRolePermissionsBoundary", "CreateUser", "CreateAccessKey", "PutUserPolicy")),
    "sts:AssumeRole",
]


@pytest.mark.parametrize("action", READS + LEAVES)
def test_the_role_that_deploys_reads_no_item_no_secret_and_no_log_and_cannot_leave_the_boundary(action: str) -> None:
    assert not any(granting(DEPLOY, action))


def test_the_role_that_deploys_reads_no_api_key_of_other_apis() -> None:
    paths = ("restapis/a1/stages/v1", "domainnames/api.example.com/basepathmappings", "account", "tags/arn")

    for path, is_allowed in {**dict.fromkeys(paths, True), "apikeys": False, "apikeys/a1": False}.items():
        assert any(granting(DEPLOY, "apigateway:GET", f"arn:aws:apigateway:<region>::/{path}")) is is_allowed, path


def test_the_role_that_deploys_scans_only_the_table_that_make_deploy_scans() -> None:
    """`make deploy` looks whether anybody was erased, before it removes the secret of erasures."""
    code = (ROOT / "ops/configuration.py").read_text()
    assert re.findall(r'outputs\(stack\)\.get\("(\w+)"\)', code) == ["ErasuresTableName"]
    assert code.count("scan(") == 1
    [statement] = granting(DEPLOY, "dynamodb:Scan")
    assert statement["Resource"] == ["arn:aws:dynamodb:<region>:<account>:table/outcomes-prod-ErasuresTable-*"]


@pytest.mark.parametrize("bucket", ["keptevents", "feedbucket"])
def test_the_role_that_deploys_reads_no_object_of_the_stacks_buckets(bucket: str) -> None:
    for action in ("s3:GetObject", "s3:GetObjectVersion"):
        assert not any(granting(DEPLOY, action, f"arn:aws:s3:::outcomes-prod-{bucket}-a1/unknown/1"))


# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCodeDeployRoleForLambda.html, without its hooks and
# its objects in S3, which these releases do not use:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonAPIGatewayPushToCloudWatchLogs.html
BY_MANAGED_POLICIES = {
    *(f"lambda:{name}" for name in ("UpdateAlias", "GetAlias", "GetProvisionedConcurrencyConfig")),
    "cloudwatch:DescribeAlarms",
    *(f"logs:Create{name}" for name in ("LogGroup", "LogStream")),
    *(f"logs:{name}" for name in ("DescribeLogGroups", "DescribeLogStreams", "PutLogEvents", "GetLogEvents")),
    "logs:FilterLogEvents",
}


def test_the_boundary_allows_what_the_roles_of_the_stack_need_and_nothing_else(complete: Deployment) -> None:
    documents = [
        each["PolicyDocument"] for role in complete.of("AWS::IAM::Role").values() for each in role.get("Policies", [])
    ] + [each["PolicyDocument"] for each in complete.of("AWS::IAM::ManagedPolicy").values()]
    needed = {
        action for document in documents for statement in document["Statement"] for action in texts(statement["Action"])
    }

    allowed = {action for statement in BOUNDARY for action in texts(statement["Action"])}
    assert allowed == needed | BY_MANAGED_POLICIES


def test_the_boundary_covers_every_table_queue_and_secret(complete: Deployment) -> None:
    acts = {
        "AWS::DynamoDB::Table": "dynamodb:Query",
        "AWS::SQS::Queue": "sqs:SendMessage",
        "AWS::SecretsManager::Secret": "secretsmanager:GetSecretValue",
        "AWS::Lambda::Function": "lambda:UpdateAlias",
    }
    for logical_id, resource in complete.document["Resources"].items():
        if action := acts.get(resource["Type"]):
            arn = NAMED_BY_CLOUDFORMATION[resource["Type"]].replace("NAME", logical_id)
            assert any(granting(BOUNDARY, action, arn)), arn


def test_the_smoke_tests_role_may_do_what_the_test_does_and_nothing_else() -> None:
    code = (ROOT / "smoke/aws.py").read_text()
    calls = set(re.findall(r'_client\.(?:get_paginator\(")?(\w+)', code)) - {"get_paginator"}
    calls |= set(re.findall(r'\)\.(?:get_paginator\(")?(filter_log_events|describe_\w+)', code))

    allowed = {action.partition(":")[2] for statement in SMOKE for action in texts(statement["Action"])}
    assert {"".join(part.capitalize() for part in call.split("_")) for call in calls} == allowed


def test_the_smoke_test_reads_outcomes_only_of_ids_that_no_user_has() -> None:
    [statement] = granting(SMOKE, "dynamodb:Query")
    [pattern] = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]

    assert pattern == "?" * len(str(FIRST_ID)) == "?" * len(str(LAST_ID))
