"""Test the capabilities' switches in combinations: a capability that is off deploys nothing."""

import json
import re
import tomllib
from itertools import combinations
from typing import Any

import pytest

from ops.template import declared_calls, pairs
from release.contract.source import template as committed

from .conftest import EVERYTHING, ROOT, Deployment, deploy
from .test_functions import functions, statements

# Each switch, and a pattern that matches the names of its resources, routes, permissions and outputs. The first ten
# are the capabilities, in the order of the parameters.
SWITCHES = {
    "Batch": "RecordBatch|outcomes(/|~1)batch",
    "Totals": "Summarize|outcomes/summary",
    "AgentKeys": "ManageKeys|/api/keys",
    "Corrections": "CorrectOutcome|GetOutcome|outcomes/{id}",
    "Export": "ExportOutcomes|outcomes(/|~1)export",
    "DataRequests": "EraseUser|ExportUser|ErasureSecret|ErasureAlarm",
    "ModelTools": "Mcp|(/|~1)mcp|Tools",
    "Statements": "StatementsFunction|StatementKeys|StatementSecret|api(/|~1)statements|well-known",
    "Costs": "CostsFunction|api(/|~1)costs",
    "Definitions": "DefinitionsFunction|TryDefinition|api(/|~1)definitions",
    "Watches": "(Evaluate)?WatchesFunction|api(/|~1)watches",
    "EventBusName": "PublishEvents|KeptEvents|EventsLate|Events published|events:PutEvents|StreamViewType",
    "WebhookUrl": "Webhook",
    "HostDashboard": "Feed|CloudFront",
    "OidcIssuer": "login.example.com|,Authorization",
    "FirewallRequests": "WAFv2",
    "DomainName": "ApiGateway::DomainName|api.example.com",
    "HostedZoneId": "Route53",
    "Tracing": "xray:",
    "AlarmEmail": "SNS::|oncall@",
    "Monitoring": "CloudWatch::|Logs::MetricFilter",
}
CAPABILITIES = [*SWITCHES][:10]
API = "AWS::ApiGateway::RestApi"
NEEDS = {"AlarmEmail": "Monitoring", "WebhookUrl": "EventBusName", "HostedZoneId": "DomainName"}
GIVEN = EVERYTHING | {
    "DashboardCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/value",
    "DashboardHost": "value.example.com",
}
OFF = dict.fromkeys([*CAPABILITIES, "Watches"], "Off") | {
    "Monitoring": "Off",
    "HostDashboard": "false",
    "FirewallRequests": "0",
}


def positions() -> list[set[str]]:
    """Return eight sets of switches to turn on, for pairwise testing: two switches have all four combinations.

    Each switch is in three sets: the first set, and a pair of sets that differs from the pair of every other switch. So
    two switches are both on in the first set. Each of them is on in a set where the other is off. Both are off in at
    least three sets.
    """
    rows: list[set[str]] = [set() for _ in range(8)]
    for switch, (one, other) in zip(SWITCHES, combinations(range(1, 8), 2), strict=False):
        for row in (0, one, other):
            rows[row].add(switch)
    return rows


def switched(complete: Deployment, on: set[str]) -> Deployment:
    """Return the template with these switches on and all others off."""
    off = {switch: OFF.get(switch, "") for switch in SWITCHES.keys() - on}
    off |= {"Tracing": "PassThrough"} if "Tracing" in off else {}
    return complete.with_parameters(**off)


def resolved(template: Deployment) -> Any:
    """Resolve all resources and outputs that exist.

    Raises StackError if one of them refers to a resource that does not exist.
    """
    document = template.document
    existing = {name: part for name, part in document["Resources"].items() if template._exists(part)}
    for name, resource in existing.items():
        wanted = resource.get("DependsOn", [])
        assert {wanted} if isinstance(wanted, str) else set(wanted) <= existing.keys(), name
    outputs = {name: part["Value"] for name, part in document["Outputs"].items() if template._exists(part)}
    return template.resolve(
        {
            name: {key: part for key, part in resource.items() if key in ("Type", "Properties", "UpdatePolicy")}
            for name, resource in existing.items()
        }
    ), template.resolve(outputs)


def test_each_pair_of_switches_is_tried_in_each_pair_of_positions() -> None:
    rows = positions()
    for pair in combinations(SWITCHES, 2):
        assert len({tuple(switch in on for switch in pair) for on in rows}) == 4, pair


