"""Plant faults in the template, one at a time.

Each fault is listed under the test that must notice it. The faults are planted after SAM's transform, so the wording of
the source does not matter.
"""

import json
from typing import Any

import pytest

from local.responses import Refusal
from ops.errors import StackError

from . import test_api, test_data, test_events, test_functions, test_webhooks
from . import test_capabilities as capabilities
from . import test_monitoring as monitoring
from . import test_production as production
from .conftest import Deployment
from .faults import RIGHTS, Plant, Promise, always, instead, keep, may, planted_in, plus, the

INTEGRATION, ANSWERS = "x-amazon-apigateway-integration", "OutcomesApi/Body/x-amazon-apigateway-gateway-responses"
OPTIONS = f"OutcomesApi/Body/paths/*/options/{INTEGRATION}"
LIST, AUTHORIZER = "ListOutcomesFunction", "AuthorizerFunctionRole"
SAYS = f"{OPTIONS}/responses/default/responseTemplates/application~1json/Fn::Join/1/2"
ALLOWS_TOKENS = f"{SAYS[:-1]}3"
SETTINGS, FORMAT = "OutcomesApiStage/MethodSettings", "OutcomesApiStage/AccessLogSetting/Format"
RELEASE = "AuthorizerFunctionDeploymentGroup"
INVOKES = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"
IDEMPOTENCY, ERASURES, KEYS, QUEUE = (
    {"Fn::GetAtt": [name, "Arn"]} for name in ("IdempotencyTable", "ErasuresTable", "KeysTable", "WebhooksQueue")
)
AUTHORIZERS = "OutcomesApi/Body/components/securitySchemes/*/x-amazon-apigateway-authorizer"
ENDPOINT = "OutcomesApi/Body/servers/0/x-amazon-apigateway-endpoint-configuration"
EXPIRES = {"AttributeName": "expires_at", "Enabled": True}
KEYS_ONLY = {"StreamViewType": "KEYS_ONLY"}

