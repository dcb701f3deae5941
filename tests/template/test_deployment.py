"""Test the template's parameters and outputs, and samconfig.toml."""

import json
import re
import tomllib
from typing import Any

import pytest

from ops.errors import StackError
from tests.sam import in_sam
from tests.template.conftest import ROOT, Deployment

# Patterns of secrets that must never be committed: long hex, AWS access key ids, our keys, private keys.
SECRETS = re.compile(
    r"[0-9a-f]{32}|AKIA[0-9A-Z]{16}|ok_[\w-]{20}|PRIVATE KEY"
    # AWS secret keys look like this, and so does other Base64. A digit is required, so that long paths do not match.
    r"|(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{40}={0,2}"
)

ENDPOINT = "http://host.docker.internal:5001"
IN_SAM_LOCAL = """
import json, sys
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

stacks, _ = SamLocalStackProvider.get_stacks(sys.argv[1], parameter_overrides=json.loads(sys.argv[2]))
functions = SamFunctionProvider(stacks).get_all()
variables = {function.name: function.environment["Variables"] for function in functions}
routes = ApiProvider(stacks, cwd=".").api.routes
authorizers = {route.path: route.authorizer_object and route.authorizer_object.lambda_name for route in routes}
print(json.dumps({"variables": variables, "authorizers": authorizers}))
"""


@pytest.fixture(scope="module")
def sam_local() -> Any:
    """Return what `sam local` reads from the template: the functions' variables, and the routes' authorizers."""
    overrides = {"AwsEndpointUrl": ENDPOINT, "DashboardOrigins": "http://127.0.0.1:3000"}
    return in_sam(IN_SAM_LOCAL, ROOT / "template.yaml", json.dumps(overrides))


@pytest.fixture(scope="session")
def samconfig() -> dict[str, Any]:
    return tomllib.loads((ROOT / "samconfig.toml").read_text())


def test_only_the_dashboards_origins_have_no_default(template: Any) -> None:
    assert [name for name, parameter in template["Parameters"].items() if "Default" not in parameter] == [
        "DashboardOrigins"
    ]


INVALID: dict[str, list[str]] = {
    "AlarmEmail": ["oncall", "a@b", "a b@example.com", "a@example.com,b@example.com", "<a@b.com>"],
    "BackupDays": ["0", "36", "a month"],
    "CertificateArn": ["arn:aws:iam::123456789012:server-certificate/old"],
    "DashboardCertificateArn": ["arn:aws:acm:eu-west-1:123456789012:certificate/of-another-region"],
    "DashboardHost": ["https://value.example.com", "localhost"],
    "DashboardOrigins": ["https://app.example.com/", "*"],
    "DomainName": ["https://api.example.com", "Api.example.com"],
    "EndedFingerprints": ["ok_a-key-and-not-its-fingerprint", ",".join(["0" * 64] * 64)],
    "EventBusName": ["arn:aws:events:us-east-1:123456789012:event-bus/platform", "a bus", "*", "x" * 257],
    "FirewallRequests": ["9", "many"],
    "KeyFingerprints": ["ok_a-key-and-not-its-fingerprint", "A" * 64, ",".join(["0" * 64] * 4)],
    "OidcIssuer": [
        *("http://login.example.com/", "http://127.0.0.1.example.com/"),
        *("https://login.example.com/?tenant=1", "https://user@login.example.com/"),
    ],
    "OutcomeTypes": ["", "a", "Deal", "9_lives", "x" * 41, "ab,,cd", ",".join(["ab"] * 51)],
    "SessionSecretOverlapDays": ["-1", "366"],
}
"""Values that look right. Each parameter also refuses a text of several lines."""


def test_every_parameter_is_checked(template: Any, deployed: Deployment) -> None:
    for name, parameter in template["Parameters"].items():
        if parameter["Type"] == "List<Number>":
            continue  # CloudFormation checks numbers
        with pytest.raises(StackError, match=name):
            deployed.with_parameters(**{name: "several\nlines"})


@pytest.mark.parametrize("parameter", INVALID)
def test_an_invalid_parameter_is_refused(deployed: Deployment, parameter: str) -> None:
    for value in INVALID[parameter]:
        with pytest.raises(StackError, match=parameter):
            deployed.with_parameters(**{parameter: value})


def test_a_key_can_be_rotated_beside_that_of_the_smoke_test(deployed: Deployment) -> None:
    deployed.with_parameters(KeyFingerprints=",".join(["0" * 64] * 3))


def test_sam_local_can_set_the_aws_endpoint_of_functions(sam_local: Any) -> None:
    """SAM CLI sets only variables that it can resolve."""
    for function, variables in sam_local["variables"].items():
        assert variables["AWS_ENDPOINT_URL"] == ENDPOINT
        unresolved = [name for name, value in variables.items() if isinstance(value, dict)]
        assert not unresolved, function


@pytest.mark.usefixtures("whole_routes")
def test_sam_local_uses_the_authorizers(sam_local: Any) -> None:
    """If SAM CLI cannot resolve an authorizer's function, it skips the authorizer and lets everybody in."""
    authorizers = {**sam_local["authorizers"]}

    assert authorizers.pop("/.well-known/outcomes-keys.json", None) is None  # public
    assert authorizers.keys() >= {"/api/outcomes", "/api/outcomes/batch", "/api/outcomes/summary"}
    assert set(authorizers.values()) == {"AuthorizerFunction"}


def test_each_environment_has_a_stack_of_its_own(samconfig: dict[str, Any]) -> None:
    environments = [samconfig[name]["deploy"]["parameters"] for name in ("core", "dev", "prod")]

    assert len({environment["stack_name"] for environment in environments}) == 3
    for environment in environments:
        assert environment["confirm_changeset"]
        # The capability CAPABILITY_IAM is enough, because no IAM resource has a custom name.
        assert environment["capabilities"] == "CAPABILITY_IAM"


@pytest.mark.parametrize("file", ["template.yaml", "samconfig.toml", "Makefile"])
def test_no_secret_is_in_the_repository(file: str) -> None:
    # `make deploy` stores fingerprints in samconfig.toml. They are not secret: they do not reveal the key.
    text = re.sub(r"(KeyFingerprints=\\\"|,)[0-9a-f]{64}\b", r"\1", (ROOT / file).read_text())
    text = re.sub(r"'sha256-[\w+/]{43}='", "", text)  # the dashboard's Content Security Policy contains these hashes

    assert not SECRETS.findall(text)


def test_the_pattern_of_secrets_finds_secrets() -> None:
    for secret in ("ok_OrhIKLpXFpb8puH7EEbV6pSgBhryj1Ji1YG5jIVDBnM", "AKIA" + "A1B2" * 4, "0123456789abcdef" * 2):
        assert SECRETS.search(f"value: {secret}\n")
