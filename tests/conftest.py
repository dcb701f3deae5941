"""What every test stands on: no network, the environment of a function, the template's own tables in moto."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from moto import mock_aws
from samcli.yamlhelper import yaml_parse

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "outcomes",
    "POWERTOOLS_METRICS_NAMESPACE": "Outcomes",
}

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """template.yaml as written, before SAM's transform."""
    return yaml_parse((ROOT / "template.yaml").read_text())


@pytest.fixture
def aws() -> Iterator[None]:
    """An empty AWS account in this process."""
    with mock_aws():
        yield


@pytest.fixture
def tables(aws: None, template: dict[str, Any]) -> dict[str, str]:
    """The template's tables, with their own keys: logical id to physical name."""
    client = get_session().create_client("dynamodb")
    created = {}
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::DynamoDB::Table":
            properties = resource["Properties"]
            client.create_table(
                TableName=name, **{key: properties[key] for key in ("KeySchema", "AttributeDefinitions", "BillingMode")}
            )
            created[name] = name
    return created
