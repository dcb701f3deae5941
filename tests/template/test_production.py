"""Test hardening: permissions, limits, logs and releases.

test_faults.py removes each of these properties, and checks that a test here notices it.
"""

import json
import re
from typing import Any

import pytest
from outcomes import limits
from outcomes.auth import tokens
from outcomes.aws import backoff, services
from outcomes.costs import days, stored_costs
from outcomes.definitions import definition_store
from outcomes.keys import agent_keys
from outcomes.ledger import store
from outcomes.mcp import server
from outcomes.privacy import data_sources
from outcomes.statements import chain, stored_statements
from outcomes.totals import materialized, stored_sums
from outcomes.watches import figures

from functions.evaluate_watches import app as evaluate_watches
from functions.watches import app as watches
from ops.configuration import configured

from .conftest import EVERYTHING, FUNCTION, ORIGINS, ROOT, STACK, Deployment, deploy
from .test_functions import BY_RIGHTS_ONLY, MAY
from .test_monitoring import ROLLS_BACK

CLOCK = "EvaluateWatchesFunction"

API_GATEWAY_GIVES_UP_SECONDS = 29
AWS_CLI_WAITS_SECONDS = 60
STAGE = "AWS::ApiGateway::Stage"


# ── Least privilege ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_lambda_may_assume_a_functions_role(complete: Deployment) -> None:
    roles = complete.of("AWS::IAM::Role")
    for function in complete.resources(FUNCTION):
        [statement] = roles[f"{function}Role"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}, function


@pytest.mark.usefixtures("whole_routes")
def test_the_api_may_call_exactly_its_integrations(deployed: Deployment) -> None:
    """The API calls the alias `live`, so only a released version is reachable."""
    permissions = list(deployed.of("AWS::Lambda::Permission").values())
    called = set(re.findall(r"functions/(arn:[^/]+)/invocations", json.dumps(deployed.one("AWS::ApiGateway::RestApi"))))

    assert {permission["FunctionName"] for permission in permissions} == called
    assert {permission["Principal"] for permission in permissions} == {"apigateway.amazonaws.com"}
    assert len(called) == len(deployed.resources(FUNCTION).keys() - BY_RIGHTS_ONLY)
    assert all(arn.endswith(":live") for arn in called)
    for permission in permissions:
        assert f":{deployed.name('OutcomesApi')}/" in permission["SourceArn"]


def test_nothing_invokes_erasure_and_access_but_callers_with_rights(deployed: Deployment) -> None:
    """These functions have no route, URL, event or service that calls them.

    Only IAM policies let somebody invoke them.
    """
    for type_ in ("AWS::Lambda::Permission", "AWS::Lambda::Url", "AWS::Lambda::EventSourceMapping"):
        for name, properties in deployed.of(type_).items():
            assert not any(function in str(properties) for function in BY_RIGHTS_ONLY), name
    for function in BY_RIGHTS_ONLY:
        assert function not in json.dumps(deployed.one("AWS::ApiGateway::RestApi"))
    outputs = deployed.document["Outputs"]
    for name in ("EraseUser", "ExportUser"):
        assert deployed.resolve(outputs[f"{name}FunctionArn"]["Value"]).endswith(f":{name}Function:live")


def test_an_alias_exists_before_its_permission(deployed: Deployment) -> None:
    """The permission depends on the API, but does not reference the alias, so the API must depend on the alias."""
    assert deployed.document["Resources"]["OutcomesApi"]["DependsOn"] == "AuthorizerFunctionAliaslive"
    assert "AuthorizerFunctionAliaslive" in deployed.resources("AWS::Lambda::Alias")


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


THROTTLES = {
    "ReadThrottle": "* /*",
    "RecordThrottle": "POST /api/outcomes",
    "BatchThrottle": "POST /api/outcomes/batch",
    "ExportThrottle": "GET /api/outcomes/export",
    "McpThrottle": "POST /mcp",
}
"""The method that each parameter limits."""
CONSTANT = {
    "POST /api/statements": (5, 20),
    "GET /api/statements/{id}/entries": (5, 20),
    "GET /api/statements/{id}/proof": (5, 20),
    "GET /.well-known/outcomes-keys.json": (20, 40),
}


