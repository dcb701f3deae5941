"""The template as CloudFormation gets it: transformed by SAM, with the parameters of a first deployment."""

from pathlib import Path
from typing import Any

import pytest

from local.template import Template, load

ROOT = Path(__file__).parents[2]
ORIGINS = "https://app.example.com,https://beta.example.com"
SECRET_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:SessionSecret-a1b2c3"  # as the service would name it


def deploy(**parameters: str) -> Template:
    template = load(ROOT / "template.yaml", {}, {"DashboardOrigins": ORIGINS} | parameters)
    template.arns["SessionSecret"] = SECRET_ARN
    return template


@pytest.fixture(scope="session")
def deployed() -> Template:
    return deploy()


@pytest.fixture(scope="session")
def api(deployed: Template) -> Any:
    """The OpenAPI document that API Gateway imports."""
    [rest_api] = deployed.resources("AWS::ApiGateway::RestApi").values()
    return deployed.resolve(rest_api["Body"])
