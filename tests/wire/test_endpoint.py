"""Our AWS client uses the same endpoints as botocore."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.session import Session
from outcomes.aws.services import AMAZON_ROOTS, SQS, DynamoDB, EventBridge, Limits, SecretsManager

from tests.wire.conftest import LIMITS, botocore_session

CLIENTS: dict[str, Any] = {"dynamodb": DynamoDB, "events": EventBridge, "secretsmanager": SecretsManager, "sqs": SQS}


def regions() -> Iterator[str]:
    """Yield every region of every partition, and for each partition a region that does not exist yet."""
    loader = botocore_session.get_component("data_loader")
    for partition in loader.load_data("partitions")["partitions"]:
        yield from (region for region in partition["regions"] if not region.endswith("-global"))
    yield from ("eu-made-9", "us-gov-up-3", "cn-made-4", "us-iso-up-5", "us-isob-up-6", "eu-isoe-made-7")
    yield from ("us-isof-up-8", "eusc-de-up-9")


def ours(service: str, region: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    client = CLIENTS[service](LIMITS)
    scheme = "https" if client.connection._tls else "http"
    return f"{scheme}://{client.connection.host}"


@cache
def rules(service: str) -> EndpointProvider:
    """Return botocore's rules for endpoints. Creating a client for each region would take ten times as long."""
    loader = botocore_session.get_component("data_loader")
    return EndpointProvider(loader.load_service_model(service, "endpoint-rule-set-1"), loader.load_data("partitions"))


@pytest.mark.parametrize("service", CLIENTS)
def test_the_endpoint_is_botocore_s_in_every_region(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = list(regions())
    assert len(known) > 50
    for region in known:
        theirs = rules(service).resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False).url
        assert ours(service, region, monkeypatch) == theirs, region
    assert set(botocore_session.get_available_regions(service)) <= set(known)


@pytest.mark.parametrize("service", CLIENTS)
def test_the_headers_that_name_the_operation_are_botocore_s(service: str) -> None:
    metadata = botocore_session.get_service_model(service).metadata
    client = CLIENTS[service]
    assert client.target == metadata["targetPrefix"]
    assert client.content_type == f"application/x-amz-json-{metadata['jsonVersion']}"


VARIABLES: list[dict[str, str]] = [
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
    {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8000"},
    {
        "AWS_ENDPOINT_URL_DYNAMODB": "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com",
        "AWS_ENDPOINT_URL": "http://x",
    },
    {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://secrets.test"},
    {"AWS_ENDPOINT_URL_DYNAMODB": "", "AWS_ENDPOINT_URL": "http://x:1"},
    {"AWS_ENDPOINT_URL": "http://x:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    {"AWS_ENDPOINT_URL": "http://x:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"},
    {"AWS_ENDPOINT_URL": "http://x:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"},
    {"AWS_USE_FIPS_ENDPOINT": "false", "AWS_USE_DUALSTACK_ENDPOINT": "false"},
]


@pytest.mark.parametrize("service", CLIENTS)
@pytest.mark.parametrize("variables", VARIABLES, ids=json.dumps)
def test_environment_variables_choose_the_same_endpoint_as_for_botocore(
    service: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    theirs = Session().create_client(service, "us-east-1").meta.endpoint_url
    assert ours(service, "us-east-1", monkeypatch) == theirs


@pytest.mark.parametrize("kind", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_fips_and_dualstack_need_an_explicit_endpoint(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kind, "true")
    with pytest.raises(ValueError, match=f"{kind} is not supported: set AWS_ENDPOINT_URL_DYNAMODB to that endpoint"):
        DynamoDB(LIMITS)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "https://dynamodb-fips.us-east-1.amazonaws.com")
    assert DynamoDB(LIMITS).connection.host == "dynamodb-fips.us-east-1.amazonaws.com"


def test_the_region_comes_from_lambda_s_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert DynamoDB(LIMITS).region == "us-east-1"  # the region in AWS_DEFAULT_REGION wins, as in botocore
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert DynamoDB(LIMITS).region == "eu-west-1"
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(KeyError, match="AWS_REGION"):
        DynamoDB(LIMITS)


@pytest.mark.parametrize(
    ("variables", "authorities"),
    [
        ({}, AMAZON_ROOTS),
        ({"AWS_CA_BUNDLE": ""}, AMAZON_ROOTS),
        ({"AWS_CA_BUNDLE": "/etc/bundle.pem"}, "/etc/bundle.pem"),
        ({"AWS_DEFAULT_REGION": "us-gov-west-1"}, AMAZON_ROOTS),
        ({"AWS_ENDPOINT_URL": "https://vpce-1.dynamodb.eu-west-1.vpce.amazonaws.com:443/"}, AMAZON_ROOTS),
        ({"AWS_DEFAULT_REGION": "cn-north-1"}, None),
        ({"AWS_DEFAULT_REGION": "eusc-de-east-1"}, None),
        ({"AWS_ENDPOINT_URL": "https://amazonaws.com.example.com"}, None),
        ({"AWS_ENDPOINT_URL": "https://notamazonaws.com"}, None),
        ({"AWS_ENDPOINT_URL": "https://localhost:4566"}, None),
    ],
)
def test_only_amazon_s_hosts_are_verified_with_its_roots_first(
    variables: dict[str, str], authorities: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("ssl.create_default_context", lambda cafile: asked.append(cafile))
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    client = DynamoDB(LIMITS)
    assert asked == [authorities]
    assert client.connection._or_system is (authorities == AMAZON_ROOTS)


@pytest.mark.parametrize(
    "endpoint",
    ["127.0.0.1:8000", "ftp://x", "http://", "http://x/path", "https://x?query", "http://x:65536", "http://x\n"],
)
def test_an_invalid_endpoint_is_refused(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ValueError, match="not an endpoint"):
        DynamoDB(Limits(1, 1, 1, 1))
