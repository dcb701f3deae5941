"""Breaks each promise of the template in turn: the test that holds it must fail.

A mutation changes the transformed template, so it stands for every way in which somebody could have written it.
"""

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from typing import Any

import pytest

from local.responses import Refusal

from . import test_api, test_data, test_functions
from . import test_production as production
from .conftest import Deployment, deploy

type Mutate = Callable[[Any], None]
type Promise = Callable[..., None]


def the(path: str, value: Any = None) -> Mutate:
    """Set what a path such as `Resource/Properties/0/Name` names, or without a value remove it."""

    def mutate(document: Any) -> None:
        place = document["Resources"]
        *parents, last = path.split("/")
        for step in parents:
            place = place[_key(place, step)]
        key = _key(place, last, new=value is not None)
        if value is None:
            del place[key]
        else:
            place[key] = deepcopy(value)

    return mutate


def _key(place: Any, step: str, *, new: bool = False) -> Any:
    if isinstance(place, list):
        return int(step)
    if step.endswith("*"):
        [step] = [name for name in place if name.startswith(step[:-1])]
    if not new:
        assert step in place, f"there is no {step} to mutate"
    return step


def allow(role: str, action: Any, resource: Any) -> Mutate:
    """Allow a function one more action."""

    def mutate(document: Any) -> None:
        [policy] = document["Resources"][role]["Properties"]["Policies"]
        policy["PolicyDocument"]["Statement"].append({"Effect": "Allow", "Action": action, "Resource": resource})

    return mutate


def with_resource(type_: str, properties: Any) -> Mutate:
    """Add a resource."""

    def mutate(document: Any) -> None:
        document["Resources"]["Added"] = {"Type": type_, "Properties": properties}

    return mutate


def leads_to(function: str) -> Mutate:
    """Let a route lead to another function."""
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"

    def mutate(document: Any) -> None:
        paths = document["Resources"]["OutcomesApi"]["Properties"]["Body"]["paths"]
        paths["/api/outcomes"]["get"]["x-amazon-apigateway-integration"]["uri"] = uri

    return mutate


def without_alarm_metric(alarm: str, id_: str) -> Mutate:
    def mutate(document: Any) -> None:
        properties = document["Resources"][alarm]["Properties"]
        properties["Metrics"] = [metric for metric in properties["Metrics"] if metric["Id"] != id_]

    return mutate


def also_watching(group: str, alarm: str) -> Mutate:
    """Let a release be taken back by one more alarm."""

    def mutate(document: Any) -> None:
        configuration = document["Resources"][group]["Properties"]["AlarmConfiguration"]
        configuration["Fn::If"][1]["Alarms"].append({"Name": {"Ref": alarm}})

    return mutate


def log_also(variable: str) -> Mutate:
    def mutate(document: Any) -> None:
        setting = document["Resources"]["OutcomesApiStage"]["Properties"]["AccessLogSetting"]
        setting["Format"] = setting["Format"].replace('"caller"', f'"more": "{variable}", "caller"')

    return mutate


def authorizer_of(arn: str) -> Mutate:
    uri = {"Fn::Sub": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"}

    def mutate(document: Any) -> None:
        body = document["Resources"]["OutcomesApi"]["Properties"]["Body"]
        for scheme in body["components"]["securitySchemes"].values():
            scheme["x-amazon-apigateway-authorizer"]["authorizerUri"] = uri

    return mutate


def authorized_by(name: str, method: str, path: str) -> Mutate:
    """Let another authorizer be asked about a method."""

    def mutate(document: Any) -> None:
        operation = document["Resources"]["OutcomesApi"]["Properties"]["Body"]["paths"][path][method]
        operation["security"] = [{name: []}]

    return mutate


def preflights_say(old: str, new: str) -> Mutate:
    """Change the words of the mapping templates that answer preflights."""

    def mutate(document: Any) -> None:
        for path in document["Resources"]["OutcomesApi"]["Properties"]["Body"]["paths"].values():
            response = path["options"]["x-amazon-apigateway-integration"]["responses"]["default"]
            text = json.dumps(response["responseTemplates"])
            assert json.dumps(old)[1:-1] in text
            response["responseTemplates"] = json.loads(text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1]))

    return mutate


def preflights_without_conversion(what: str) -> Mutate:
    """Let bodies of preflights' requests or responses be binary."""

    def mutate(document: Any) -> None:
        for path in document["Resources"]["OutcomesApi"]["Properties"]["Body"]["paths"].values():
            integration = path["options"]["x-amazon-apigateway-integration"]
            del (integration if what == "requests" else integration["responses"]["default"])["contentHandling"]

    return mutate


