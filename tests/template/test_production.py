"""Test hardening: permissions, limits, logs and releases.

test_faults.py removes each of these properties, and checks that a test here notices it.
"""

import json
import re
from typing import Any

import pytest
from outcomes import limits
from outcomes.auth import session_secrets, tokens
from outcomes.aws import backoff, calls
from outcomes.costs import days, stored_costs
from outcomes.keys import agent_keys
from outcomes.ledger import store
from outcomes.mcp import server
from outcomes.privacy import data_sources
from outcomes.statements import chain, stored_statements
from outcomes.totals import materialized, stored_sums

from ops.configuration import configured

from .conftest import EVERYTHING, FUNCTION, ORIGINS, ROOT, STACK, Deployment, deploy
from .test_functions import BY_RIGHTS_ONLY
from .test_monitoring import ROLLS_BACK

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


# ── Data safety ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_tables_are_protected_from_deletion_and_bounded_in_cost(complete: Deployment) -> None:
    for name, table in complete.of("AWS::DynamoDB::Table").items():
        assert table["DeletionProtectionEnabled"] == "true", name
        limits = table["OnDemandThroughput"]
        assert limits == {"MaxReadRequestUnits": "4000", "MaxWriteRequestUnits": "4000"}, name


# ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def throttles(template: Deployment) -> dict[tuple[str, str], tuple[Any, Any]]:
    return {
        (setting["HttpMethod"], setting["ResourcePath"].replace("~1", "/").replace("//", "/")): (
            setting["ThrottlingRateLimit"],
            setting["ThrottlingBurstLimit"],
        )
        for setting in template.one(STAGE)["MethodSettings"]
    }


def test_each_method_is_throttled(deployed: Deployment) -> None:
    assert throttles(deployed) == {
        ("*", "/*"): ("100", "200"),
        ("POST", "/api/outcomes"): ("100", "200"),
        ("POST", "/api/outcomes/batch"): ("10", "20"),
        ("GET", "/api/outcomes/export"): ("5", "20"),
        ("POST", "/mcp"): ("20", "40"),
        ("POST", "/api/statements"): ("5", "20"),
        ("GET", "/api/statements/{id}/entries"): ("5", "20"),
        ("GET", "/api/statements/{id}/proof"): ("5", "20"),
        ("GET", "/.well-known/outcomes-keys.json"): ("20", "40"),
    }


def test_a_throttled_method_exists(deployed: Deployment, api: Any) -> None:
    for method, path in throttles(deployed).keys() - {("*", "/*")}:
        assert method.lower() in api["paths"][path]


def test_only_the_authorizer_has_no_reserved_concurrency(complete: Deployment, deployed: Deployment) -> None:
    """The authorizer has no limit, because every call goes through it. All other functions of the API have one.

    The other functions without reserved concurrency are called by streams or queues, or need an IAM permission.
    """
    reads, writes = EVERYTHING["ReadConcurrency"], EVERYTHING["WriteConcurrency"]

    assert {name: function.get("ReservedConcurrentExecutions") for name, function in complete.of(FUNCTION).items()} == {
        **dict.fromkeys(
            ["RecordOutcomeFunction", "RecordBatchFunction", "CorrectOutcomeFunction", "McpFunction", "CostsFunction"],
            writes,
        ),
        **dict.fromkeys(["ListOutcomesFunction", "SummarizeOutcomesFunction", "ExportOutcomesFunction"], reads),
        **dict.fromkeys(["GetOutcomeFunction", "ManageKeysFunction"], reads),
        **dict.fromkeys(["StatementsFunction", "StatementKeysFunction"], reads),
        **dict.fromkeys(["AuthorizerFunction", "PublishEventsFunction", "DeliverWebhookFunction", *BY_RIGHTS_ONLY]),
    }
    assert not [name for name, each in deployed.of(FUNCTION).items() if "ReservedConcurrentExecutions" in each]