FAULTS: dict[Promise, dict[str, Plant]] = {
    # 1. Routes, and who may call them
    test_api.test_a_route_has_a_path_in_the_api_and_an_event_of_its_function: {
        "a route without its event": the("ManageKeysFunction/Events/RotateKey"),
        "an event without its route": the("OutcomesApi/DefinitionBody/paths/~1api~1keys~1{id}/delete"),
    },
    test_api.test_every_path_has_the_same_preflight: {
        "a path without a preflight": the("OutcomesApi/Body/paths/~1mcp/options"),
    },
    test_functions.test_a_function_may_do_only_what_it_needs: {
        "a function may scan": may("ListOutcomes", "dynamodb:Scan"),
        "who exports may get what is not asked for": may("ExportOutcomes", "dynamodb:BatchGetItem"),
        "a function may do all": may("RecordOutcome", "dynamodb:*"),
        "a function may write all": may("RecordBatch", "dynamodb:PutItem", "*"),
        "the reader may write": may("SummarizeOutcomes", "dynamodb:PutItem"),
        "the reader may change a day's costs": always("SummarizeOutcomes", 1, policy=1),
        "a key may be put without its outcome": always("RecordOutcome", 1),
        "a user's keys may be more than their row says": always("ManageKeys", 3),
        "a key may go without its place in a row": always("ManageKeys", 4),
        "who manages keys may read outcomes": may("ManageKeys", "dynamodb:Query"),
        "the authorizer may change what a key may do": always("Authorizer", 3),
        "the authorizer may change a key's secret": the(
            f"{AUTHORIZER}/{RIGHTS}/3/Condition/ForAllValues:StringEquals/dynamodb:Attributes", plus("secret_sha256")
        ),
        "the authorizer gets back what it may not read": always("Authorizer", 3, "Condition/StringEqualsIfExists"),
        "who reads one outcome may read what is remembered": may("GetOutcome", "dynamodb:BatchGetItem", IDEMPOTENCY),
        "a tool may write without the rest of its transaction (0)": always("Mcp", 0),
        "a tool may write without the rest of its transaction (1)": always("Mcp", 0, policy=1),
        "a tool may write without the rest of its transaction (2)": always("Mcp", 2),
        "a tool may delete": may("Mcp", "dynamodb:DeleteItem"),
        "an outcome may be moved without an entry": always("CorrectOutcome", 1),
        "an entry may be put without its outcome": always("CorrectOutcome", 2),
        "an entry may be deleted": may("CorrectOutcome", "dynamodb:DeleteItem"),
        "erasing may put what it deletes": always("EraseUser", 25),
        "a record of an erasure may go": always("EraseUser", 5),
        "what writes out may delete": may("ExportUser", "dynamodb:DeleteItem"),
        "what writes out may read who was erased": may("ExportUser", "dynamodb:Scan", ERASURES),
        "every secret is open": may("Authorizer", "secretsmanager:GetSecretValue", "*"),
        "the authorizer may not read sessions": the(f"AuthorizerFunctionRole/{RIGHTS}/1"),
        "every bus may be told": may("PublishEvents", "events:PutEvents", "*"),
        "outcomes may be changed": may("PublishEvents", "dynamodb:UpdateItem"),
        "keys may be read": may("PublishEvents", "dynamodb:GetItem", KEYS),
        "what is kept may be deleted": may("PublishEvents", "s3:DeleteObject", {"Fn::Sub": "${KeptEvents.Arn}/*"}),
        "another stream may be read": may("PublishEvents", "dynamodb:GetRecords", "*"),
        "the function may fill its queue": may("DeliverWebhook", "sqs:SendMessage", QUEUE),
        "the function may read sessions' secret": may(
            "DeliverWebhook", "secretsmanager:GetSecretValue", {"Ref": "SessionSecret"}
        ),
    },
    test_functions.test_a_function_may_besides_only_write_its_log_and_trace: {
        f"AWS's own policy for {name}": the(f"{name}Role/ManagedPolicyArns/0", "arn:aws:iam::aws:policy/x")
        for name in test_functions.MAY
    },
    test_functions.test_every_function_may_write_its_log: {
        "every log is open": the("LogAndTrace/PolicyDocument/Statement/0/Resource", "*"),
    },
    production.test_only_lambda_may_assume_a_functions_role: {
        "anybody may be the function": the(f"{LIST}Role/AssumeRolePolicyDocument/Statement/0/Principal", {"AWS": "*"}),
    },
    production.test_nothing_invokes_erasure_and_access_but_callers_with_rights: {
        **{
            f"{name} has {type_}": the(
                "Added", {"Type": f"AWS::Lambda::{type_}", "Properties": {argument: {"Ref": name}}}
            )
            for name in sorted(test_functions.BY_RIGHTS_ONLY)
            for type_, argument in (
                ("Permission", "FunctionName"),
                ("Url", "TargetFunctionArn"),
                ("EventSourceMapping", "FunctionName"),
            )
        },
        "a route leads to erasure": the(
            f"OutcomesApi/Body/paths/~1api~1outcomes/get/{INTEGRATION}/uri", INVOKES.format("EraseUserFunction")
        ),
    },
    production.test_the_api_may_call_exactly_its_integrations: {
        "every API may call, by alias": the("ListOutcomesFunctionListOutcomesPermissionStage/SourceArn", "*"),
        "a call past the alias is allowed": the(f"{LIST}ListOutcomesPermissionStage/FunctionName", {"Ref": LIST}),
        "an authorizer is called past its alias": the(
            f"{AUTHORIZERS}/authorizerUri", {"Fn::Sub": INVOKES.format("${AuthorizerFunction.Arn}")}
        ),
        "every API may call": the("OutcomesApiKeyOrSessionAuthorizerPermission/SourceArn", "*"),
    },
    production.test_an_alias_exists_before_its_permission: {
        "a permission before its alias": the("OutcomesApi/DependsOn"),
    },
    test_api.test_every_other_method_but_one_has_the_same_authorizer: {
        "everybody may list keys": the("OutcomesApi/Body/paths/~1api~1keys/get/security", []),
    },
    test_api.test_with_an_issuer_a_preflight_allows_the_authorization_header: {
        "pages cannot send a token": the(ALLOWS_TOKENS, ""),
    },
    test_api.test_a_401_tells_mcp_clients_to_send_a_bearer_token: {
        "a 401 does not say what to send": the(
            f"{ANSWERS}/UNAUTHORIZED/responseParameters/gatewayresponse.header.WWW-Authenticate", "'Basic'"
        ),
    },
    test_api.test_a_preflight_allows_a_listed_origin_in_either_spelling_of_the_header: {
        "Origin is not looked for": the(SAYS, instead('header.get("Origin")', 'header.get("ORIGIN")')),
        "origin is not looked for": the(SAYS, instead('header.get("origin")', 'header.get("ORIGIN")')),
        "requests of preflights are binary": the(f"{OPTIONS}/contentHandling"),
        "responses of preflights are binary": the(f"{OPTIONS}/responses/default/contentHandling"),
    },
    test_api.test_a_preflight_allows_no_other_origin: {
        "every origin is named": the(SAYS, instead("#if($allowed.contains($origin))", "#if(true)")),
    },
    test_api.test_a_preflight_template_never_tests_a_value_for_truth: {
        "a header that is there is taken for an origin": the(
            SAYS, instead("#if(!$allowed.contains($origin))", "#if(!$origin)")
        ),
    },
    test_api.test_functions_get_bodies_unchanged: {
        "bodies are text": the("OutcomesApi/Body/x-amazon-apigateway-binary-media-types", ["image/png"]),
    },
    # 2. Data safety
    test_data.test_a_table_is_billed_by_use_restorable_protected_and_bounded: {
        **{
            f"{table}: {fault}": the(f"{table}/{setting}", value)
            for table in test_data.TABLES
            for fault, setting, value in (
                ("no restore", "PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", False),
                ("backups of a day", "PointInTimeRecoverySpecification/RecoveryPeriodInDays", "1"),
                ("fixed days", "PointInTimeRecoverySpecification/RecoveryPeriodInDays", "35"),
                ("paid when idle", "BillingMode", "PROVISIONED"),
                ("KMS", "SSESpecification/SSEEnabled", True),
                ("deletable", "DeletionProtectionEnabled", False),
                ("no bound", "OnDemandThroughput", None),
            )
        },
        "a key of the account": the("CostsTable/SSESpecification/KMSMasterKeyId", "alias/outcomes"),
    },
    test_data.test_resources_with_data_are_retained: {
        f"{policy} of {resource}": the(f"{resource}/{policy}", "Delete")
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        for resource in (*test_data.TABLES, "SessionSecret", "WebhookSecret", "ErasureSecret", "FeedBucket")
    },
    test_data.test_only_rows_that_may_expire_are_deleted: {
        "sessions stay": the("SessionsTable/TimeToLiveSpecification/Enabled", False),
        "keys stay": the("IdempotencyTable/TimeToLiveSpecification/Enabled", False),
        "agent keys stay": the("KeysTable/TimeToLiveSpecification/Enabled", False),
        "agent keys go while they work": the("KeysTable/TimeToLiveSpecification/AttributeName", "created_at"),
        "sums go": the("TotalsTable/TimeToLiveSpecification/AttributeName", "end"),
        "outcomes go": the("OutcomesTable/TimeToLiveSpecification", EXPIRES),
        "records of erasures expire": the("ErasuresTable/TimeToLiveSpecification", EXPIRES),
    },
    test_data.test_secrets_are_generated_long_and_never_rotated: {
        "a short secret": the("ErasureSecret/GenerateSecretString/PasswordLength", 16),
    },
    production.test_an_erasure_waits_for_the_writes_of_earlier_calls: {
        "an erasure that does not wait": the("EraseUserFunction/Environment/Variables/SETTLE_SECONDS", "600"),
    },
    # 3. Limits
    production.test_methods_are_throttled_by_parameters_and_constants: {
        "no throttle at all": the(f"{SETTINGS}/0"),
        "no throttle of batches": the(f"{SETTINGS}/2"),
        "no throttle of exports": the(f"{SETTINGS}/3"),
        "no throttle of tools": the(f"{SETTINGS}/4"),
        "a throttle of nothing": the(f"{SETTINGS}/1/ResourcePath", "/~1api~1outcome"),
    },
    production.test_all_functions_of_the_api_but_the_authorizer_may_have_reserved_concurrency: {
        "a reservation by default": the("ListOutcomesFunction/ReservedConcurrentExecutions", 5),
        "a writer without limit": the("RecordBatchFunction/ReservedConcurrentExecutions"),
        "the authorizer is the narrower": the("AuthorizerFunction/ReservedConcurrentExecutions", 5),
    },
    production.test_calls_end_before_the_function_and_functions_before_api_gateway: {
        "a portion that is cut off": the("EraseUserFunction/Timeout", 40),
        **{
            f"{name.removesuffix('Function')} {fault}": the(f"{name}/Timeout", seconds)
            for name in test_functions.MAY
            if name not in {"PublishEventsFunction", "DeliverWebhookFunction"}
            for fault, seconds in (("outlives its caller", 30), ("ends before its SDK", 4))
        },
    },
    production.test_the_firewall_limits_the_rate_of_an_address: {
        "no rate": the("Firewall/Rules/2"),
        "all addresses together": the("Firewall/Rules/2/Statement/RateBasedStatement/AggregateKeyType", "CONSTANT"),
        "a firewall before nothing": the("FirewallAssociation/ResourceArn", "x"),
    },
    production.test_the_firewall_refuses_no_valid_size: {
        fault: the(f"Firewall/Rules/{rule}/RegexMatchStatement/RegexString", sizes)
        for fault, rule, sizes in (
            ("a size below our cap", "0/Statement/AndStatement/Statements/1", "^[0-9]{6,}$"),
            ("a batch size below our cap", "1/Statement", "^[0-9]{7,}$"),
            ("no size", "0/Statement/AndStatement/Statements/1", "^x$"),
        )
    },
    production.test_the_firewall_answers_in_our_shape_and_samples_no_requests: {
        "another shape": the("Firewall/CustomResponseBodies/TooMany/Content", "Too many"),
        "samples of headers": the("Firewall/Rules/0/VisibilityConfig/SampledRequestsEnabled", True),
    },
    # 4. Observability
    production.test_every_call_is_logged_as_json_and_without_a_credential: {
        "no access log": the("OutcomesApiStage/AccessLogSetting/DestinationArn", "arn:x"),
        "keys in the log": the(FORMAT, instead('"caller"', '"more": "$context.identity.apiKey", "caller"')),
        "addresses in the log": the(FORMAT, instead('"caller"', '"more": "$context.identity.sourceIp", "caller"')),
    },
    production.test_every_log_has_a_retention: {
        "a log for ever": the("AccessLogs/RetentionInDays"),
        "a function's log for ever": the("FunctionLogs/RetentionInDays"),
        "a function logs elsewhere": the("RecordBatchFunction/LoggingConfig", {"LogGroup": "x"}),
        "logs that Insights does not know": the("FunctionLogs/LogGroupName"),
    },
    production.test_api_gateway_can_log_before_the_stage_exists: {
        "API Gateway may not log": the("ApiGatewayAccount/CloudWatchRoleArn", ""),
        "other APIs' logs end with the stack": the("ApiGatewayLogWriter/DeletionPolicy"),
    },
    production.test_tracing_covers_the_stage_and_every_function_or_nothing: {
        "the API is traced unasked": the("OutcomesApiStage/TracingEnabled", True),
        "a function is traced unasked": the("ListOutcomesFunction/TracingConfig/Mode", "Active"),
    },
    monitoring.test_functions_count_for_this_stack_alone: {
        "stacks mix their metrics": the(
            "RecordOutcomeFunction/Environment/Variables/POWERTOOLS_METRICS_NAMESPACE", "Outcomes"
        ),
    },
    monitoring.test_log_lines_are_counted: {
        "401s count as failures": the("AuthorizerFailures/FilterPattern", '{ $.refusal = "UNAUTHORIZED" }'),
        "Busy takes releases back": the("ServerErrors/FilterPattern", '{ $.status = "5*" }'),
        "failed tools are no server errors": the("ToolsFailed/MetricTransformations/0/MetricName", "ToolsFailed"),
        "another stack's log": the("TooManyRequests/LogGroupName", "another"),
        "late webhooks are not counted": the("WebhooksLate/FilterPattern", '{ $.message = "Late" }'),
        "kept events are not counted": the("EventsKept/FilterPattern", '{ $.message = "Kept" }'),
    },
    monitoring.test_log_lines_are_counted_for_this_stack_alone: {
        "no value for minutes without Busy": the("BusyAnswers/MetricTransformations/0/DefaultValue"),
    },
    monitoring.test_three_server_errors_in_a_minute_count_by_their_share: {
        "one error rolls a release back": the("ServerErrorsAlarm/Metrics/0/Expression", "100 * errors / requests"),
    },
    monitoring.test_the_alarm_on_429_rings_above_a_twentieth_of_the_calls_of_five_minutes: {
        "a single 429 rings": the("ThrottledAlarm/Statistic", "Sum"),
        "five in a hundred are enough": the("ThrottledAlarm/Threshold", 0.04),
        "a minute is enough": the("ThrottledAlarm/Period", 60),
        "calls that were not refused do not count": the("OtherRequests"),
        "every call counts as refused": the("OtherRequests/MetricTransformations/0/MetricValue", "1"),
    },
    monitoring.test_busy_answers_are_no_slow_requests: {
        fault: the("SlowRequestsAlarm/Metrics/0/Expression", answer)
        for fault, answer in {
            "answers that are busy are slow ones": "latency",
            "Busy hides that others are slow": "IF(busy > 0, 0, latency)",
        }.items()
    },
    monitoring.test_full_monitoring_has_an_alarm_for_each_kind_of_trouble: {
        **{f"no {name}": the(name) for name in monitoring.FULL},
        **{
            f"{name} goes off below": the(f"{name}/ComparisonOperator", "LessThanThreshold") for name in monitoring.FULL
        },
        "the mean instead of p99": the("SlowRequestsAlarm/Metrics/1/MetricStat/Stat", "p50"),
        "the least age of events counts": the("EventsLateAlarm/Statistic", "Minimum"),
        "a set-aside webhook is noticed late": the("WebhooksSetAsideAlarm/EvaluationPeriods", 60),
    },
    monitoring.test_essential_monitoring_has_at_most_ten_alarm_metrics_and_no_dashboard: {
        "an alarm more by default": the("UserExportAlarm/Condition", "HasDataRequestAlarms"),
        "a dashboard by default": the("Dashboard/Condition"),
    },
    monitoring.test_without_monitoring_nothing_is_counted_and_no_alarm_goes_off: {
        "an alarm that nobody asked for": the("ThrottledAlarm/Condition"),
        "other calls are counted for nobody": the("OtherRequests/Condition"),
        "lines are counted for nobody": the("TooManyRequests/Condition"),
    },
    monitoring.test_no_alarm_gets_stuck_when_its_metric_has_no_data: {
        **{f"{name} when idle": the(f"{name}/TreatMissingData", "breaching") for name in monitoring.FULL},
        "FILL of what never was": the("SlowRequestsAlarm/Metrics/0/Expression", "IF(FILL(busy, 0) > 0, 0, latency)"),
        "an alarm on DynamoDB": the("BusyAlarm/Namespace", "AWS/DynamoDB"),
    },
    monitoring.test_an_alarm_notifies_the_address_and_the_topic: {
        **{f"{name} notifies nobody": the(f"{name}/AlarmActions", []) for name in monitoring.FULL},
        "nobody is subscribed": the("AlarmSubscription"),
        "another address": the("AlarmSubscription/Endpoint", "another@example.com"),
    },
    monitoring.test_only_alarms_of_this_stack_may_publish_to_its_topic: {
        "every alarm may publish": the("AlarmTopicPolicy/PolicyDocument/Statement/0/Condition"),
        "everybody may publish": the("AlarmTopicPolicy/PolicyDocument/Statement/0/Principal", "*"),
        "publishing without encryption": the("AlarmTopicPolicy/PolicyDocument/Statement/1"),
    },
    monitoring.test_an_alarm_looks_at_a_metric_of_this_stack: {
        "an alarm on another API": the("SlowRequestsAlarm/Metrics/1/MetricStat/Metric/Dimensions/0/Value", "another"),
        "an alarm on what nobody counts": the("AuthorizerFailuresAlarm/MetricName", "Failures"),
        "an alarm on another stack's metric": the("ThrottledAlarm/Namespace", "Outcomes/other"),
        "an alarm on another queue": the(
            "WebhooksSetAsideAlarm/Dimensions/0/Value", {"Fn::GetAtt": ["WebhooksQueue", "QueueName"]}
        ),
        "an alarm on another function": the("ErasureAlarm/Dimensions/0/Value", {"Ref": "ExportUserFunction"}),
    },
    monitoring.test_an_alarm_computes_with_all_its_metrics: {
        "a metric is not computed with": the("SlowRequestsAlarm/Metrics/0/Expression", "latency"),
    },
    monitoring.test_the_dashboard_shows_all_alarms_and_what_is_on: {"no dashboard": the("Dashboard")},
    capabilities.test_a_switch_that_is_off_leaves_nothing_and_no_reference_dangles: {
        **{
            f"{resource} whatever is off": the(f"{resource}/Condition")
            for resource in (
                *("RecordBatchFunction", "SummarizeOutcomesFunctionRole", "ManageKeysFunctionAliaslive"),
                *(
                    "GetOutcomeFunctionVersion*",
                    "ErasureSecret",
                    "McpFunction",
                    "WebhookRule",
                    "FeedBucket",
                    "Firewall",
                ),
            )
        },
        "a route of what is off": the("OutcomesApi/Body/paths/~1api~1keys", lambda route: route["Fn::If"][1]),
        "a header of what is off": the(ALLOWS_TOKENS, ",Authorization"),
        "a throttle of what is off": the(f"{SETTINGS}/3", lambda setting: setting["Fn::If"][1]),
        "a right to what is off": may("ListOutcomes", "dynamodb:Query", {"Fn::GetAtt": ["ErasureSecret", "Arn"]}),
        "a stream for nobody": the("KeysTable/StreamSpecification", KEYS_ONLY),
    },
    capabilities.test_a_capability_that_is_off_has_no_function_and_no_route: {
        "a route goes with another capability": the(
            "OutcomesApi/Body/paths/~1api~1keys~1self", lambda route: {"Fn::If": ["HasTotals", *route["Fn::If"][1:]]}
        ),
    },
    capabilities.test_new_keys_may_have_only_scopes_whose_capability_is_on: {
        "keys may have every scope": the(
            "ManageKeysFunction/Environment/Variables/SCOPES", "record,read,correct,backfill,cost"
        ),
    },
    capabilities.test_without_agent_keys_the_authorizer_may_not_read_them: {
        "keys that are off may be read": the(f"{AUTHORIZER}/{RIGHTS}/2", lambda choice: choice["Fn::If"][1]),
    },
    capabilities.test_tools_have_rights_only_for_what_is_on: {
        f"a tool keeps a right to {what} that are off": the(
            f"McpFunctionRole/Policies/{policy}", lambda policy: policy["Fn::If"][1]
        )
        for policy, what in ((1, "corrections"), (2, "totals"))
    },
    capabilities.test_every_role_has_the_path_and_boundary_of_the_parameters: {
        **{
            f"{role} without {setting}": the(f"{role}/{setting}")
            for role in ("McpFunctionRole", "ReleaseRole", "ApiGatewayLogWriter")
            for setting in ("Path", "PermissionsBoundary")
        },
        "a release by another role": the(f"{RELEASE}/ServiceRoleArn", "CodeDeployServiceRole"),
    },
    # 5. Releases
    production.test_a_change_of_any_parameter_is_a_new_version_of_every_function: {
        "a key's rotation changes no version": the("AuthorizerFunctionVersion*/Description", "the same"),
        "a version is of a function that did not change": the(
            "SummarizeOutcomesFunction/Environment/Variables/CONFIGURATION", "the same"
        ),
    },
    production.test_an_unchanged_function_gets_no_version: {
        "a tag makes a version that is the old one": the("RecordOutcomeFunction/Tags", [{"Key": "team", "Value": "x"}]),
        "concurrency makes a version that is the old one": the("RecordOutcomeFunction/ReservedConcurrentExecutions", 5),
    },
    production.test_a_changed_layer_makes_new_versions: {
        f"a layer that reaches nobody: {resource}": the(f"{resource}/{setting}", False)
        for resource, setting in {
            "AuthorizerFunction": "AutoPublishAliasAllProperties",
            "ListOutcomesFunction": "AutoPublishAliasAllProperties",
            "CommonLayer": "PublishLambdaVersion",
        }.items()
    },
    production.test_every_function_is_called_by_an_alias_that_a_release_moves: {
        "an alias is gone": the("ListOutcomesFunctionAliaslive"),
        "an alias moves by itself": the(
            "ListOutcomesFunctionAliaslive/UpdatePolicy/CodeDeployLambdaAliasUpdate",
            {"DeploymentGroupName": {"Ref": "x"}},
        ),
    },
    production.test_a_dev_stack_deploys_at_once_and_ignores_alarms: {
        "a dev stack waits": the(
            "ListOutcomesFunctionDeploymentGroup/DeploymentConfigName",
            "CodeDeployDefault.LambdaCanary10Percent30Minutes",
        ),
    },
    production.test_a_gradual_release_rolls_back_on_release_alarms: {
        "a canary that looks at nothing": the(f"{RELEASE}/AlarmConfiguration", {"Enabled": False, "Alarms": []}),
        "a user's hot partition takes a release back": the(
            f"{RELEASE}/AlarmConfiguration/Fn::If/1/Alarms", plus({"Name": {"Ref": "BusyAlarm"}})
        ),
        "a canary all at once": the(f"{RELEASE}/DeploymentConfigName", "CodeDeployDefault.LambdaAllAtOnce"),
        "no rollback": the(f"{RELEASE}/AutoRollbackConfiguration/Events", []),
        "alarms that cannot be switched off": the(f"{RELEASE}/AlarmConfiguration", lambda choice: choice["Fn::If"][1]),
        "all at once without alarms": the(f"{RELEASE}/DeploymentConfigName", "CodeDeployDefault.LambdaAllAtOnce"),
    },
    # 6. Domain names
    production.test_tls_is_modern_for_both_hosts_of_the_api: {
        "old TLS": the("Domain/SecurityPolicy", "TLS_1_0"),
        "old TLS of the API": the("OutcomesApi/SecurityPolicy", "TLS_1_0"),
        "a name that TLS was not opened for": the("OutcomesApi/EndpointAccessMode", "BASIC"),
    },
    production.test_with_a_domain_the_api_answers_nowhere_else: {
        "a way around the domain": the(f"{ENDPOINT}/disableExecuteApiEndpoint", False),
        "a domain of nothing": the("DomainMapping/Stage", "v2"),
    },
    production.test_the_domain_gets_a_record_in_the_hosted_zone: {
        "a name that leads elsewhere": the("DomainRecord/Name", "www.example.com"),
    },
    # 7. Events
    test_events.test_only_the_tables_of_outcomes_keys_statements_and_costs_have_streams: {
        f"{table} streams keys alone": the(f"{table}/StreamSpecification", KEYS_ONLY)
        for table in ("OutcomesTable", "KeysTable", "SessionsTable")
    },
    test_events.test_failed_records_are_retried_for_12_hours_then_written_to_the_bucket: {
        f"{source}: {setting} {value}": the(f"{source}/{setting}", value)
        for source in test_events.STREAMS
        for setting, value in (
            ("StartingPosition", "LATEST"),
            ("FunctionName", {"Ref": "PublishEventsFunction"}),
            ("FunctionResponseTypes", None),
            ("BisectBatchOnFunctionError", False),
            ("MaximumRetryAttempts", 3),
            ("MaximumRecordAgeInSeconds", 60),
            ("DestinationConfig", None),
        )
    },
    test_events.test_the_bucket_of_events_is_private_and_expires: {
        **{
            f"kept: {setting}": the(f"KeptEvents/{setting}", value)
            for setting, value in (
                ("PublicAccessBlockConfiguration/BlockPublicPolicy", False),
                ("BucketEncryption", None),
                ("LifecycleConfiguration", None),
                ("LifecycleConfiguration/Rules/0/ExpirationInDays", 3650),
                ("LifecycleConfiguration/Rules/0/Status", "Disabled"),
            )
        },
        "kept, and read in the clear": the("KeptEventsPolicy"),
    },
    test_events.test_the_function_of_events_has_time_for_its_last_call: {
        "too little time": the("PublishEventsFunction/Timeout", 12),
    },
    # 8. Webhooks
    test_webhooks.test_the_rule_matches_this_stacks_events_alone: {
        "events of other accounts": the("WebhookRule/EventPattern/account"),
        "events of others": the("WebhookRule/EventPattern/source"),
        "another bus": the("WebhookRule/EventBusName", "default"),
        "types that nobody chose": the("WebhookRule/EventPattern/detail-type", ["outcome.recorded"]),
        "an event may be lost": the("WebhookRule/Targets/0/DeadLetterConfig"),
    },
    test_webhooks.test_only_the_rule_may_send_to_the_queues: {
        "every rule is signed": the("WebhookQueuesPolicy/PolicyDocument/Statement/0/Condition"),
        "without TLS": the("WebhookQueuesPolicy/PolicyDocument/Statement/1"),
        "anybody is signed": the(
            "WebhookQueuesPolicy/PolicyDocument/Statement",
            plus({"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"}),
        ),
    },
    test_webhooks.test_queues_are_encrypted_and_take_the_largest_event_in_its_envelope: {
        "WebhooksQueue: not encrypted": the("WebhooksQueue/SqsManagedSseEnabled", False),
        "DeadWebhooksQueue: not encrypted": the("DeadWebhooksQueue/SqsManagedSseEnabled", False),
        "a large event is too large": the("WebhooksQueue/MaximumMessageSize", 262_144),
    },
    test_webhooks.test_a_message_outlives_its_attempts_then_goes_to_the_dead_letter_queue: {
        "nothing is set aside": the("WebhooksQueue/RedrivePolicy"),
        "set aside too soon": the("WebhooksQueue/RedrivePolicy/maxReceiveCount", 3),
        "lost while it waits": the("WebhooksQueue/MessageRetentionPeriod", 345_600),
        "lost when set aside": the("DeadWebhooksQueue/MessageRetentionPeriod", 345_600),
    },
    test_webhooks.test_each_message_is_delivered_and_reported_alone: {
        "one holds up others": the("DeliverWebhookFunctionWebhooks/BatchSize", 10),
        "what failed is deleted": the("DeliverWebhookFunctionWebhooks/FunctionResponseTypes"),
        "a thousand at once": the("DeliverWebhookFunctionWebhooks/ScalingConfig"),
    },
    test_webhooks.test_a_message_is_hidden_longer_than_an_attempt_takes: {
        "cut off by Lambda": the("DeliverWebhookFunction/Timeout", 24),
        "delivered twice at once": the("WebhooksQueue/VisibilityTimeout", 30),
    },
    test_webhooks.test_the_generated_secret_fits_standard_webhooks: {
        "a secret that everybody knows": the("WebhookSecret/SecretString", "whsec_x"),
        "a secret that is no Base64": the("WebhookSecret/GenerateSecretString/ExcludePunctuation", False),
    },
}