def test_methods_are_throttled_by_parameters_and_constants(deployed: Deployment) -> None:
    numbers = {name: (str(7 + number), str(70 + number)) for number, name in enumerate(THROTTLES)}
    template = deployed.with_parameters(**{name: ",".join(pair) for name, pair in numbers.items()})
    paths = template.one("AWS::ApiGateway::RestApi")["Body"]["paths"]
    limits = {}
    for setting in template.one(STAGE)["MethodSettings"]:
        method, path = setting["HttpMethod"], setting["ResourcePath"].replace("~1", "/").replace("//", "/")
        assert path == "/*" or method.lower() in paths[path], f"{method} {path} does not exist"
        limits[f"{method} {path}"] = (setting["ThrottlingRateLimit"], setting["ThrottlingBurstLimit"])
    assert limits == {method: numbers[name] for name, method in THROTTLES.items()} | CONSTANT


def test_all_functions_of_the_api_but_the_authorizer_may_have_reserved_concurrency(
    complete: Deployment, deployed: Deployment
) -> None:
    """The authorizer has no limit, because every call goes through it.

    The other functions without reserved concurrency are called by streams or queues, or need an IAM permission.
    """
    called = json.dumps(complete.one("AWS::ApiGateway::RestApi")["Body"]["paths"])
    for name, function in complete.of(FUNCTION).items():
        records = re.search("(PutItem|PartiQLInsert).* on (Outcomes|Costs)", MAY[name])
        limit = EVERYTHING["WriteConcurrency" if records else "ReadConcurrency"] if f":{name}:" in called else None
        assert function.get("ReservedConcurrentExecutions") == limit, name
    assert not [name for name, each in deployed.of(FUNCTION).items() if "ReservedConcurrentExecutions" in each]


def test_calls_end_before_the_function_and_functions_before_api_gateway(deployed: Deployment) -> None:
    timeout = {name: int(each["Timeout"]) for name, each in deployed.with_parameters(Watches="On").of(FUNCTION).items()}
    call = store.LIMITS.total
    retried, page = backoff.RETRY_SECONDS + call, store.PAGE_SECONDS + call
    summary = materialized.AGGREGATION_SECONDS + call
    summary += max(stored_sums.KEEP_SECONDS, materialized.GRACE_SECONDS)
    costs = stored_costs.READ_SECONDS + stored_costs.STORE_SECONDS
    longest = {
        "AuthorizerFunction": max(tokens.LIMITS.total, agent_keys.AUTHORIZER_LIMITS.total),
        **dict.fromkeys(["RecordOutcomeFunction", "RecordBatchFunction"], retried),
        **dict.fromkeys(["CorrectOutcomeFunction", "GetOutcomeFunction"], retried),
        **dict.fromkeys(["ListOutcomesFunction", "ExportOutcomesFunction"], page),
        "SummarizeOutcomesFunction": max(summary, costs + call),
        "ManageKeysFunction": backoff.RETRY_SECONDS + 2 * agent_keys.LIMITS.total,
        "StatementsFunction": max(
            chain.READ_SECONDS + 2 * chain.LIMITS.total,
            stored_statements.READ_SECONDS + stored_statements.LIMITS.total,
        ),
        "StatementKeysFunction": page,
        "TryDefinitionFunction": summary,
        "DefinitionsFunction": backoff.RETRY_SECONDS + 3 * definition_store.LIMITS.total,
        "WatchesFunction": watches.figures.seconds + summary,
        "CostsFunction": max(
            backoff.RETRY_SECONDS + days.LIMITS.total, 4 * days.LIMITS.total, costs + days.LIMITS.total
        ),
    }

    assert not {name: seconds for name, seconds in longest.items() if seconds >= timeout[name]}
    assert server.BATCH_SECONDS + summary <= timeout["McpFunction"]
    user = figures.READ_SECONDS + summary
    assert evaluate_watches.RUN_SECONDS + user < timeout.pop(CLOCK)
    for function in BY_RIGHTS_ONLY:
        assert data_sources.PORTION_SECONDS + data_sources.LIMITS.total < timeout[function] <= AWS_CLI_WAITS_SECONDS
        del timeout[function]
    assert max(timeout.values()) < API_GATEWAY_GIVES_UP_SECONDS


def test_an_erasure_waits_for_the_writes_of_earlier_calls(deployed: Deployment) -> None:
    """In the worst case, an authorized call runs until its function's timeout, and then signs a write.

    DynamoDB refuses signatures that are more than 300 s older or newer than its own time. So if the host's clock is
    ahead, the write may arrive 600 s after it was signed.
    """
    functions = deployed.with_parameters(Watches="On").of(FUNCTION)
    longest = max(int(functions[name]["Timeout"]) for name in functions.keys() - BY_RIGHTS_ONLY - {CLOCK})
    # A run of the clock is longer, but only a user's own evaluation reads and writes what is the user's.
    of_a_user = figures.READ_SECONDS + materialized.AGGREGATION_SECONDS + store.LIMITS.total
    takes = 300
    settle = int(functions["EraseUserFunction"]["Environment"]["Variables"]["SETTLE_SECONDS"])

    assert takes > services.MAX_SKEW
    assert API_GATEWAY_GIVES_UP_SECONDS + max(longest, of_a_user) + 2 * takes + 120 < settle


