"""Fixtures: template.yaml transformed by SAM, with the parameters of a deployment."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from local.template import Template, load
from ops.errors import StackError
from ops.template import declared_calls, parse_yaml

ROOT = Path(__file__).parents[2]
FUNCTION = "AWS::Lambda::Function"
STACK = "outcomes-local"
ORIGINS = "https://app.example.com,https://beta.example.com"
# These ARNs are in Secrets Manager's format.
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:SessionSecret-a1b2c3"
WEBHOOK_SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:WebhookSecret-d4e5f6"
ERASURE_SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ErasureSecret-b2c3d4"
STATEMENT_SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:StatementSecret-c3d4e5"

# Parameters that switch on everything that is off by default.
EVERYTHING = {
    "AlarmEmail": "oncall@example.com",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:oncall",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/api",
    "Deployment": "Canary10Percent5Minutes",
    "DomainName": "api.example.com",
    "EventBusName": "platform",
    "FirewallRequests": "2000",
    "HostDashboard": "true",
    "HostedZoneId": "Z0123456789",
    "Monitoring": "Full",
    "OidcAudience": "outcomes",
    "OidcCookie": "__Host-token",
    "OidcIssuer": "https://login.example.com/",
    "ReadConcurrency": "50",
    "Tracing": "Active",
    "Watches": "On",
    "WebhookUrl": "https://hooks.example.com/outcomes",
    "WriteConcurrency": "20",
}


class Deployment(Template):
    """A template with parameters.

    A reference to a resource that the local stack does not run is resolved to the resource's logical id.
    """

    def __init__(self, document: dict[str, Any], folder: Path, parameters: dict[str, str]) -> None:
        super().__init__(document, folder, parameters)
        self.document = document
        self.parameters = parameters
        self.arns |= {"SessionSecret": SECRET_ARN, "ErasureSecret": ERASURE_SECRET_ARN}
        self.arns |= {"WebhookSecret": WEBHOOK_SECRET_ARN, "StatementSecret": STATEMENT_SECRET_ARN}

    def with_parameters(self, **parameters: str) -> "Deployment":
        """Return a copy of the deployment with other parameters, without running SAM's transform again."""
        return Deployment(self.document, self.folder, self.parameters | parameters)

    def with_resources(self, resources: dict[str, Any]) -> "Deployment":
        return Deployment(self.document | {"Resources": resources}, self.folder, self.parameters)

    def of(self, type_: str) -> dict[str, Any]:
        """Return the resolved properties of each resource of a type, by logical id."""
        return {name: self.resolve(properties) for name, properties in self.resources(type_).items()}

    def one(self, type_: str) -> Any:
        """Return the resolved properties of the only resource of a type."""
        [properties] = self.of(type_).values()
        return properties

    def name(self, logical_id: str) -> str:
        try:
            return super().name(logical_id)
        except StackError:
            if not self._exists(self.document["Resources"].get(logical_id, {"Condition": "none of that name"})):
                raise
            return logical_id

    def _get_att(self, argument: str | list[str]) -> str:
        try:
            return super()._get_att(argument)
        except StackError:
            logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
            return f"{self.name(logical_id)}.{attribute}"


def declared(*types: str) -> list[str]:
    """Return the names of all resources of these types in template.yaml, whatever is switched on."""
    resources = parse_yaml((ROOT / "template.yaml").read_text())["Resources"]
    return [name for name, resource in resources.items() if resource["Type"] in types]


@lru_cache(maxsize=4)
def deploy(**parameters: str) -> Deployment:
    given = {"DashboardOrigins": ORIGINS, "Configuration": "0" * 16} | parameters
    template = load(ROOT / "template.yaml", {}, given)
    document = json.loads(json.dumps(template._document))  # SAM's own types are slow, so convert them to Python's types
    return Deployment(document, template.folder, given)


@pytest.fixture(scope="session")
def deployed() -> Deployment:
    """Return the template with the default parameters."""
    return deploy()


@pytest.fixture(scope="session")
def complete() -> Deployment:
    """Return the template with everything switched on."""
    return deploy(**EVERYTHING)


@pytest.fixture(scope="session")
def api(deployed: Deployment) -> Any:
    """Return the OpenAPI document that API Gateway imports."""
    return deployed.one("AWS::ApiGateway::RestApi")["Body"]


def half_routes(template: Any) -> list[str]:
    """Return a message for each route that only the paths of OutcomesApi or only the Events of a function contain."""
    resources = template["Resources"]
    events = {
        (event["Properties"]["Method"], event["Properties"]["Path"], name)
        for name, resource in resources.items()
        for event in (resource["Properties"].get("Events") or {}).values()
        if event["Type"] == "Api"
    }
    paths = {(call.method, call.path, call.function) for call in declared_calls(template)}
    return [
        *(
            f"Add {method} {path} to the Events of {name}, or API Gateway may not call it."
            for method, path, name in sorted(paths - events)
        ),
        *(
            f"Add {method} {path} to the paths of OutcomesApi: only {name} has it."
            for method, path, name in sorted(events - paths)
        ),
    ]


@pytest.fixture
def whole_routes(template: Any) -> None:
    """Skip the test if a route is missing in the paths or in the Events. Another test reports such routes."""
    if missing := half_routes(template):
        pytest.skip(" ".join(missing))
