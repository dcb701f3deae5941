"""Measured functions get every environment variable that the template gives them."""

import pytest

from bench.__main__ import CALLS, STARTED
from bench.measure import KNOWN_WHEN_DEPLOYED, ROOT
from ops.template import parse_yaml

TEMPLATE = parse_yaml((ROOT / "template.yaml").read_text())
UNREAD = {"AWS_ENDPOINT_URL", "CONFIGURATION", "OIDC_AUDIENCE", "OIDC_COOKIE", "OIDC_USER_CLAIM"}
"""Variables that functions do not read without an endpoint or an issuer."""


@pytest.mark.parametrize("name", sorted({*STARTED.values(), *(call.function for call in CALLS.values())}))
def test_every_variable_of_a_measured_function_has_a_value(name: str) -> None:
    variables = (
        TEMPLATE["Globals"]["Function"].get("Environment", {}).get("Variables", {})
        | TEMPLATE["Resources"][f"{name}Function"]["Properties"]["Environment"]["Variables"]
    )
    computed = {variable for variable, value in variables.items() if not isinstance(value, str)}
    assert computed - UNREAD <= KNOWN_WHEN_DEPLOYED.keys()