@pytest.mark.parametrize("monitoring", ["Essential", "Full"])
@pytest.mark.parametrize("row", range(8))
def test_a_switch_that_is_off_leaves_nothing_and_no_reference_dangles(
    complete: Deployment, row: int, monitoring: str
) -> None:
    on = positions()[row]
    template = switched(complete.with_parameters(Monitoring=monitoring), on)
    text = re.sub(r'"[A-Za-z]*Description": "[^"]*"', "", json.dumps(resolved(template)))

    left = {switch for switch, known_by in SWITCHES.items() if re.search(known_by, text)}
    assert left == {switch for switch in on if NEEDS.get(switch, switch) in on}


def routes(template: Deployment) -> set[str]:
    return {f"{path} {method}" for path, methods in template.one(API)["Body"]["paths"].items() for method in methods}


@pytest.mark.parametrize("off", CAPABILITIES)
def test_a_capability_that_is_off_has_no_function_and_no_route(deployed: Deployment, off: str) -> None:
    template = deployed.with_parameters(**{off: "Off"})
    names = ", ".join(name.lower() for name in CAPABILITIES if name != off)

    assert functions(deployed).keys() - functions(template).keys() == {
        each for each in functions(deployed) if re.search(SWITCHES[off], each)
    }
    paths = {call.path for call in declared_calls(committed()) if call.capability == off}
    assert routes(deployed) - routes(template) == {each for each in routes(deployed) if each.split()[0] in paths}
    assert variable(template, "ListOutcomesFunction", "CAPABILITIES") == names
    if off != "ModelTools":
        assert variable(template, "McpFunction", "CAPABILITIES") == names


@pytest.mark.parametrize("off", [*combinations(CAPABILITIES, 2)])
def test_new_keys_may_have_only_scopes_whose_capability_is_on(deployed: Deployment, off: tuple[str, ...]) -> None:
    if "AgentKeys" not in off:
        template = deployed.with_parameters(**dict.fromkeys(off, "Off"))
        without = {{"Corrections": "correct", "Costs": "cost"}.get(name) for name in off}
        scopes = [scope for scope in ("record", "read", "correct", "backfill", "cost") if scope not in without]
        assert variable(template, "ManageKeysFunction", "SCOPES") == ",".join(scopes)


def variable(template: Deployment, function: str, name: str) -> Any:
    return functions(template)[function]["Environment"]["Variables"][name]


# ── The core ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def core() -> Deployment:
    """Return the template, transformed with the parameters of the environment `core` in samconfig.toml."""
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["core"]["deploy"]["parameters"]
    return deploy(**{name: value for name, value in pairs(settings["parameter_overrides"]).items() if value})


def test_the_core_has_three_functions_two_paths_and_every_table(
    template: Any, core: Deployment, deployed: Deployment
) -> None:
    assert functions(core).keys() == {"AuthorizerFunction", "ListOutcomesFunction", "RecordOutcomeFunction"}
    assert variable(core, "ListOutcomesFunction", "CAPABILITIES") == ""
    assert core.one(API)["Body"]["paths"].keys() == {"/api/outcomes", "/api/outcomes/types"}
    assert core.resources("AWS::DynamoDB::Table").keys() == deployed.resources("AWS::DynamoDB::Table").keys()
    assert core.resources("AWS::SecretsManager::Secret").keys() == {"SessionSecret"}
    assert sum(core._exists(resource) for resource in template["Resources"].values()) <= 24
    assert resolved(core)


def test_sams_transform_does_not_depend_on_switches(core: Deployment, complete: Deployment) -> None:
    """SAM leaves the evaluation of conditions to CloudFormation.

    So one transformed template is enough to test every combination of switches.
    """

    def conditions(template: Deployment) -> set[tuple[str, str | None]]:
        resources = template.document["Resources"].items()
        return {(re.sub("[0-9a-f]{10}$", "", name), each.get("Condition")) for name, each in resources}

    assert conditions(core) == conditions(complete)


# ── Rights ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_agent_keys_the_authorizer_may_not_read_them(deployed: Deployment) -> None:
    template = deployed.with_parameters(AgentKeys="Off")

    assert variable(template, "AuthorizerFunction", "KEYS_TABLE") == ""
    assert not [each for each in statements(template, "AuthorizerFunction") if "KeysTable" in each["Resource"]]


def test_tools_have_rights_only_for_what_is_on(deployed: Deployment) -> None:
    without_totals = deployed.with_parameters(Totals="Off")
    without_corrections = deployed.with_parameters(Corrections="Off", Definitions="Off")

    assert not [each for each in statements(without_totals, "McpFunction") if "TotalsTable" in each["Resource"]]
    outcomes = [each for each in statements(without_corrections, "McpFunction") if "Outcomes" in each["Resource"]]
    assert {each["Action"] for each in outcomes} == {"dynamodb:PutItem", "dynamodb:Query"}