def test_calls_end_before_the_function_and_functions_before_api_gateway(deployed: Deployment) -> None:
    timeout = {name: int(function["Timeout"]) for name, function in deployed.of(FUNCTION).items()}
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
        "CostsFunction": max(
            backoff.RETRY_SECONDS + days.LIMITS.total, 4 * days.LIMITS.total, costs + days.LIMITS.total
        ),
    }

    assert not {name: seconds for name, seconds in longest.items() if seconds >= timeout[name]}
    assert server.BATCH_SECONDS + summary <= timeout["McpFunction"]
    for function in BY_RIGHTS_ONLY:
        assert data_sources.PORTION_SECONDS + data_sources.LIMITS.total < timeout[function] <= AWS_CLI_WAITS_SECONDS
        del timeout[function]
    assert max(timeout.values()) < API_GATEWAY_GIVES_UP_SECONDS


def test_an_erasure_waits_for_the_writes_of_earlier_calls(deployed: Deployment) -> None:
    """In the worst case, an authorized call runs until its function's timeout, and then signs a write.

    DynamoDB refuses signatures that are more than 300 s older or newer than its own time. So if the host's clock is
    ahead, the write may arrive 600 s after it was signed.
    """
    functions = deployed.of(FUNCTION)
    longest = max(int(functions[name]["Timeout"]) for name in functions.keys() - BY_RIGHTS_ONLY)
    takes = 300
    settle = int(functions["EraseUserFunction"]["Environment"]["Variables"]["SETTLE_SECONDS"])

    assert takes > calls.MAX_SKEW
    assert API_GATEWAY_GIVES_UP_SECONDS + longest + 2 * takes + 120 < settle


def rules(template: Deployment) -> dict[str, Any]:
    return {rule["Name"]: rule for rule in template.one("AWS::WAFv2::WebACL")["Rules"]}


def test_the_firewall_protects_the_stage(complete: Deployment) -> None:
    association = complete.one("AWS::WAFv2::WebACLAssociation")

    assert association["ResourceArn"] == (
        f"arn:aws:apigateway:us-east-1::/restapis/{complete.name('OutcomesApi')}/stages/v1"
    )
    assert association["WebACLArn"] == "Firewall.Arn"