def rules(template: Deployment) -> dict[str, Any]:
    return {rule["Name"]: rule for rule in template.one("AWS::WAFv2::WebACL")["Rules"]}


def test_the_firewall_limits_the_rate_of_an_address(complete: Deployment) -> None:
    association = complete.one("AWS::WAFv2::WebACLAssociation")
    stage = f"arn:aws:apigateway:us-east-1::/restapis/{complete.name('OutcomesApi')}/stages/v1"
    rate = rules(complete.with_parameters(FirewallRequests="77"))["Rate"]["Statement"]["RateBasedStatement"]

    assert association == {"ResourceArn": stage, "WebACLArn": "Firewall.Arn"}
    assert rate == {"Limit": "77", "AggregateKeyType": "IP", "EvaluationWindowSec": 300}


def refused_size(statement: Any) -> re.Pattern[str]:
    assert statement["RegexMatchStatement"]["FieldToMatch"] == {"SingleHeader": {"Name": "content-length"}}
    return re.compile(statement["RegexMatchStatement"]["RegexString"])


def test_the_firewall_refuses_no_valid_size(complete: Deployment) -> None:
    not_batch, single = rules(complete)["DeclaredSize"]["Statement"]["AndStatement"]["Statements"]
    batch = rules(complete)["DeclaredBatchSize"]["Statement"]

    assert not_batch["NotStatement"]["Statement"]["ByteMatchStatement"]["SearchString"] == "/batch"
    for statement, cap in ((single, limits.MAX_BODY_BYTES), (batch, limits.MAX_BATCH_BYTES)):
        refused = refused_size(statement)
        for size in (0, 1, 9, 10, cap // 2, cap - 1, cap):
            assert not refused.match(str(size)), size
        for size in (2 * cap, 3 * cap, 10 * cap, 99 * cap, 10**9):
            assert refused.match(str(size)), size
        assert refused.match(f"00{2 * cap}")


def test_the_firewall_answers_in_our_shape_and_samples_no_requests(complete: Deployment) -> None:
    acl = complete.one("AWS::WAFv2::WebACL")
    bodies = {name: json.loads(body["Content"]) for name, body in acl["CustomResponseBodies"].items()}
    for rule in acl["Rules"]:
        response = rule["Action"]["Block"]["CustomResponse"]
        error = {413: "Payload too large", 429: "Too many requests"}[response["ResponseCode"]]
        assert bodies[response["CustomResponseBodyKey"]] == {"error": error}
        assert {(header["Name"], header["Value"]) for header in response["ResponseHeaders"]} >= {
            ("Access-Control-Allow-Origin", "https://app.example.com"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        }
    for part in [acl, *acl["Rules"]]:
        assert part["VisibilityConfig"]["SampledRequestsEnabled"] is False


# ── Logs and traces ───────────────────────────────────────────────────────────────────────────────────────────────────

LOGGED = (
    r"\$context\.(requestId|requestTimeEpoch|httpMethod|resourcePath|protocol|status|wafResponseCode"
    r"|authorizer\.(caller|latency|status|error)|error\.responseType|responseLatency|integration\.latency"
    r"|responseLength|xrayTraceId)"
)
"""Variables that may be logged. Add some with care: no header, body, query, IP address or user id may be logged.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
"""


def test_every_call_is_logged_as_json_and_without_a_credential(deployed: Deployment) -> None:
    setting = deployed.one(STAGE)["AccessLogSetting"]

    assert setting["DestinationArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:AccessLogs"
    assert "\n" not in setting["Format"]
    assert all(re.fullmatch(LOGGED, value) for value in json.loads(setting["Format"]).values())


def test_every_log_has_a_retention(complete: Deployment) -> None:
    """CloudWatch Insights recognizes Lambda's log groups by name. It finds fields such as @duration only in them.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
    """
    for name, function in complete.of(FUNCTION).items():
        assert function["LoggingConfig"] == {"LogGroup": "FunctionLogs"}, name
    groups = complete.with_parameters(LogRetentionDays="7").of("AWS::Logs::LogGroup")
    assert {name: group["RetentionInDays"] for name, group in groups.items()} == dict.fromkeys(groups, "7")
    assert groups["FunctionLogs"]["LogGroupName"] == f"/aws/lambda/{STACK}/functions"


def test_api_gateway_can_log_before_the_stage_exists(deployed: Deployment) -> None:
    assert not deployed.with_parameters(ApiGatewayLogRole="existing").resources("AWS::ApiGateway::Account")
    assert deployed.one("AWS::ApiGateway::Account") == {"CloudWatchRoleArn": "ApiGatewayLogWriter.Arn"}
    assert {"Key": "LogsThrough", "Value": "ApiGatewayAccount"} in deployed.one(STAGE)["Tags"]
    for name in ("ApiGatewayAccount", "ApiGatewayLogWriter"):
        assert deployed.document["Resources"][name]["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize("tracing", ["PassThrough", "Active"])
def test_tracing_covers_the_stage_and_every_function_or_nothing(deployed: Deployment, tracing: str) -> None:
    """Off by default: a trace costs more than any other part of a call, and does not show the calls of DynamoDB."""
    template = deployed if tracing == "PassThrough" else deployed.with_parameters(Tracing=tracing)
    assert template.one(STAGE)["TracingEnabled"] is (tracing == "Active")
    for name, function in template.of(FUNCTION).items():
        assert function["TracingConfig"] == {"Mode": tracing}, name


def test_the_runbook_queries_only_logged_fields(deployed: Deployment) -> None:
    queries = re.findall(r"ask AccessLogs '(.*?)'", (ROOT / "docs/runbook.md").read_text(), re.DOTALL)
    asked = {name for query in queries for name in re.findall(r"(?<![@\w])[a-z]+[A-Z]\w*", query)}

    assert asked
    assert asked <= json.loads(deployed.one(STAGE)["AccessLogSetting"]["Format"]).keys()


# ── Releases ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_of_any_parameter_is_a_new_version_of_every_function(complete: Deployment) -> None:
    """A new parameter value takes effect only in a new version. For example, an old version refuses a rotated key.

    SAM does not notice that a parameter's value changed. So the version's description must change: then CloudFormation
    requests a new version. The function must change too, because Lambda publishes no version of an unchanged function.
    """
    declared, given = complete.document["Parameters"], complete.parameters
    before = configured(declared, given, {})["Configuration"]
    for name in declared.keys() - {"Configuration"}:
        assert configured(declared, given | {name: "another value"}, {})["Configuration"] != before, name

    def versions(configuration: str) -> dict[str, tuple[str, Any]]:
        template = complete.with_parameters(Configuration=configuration)
        made_of = template.of(FUNCTION)
        versions = template.of("AWS::Lambda::Version").values()
        return {each["FunctionName"]: (each["Description"], made_of[each["FunctionName"]]) for each in versions}

    one, other = versions("0" * 16), versions("f" * 16)
    assert one.keys() == complete.resources(FUNCTION).keys()
    for function, (description, made_of) in one.items():
        assert description != other[function][0], function
        assert made_of != other[function][1], function


def test_the_same_parameters_make_no_new_version(template: Any) -> None:
    declared = template["Parameters"]
    overrides = {"DashboardOrigins": ORIGINS, "LogRetentionDays": "90", "Configuration": "of the last time"}
    first = configured(declared, overrides, {})
    defaults = {name: str(parameter.get("Default", "")) for name, parameter in declared.items()}

    assert configured(declared, overrides, defaults | first) == first
    # `sam deploy` keeps the stack's value of a parameter without override, even if the default has changed.
    assert (
        configured(declared, {"DashboardOrigins": ORIGINS}, defaults | first)["Configuration"] == first["Configuration"]
    )
    assert configured(declared, overrides, defaults | first | {"BackupDays": "7"}) != first


def test_an_unchanged_function_gets_no_version(deployed: Deployment) -> None:
    """If only tags or concurrency change, SAM must not request a version.

    Lambda would publish none, and the release would fail: https://github.com/aws/serverless-application-model/issues/3281
    So functions declare no tags. They get SAM's own tag, and the stack's tags from samconfig.toml. Their concurrency is
    a parameter, because SAM does not notice a changed parameter.
    """
    versions = deployed.resources("AWS::Lambda::Version").keys()
    for parameter in ("WriteConcurrency", "ReadConcurrency"):
        assert deploy(**{parameter: "7"}).resources("AWS::Lambda::Version").keys() == versions
    for name, function in deployed.resources(FUNCTION).items():
        assert function["Tags"] == [{"Key": "lambda:createdBy", "Value": "SAM"}], name
        reserved = function.get("ReservedConcurrentExecutions", {"Fn::If": ["by a parameter"]})
        assert isinstance(reserved, dict), name


def test_a_changed_layer_makes_new_versions(template: Any) -> None:
    """SAM creates new versions for a changed layer only if functions and layers have these settings."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            assert resource["Properties"]["AutoPublishAliasAllProperties"] is True, name
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            assert resource["Properties"]["PublishLambdaVersion"] is True, name


def test_every_function_is_called_by_an_alias_that_a_release_moves(complete: Deployment) -> None:
    aliases = complete.of("AWS::Lambda::Alias")

    assert {alias["FunctionName"] for alias in aliases.values()} == set(complete.resources(FUNCTION))
    for name, alias in aliases.items():
        assert alias["Name"] == "live", name
        update = complete.document["Resources"][name]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert update["DeploymentGroupName"]["Ref"] in complete.resources("AWS::CodeDeploy::DeploymentGroup"), name


def test_a_dev_stack_deploys_at_once_and_ignores_alarms(deployed: Deployment) -> None:
    for name, group in deployed.of("AWS::CodeDeploy::DeploymentGroup").items():
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaAllAtOnce", name
        assert group["AlarmConfiguration"] == {}, name


@pytest.mark.parametrize("alarms", ["On", "Off"])
def test_a_gradual_release_rolls_back_on_release_alarms(complete: Deployment, alarms: str) -> None:
    for name, group in complete.with_parameters(ReleaseAlarms=alarms).of("AWS::CodeDeploy::DeploymentGroup").items():
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes", name
        looks_at = [{"Name": alarm} for alarm in ROLLS_BACK]
        assert group["AlarmConfiguration"] == ({"Enabled": True, "Alarms": looks_at} if alarms == "On" else {}), name
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"], name


# ── Own domain ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "is_disabled", "url"),
    [
        ({}, True, "https://api.example.com/api/outcomes"),
        (
            dict.fromkeys(("DomainName", "CertificateArn", "HostedZoneId"), ""),
            False,
            "https://OutcomesApi.execute-api.us-east-1.amazonaws.com/v1/api/outcomes",
        ),
    ],
)
def test_with_a_domain_the_api_answers_nowhere_else(
    complete: Deployment, given: dict[str, str], is_disabled: bool, url: str
) -> None:
    template = complete.with_parameters(**given)
    [server] = template.one("AWS::ApiGateway::RestApi")["Body"]["servers"]

    assert server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"] is is_disabled
    assert template.resolve(template.document["Outputs"]["ApiUrl"]["Value"]) == url.replace(
        "OutcomesApi", complete.name("OutcomesApi")
    )
    mappings = template.of("AWS::ApiGateway::BasePathMapping").values()
    assert [mapping["Stage"] for mapping in mappings] == ["v1"] * is_disabled


def test_the_domain_gets_a_record_in_the_hosted_zone(complete: Deployment) -> None:
    record = complete.one("AWS::Route53::RecordSet")

    assert record["Name"] == complete.one("AWS::ApiGateway::DomainName")["DomainName"] == "api.example.com"
    assert record["AliasTarget"]["DNSName"] == "Domain.RegionalDomainName"


@pytest.mark.parametrize(
    ("given", "policy", "mode"),
    [
        # TLS 1.2 and 1.3, forward secrecy, post-quantum key exchange.
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies-list.html
        ({}, "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "STRICT"),
        ({"TlsPolicy": "SecurityPolicy_TLS13_1_3_2025_09"}, "SecurityPolicy_TLS13_1_3_2025_09", "STRICT"),
        ({"TlsPolicy": "TLS_1_2"}, "TLS_1_2", None),
    ],
)
def test_tls_is_modern_for_both_hosts_of_the_api(
    complete: Deployment, given: dict[str, str], policy: str, mode: str | None
) -> None:
    """The API's own TLS policy also applies to calls through a custom domain name.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-custom-domain-tls-version.html
    """
    template = complete.with_parameters(**given)
    for type_ in ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::DomainName"):
        properties = template.one(type_)
        assert (properties["SecurityPolicy"], properties.get("EndpointAccessMode")) == (policy, mode), type_


# ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_parameter_is_in_one_group(template: Any) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    listed = [name for group in groups for name in group["Parameters"]]

    assert sorted(listed) == sorted(template["Parameters"])
