"""Test the settings and the IAM permissions of the functions."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.template import Template

from .conftest import (
    ERASURE_SECRET_ARN,
    ROOT,
    SECRET_ARN,
    STATEMENT_SECRET_ARN,
    WEBHOOK_SECRET_ARN,
    Deployment,
    deploy,
)

OUTCOMES, IDEMPOTENCY, SESSIONS, KEYS, TOTALS, STATEMENTS, COSTS, ERASURES = (
    f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}"
    for name in (
        "OutcomesTable",
        "IdempotencyTable",
        "SessionsTable",
        "KeysTable",
        "TotalsTable",
        "StatementsTable",
        "CostsTable",
        "ErasuresTable",
    )
)
KEPT_EVENTS = "arn:aws:s3:::outcomes-local-keptevents"

# All permissions of each function, except those to write logs and traces: an action, a resource, and perhaps limits.
# Limits are either the operation that must contain the action (TransactWriteItems), or the only attributes that the
# action may write, or the only partitions that it may read. Add only permissions that the function's code needs.
MAY: dict[str, set[tuple[str, ...]]] = {
    "AuthorizerFunction": {
        ("secretsmanager:GetSecretValue", SECRET_ARN),
        ("dynamodb:GetItem", SESSIONS),
        ("dynamodb:GetItem", KEYS),
        ("dynamodb:UpdateItem", KEYS, "id", "last_used_at"),
    },
    # A transaction needs the permissions of its actions.
    "RecordOutcomeFunction": {
        ("dynamodb:PutItem", OUTCOMES),
        ("dynamodb:PutItem", IDEMPOTENCY, "TransactWriteItems"),
        ("dynamodb:BatchGetItem", IDEMPOTENCY),
    },
    "RecordBatchFunction": {
        ("dynamodb:PartiQLInsert", OUTCOMES),
        ("dynamodb:PutItem", OUTCOMES, "TransactWriteItems"),
        ("dynamodb:PutItem", IDEMPOTENCY, "TransactWriteItems"),
        ("dynamodb:BatchGetItem", IDEMPOTENCY),
    },
    "ListOutcomesFunction": {("dynamodb:Query", OUTCOMES), ("dynamodb:Query", f"{OUTCOMES}/index/*")},
    "ExportOutcomesFunction": {("dynamodb:Query", OUTCOMES), ("dynamodb:Query", f"{OUTCOMES}/index/*")},
    # SummarizeOutcomesFunction writes only totals and sums of costs.
    "SummarizeOutcomesFunction": {
        ("dynamodb:Query", OUTCOMES),
        ("dynamodb:Query", TOTALS),
        ("dynamodb:PutItem", TOTALS),
        ("dynamodb:UpdateItem", TOTALS),
        ("dynamodb:Query", COSTS),
        ("dynamodb:UpdateItem", COSTS, "user_id", "day_source", "changes", "sums", "rules", "restated"),
    },
    "CorrectOutcomeFunction": {
        ("dynamodb:BatchGetItem", OUTCOMES),
        ("dynamodb:UpdateItem", OUTCOMES, "TransactWriteItems"),
        ("dynamodb:PutItem", OUTCOMES, "TransactWriteItems"),
        ("dynamodb:BatchGetItem", IDEMPOTENCY),
        ("dynamodb:PutItem", IDEMPOTENCY, "TransactWriteItems"),
        ("dynamodb:ConditionCheckItem", OUTCOMES, "TransactWriteItems"),
    },
    "GetOutcomeFunction": {("dynamodb:BatchGetItem", OUTCOMES)},
    "ManageKeysFunction": {
        ("dynamodb:GetItem", KEYS),
        ("dynamodb:BatchGetItem", KEYS),
        ("dynamodb:UpdateItem", KEYS),
        ("dynamodb:PutItem", KEYS, "TransactWriteItems"),
        ("dynamodb:DeleteItem", KEYS, "TransactWriteItems"),
    },
    # McpFunction has the permissions that its tools need. It writes outcomes only in a transaction with their
    # idempotency key.
    "McpFunction": {
        ("dynamodb:PutItem", OUTCOMES, "TransactWriteItems"),
        ("dynamodb:UpdateItem", OUTCOMES, "TransactWriteItems"),
        ("dynamodb:BatchGetItem", OUTCOMES),
        ("dynamodb:Query", OUTCOMES),
        ("dynamodb:Query", f"{OUTCOMES}/index/*"),
        ("dynamodb:PutItem", IDEMPOTENCY, "TransactWriteItems"),
        ("dynamodb:BatchGetItem", IDEMPOTENCY),
        ("dynamodb:Query", TOTALS),
        ("dynamodb:PutItem", TOTALS),
        ("dynamodb:UpdateItem", TOTALS),
        ("dynamodb:ConditionCheckItem", OUTCOMES, "TransactWriteItems"),
    },
    # StatementsFunction writes only in transactions.
    "StatementsFunction": {
        ("secretsmanager:GetSecretValue", STATEMENT_SECRET_ARN),
        ("dynamodb:Query", OUTCOMES),
        ("dynamodb:BatchGetItem", OUTCOMES),
        ("dynamodb:Query", STATEMENTS),
        ("dynamodb:GetItem", STATEMENTS),
        *(
            (f"dynamodb:{action}", STATEMENTS, "TransactWriteItems")
            for action in ("PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem")
        ),
        ("dynamodb:GetItem", TOTALS),
        ("dynamodb:PutItem", TOTALS, "TransactWriteItems"),
    },
    # CostsFunction writes a day's costs only in transactions. It writes the sums of a month without a transaction.
    "CostsFunction": {
        *((f"dynamodb:{action}", COSTS) for action in ("BatchGetItem", "GetItem", "Query", "UpdateItem")),
        ("dynamodb:PutItem", COSTS, "TransactWriteItems"),
    },
    # Everybody may call StatementKeysFunction, so it reads only the partition of public keys.
    "StatementKeysFunction": {("dynamodb:Query", STATEMENTS, "keys")},
    # PublishEventsFunction changes no table, and reads only the streams of these four tables.
    "PublishEventsFunction": {
        *(
            (f"dynamodb:{action}", f"{table}/stream/local")
            for action in ("DescribeStream", "GetShardIterator", "GetRecords")
            for table in (OUTCOMES, KEYS, STATEMENTS, COSTS)
        ),
        *(("dynamodb:ListStreams", f"{table}/stream/*") for table in (OUTCOMES, KEYS, STATEMENTS, COSTS)),
        ("dynamodb:BatchGetItem", OUTCOMES),
        ("events:PutEvents", "arn:aws:events:us-east-1:123456789012:event-bus/platform"),
        ("s3:PutObject", f"{KEPT_EVENTS}/*"),
        ("s3:ListBucket", KEPT_EVENTS),
    },
    # DeliverWebhookFunction neither sends to its own queue nor receives from the dead-letter queue.
    "DeliverWebhookFunction": {
        *(
            (f"sqs:{action}", "WebhooksQueue.Arn")
            for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
        ),
        ("sqs:SendMessage", "DeadWebhooksQueue.Arn"),
        ("secretsmanager:GetSecretValue", WEBHOOK_SECRET_ARN),
    },
    "EraseUserFunction": {
        ("secretsmanager:GetSecretValue", ERASURE_SECRET_ARN),
        ("dynamodb:GetItem", ERASURES),
        ("dynamodb:Scan", ERASURES),
        ("dynamodb:PutItem", ERASURES),
        ("dynamodb:UpdateItem", ERASURES),
        ("dynamodb:DeleteItem", ERASURES, "TransactWriteItems"),
        ("dynamodb:GetItem", KEYS),
        ("dynamodb:BatchGetItem", KEYS),
        ("dynamodb:UpdateItem", KEYS),
        ("dynamodb:DeleteItem", KEYS),
        ("dynamodb:Query", OUTCOMES),
        ("dynamodb:BatchGetItem", OUTCOMES),
        ("dynamodb:UpdateItem", OUTCOMES, "user_id", "created_at", "assigned_to", "assigned_id", "reason", "changes"),
        ("dynamodb:Query", TOTALS),
        ("dynamodb:Query", STATEMENTS),
        ("dynamodb:Query", COSTS),
        *(("dynamodb:Scan", table) for table in (KEYS, SESSIONS, OUTCOMES, TOTALS, IDEMPOTENCY, STATEMENTS, COSTS)),
        # BatchWriteItem also allows puts. So the policy allows only the key's attributes: a put can write nothing else.
        ("dynamodb:BatchWriteItem", KEYS, "id"),
        ("dynamodb:BatchWriteItem", SESSIONS, "token_sha256"),
        ("dynamodb:BatchWriteItem", OUTCOMES, "user_id", "created_at"),
        ("dynamodb:BatchWriteItem", TOTALS, "user_id", "stretch"),
        ("dynamodb:BatchWriteItem", IDEMPOTENCY, "key_sha256"),
        ("dynamodb:BatchWriteItem", STATEMENTS, "user_id", "id"),
        ("dynamodb:BatchWriteItem", COSTS, "user_id", "day_source"),
    },
    # ExportUserFunction only reads.
    "ExportUserFunction": {
        ("dynamodb:Query", OUTCOMES),
        ("dynamodb:BatchGetItem", OUTCOMES),
        ("dynamodb:Query", TOTALS),
        ("dynamodb:Query", STATEMENTS),
        ("dynamodb:Query", COSTS),
        *(("dynamodb:Scan", table) for table in (KEYS, SESSIONS, IDEMPOTENCY)),
    },
}
BY_RIGHTS_ONLY = {"EraseUserFunction", "ExportUserFunction"}
"""Functions without a route. Only callers in the AWS account that have the IAM permission can invoke them."""
API_GATEWAY_GIVES_UP_SECONDS = 29


def functions(template: Template) -> dict[str, Any]:
    return {
        name: template.resolve({key: value for key, value in properties.items() if key != "Role"})
        for name, properties in template.resources("AWS::Lambda::Function").items()
    }


def statements(template: Template, function: str) -> Iterator[Any]:
    role = template.resources("AWS::IAM::Role")[f"{function}Role"]
    for policy in template.resolve(role.get("Policies", [])):
        yield from policy["PolicyDocument"]["Statement"]


def enclosing_operations(statement: Any) -> list[str]:
    """Return the operations, such as TransactWriteItems, of which a policy statement's action must be a part.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    condition = statement.get("Condition", {})
    operations: list[str] = condition.get("ForAnyValue:StringEquals", {}).get("dynamodb:EnclosingOperation", [])
    if operations:
        assert condition == {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": operations}}
    return operations


def named_attributes(statement: Any) -> list[str]:
    """Return the attributes to which an IAM policy statement limits a write.

    The statement must also forbid that such a write returns the item's values, because these include other attributes.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    condition = statement.get("Condition", {})
    attributes: list[str] = condition.get("ForAllValues:StringEquals", {}).get("dynamodb:Attributes", [])
    if attributes:
        assert condition == {
            "ForAllValues:StringEquals": {"dynamodb:Attributes": attributes},
            "StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE"]},
        }
    return attributes


def leading_keys(statement: Any) -> list[str]:
    """Return the partitions to which an IAM policy statement limits its action.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    """
    keys: list[str] = (
        statement.get("Condition", {}).get("ForAllValues:StringEquals", {}).get("dynamodb:LeadingKeys", [])
    )
    if keys:
        assert statement["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": keys}}
    return keys


def test_every_function_is_listed_here(complete: Deployment) -> None:
    unlisted = functions(complete).keys() ^ MAY.keys()
    assert not unlisted, f"Say in MAY all that {', '.join(sorted(unlisted))} may do."


@pytest.mark.parametrize("function", MAY)
def test_a_function_may_do_only_what_it_needs(complete: Deployment, function: str) -> None:
    may: set[tuple[str, ...]] = set()
    for statement in statements(complete, function):
        assert statement["Effect"] == "Allow"
        assert isinstance(statement["Action"], str), "one action per statement"
        resources = statement["Resource"]
        limits = enclosing_operations(statement) or named_attributes(statement) or leading_keys(statement)
        assert limits or "Condition" not in statement
        for name in [resources] if isinstance(resources, str) else resources:
            may.add((statement["Action"], name, *limits))

    assert may == MAY[function]
    # `*` is only allowed for the contents of a named resource, such as objects in a bucket.
    assert not [name for _, name, *_ in may if "*" in name.removesuffix("/*")]


@pytest.mark.parametrize("function", MAY)
def test_a_function_may_besides_only_write_its_log_and_trace(complete: Deployment, function: str) -> None:
    assert complete.resources("AWS::Lambda::Function")[function]["Role"] == {"Fn::GetAtt": [f"{function}Role", "Arn"]}
    role = complete.resources("AWS::IAM::Role")[f"{function}Role"]
    assert complete.resolve(role["ManagedPolicyArns"]) == ["LogAndTrace"]


def test_every_function_may_write_its_log(deployed: Deployment) -> None:
    [log] = deployed.one("AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]

    assert log == {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": "arn:aws:logs:us-east-1:123456789012:log-group:FunctionLogs:log-stream:*",
    }


def test_with_tracing_functions_may_write_traces(complete: Deployment) -> None:
    _, trace = complete.one("AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]

    # X-Ray's actions cannot be limited to resources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
    assert trace == {
        "Effect": "Allow",
        "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        "Resource": "*",
    }


def test_a_given_session_secret_is_the_only_one_read() -> None:
    given = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dashboard-d4e5f6"
    template = deploy(SessionSecretArn=given)

    assert ("secretsmanager:GetSecretValue", given) in {
        (statement["Action"], statement["Resource"]) for statement in statements(template, "AuthorizerFunction")
    }
    assert "SessionSecret" not in template.resources("AWS::SecretsManager::Secret")


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_and_layer_run_on_the_same_processor(architecture: str) -> None:
    template = deploy(Architecture=architecture)
    [layer] = template.resources("AWS::Lambda::LayerVersion").values()

    assert template.resolve(layer["CompatibleArchitectures"]) == [architecture]
    assert layer["CompatibleRuntimes"] == ["python3.13"]
    for function in functions(template).values():
        assert function["Architectures"] == [architecture]


@pytest.mark.parametrize("function", MAY)
def test_a_function_runs_python_3_13_on_arm64_with_the_layer(complete: Deployment, function: str) -> None:
    properties = functions(complete)[function]
    [layer] = complete.resources("AWS::Lambda::LayerVersion")

    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["Layers"] == [complete.arn(layer)]


@pytest.mark.parametrize("function", MAY)
def test_the_handler_is_in_the_function_s_folder(complete: Deployment, function: str) -> None:
    properties = functions(complete)[function]
    folder = ROOT / properties["Code"]["S3Key"]

    assert properties["Handler"] == "app.handler"
    assert [path.name for path in sources(folder)] == ["app.py"]


def sources(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.mark.parametrize("function", MAY)
def test_no_secret_is_an_environment_variable(complete: Deployment, function: str) -> None:
    variables = functions(complete)[function]["Environment"]["Variables"]

    for name, value in variables.items():
        if re.search("SECRET|KEY|TOKEN|PASSWORD", name):
            # These are not secret: ARNs of secrets, days of validity, fingerprints of keys, and table names.
            assert name.endswith(("_ARN", "_DAYS", "_FINGERPRINTS", "_TABLE")), name
        assert isinstance(value, str), name


def test_without_a_fingerprint_no_key_is_valid(deployed: Template) -> None:
    assert functions(deployed)["AuthorizerFunction"]["Environment"]["Variables"]["KEY_FINGERPRINTS"] == ""


def test_a_deployed_stage_accepts_only_secure_cookies(deployed: Template) -> None:
    assert functions(deployed)["AuthorizerFunction"]["Environment"]["Variables"]["ACCEPT_PLAIN_COOKIES"] == "false"