TABLE = {"Fn::GetAtt": ["OutcomesTable", "Arn"]}
EVERY_FUNCTION = [
    *("Authorizer", "RecordOutcome", "RecordBatch", "ListOutcomes", "SummarizeOutcomes", "ExportOutcomes"),
    *("CorrectOutcome", "GetOutcome", "ManageKeys", "Mcp", "EraseUser", "ExportUser"),
]
EVERY_TABLE = ["OutcomesTable", "IdempotencyTable", "SessionsTable", "KeysTable", "TotalsTable", "ErasuresTable"]
EVERY_ALARM = list(production.ALARMS)
WORK = {
    name: partial(test_functions.test_a_function_may_do_only_what_it_needs, function=name)
    for name in test_functions.MAY
}
LOG_ROLE = {
    name: partial(test_functions.test_beside_that_a_function_only_writes_its_log_and_trace, function=name)
    for name in test_functions.MAY
}
RESTORE = {
    name: partial(test_data.test_a_table_costs_nothing_when_idle_and_can_be_restored, table=name)
    for name in EVERY_TABLE
}
EXPIRE = {name: partial(test_data.test_what_has_expired_is_deleted, table=name) for name in test_data.EXPIRY}

# What is taken away, how, and who must notice. These apply to a deployment with the defaults.
MUTATIONS: list[tuple[str, Mutate, Promise]] = [
    # 1. Least privilege
    ("a function may scan", allow("ListOutcomesFunctionRole", "dynamodb:Scan", TABLE), WORK["ListOutcomesFunction"]),
    (
        "who exports may get what is not asked for",
        allow("ExportOutcomesFunctionRole", "dynamodb:BatchGetItem", TABLE),
        WORK["ExportOutcomesFunction"],
    ),
    ("a function may do all", allow("RecordOutcomeFunctionRole", "dynamodb:*", TABLE), WORK["RecordOutcomeFunction"]),
    (
        "a function may write all",
        allow("RecordBatchFunctionRole", "dynamodb:PutItem", "*"),
        WORK["RecordBatchFunction"],
    ),
    (
        "the reader may write",
        allow("SummarizeOutcomesFunctionRole", "dynamodb:PutItem", TABLE),
        WORK["SummarizeOutcomesFunction"],
    ),
    (
        "a key may be put without its outcome",
        the("RecordOutcomeFunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition"),
        WORK["RecordOutcomeFunction"],
    ),
    (
        "a user's keys may be more than their row says",
        the("ManageKeysFunctionRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition"),
        WORK["ManageKeysFunction"],
    ),
    (
        "a key may go without its place in a row",
        the("ManageKeysFunctionRole/Properties/Policies/0/PolicyDocument/Statement/4/Condition"),
        WORK["ManageKeysFunction"],
    ),
    (
        "who manages keys may read outcomes",
        allow("ManageKeysFunctionRole", "dynamodb:Query", TABLE),
        WORK["ManageKeysFunction"],
    ),
    (
        "the authorizer may change what a key may do",
        the("AuthorizerFunctionRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition"),
        WORK["AuthorizerFunction"],
    ),
    (
        "the authorizer may change a key's secret",
        the(
            "AuthorizerFunctionRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition/ForAllValues:StringEquals",
            {"dynamodb:Attributes": ["id", "last_used_at", "secret_sha256"]},
        ),
        WORK["AuthorizerFunction"],
    ),
    (
        "the authorizer gets back what it may not read by attribute",
        the("AuthorizerFunctionRole/Properties/Policies/0/PolicyDocument/Statement/3/Condition/StringEqualsIfExists"),
        WORK["AuthorizerFunction"],
    ),
    (
        "a list of keys is remembered",
        authorized_by("Session", "get", "/api/keys"),
        test_api.test_only_reading_outcomes_uses_the_cached_authorizer,
    ),
    (
        "who reads one outcome may read what is remembered",
        allow("GetOutcomeFunctionRole", "dynamodb:BatchGetItem", {"Fn::GetAtt": ["IdempotencyTable", "Arn"]}),
        WORK["GetOutcomeFunction"],
    ),
    *(
        (
            f"a tool may write without the rest of its transaction ({statement})",
            the(f"McpFunctionRole/Properties/Policies/0/PolicyDocument/Statement/{statement}/Condition"),
            WORK["McpFunction"],
        )
        for statement in (0, 1, 4)
    ),
    ("a tool may delete", allow("McpFunctionRole", "dynamodb:DeleteItem", TABLE), WORK["McpFunction"]),
    (
        "the cached authorizer is asked who calls tools",
        authorized_by("Session", "post", "/mcp"),
        test_api.test_only_reading_outcomes_uses_the_cached_authorizer,
    ),
    (
        "a 401 does not say what to send",
        the(
            "OutcomesApi/Properties/Body/x-amazon-apigateway-gateway-responses/UNAUTHORIZED/responseParameters/"
            "gatewayresponse.header.WWW-Authenticate",
            "'Basic'",
        ),
        test_api.test_who_speaks_mcp_hears_in_the_401_what_to_send,
    ),
    *(
        (
            f"a failed tool is not noticed ({id_})",
            without_alarm_metric("ToolsFailedAlarm", id_),
            production.test_there_is_an_alarm_for_each_kind_of_trouble,
        )
        for id_ in ("failed", "throttled")
    ),
    (
        "an outcome may be moved without an entry",
        the("CorrectOutcomeFunctionRole/Properties/Policies/0/PolicyDocument/Statement/1/Condition"),
        WORK["CorrectOutcomeFunction"],
    ),
    (
        "an entry may be put without its outcome",
        the("CorrectOutcomeFunctionRole/Properties/Policies/0/PolicyDocument/Statement/2/Condition"),
        WORK["CorrectOutcomeFunction"],
    ),
    (
        "an entry may be deleted",
        allow("CorrectOutcomeFunctionRole", "dynamodb:DeleteItem", TABLE),
        WORK["CorrectOutcomeFunction"],
    ),
    (
        "erasing may put what it deletes",
        the("EraseUserFunctionRole/Properties/Policies/0/PolicyDocument/Statement/19/Condition"),
        WORK["EraseUserFunction"],
    ),
    (
        "a record of an erasure may go",
        the("EraseUserFunctionRole/Properties/Policies/0/PolicyDocument/Statement/5/Condition"),
        WORK["EraseUserFunction"],
    ),
    (
        "what writes out may delete",
        allow("ExportUserFunctionRole", "dynamodb:DeleteItem", TABLE),
        WORK["ExportUserFunction"],
    ),
    (
        "what writes out may read who was erased",
        allow("ExportUserFunctionRole", "dynamodb:Scan", {"Fn::GetAtt": ["ErasuresTable", "Arn"]}),
        WORK["ExportUserFunction"],
    ),
    *(
        (
            f"{name} has {type_}",
            with_resource(f"AWS::Lambda::{type_}", {key: {"Ref": name}}),
            production.test_nothing_leads_to_erasure_and_access_but_rights_in_the_account,
        )
        for name in sorted(test_functions.BY_RIGHTS_ONLY)
        for type_, key in (
            ("Permission", "FunctionName"),
            ("Url", "TargetFunctionArn"),
            ("EventSourceMapping", "FunctionName"),
        )
    ),
    (
        "a route leads to erasure",
        leads_to("EraseUserFunction"),
        production.test_nothing_leads_to_erasure_and_access_but_rights_in_the_account,
    ),
    (
        "an erasure that does not wait",
        the("EraseUserFunction/Properties/Environment/Variables/SETTLE_SECONDS", "600"),
        production.test_an_erasure_waits_until_whatever_was_let_in_before_has_been_written,
    ),
    (
        "a portion that is cut off",
        the("EraseUserFunction/Properties/Timeout", 40),
        production.test_a_call_gives_up_before_the_function_and_that_before_api_gateway,
    ),
    (
        "records of erasures expire",
        the("ErasuresTable/Properties/TimeToLiveSpecification", {"AttributeName": "done_at", "Enabled": True}),
        test_data.test_outcomes_and_records_of_erasures_never_expire,
    ),
    (
        "a short secret",
        the("ErasureSecret/Properties/GenerateSecretString/PasswordLength", 16),
        test_data.test_secrets_are_made_by_aws_and_are_long,
    ),
    *(
        (
            f"a failed portion is not noticed ({id_})",
            without_alarm_metric("ErasureAlarm", id_),
            production.test_no_function_and_no_call_of_a_table_is_overlooked,
        )
        for id_ in ("eraseErrors", "exportErrors", "eraseThrottles", "exportThrottles")
    ),
    (
        "every secret is open",
        allow("AuthorizerFunctionRole", "secretsmanager:GetSecretValue", "*"),
        WORK["AuthorizerFunction"],
    ),
    (
        "the authorizer may not read sessions",
        the("AuthorizerFunctionRole/Properties/Policies/0/PolicyDocument/Statement/1"),
        WORK["AuthorizerFunction"],
    ),
    (
        "every log is open",
        the("LogAndTrace/Properties/PolicyDocument/Statement/0/Resource", "*"),
        test_functions.test_what_all_may_do_is_to_write_their_log,
    ),
    (
        "anybody may be the function",
        the("ListOutcomesFunctionRole/Properties/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}),
        production.test_only_a_function_of_ours_may_be_a_function_s_role,
    ),
    (
        "every API may call",
        the("OutcomesApiSessionAuthorizerPermission/Properties/SourceArn", "*"),
        test_api.test_only_this_api_may_call_the_functions,
    ),
    (
        "every API may call, by alias",
        the("ListOutcomesFunctionListOutcomesPermissionStage/Properties/SourceArn", "*"),
        production.test_the_api_may_call_exactly_what_it_calls,
    ),
    (
        "a call past the alias is allowed",
        the("ListOutcomesFunctionListOutcomesPermissionStage/Properties/FunctionName", {"Ref": "ListOutcomesFunction"}),
        production.test_the_api_may_call_exactly_what_it_calls,
    ),
    (
        "an authorizer is called past its alias",
        authorizer_of("${AuthorizerFunction.Arn}"),
        production.test_the_api_may_call_exactly_what_it_calls,
    ),
    (
        "a permission before its alias",
        the("OutcomesApi/DependsOn"),
        production.test_what_may_be_called_is_there_before_it_is_allowed,
    ),
    *(
        (
            f"{spelling} is not looked for",
            preflights_say(f'header.get("{spelling}")', 'header.get("ORIGIN")'),
            partial(
                test_api.test_a_preflight_names_a_listed_origin_however_its_header_is_spelled,
                path="/api/outcomes",
                name=spelling,
                origin="https://app.example.com",
            ),
        )
        for spelling in ("Origin", "origin")
    ),
    (
        "bodies are text",
        the("OutcomesApi/Properties/Body/x-amazon-apigateway-binary-media-types", ["image/png"]),
        test_api.test_functions_get_every_byte_of_a_body,
    ),
    *(
        (
            f"{what} of preflights are binary",
            preflights_without_conversion(what),
            partial(
                test_api.test_a_preflight_names_a_listed_origin_however_its_header_is_spelled,
                path="/api/outcomes",
                name="origin",
                origin="https://app.example.com",
            ),
        )
        for what in ("requests", "responses")
    ),
    (
        "every origin is named",
        preflights_say("#if($allowed.contains($origin))", "#if(true)"),
        partial(
            test_api.test_a_preflight_names_no_other_origin,
            path="/api/outcomes",
            name="Origin",
            origin="https://evil.example.com",
        ),
    ),
    (
        "a header that is there is taken for an origin",
        preflights_say("#if(!$allowed.contains($origin))", "#if(!$origin)"),
        test_api.test_a_preflight_s_template_asks_of_nothing_whether_it_is_there,
    ),
    # 2. Data safety
    *(
        mutation
        for table in EVERY_TABLE
        for mutation in (
            (
                f"{table}: no restore",
                the(f"{table}/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", False),
                RESTORE[table],
            ),
            (f"{table}: no encryption", the(f"{table}/Properties/SSESpecification/SSEEnabled", False), RESTORE[table]),
            (f"{table}: paid when idle", the(f"{table}/Properties/BillingMode", "PROVISIONED"), RESTORE[table]),
            (
                f"{table}: deletable",
                the(f"{table}/Properties/DeletionProtectionEnabled", False),
                production.test_a_table_is_not_deleted_by_accident_nor_costs_without_bound,
            ),
            (
                f"{table}: no bound",
                the(f"{table}/Properties/OnDemandThroughput"),
                production.test_a_table_is_not_deleted_by_accident_nor_costs_without_bound,
            ),
        )
    ),
    ("sessions stay", the("SessionsTable/Properties/TimeToLiveSpecification/Enabled", False), EXPIRE["SessionsTable"]),
    (
        "keys stay",
        the("IdempotencyTable/Properties/TimeToLiveSpecification/Enabled", False),
        EXPIRE["IdempotencyTable"],
    ),
    (
        "agent keys stay",
        the("KeysTable/Properties/TimeToLiveSpecification/Enabled", False),
        EXPIRE["KeysTable"],
    ),
    (
        "agent keys go while they work",
        the("KeysTable/Properties/TimeToLiveSpecification/AttributeName", "created_at"),
        EXPIRE["KeysTable"],
    ),
    (
        "sums go",
        the("TotalsTable/Properties/TimeToLiveSpecification/AttributeName", "end"),
        EXPIRE["TotalsTable"],
    ),
    (
        "outcomes go",
        the("OutcomesTable/Properties/TimeToLiveSpecification", {"AttributeName": "expires_at", "Enabled": True}),
        test_data.test_outcomes_and_records_of_erasures_never_expire,
    ),
    # 3. Limits
    (
        "no throttle at all",
        the("OutcomesApiStage/Properties/MethodSettings/0"),
        production.test_each_method_is_throttled,
    ),
    (
        "no throttle of batches",
        the("OutcomesApiStage/Properties/MethodSettings/2"),
        production.test_each_method_is_throttled,
    ),
    (
        "no throttle of exports",
        the("OutcomesApiStage/Properties/MethodSettings/3"),
        production.test_each_method_is_throttled,
    ),
    (
        "no throttle of tools",
        the("OutcomesApiStage/Properties/MethodSettings/4"),
        production.test_each_method_is_throttled,
    ),
    (
        "a throttle of nothing",
        the("OutcomesApiStage/Properties/MethodSettings/1/ResourcePath", "/~1api~1outcome"),
        production.test_a_throttled_method_is_one_of_the_api_s,
    ),
    (
        "a reservation by default",
        the("ListOutcomesFunction/Properties/ReservedConcurrentExecutions", 5),
        production.test_nothing_is_reserved_unless_asked_for,
    ),
    *(
        (
            f"{name} outlives its caller",
            the(f"{name}Function/Properties/Timeout", 30),
            production.test_a_call_gives_up_before_the_function_and_that_before_api_gateway,
        )
        for name in EVERY_FUNCTION
    ),
    *(
        (
            f"{name} ends before its SDK",
            the(f"{name}Function/Properties/Timeout", 4),
            production.test_a_call_gives_up_before_the_function_and_that_before_api_gateway,
        )
        for name in EVERY_FUNCTION
    ),
    # 4. Seeing
    (
        "no access log",
        the("OutcomesApiStage/Properties/AccessLogSetting/DestinationArn", "arn:aws:logs:us-east-1:1:log-group:x"),
        production.test_every_call_is_logged_as_json_and_without_a_credential,
    ),
    (
        "keys in the log",
        log_also("$context.identity.apiKey"),
        production.test_every_call_is_logged_as_json_and_without_a_credential,
    ),
    (
        "addresses in the log",
        log_also("$context.identity.sourceIp"),
        production.test_every_call_is_logged_as_json_and_without_a_credential,
    ),
    (
        "a log for ever",
        the("AccessLogs/Properties/RetentionInDays"),
        production.test_every_function_logs_where_lines_are_not_kept_for_ever,
    ),
    (
        "a function's log for ever",
        the("FunctionLogs/Properties/RetentionInDays"),
        production.test_every_function_logs_where_lines_are_not_kept_for_ever,
    ),
    (
        "logs that Insights does not know",
        the("FunctionLogs/Properties/LogGroupName"),
        production.test_insights_knows_the_fields_of_functions_logs,
    ),
    (
        "a function logs elsewhere",
        the("RecordBatchFunction/Properties/LoggingConfig", {"LogGroup": "x"}),
        production.test_every_function_logs_where_lines_are_not_kept_for_ever,
    ),
    (
        "API Gateway may not log",
        the("ApiGatewayAccount/Properties/CloudWatchRoleArn", ""),
        production.test_api_gateway_can_write_its_log_before_there_is_a_stage,
    ),
    (
        "other APIs' logs end with the stack",
        the("ApiGatewayLogWriter/DeletionPolicy"),
        production.test_api_gateway_can_write_its_log_before_there_is_a_stage,
    ),
    (
        "the API is traced unasked",
        the("OutcomesApiStage/Properties/TracingEnabled", True),
        production.test_nothing_is_traced_unless_asked_for,
    ),
    (
        "a function is traced unasked",
        the("ListOutcomesFunction/Properties/TracingConfig/Mode", "Active"),
        production.test_nothing_is_traced_unless_asked_for,
    ),
    (
        "stacks mix their metrics",
        the("RecordOutcomeFunction/Properties/Environment/Variables/POWERTOOLS_METRICS_NAMESPACE", "Outcomes"),
        production.test_a_stack_s_metrics_do_not_mix_with_another_s,
    ),
    (
        "401s count as failures",
        the("AuthorizerFailures/Properties/FilterPattern", '{ $.refusal = "UNAUTHORIZED" }'),
        production.test_failures_of_the_authorizer_are_counted_and_not_its_401s,
    ),
    (
        "Busy takes releases back",
        the("ServerErrorsAlarm/Properties/Metrics/0/Expression", "IF(errors >= 3, 100 * errors / requests, 0)"),
        partial(production.test_answers_that_are_busy_are_no_server_errors, errors=50, busy=50, percent=0),
    ),
    (
        "totals that are still added up take releases back",
        the("SlowRequestsAlarm/Properties/Metrics/0/Expression", "latency"),
        partial(
            production.test_answers_that_are_busy_or_still_adding_up_are_no_slow_requests,
            latency=10_000,
            busy=1,
            requests=1,
            milliseconds=0,
        ),
    ),
    (
        "Busy hides that others are slow",
        the("SlowRequestsAlarm/Properties/Metrics/0/Expression", "IF(FILL(busy, 0) > 0, 0, latency)"),
        partial(
            production.test_answers_that_are_busy_or_still_adding_up_are_no_slow_requests,
            latency=5000,
            busy=1,
            requests=101,
            milliseconds=5000,
        ),
    ),
    (
        "Busy hides other errors",
        the("ServerErrorsAlarm/Properties/Metrics/0/Expression", "IF(FILL(busy, 0) == 0, 100 * errors / requests, 0)"),
        partial(production.test_answers_that_are_busy_are_no_server_errors, errors=53, busy=50, percent=3),
    ),
    (
        "Busy is a metric that nothing writes",
        the("ServerErrorsAlarm/Properties/Metrics/2/MetricStat/Metric/Dimensions", []),
        production.test_busy_is_what_the_functions_count_themselves,
    ),
    (
        "Busy is another stack's",
        the("SlowRequestsAlarm/Properties/Metrics/2/MetricStat/Metric/Namespace", "Outcomes/other"),
        production.test_busy_is_what_the_functions_count_themselves,
    ),
    *((f"no {name}", the(name), production.test_there_is_an_alarm_for_each_kind_of_trouble) for name in EVERY_ALARM),
    *(
        (
            f"{name} goes off below",
            the(f"{name}/Properties/ComparisonOperator", "LessThanThreshold"),
            production.test_there_is_an_alarm_for_each_kind_of_trouble,
        )
        for name in EVERY_ALARM
    ),
    *(
        (
            f"{name} when idle",
            the(f"{name}/Properties/TreatMissingData", "breaching"),
            production.test_an_alarm_is_silent_when_there_is_no_traffic,
        )
        for name in EVERY_ALARM
    ),
    (
        "the mean instead of p99",
        the("SlowRequestsAlarm/Properties/Metrics/1/MetricStat/Stat", "p50"),
        production.test_there_is_an_alarm_for_each_kind_of_trouble,
    ),
    (
        "an alarm on another API",
        the("SlowRequestsAlarm/Properties/Metrics/1/MetricStat/Metric/Dimensions/0/Value", "another"),
        production.test_an_alarm_looks_at_what_is_this_stack_s,
    ),
    (
        "an alarm on what nobody counts",
        the("AuthorizerFailuresAlarm/Properties/MetricName", "Failures"),
        production.test_an_alarm_looks_at_what_is_this_stack_s,
    ),
    (
        "a function is overlooked",
        without_alarm_metric("ThrottledAlarm", "listOutcomes"),
        production.test_no_function_and_no_call_of_a_table_is_overlooked,
    ),
    (
        "a table is overlooked",
        without_alarm_metric("TableErrorsAlarm", "sessionsGet"),
        production.test_no_function_and_no_call_of_a_table_is_overlooked,
    ),
    *(
        (
            f"a new {action} is overlooked",
            allow(role, f"dynamodb:{action}", TABLE),
            production.test_no_function_and_no_call_of_a_table_is_overlooked,
        )
        for role, action in (("ListOutcomesFunctionRole", "GetItem"), ("RecordOutcomeFunctionRole", "UpdateItem"))
    ),
    *(
        (
            f"{id_} is overlooked",
            without_alarm_metric("KeysTableErrorsAlarm", id_),
            production.test_no_function_and_no_call_of_a_table_is_overlooked,
        )
        for id_ in (
            *("keysGet", "keysBatchGet", "keysUpdate", "keysTransaction"),
            *("totalsQuery", "totalsPut", "totalsUpdate"),
        )
    ),
    (
        "a throttled table is overlooked",
        without_alarm_metric("TablesThrottledAlarm", "sessionsReads"),
        production.test_no_function_and_no_call_of_a_table_is_overlooked,
    ),
    (
        "a metric is not added",
        the("TablesThrottledAlarm/Properties/Metrics/0/Expression", "FILL(outcomesWrites, 0)"),
        production.test_an_alarm_adds_up_all_that_it_looks_at,
    ),
    ("no dashboard", the("Dashboard"), production.test_one_dashboard_shows_it_all),
    # 5. Releases
    (
        "an alias is gone",
        the("ListOutcomesFunctionAliaslive"),
        production.test_every_function_is_called_by_an_alias_that_a_release_moves,
    ),
    (
        "an alias moves by itself",
        the(
            "ListOutcomesFunctionAliaslive/UpdatePolicy",
            {"CodeDeployLambdaAliasUpdate": {"DeploymentGroupName": {"Ref": "x"}}},
        ),
        production.test_every_function_is_called_by_an_alias_that_a_release_moves,
    ),
    (
        "a dev stack waits",
        the(
            "ListOutcomesFunctionDeploymentGroup/Properties/DeploymentConfigName",
            "CodeDeployDefault.LambdaCanary10Percent30Minutes",
        ),
        production.test_a_dev_stack_deploys_at_once_whatever_its_alarms_say,
    ),
    (
        "a tag makes a version that is the old one",
        the("RecordOutcomeFunction/Properties/Tags", [{"Key": "team", "Value": "x"}]),
        production.test_nothing_makes_a_version_of_what_did_not_change,
    ),
    (
        "concurrency makes a version that is the old one",
        the("RecordOutcomeFunction/Properties/ReservedConcurrentExecutions", 5),
        production.test_nothing_makes_a_version_of_what_did_not_change,
    ),
]

# These apply to a deployment with everything on.
COMPLETE_MUTATIONS: list[tuple[str, Mutate, Promise]] = [
    (
        "a key's rotation changes no version",
        the("AuthorizerFunctionVersion*/Properties/Description", "the same"),
        production.test_a_change_of_any_parameter_is_a_new_version_of_every_function,
    ),
    (
        "a version is of a function that did not change",
        the("SummarizeOutcomesFunction/Properties/Environment/Variables/CONFIGURATION", "the same"),
        production.test_a_change_of_any_parameter_is_a_new_version_of_every_function,
    ),
    *(
        (
            f"AWS's own policy for {name}",
            the(f"{name}Role/Properties/ManagedPolicyArns/0", "arn:aws:iam::aws:policy/x"),
            promise,
        )
        for name, promise in LOG_ROLE.items()
    ),
    (
        "a writer without limit",
        the("RecordBatchFunction/Properties/ReservedConcurrentExecutions"),
        production.test_a_function_that_answers_calls_can_be_limited,
    ),
    (
        "the authorizer is the narrower",
        the("AuthorizerFunction/Properties/ReservedConcurrentExecutions", 5),
        production.test_the_authorizer_is_never_the_narrower,
    ),
    (
        "old TLS of the API",
        the("OutcomesApi/Properties/SecurityPolicy", "TLS_1_0"),
        production.test_tls_is_modern_by_whatever_name_the_api_is_called,
    ),
    (
        "a name that TLS was not opened for",
        the("OutcomesApi/Properties/EndpointAccessMode", "BASIC"),
        production.test_tls_is_modern_by_whatever_name_the_api_is_called,
    ),
    (
        "a firewall before nothing",
        the("FirewallAssociation/Properties/ResourceArn", "x"),
        production.test_the_firewall_stands_before_the_stage,
    ),
    ("no rate", the("Firewall/Properties/Rules/2"), production.test_the_firewall_bounds_what_one_address_may_ask),
    (
        "all addresses together",
        the("Firewall/Properties/Rules/2/Statement/RateBasedStatement/AggregateKeyType", "CONSTANT"),
        production.test_the_firewall_bounds_what_one_address_may_ask,
    ),
    (
        "a size below our cap",
        the(
            "Firewall/Properties/Rules/0/Statement/AndStatement/Statements/1/RegexMatchStatement/RegexString",
            "^[0-9]{6,}$",
        ),
        production.test_the_firewall_refuses_no_size_that_the_contract_takes,
    ),
    (
        "a batch size below our cap",
        the("Firewall/Properties/Rules/1/Statement/RegexMatchStatement/RegexString", "^[0-9]{7,}$"),
        production.test_the_firewall_refuses_no_size_that_the_contract_takes,
    ),
    (
        "no size",
        the("Firewall/Properties/Rules/0/Statement/AndStatement/Statements/1/RegexMatchStatement/RegexString", "^x$"),
        production.test_the_firewall_refuses_no_size_that_the_contract_takes,
    ),
    (
        "samples of headers",
        the("Firewall/Properties/Rules/0/VisibilityConfig/SampledRequestsEnabled", True),
        production.test_the_firewall_keeps_no_sample_of_what_callers_send,
    ),
    (
        "another shape",
        the("Firewall/Properties/CustomResponseBodies/TooMany/Content", "Too many"),
        partial(production.test_the_firewall_answers_in_our_shape, name="Rate"),
    ),
    (
        "a canary that looks at nothing",
        the("AuthorizerFunctionDeploymentGroup/Properties/AlarmConfiguration", {"Enabled": False, "Alarms": []}),
        production.test_a_release_in_steps_is_taken_back_when_an_alarm_goes_off_that_tells_of_releases,
    ),
    (
        "a user's hot partition takes a release back",
        also_watching("AuthorizerFunctionDeploymentGroup", "TablesThrottledAlarm"),
        production.test_a_release_in_steps_is_taken_back_when_an_alarm_goes_off_that_tells_of_releases,
    ),
    (
        "a canary all at once",
        the("AuthorizerFunctionDeploymentGroup/Properties/DeploymentConfigName", "CodeDeployDefault.LambdaAllAtOnce"),
        production.test_a_release_in_steps_is_taken_back_when_an_alarm_goes_off_that_tells_of_releases,
    ),
    (
        "no rollback",
        the("AuthorizerFunctionDeploymentGroup/Properties/AutoRollbackConfiguration/Events", []),
        production.test_a_release_in_steps_is_taken_back_when_an_alarm_goes_off_that_tells_of_releases,
    ),
    (
        "old TLS",
        the("Domain/Properties/SecurityPolicy", "TLS_1_0"),
        production.test_with_a_domain_the_api_is_there_and_nowhere_else,
    ),
    (
        "a way around the domain",
        the(
            "OutcomesApi/Properties/Body/servers/0/x-amazon-apigateway-endpoint-configuration/disableExecuteApiEndpoint",
            False,
        ),
        production.test_with_a_domain_the_api_is_there_and_nowhere_else,
    ),
    (
        "a domain of nothing",
        the("DomainMapping/Properties/Stage", "v2"),
        production.test_with_a_domain_the_api_is_there_and_nowhere_else,
    ),
    (
        "a name that leads elsewhere",
        the("DomainRecord/Properties/Name", "www.example.com"),
        production.test_the_domain_is_entered_into_a_hosted_zone,
    ),
]


def params(mutations: list[tuple[str, Mutate, Promise]]) -> list[Any]:
    return [pytest.param(mutate, promise, id=name) for name, mutate, promise in mutations]


@pytest.mark.parametrize(("mutate", "promise"), params(MUTATIONS))
def test_it_is_missed(deployed: Deployment, mutate: Mutate, promise: Promise) -> None:
    assert_missed(deployed, mutate, promise)


@pytest.mark.parametrize(("mutate", "promise"), params(COMPLETE_MUTATIONS))
def test_it_is_missed_where_everything_is_on(complete: Deployment, mutate: Mutate, promise: Promise) -> None:
    assert_missed(complete, mutate, promise)


@pytest.mark.parametrize("alarm", EVERY_ALARM)
def test_an_alarm_that_tells_nobody_is_missed(deployed: Deployment, complete: Deployment, alarm: str) -> None:
    mutated = complete.copy()
    the(f"{alarm}/Properties/AlarmActions", [])(mutated.document)

    with pytest.raises(AssertionError):
        production.test_an_alarm_tells_somebody_when_there_is_a_topic(mutated, deployed)


@pytest.mark.parametrize("resource", [*EVERY_TABLE, "SessionSecret", "WebhookSecret", "ErasureSecret", "FeedBucket"])
@pytest.mark.parametrize("policy", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_data_that_goes_with_the_stack_is_missed(template: Any, resource: str, policy: str) -> None:
    mutated = deepcopy(template)
    mutated["Resources"][resource][policy] = "Delete"

    with pytest.raises(AssertionError):
        test_data.test_what_holds_data_outlives_the_stack(mutated)


@pytest.mark.parametrize("resource", ["AuthorizerFunction", "ListOutcomesFunction", "CommonLayer"])
def test_a_layer_that_reaches_nobody_is_missed(template: Any, resource: str) -> None:
    mutated = deepcopy(template)
    properties = mutated["Resources"][resource]["Properties"]
    properties["AutoPublishAliasAllProperties" if "Function" in resource else "PublishLambdaVersion"] = False

    with pytest.raises(AssertionError):
        production.test_a_changed_layer_reaches_the_callers(mutated)


def assert_missed(template: Deployment, mutate: Mutate, promise: Promise) -> None:
    """Assert that a test passes as it is, and fails once mutated."""
    assert_kept(template, promise)
    mutated = template.copy()
    mutate(mutated.document)
    with pytest.raises((AssertionError, KeyError, ValueError, Refusal)):
        promise(**arguments(promise, mutated))


@cache
def assert_kept(template: Deployment, promise: Promise) -> None:
    """Assert that a test passes as it is, once for all mutations that it must notice."""
    promise(**arguments(promise, template))


def arguments(promise: Promise, template: Deployment) -> dict[str, Any]:
    """The fixtures that a promise asks for, all of this one deployment."""
    wanted = wanted_by(promise)
    given: dict[str, Any] = {name: template for name in ("deployed", "complete") if name in wanted}
    return given | ({"api": template.one("AWS::ApiGateway::RestApi")["Body"]} if "api" in wanted else {})


def wanted_by(promise: Promise) -> set[str]:
    function = promise.func if isinstance(promise, partial) else promise
    return set(function.__code__.co_varnames[: function.__code__.co_argcount])


def test_a_deployment_that_is_copied_is_left_as_it_was() -> None:
    original = deploy()
    the("Dashboard")(original.copy().document)

    assert "Dashboard" in original.document["Resources"]
