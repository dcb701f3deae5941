"""The template as CloudFormation gets it: transformed by SAM, with the parameters of a first deployment."""

import json
from pathlib import Path
from typing import Any

import pytest

from local.template import Template, load
from ops.errors import StackError

ROOT = Path(__file__).parents[2]
ORIGINS = "https://app.example.com,https://beta.example.com"
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:SessionSecret-a1b2c3"  # as the service would name it
WEBHOOK_SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:WebhookSecret-d4e5f6"
ERASURE_SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ErasureSecret-b2c3d4"

# Every answer that turns something on.
EVERYTHING = {
    "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:oncall",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/api",
    "Deployment": "Canary10Percent5Minutes",
    "DomainName": "api.example.com",
    "EventBusName": "platform",
    "FirewallRequests": "2000",
    "HostedZoneId": "Z0123456789",
    "ReadConcurrency": "50",
    "Tracing": "Active",
    "WebhookUrl": "https://hooks.example.com/outcomes",
    "WriteConcurrency": "20",
}


class Deployment(Template):
    """A deployment to look at and change. Resources that the local stack does not run are named by logical id."""

    def __init__(self, template: Template, parameters: dict[str, str]) -> None:
        # A copy by way of JSON takes a third of the time of a deep one.
        super().__init__(json.loads(json.dumps(template._document)), template.folder, parameters)
        self.document = self._document
        self.parameters = parameters
        self.arns |= {"SessionSecret": SECRET_ARN, "ErasureSecret": ERASURE_SECRET_ARN}
        self.arns["WebhookSecret"] = WEBHOOK_SECRET_ARN

    def copy(self, **parameters: str) -> "Deployment":
        """Make a deployment of the same text, with other parameters where given."""
        return Deployment(self, self.parameters | parameters)

    def of(self, type_: str) -> dict[str, Any]:
        """Resolve the properties of every resource of a type, by logical id."""
        return {name: self.resolve(properties) for name, properties in self.resources(type_).items()}

    def one(self, type_: str) -> Any:
        """Resolve the properties of the only resource of a type."""
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
            return argument if isinstance(argument, str) else ".".join(argument)


def deploy(**parameters: str) -> Deployment:
    given = {"DashboardOrigins": ORIGINS, "Configuration": "0" * 16} | parameters
    return Deployment(load(ROOT / "template.yaml", {}, given), given)


@pytest.fixture(scope="session")
def deployed() -> Deployment:
    """Make a deployment with the defaults."""
    return deploy()


@pytest.fixture(scope="session")
def complete() -> Deployment:
    """Make a deployment with everything on that can be."""
    return deploy(**EVERYTHING)


@pytest.fixture(scope="session")
def api(deployed: Deployment) -> Any:
    """Return the OpenAPI document that API Gateway imports."""
    return deployed.one("AWS::ApiGateway::RestApi")["Body"]
