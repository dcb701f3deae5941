"""Test the settings and the IAM permissions of the functions."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.template import Template

from .conftest import ROOT, Deployment, deploy

# All permissions of each function, except those to write logs and traces. A line has actions (without the prefix of
# DynamoDB), "on", and resources (tables by short names, others by logical ids). It may end with limits: the operation
# that must contain the actions ("in"), the only attributes that they may write ("attributes"), or the only partitions
# that they may read ("partition"). Add only permissions that the function's code needs.
MAY = {
    "AuthorizerFunction": """
        secretsmanager:GetSecretValue on SessionSecret
        GetItem on Sessions Keys
        UpdateItem on Keys attributes id last_used_at
    """,
    # A transaction needs the permissions of its actions. ConditionCheckItem has no "in", because AWS does not list the
    # condition's key for it: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
    "RecordOutcomeFunction": """
        PutItem on Outcomes
        PutItem on Idempotency in TransactWriteItems
        BatchGetItem on Idempotency
        UpdateItem on Idempotency keys budget#*
        UpdateItem on Keys keys limited#*
    """,
    "RecordBatchFunction": """
        PartiQLInsert on Outcomes
        PutItem on Outcomes Idempotency in TransactWriteItems
        BatchGetItem on Idempotency
        UpdateItem on Idempotency keys budget#*
        UpdateItem on Keys keys limited#*
    """,
    # Reads of outcomes also read the definitions by which they count.
    "ListOutcomesFunction": """
        Query on Outcomes Outcomes/index/*
        GetItem on Statements
    """,
    "ExportOutcomesFunction": """
        Query on Outcomes Outcomes/index/*
        GetItem on Statements
    """,
    # SummarizeOutcomesFunction writes only totals and sums of costs.
    "SummarizeOutcomesFunction": """
        Query on Outcomes Totals Costs
        BatchGetItem on Outcomes
        GetItem on Statements
        PutItem UpdateItem on Totals
        UpdateItem on Costs attributes user_id day_source changes sums rules restated
    """,
    "CorrectOutcomeFunction": """
        BatchGetItem on Outcomes Idempotency Keys
        UpdateItem PutItem on Outcomes in TransactWriteItems
        ConditionCheckItem on Outcomes Keys
        PutItem on Idempotency in TransactWriteItems
        UpdateItem on Idempotency keys budget#*
        UpdateItem on Keys keys limited#*
    """,
    "GetOutcomeFunction": """
        BatchGetItem on Outcomes
        GetItem on Statements
    """,
    "ManageKeysFunction": """
        GetItem BatchGetItem UpdateItem on Keys
        PutItem DeleteItem on Keys in TransactWriteItems
        BatchGetItem on Idempotency keys budget#*
    """,
    # McpFunction has the permissions that its tools need. It writes outcomes only in a transaction with their
    # idempotency key.
    "McpFunction": """
        PutItem UpdateItem on Outcomes in TransactWriteItems
        ConditionCheckItem on Outcomes
        PutItem on Idempotency in TransactWriteItems
        BatchGetItem on Outcomes Idempotency
        Query on Outcomes Outcomes/index/* Totals
        PutItem UpdateItem on Totals
        GetItem on Statements
        UpdateItem on Idempotency keys budget#*
        UpdateItem on Keys keys limited#*
    """,
    # StatementsFunction writes only in transactions.
    "StatementsFunction": """
        secretsmanager:GetSecretValue on StatementSecret
        Query on Outcomes Statements
        BatchGetItem on Outcomes
        GetItem on Statements Totals
        PutItem UpdateItem DeleteItem on Statements in TransactWriteItems
        ConditionCheckItem on Statements
        PutItem on Totals in TransactWriteItems
    """,
    # CostsFunction writes a day's costs only in transactions. It writes the sums of a month without a transaction.
    "CostsFunction": """
        BatchGetItem GetItem Query UpdateItem on Costs
        PutItem on Costs in TransactWriteItems
    """,
    # Without the attributes of statements, DefinitionsFunction cannot write one.
    "DefinitionsFunction": """
        GetItem BatchGetItem Query on Statements
        PutItem on Statements attributes user_id id put_at changes timezone definitions first_made_at dispute_days types
        GetItem ConditionCheckItem on Totals
    """,
    # TryDefinitionFunction has the rights of a summary, and none for definitions.
    "TryDefinitionFunction": """
        Query BatchGetItem on Outcomes
        Query PutItem UpdateItem on Totals
    """,
    # WatchesFunction has the rights of a summary with costs and definitions, and writes watches only in transactions.
    "WatchesFunction": """
        GetItem BatchGetItem Query on Watches
        PutItem UpdateItem DeleteItem on Watches in TransactWriteItems
        Query on Outcomes Costs
        BatchGetItem on Outcomes
        Query PutItem UpdateItem on Totals
        UpdateItem on Costs attributes user_id day_source changes sums rules restated
        GetItem on Statements
    """,
    # EvaluateWatchesFunction has the rights of a summary, and writes only states and its place.
    "EvaluateWatchesFunction": """
        Scan on Watches
        UpdateItem on Watches attributes user_id id made version changes states
        GetItem PutItem on Watches partition #clock
        Query on Outcomes Totals Costs
        BatchGetItem on Outcomes
        PutItem UpdateItem on Totals
        UpdateItem on Costs attributes user_id day_source changes sums rules restated
        GetItem on Statements
    """,
    # Everybody may call StatementKeysFunction, so it reads only the partition of public keys.
    "StatementKeysFunction": "Query on Statements partition keys",
    # PublishEventsFunction changes no table, and reads only the streams of these five tables.
    "PublishEventsFunction": """
        DescribeStream GetShardIterator GetRecords on Outcomes/stream/local Keys/stream/local
        DescribeStream GetShardIterator GetRecords on Statements/stream/local Costs/stream/local
        DescribeStream GetShardIterator GetRecords on Watches/stream/local
        ListStreams on Outcomes/stream/* Keys/stream/* Statements/stream/* Costs/stream/* Watches/stream/*
        BatchGetItem on Outcomes
        events:PutEvents on arn:aws:events:us-east-1:123456789012:event-bus/platform
        s3:PutObject on KeptEvents/*
        s3:ListBucket on KeptEvents
    """,
    # DeliverWebhookFunction neither sends to its own queue nor receives from the dead-letter queue.
    "DeliverWebhookFunction": """
        sqs:ReceiveMessage sqs:DeleteMessage sqs:GetQueueAttributes sqs:ChangeMessageVisibility on WebhooksQueue
        sqs:SendMessage on DeadWebhooksQueue
        secretsmanager:GetSecretValue on WebhookSecret
    """,
    # BatchWriteItem also allows puts. So the policy allows only the key's attributes: a put can write nothing else.
    "EraseUserFunction": """
        secretsmanager:GetSecretValue on ErasureSecret
        GetItem Scan PutItem UpdateItem on Erasures
        DeleteItem on Erasures in TransactWriteItems
        GetItem BatchGetItem UpdateItem DeleteItem on Keys
        Query BatchGetItem on Outcomes
        UpdateItem on Outcomes attributes user_id created_at assigned_to assigned_id reason changes
        Query on Totals Statements Costs Watches
        Scan on Keys Sessions Outcomes Totals Idempotency Statements Costs Watches
        BatchWriteItem on Keys attributes id
        BatchWriteItem on Sessions attributes token_sha256
        BatchWriteItem on Outcomes attributes user_id created_at
        BatchWriteItem on Totals attributes user_id stretch
        BatchWriteItem on Idempotency attributes key_sha256
        BatchWriteItem on Statements attributes user_id id
        BatchWriteItem on Costs attributes user_id day_source
        BatchWriteItem on Watches attributes user_id id
    """,
    # ExportUserFunction only reads.
    "ExportUserFunction": """
        Query on Outcomes Totals Statements Costs Watches
        BatchGetItem on Outcomes
        Scan on Keys Sessions Idempotency
    """,
}
BY_RIGHTS_ONLY = {"EraseUserFunction", "ExportUserFunction"}
"""Functions without a route. Only callers in the AWS account that have the IAM permission can invoke them."""
LIMITS = re.compile(" (in|attributes|partition|keys) ")


def functions(template: Template) -> dict[str, Any]:
    return {
        name: template.resolve({key: value for key, value in properties.items() if key != "Role"})
        for name, properties in template.resources("AWS::Lambda::Function").items()
    }


def statements(template: Template, function: str) -> Iterator[Any]:
    role = template.resources("AWS::IAM::Role")[f"{function}Role"]
    for policy in template.resolve(role.get("Policies", [])):
        yield from policy["PolicyDocument"]["Statement"]


def allowed(template: Deployment, function: str) -> set[tuple[str, ...]]:
    """Return the actions that MAY lists for a function, each with a resource's ARN, and perhaps with its limits."""
    may = set[tuple[str, ...]]()
    for line in filter(None, map(str.strip, MAY[function].splitlines())):
        what, *limits = LIMITS.split(line)
        actions, _, resources = what.partition(" on ")
        limits = [limits[0], *limits[1].split()] if limits else []
        for action in actions.split():
            for resource in resources.split():
                name, slash, path = resource.partition("/")
                if resource.startswith("arn:"):
                    arn = resource
                else:
                    is_table = f"{name}Table" in template.document["Resources"]
                    attribute = {"Fn::GetAtt": [f"{name}Table" if is_table else name, "Arn"]}
                    arn = template.resolve({"Ref": name} if name.endswith("Secret") else attribute) + slash + path
                may.add((action if ":" in action else f"dynamodb:{action}", arn, *limits))
    return may


def limits_of(statement: Any) -> tuple[str, ...]:
    """Return the limits of a policy statement as in MAY. Fails if the statement has other conditions.

    A statement that limits the attributes of a write must also forbid that the write returns the item's values, because
    these include other attributes.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    match statement.get("Condition"):
        case None:
            return ()
        case {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": named, **others}, **more}:
            kind = "in"
        case {
            "ForAllValues:StringEquals": {"dynamodb:Attributes": named, **others},
            "StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE"]},
            **more,
        }:
            kind = "attributes"
        case {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": named, **others}, **more}:
            kind = "partition"
        case {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": named, **others},
            "StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE"]},
            **more,
        } | {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": named, **others}, **more}:
            kind = "keys"
        case condition:
            pytest.fail(f"a condition that limits nothing: {condition}")
    assert not others
    assert not more
    return kind, *named


def test_every_function_is_listed_here(complete: Deployment) -> None:
    unlisted = functions(complete).keys() ^ MAY.keys()
    assert not unlisted, f"Say in MAY all that {', '.join(sorted(unlisted))} may do."


@pytest.mark.parametrize("function", MAY)
def test_a_function_may_do_only_what_it_needs(complete: Deployment, function: str) -> None:
    may = set[tuple[str, ...]]()
    for statement in statements(complete, function):
        assert statement["Effect"] == "Allow"
        assert isinstance(statement["Action"], str), "one action per statement"
        resources = statement["Resource"]
        for name in [resources] if isinstance(resources, str) else resources:
            may.add((statement["Action"], name, *limits_of(statement)))

    assert may == allowed(complete, function)
    # `*` is only allowed for the contents of a named resource, such as objects in a bucket.
    assert not [name for _, name, *_ in may if "*" in name.removesuffix("/*")]


@pytest.mark.parametrize("function", MAY)
def test_a_function_may_besides_only_write_its_log_and_trace(complete: Deployment, function: str) -> None:
    assert complete.resources("AWS::Lambda::Function")[function]["Role"] == {"Fn::GetAtt": [f"{function}Role", "Arn"]}
    role = complete.resources("AWS::IAM::Role")[f"{function}Role"]
    assert complete.resolve(role["ManagedPolicyArns"]) == ["LogAndTrace"]


def test_every_function_may_write_its_log(complete: Deployment) -> None:
    log, trace = complete.one("AWS::IAM::ManagedPolicy")["PolicyDocument"]["Statement"]

    assert log["Resource"] == "arn:aws:logs:us-east-1:123456789012:log-group:FunctionLogs:log-stream:*"
    assert log["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    # X-Ray's actions cannot be limited to resources: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
    assert trace["Action"] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]


def test_a_given_session_secret_is_the_only_one_read() -> None:
    given = "arn:aws:secretsmanager:us-east-1:123456789012:secret:dashboard-d4e5f6"
    template = deploy(SessionSecretArn=given)

    assert [each["Resource"] for each in statements(template, "AuthorizerFunction") if "secrets" in each["Action"]] == [
        given
    ]
    assert "SessionSecret" not in template.resources("AWS::SecretsManager::Secret")


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_functions_run_on_the_processor_and_runtime_of_their_layer(complete: Deployment, architecture: str) -> None:
    template = complete.with_parameters(Architecture=architecture)
    [(name, layer)] = template.of("AWS::Lambda::LayerVersion").items()

    assert layer["CompatibleArchitectures"] == [architecture]
    for function in functions(template).values():
        assert function["Architectures"] == [architecture]
        assert [function["Runtime"]] == layer["CompatibleRuntimes"]
        assert function["Layers"] == [template.arn(name)]
        assert "SnapStart" not in function


@pytest.mark.parametrize("function", MAY)
def test_the_handler_is_in_the_function_s_folder(complete: Deployment, function: str) -> None:
    properties = functions(complete)[function]
    files = (ROOT / properties["Code"]["S3Key"]).rglob("*")

    assert properties["Handler"] == "app.handler"
    assert [path.name for path in files if path.is_file() and "__pycache__" not in path.parts] == ["app.py"]


@pytest.mark.parametrize("function", MAY)
def test_no_secret_is_an_environment_variable(complete: Deployment, function: str) -> None:
    variables = functions(complete)[function]["Environment"]["Variables"]

    for name, value in variables.items():
        if re.search("SECRET|KEY|TOKEN|PASSWORD", name):
            # These are not secret: ARNs of secrets, days of validity, fingerprints of keys, and table names.
            assert name.endswith(("_ARN", "_DAYS", "_FINGERPRINTS", "_TABLE")), name
        assert isinstance(value, str), name


def test_by_default_no_key_is_valid_and_only_secure_cookies_are_accepted(deployed: Template) -> None:
    variables = functions(deployed)["AuthorizerFunction"]["Environment"]["Variables"]
    assert (variables["KEY_FINGERPRINTS"], variables["ACCEPT_PLAIN_COOKIES"]) == ("", "false")