# ── Combinations that make no sense ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answers", "refused"),
    [
        ("", None),
        ("Monitoring=Off", None),
        ("Deployment", None),
        ("Deployment Monitoring=Off", "A gradual Deployment needs Monitoring"),
        ("AlarmTopicArn Monitoring=Off", "An AlarmTopicArn needs Monitoring"),
        ("AlarmEmail Monitoring=Off", "An AlarmEmail needs Monitoring"),
        ("DomainName CertificateArn", None),
        ("DomainName", "A DomainName needs a CertificateArn"),
        ("CertificateArn", "A CertificateArn and a HostedZoneId need a DomainName"),
        ("HostedZoneId", "A CertificateArn and a HostedZoneId need a DomainName"),
        ("DashboardHost DashboardCertificateArn", None),
        ("DashboardHost", "A DashboardHost needs a DashboardCertificateArn"),
        ("DashboardCertificateArn", "A DashboardCertificateArn needs a DashboardHost"),
        ("WebhookUrl", "A WebhookUrl needs an EventBusName"),
        ("WebhookUrl EventBusName", None),
        ("WebhookTypes=outcome.recorded", "WebhookTypes need a WebhookUrl"),
        ("OidcIssuer", "An OidcIssuer needs an OidcAudience"),
        ("OidcAudience", "An OidcAudience and an OidcCookie need an OidcIssuer"),
        ("OidcCookie", "An OidcAudience and an OidcCookie need an OidcIssuer"),
        ("OidcIssuer OidcAudience OidcCookie", None),
        ("Configuration=", "Deploy with `make deploy`"),
        ("Totals=Off", "Definitions need Totals"),
        ("Totals=Off Definitions=Off", None),
        ("Watches", "Watches need an EventBusName"),
        ("Watches EventBusName Totals=Off Definitions=Off", "Watches need Totals"),
        ("Watches EventBusName", None),
    ],
)
def test_a_senseless_combination_is_refused_with_a_sentence(
    deployed: Deployment, answers: str, refused: str | None
) -> None:
    parts = [answer.partition("=") for answer in answers.split()]
    template = deployed.with_parameters(**{name: value if equals else GIVEN[name] for name, equals, value in parts})
    sentences = template.broken_rules.values()
    assert [sentence.startswith(str(refused)) for sentence in sentences] == ([True] if refused else [])


def test_no_rule_refuses_what_the_runbook_deploys_without_events(deployed: Deployment) -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    told = re.findall(r"deploy with ([^|]*?) empty(?: and `Watches=(Off)`)?", runbook)
    assert len(told) == 2
    for emptied, watches in told:
        empty = dict.fromkeys(re.findall(r"`(\w+)`", emptied), "")
        given = GIVEN | {"WebhookTypes": "outcome.recorded"} | empty | ({"Watches": watches} if watches else {})
        assert deployed.with_parameters(**given).broken_rules == {}, emptied


def test_rules_use_only_functions_that_cloudformation_knows_in_rules(deployed: Deployment) -> None:
    """Another one makes the template invalid, which neither SAM nor cfn-lint says.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-rules.html
    """
    used = {*re.findall('"(Fn::[A-Za-z]+)":', json.dumps(deployed.document["Rules"]))}

    assert used <= {
        f"Fn::{name}" for name in ("And", "Contains", "EachMemberEquals", "EachMemberIn", "Equals", "Not", "Or")
    }


# ── Roles ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_role_has_the_path_and_boundary_of_the_parameters(complete: Deployment) -> None:
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    bounded = complete.with_parameters(PermissionsBoundary=boundary, RolePath="/applications/")
    roles = bounded.of("AWS::IAM::Role")

    # The template has a role for CodeDeploy. SAM would add another one, without this path and boundary.
    assert "CodeDeployServiceRole" not in roles
    assert {(role["Path"], role["PermissionsBoundary"]) for role in roles.values()} == {("/applications/", boundary)}
    assert {(role["Path"], role.get("PermissionsBoundary")) for role in complete.of("AWS::IAM::Role").values()} == {
        ("/", None)
    }
    for name, group in bounded.of("AWS::CodeDeploy::DeploymentGroup").items():
        assert group["ServiceRoleArn"] == "ReleaseRole.Arn", name