@pytest.fixture(scope="session")
def templates(template: Any, complete: Deployment, deployed: Deployment) -> dict[str, Any]:
    return {"complete": complete, "template": template, "deployed": deployed}


@pytest.mark.parametrize("promise", FAULTS, ids=lambda promise: promise.__name__)
def test_each_planted_fault_is_noticed(promise: Promise, templates: dict[str, Any]) -> None:
    try:
        keep(promise, templates)
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - whatever it is, pytest says it of the test itself
        pytest.skip("this test fails without a fault, and says why")
    fates = {name: fate(promise, plant, templates) for name, plant in FAULTS[promise].items()}
    unnoticed = [f"{name}: {what}" for name, what in fates.items() if what != "noticed"]
    assert not unnoticed, "\n".join(unnoticed)


def fate(promise: Promise, plant: Plant, templates: dict[str, Any]) -> str:
    """Plant a fault. Return whether the test `promise` notices it, or the error that prevents an answer."""
    try:
        planted = planted_in(promise, templates, plant)
        with pytest.raises((AssertionError, KeyError, ValueError, Refusal, StackError, pytest.fail.Exception)):
            keep(promise, planted)
    except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - reported with the name of the fault
        return repr(error)
    return "noticed"


def test_planting_a_fault_leaves_the_template_unchanged(complete: Deployment) -> None:
    resources = complete.document["Resources"]
    before = json.dumps(resources)
    the("Dashboard")(resources)
    the("KeysTable/SSESpecification/SSEEnabled", True)(resources)

    assert json.dumps(resources) == before