def test_the_firewall_limits_the_rate_of_an_address(complete: Deployment) -> None:
    rate = rules(complete)["Rate"]

    assert rate["Statement"]["RateBasedStatement"] == {
        "Limit": "2000",
        "AggregateKeyType": "IP",
        "EvaluationWindowSec": 300,
    }
    assert rate["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429


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


@pytest.mark.parametrize("name", ["DeclaredSize", "DeclaredBatchSize", "Rate"])
def test_the_firewall_answers_in_our_shape(complete: Deployment, name: str) -> None:
    response = rules(complete)[name]["Action"]["Block"]["CustomResponse"]
    body = complete.one("AWS::WAFv2::WebACL")["CustomResponseBodies"][response["CustomResponseBodyKey"]]
    error = {413: "Payload too large", 429: "Too many requests"}[response["ResponseCode"]]

    assert body == {"ContentType": "APPLICATION_JSON", "Content": f'{{"error":"{error}"}}'}
    assert {(header["Name"], header["Value"]) for header in response["ResponseHeaders"]} >= {
        ("Access-Control-Allow-Origin", "https://app.example.com"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    }


def test_the_firewall_samples_no_requests(complete: Deployment) -> None:
    acl = complete.one("AWS::WAFv2::WebACL")
    for part in [acl, *acl["Rules"]]:
        assert part["VisibilityConfig"]["SampledRequestsEnabled"] is False


# ── Logs and traces ───────────────────────────────────────────────────────────────────────────────────────────────────

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
LOGGED = {
    "requestId": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "method": "$context.httpMethod",
    "resource": "$context.resourcePath",
    "protocol": "$context.protocol",
    "caller": "$context.authorizer.caller",
    "status": "$context.status",
    "firewall": "$context.wafResponseCode",
    "refusal": "$context.error.responseType",
    "latency": "$context.responseLatency",
    "functionLatency": "$context.integration.latency",
    "authorizerLatency": "$context.authorizer.latency",
    "authorizerStatus": "$context.authorizer.status",
    "authorizerError": "$context.authorizer.error",
    "responseBytes": "$context.responseLength",
    "trace": "$context.xrayTraceId",
}


def test_every_call_is_logged_as_json_and_without_a_credential(deployed: Deployment) -> None:
    """Add fields with care: no header, body, query, IP address or user id may be logged."""
    setting = deployed.one(STAGE)["AccessLogSetting"]

    assert setting["DestinationArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:AccessLogs"
    assert "\n" not in setting["Format"]
    assert json.loads(setting["Format"]) == LOGGED


def test_every_log_has_a_retention(complete: Deployment) -> None:
    for name, function in complete.of(FUNCTION).items():
        assert function["LoggingConfig"] == {"LogGroup": "FunctionLogs"}, name
    for name, group in complete.of("AWS::Logs::LogGroup").items():
        assert group["RetentionInDays"] == "30", name


def test_insights_discovers_the_fields_of_function_logs(deployed: Deployment) -> None:
    """CloudWatch Insights recognizes Lambda's log groups by name. It finds fields such as @duration only in them.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html
    """
    groups = deployed.of("AWS::Logs::LogGroup")

    assert groups["FunctionLogs"]["LogGroupName"] == f"/aws/lambda/{STACK}/functions"
    assert "LogGroupName" not in groups["AccessLogs"]


def test_api_gateway_can_log_before_the_stage_exists(deployed: Deployment) -> None:
    assert deployed.one("AWS::ApiGateway::Account") == {"CloudWatchRoleArn": "ApiGatewayLogWriter.Arn"}
    assert {"Key": "LogsThrough", "Value": "ApiGatewayAccount"} in deployed.one(STAGE)["Tags"]
    for name in ("ApiGatewayAccount", "ApiGatewayLogWriter"):
        assert deployed.document["Resources"][name]["DeletionPolicy"] == "Retain"


def test_the_accounts_log_role_can_be_kept(deployed: Deployment) -> None:
    template = deployed.with_parameters(ApiGatewayLogRole="existing")

    assert not template.resources("AWS::ApiGateway::Account")
    assert "ApiGatewayLogWriter" not in template.resources("AWS::IAM::Role")


def test_tracing_is_off_by_default(deployed: Deployment) -> None:
    """A trace costs more than any other part of a call, and does not show the calls of DynamoDB."""
    assert deployed.one(STAGE)["TracingEnabled"] is False
    for name, function in deployed.of(FUNCTION).items():
        assert function["TracingConfig"] == {"Mode": "PassThrough"}, name


def test_tracing_covers_the_stage_and_every_function(complete: Deployment) -> None:
    assert complete.one(STAGE)["TracingEnabled"] is True
    for name, function in complete.of(FUNCTION).items():
        assert function["TracingConfig"] == {"Mode": "Active"}, name


def test_the_runbook_queries_only_logged_fields() -> None:
    queries = re.findall(r"ask AccessLogs '(.*?)'", (ROOT / "docs/runbook.md").read_text(), re.DOTALL)
    asked = {name for query in queries for name in re.findall(r"(?<![@\w])[a-z]+[A-Z]\w*", query)}

    assert asked
    assert asked <= LOGGED.keys()


# ── Releases ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def descriptions(template: Deployment) -> dict[str, str]:
    """Return the description of each function's version. A changed description creates a new version."""
    versions = template.of("AWS::Lambda::Version").values()
    texts = {version["FunctionName"]: str(version["Description"]) for version in versions}
    assert len(texts) == len(versions)
    assert max(map(len, texts.values())) <= 256
    return texts


# Another valid value for each parameter that does not declare a list of allowed values.
ANOTHER = {
    "OutcomeTypes": "lead_qualified",
    "AlarmEmail": "another@example.com",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:another",
    "AwsEndpointUrl": "http://host.docker.internal:5001",
    "BackupDays": "7",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/another",
    "DashboardCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/another",
    "DashboardHost": "value.example.com",
    # The value is long, so that `descriptions` checks the limit of 256 characters with long parameters.
    "DashboardOrigins": ",".join(f"https://the-dashboard-of-brand-{brand}.example.com" for brand in range(8)),
    "DomainName": "another.example.com",
    "EventBusName": "b" * 256,
    "FirewallRequests": "3000",
    "HostedZoneId": "Z9876543210",
    "OidcAudience": "a" * 200,
    "OidcCookie": "another-token",
    "OidcIssuer": "https://login.example.com/".ljust(200, "x"),
    "OidcUserClaim": "https://example.com/user_id",
    "EndedFingerprints": ",".join(["2" * 64] * 63),
    "KeyFingerprints": f"{'0' * 64},{'1' * 64}",
    "SessionSecretArn": f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{'production/' * 30}next-auth-d4e5f6",
    "PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary",
    "RolePath": "/applications/",
    "StageName": "v2",
    "TlsPolicy": "TLS_1_2",
    "WebhookTypes": "outcome.recorded",
    "WebhookUrl": "https://hooks.example.com/".ljust(200, "x"),
}


def another(name: str, parameter: Any, present: str) -> str:
    match parameter:
        case {"AllowedValues": allowed}:
            return str(next(value for value in allowed if str(value) != present))
        case {"Type": "Number"} if name not in ANOTHER:
            return str(int(present) + 1)
        case {"Type": "List<Number>"}:
            return "7,9"
    return ANOTHER[name]


def versions(template: Deployment) -> dict[str, tuple[str, Any]]:
    """Return, for each function, the description of its version and the function's properties."""
    made_of = template.of(FUNCTION)
    return {function: (text, made_of[function]) for function, text in descriptions(template).items()}


def test_a_change_of_any_parameter_is_a_new_version_of_every_function(complete: Deployment) -> None:
    """A new parameter value takes effect only in a new version. For example, an old version refuses a rotated key.

    SAM does not notice that a parameter's value changed. So the version's description must change: then CloudFormation
    requests a new version. The function must change too, because Lambda publishes no version of an unchanged function.
    """
    declared, given = complete.document["Parameters"], complete.parameters
    before = versions(complete.with_parameters(**configured(declared, given, {})))
    assert before.keys() == complete.resources(FUNCTION).keys()
    for name in declared.keys() - {"Configuration"}:
        present = given.get(name, str(declared[name].get("Default", "")))
        changed = given | {name: another(name, declared[name], present)}
        after = versions(complete.with_parameters(**configured(declared, changed, {})))
        assert after  # if a capability is off, its functions do not exist, but others do
        for function, (description, made_of) in after.items():
            assert before[function][0] != description, (name, function)
            assert before[function][1] != made_of, (name, function)


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
    assert configured(declared, overrides, defaults | first | {"StageName": "v7"}) != first


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


def test_a_gradual_release_without_release_alarms_ignores_alarms(complete: Deployment) -> None:
    for name, group in complete.with_parameters(ReleaseAlarms="Off").of("AWS::CodeDeploy::DeploymentGroup").items():
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes", name
        assert group["AlarmConfiguration"] == {}, name


def test_a_gradual_release_rolls_back_on_an_alarm(complete: Deployment) -> None:
    for name, group in complete.of("AWS::CodeDeploy::DeploymentGroup").items():
        assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes", name
        assert group["AlarmConfiguration"]["Enabled"] is True, name
        assert {alarm["Name"] for alarm in group["AlarmConfiguration"]["Alarms"]} == ROLLS_BACK, name
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"], name


def test_no_function_uses_snapstart(complete: Deployment) -> None:
    assert "SnapStart" not in complete.document["Parameters"]
    for name, function in complete.of(FUNCTION).items():
        assert "SnapStart" not in function, name


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_session_secret_takes_effect_within_five_minutes() -> None:
    assert session_secrets.SECRET_CACHE_SECONDS <= 300


# ── Own domain ───────────────────────────────────────────────────────────────────────────────────────────────────────


def endpoint_disabled(template: Deployment) -> Any:
    [server] = template.one("AWS::ApiGateway::RestApi")["Body"]["servers"]
    return server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]


def url(template: Deployment) -> Any:
    return template.resolve(template.document["Outputs"]["ApiUrl"]["Value"])


def test_without_a_domain_the_api_is_where_api_gateway_puts_it(deployed: Deployment) -> None:
    assert not deployed.resources("AWS::ApiGateway::DomainName")
    assert not deployed.resources("AWS::Route53::RecordSet")
    assert endpoint_disabled(deployed) is False
    host = f"{deployed.name('OutcomesApi')}.execute-api.us-east-1.amazonaws.com"
    assert url(deployed) == f"https://{host}/v1/api/outcomes"


def test_with_a_domain_the_api_answers_nowhere_else(complete: Deployment) -> None:
    domain = complete.one("AWS::ApiGateway::DomainName")

    assert endpoint_disabled(complete) is True
    assert url(complete) == "https://api.example.com/api/outcomes"
    assert domain == {
        "DomainName": "api.example.com",
        "RegionalCertificateArn": EVERYTHING["CertificateArn"],
        "EndpointConfiguration": {"Types": ["REGIONAL"]},
        "SecurityPolicy": MODERN_TLS,
        "EndpointAccessMode": "STRICT",
    }
    assert complete.one("AWS::ApiGateway::BasePathMapping") == {
        "DomainName": "Domain",
        "RestApiId": complete.name("OutcomesApi"),
        "Stage": "v1",
    }


# TLS 1.2 and 1.3, forward secrecy, post-quantum key exchange.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies-list.html
MODERN_TLS = "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"


def test_tls_is_modern_for_both_hosts_of_the_api(complete: Deployment) -> None:
    """The API's own TLS policy also applies to calls through a custom domain name.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-custom-domain-tls-version.html
    """
    for type_ in ("AWS::ApiGateway::RestApi", "AWS::ApiGateway::DomainName"):
        properties = complete.one(type_)
        assert (properties["SecurityPolicy"], properties["EndpointAccessMode"]) == (MODERN_TLS, "STRICT"), type_


def test_the_domain_gets_a_record_in_the_hosted_zone(complete: Deployment) -> None:
    record = complete.one("AWS::Route53::RecordSet")

    assert (record["HostedZoneId"], record["Name"], record["Type"]) == ("Z0123456789", "api.example.com", "A")
    assert record["AliasTarget"]["DNSName"] == "Domain.RegionalDomainName"


@pytest.mark.parametrize(
    ("parameter", "value", "type_", "path"),
    [
        ("DeletionProtection", "false", "AWS::DynamoDB::Table", "DeletionProtectionEnabled"),
        ("MaxReadUnits", "5", "AWS::DynamoDB::Table", "OnDemandThroughput/MaxReadRequestUnits"),
        ("MaxWriteUnits", "6", "AWS::DynamoDB::Table", "OnDemandThroughput/MaxWriteRequestUnits"),
        ("LogRetentionDays", "7", "AWS::Logs::LogGroup", "RetentionInDays"),
        ("ReadThrottle", "7,8", STAGE, "MethodSettings/0/ThrottlingRateLimit"),
        ("RecordThrottle", "7,8", STAGE, "MethodSettings/1/ThrottlingRateLimit"),
        ("BatchThrottle", "7,8", STAGE, "MethodSettings/2/ThrottlingRateLimit"),
        ("ExportThrottle", "7,8", STAGE, "MethodSettings/3/ThrottlingRateLimit"),
        ("McpThrottle", "7,8", STAGE, "MethodSettings/4/ThrottlingRateLimit"),
    ],
)
def test_a_parameter_sets_every_resource_of_its_kind(
    deployed: Deployment, parameter: str, value: str, type_: str, path: str
) -> None:
    for name, setting in deployed.with_parameters(**{parameter: value}).of(type_).items():
        for step in path.split("/"):
            setting = setting[int(step) if step.isdigit() else step]
        assert setting == value.partition(",")[0], name


@pytest.mark.parametrize("days", ["30", "0", "365"])
def test_the_authorizer_knows_the_overlap_of_session_secrets(deployed: Deployment, days: str) -> None:
    template = deployed if days == "30" else deployed.with_parameters(SessionSecretOverlapDays=days)
    variables = template.of(FUNCTION)["AuthorizerFunction"]["Environment"]["Variables"]
    assert variables["SESSION_SECRET_OVERLAP_DAYS"] == days


# ── Questions ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_parameter_is_in_one_group(template: Any) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    listed = [name for group in groups for name in group["Parameters"]]

    assert sorted(listed) == sorted(template["Parameters"])
