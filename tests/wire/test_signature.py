"""Our AWS client signs requests as botocore does."""

import time
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes.aws import signature
from outcomes.aws.services import Unavailable
from outcomes.aws.signature import Credentials, authorization

from tests.wire.conftest import ENDPOINT, botocore_session, our_client
from tests.wire.network import Network

# Signing neither folds nor trims these header values.
VISIBLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200)
HOSTS = st.from_regex(r"[a-z0-9.-]{1,40}(:8[0-9]{3})?", fullmatch=True)
REGIONS = [
    region
    for partition in botocore_session.get_available_partitions()
    for region in botocore_session.get_available_regions("dynamodb", partition)
]


def botocores_authorization(
    credentials: Credentials, region: str, service: str, headers: dict[str, str], body: bytes
) -> str:
    """Return the Authorization header that botocore computes for these headers, at their x-amz-date."""
    of_its_own = {"x-amz-date", "x-amz-security-token"}
    others = {name: value for name, value in headers.items() if name not in of_its_own}
    request = AWSRequest("POST", f"https://{headers['host']}/", others, body)
    moment = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - as botocore has it
    with patch("botocore.auth.get_current_datetime", lambda: moment):
        SigV4Auth(BotocoreCredentials(*credentials), service, region).add_auth(request)
    return str(request.headers["Authorization"])


@settings(max_examples=100, deadline=None)
@given(
    credentials=st.builds(Credentials, VISIBLE, VISIBLE, st.none() | VISIBLE),
    region=st.sampled_from(REGIONS),
    service=st.sampled_from(["dynamodb", "secretsmanager"]),
    host=HOSTS,
    target=VISIBLE,
    body=st.binary(max_size=2000) | st.text(max_size=500).map(str.encode),
    now=st.integers(946_684_800, 32_503_679_999),  # in the years 2000 to 2999
)
def test_a_signature_equals_botocore_s(
    credentials: Credentials, region: str, service: str, host: str, target: str, body: bytes, now: int
) -> None:
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "host": host,
        "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now)),
        "x-amz-target": target,
    }
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    ours = authorization(credentials, region, service, headers, body)
    assert ours == botocores_authorization(credentials, region, service, headers, body)


@pytest.mark.parametrize("token", [None, "a token"])
@pytest.mark.parametrize(("endpoint", "host"), [(ENDPOINT, "dynamodb.test:8000"), ("http://[::1]:8000/", "[::1]:8000")])
def test_the_signed_headers_are_sent(
    network: Network, monkeypatch: pytest.MonkeyPatch, token: str | None, endpoint: str, host: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    with our_client(network) as client:
        client.call("PutItem", {"TableName": "t", "Item": {"title": {"S": "Té \ud83c\udf89 \ud800"}}})
    [sent] = network.received
    names = sent.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(names)
    assert sent.headers["host"] == host
    assert sent.headers.get("x-amz-security-token") == token
    signed = {name: sent.headers[name] for name in names}
    credentials = Credentials("testing", "testing", token)
    theirs = botocores_authorization(credentials, "us-east-1", "dynamodb", signed, sent.body)
    assert sent.headers["authorization"] == theirs


class TestCredentials:
    """Credentials come from several places, such as variables, files and containers."""

    @pytest.fixture(autouse=True)
    def _nothing_kept(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.delenv("AWS_SESSION_TOKEN")
        monkeypatch.setattr(signature, "_botocore_credentials", signature._botocore_credentials.__wrapped__)

    def test_come_from_lambda_s_variables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert signature.credentials() == ("testing", "testing", None)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
        assert signature.credentials() == ("testing", "testing", "token")

    def test_come_from_a_profile_without_variables(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "credentials").write_text("[work]\naws_access_key_id = profiles\naws_secret_access_key = own\n")
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("AWS_PROFILE", "work")
        assert signature.credentials() == ("profiles", "own", None)

    def test_that_expire_are_refreshed_by_botocore(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2001-01-01T00:00:00Z")
        with pytest.raises(RuntimeError, match="still expired"):
            signature.credentials()

    def test_of_a_container_are_fetched_and_refreshed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html"""
        fetched: list[str] = []

        def fetch(_self: Any, _url: str, headers: dict[str, str]) -> dict[str, str]:
            fetched.append(headers["Authorization"])
            return {
                "AccessKeyId": f"key {len(fetched)}",
                "SecretAccessKey": "secret",
                "Token": "token",
                "Expiration": "2001-01-01T00:00:00Z" if len(fetched) == 1 else "2999-01-01T00:00:00Z",
            }

        monkeypatch.setattr("botocore.credentials.ContainerMetadataFetcher.retrieve_full_uri", fetch)
        monkeypatch.setattr(signature, "_botocore_credentials", cache(signature._botocore_credentials))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "restored")
        found = [signature.credentials().key_id for _ in range(3)]
        assert (found, fetched) == (["key 2", "key 2", "key 2"], ["restored", "restored"])

    def test_missing_fail_the_call_unsent(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
        with our_client(network) as client, pytest.raises(Unavailable, match="PutItem: no credentials") as raised:
            client.call("PutItem", {})
        assert not raised.value.maybe_applied
        assert network.received == []
