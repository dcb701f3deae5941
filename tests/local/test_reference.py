"""Test without a browser the API reference that `make run` serves at /docs."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from local import reference
from local.openapi import Api, api
from local.template import load
from ops.template import parse_yaml
from tests.local.stacks import ROOT, Stack

CONTRACT = ROOT / "openapi.yaml"


@pytest.fixture(scope="module")
def deployed() -> Api:
    return api(load(ROOT / "template.yaml", {"DashboardOrigins": "http://localhost"}, {}))


async def answer(path: str, of: Api, contract: Path = CONTRACT) -> str:
    [route] = [route for route in reference.routes(contract, of, "session=a") if route.path == path]
    response = await route.handler(make_mocked_request("GET", path))
    assert isinstance(response, web.Response)
    return response.text or ""


def test_the_reference_has_each_call_of_the_contract_at_the_stacks_own_address(stack: Stack) -> None:
    shown = httpx.get(f"{stack.url}/docs/openapi.json").json()
    contract = parse_yaml(CONTRACT.read_text())
    assert shown == contract | {"servers": [{"url": "/"}]}
    assert f"Reference   {stack.url}/docs\n" in stack.output_file.read_text()


async def test_the_reference_leaves_out_routes_that_the_stack_does_not_have(deployed: Api) -> None:
    core = replace(deployed, routes=tuple(route for route in deployed.routes if route.resource == "/api/outcomes"))
    shown = parse_yaml(await answer("/docs/openapi.json", core))["paths"]
    assert {path: list(methods) for path, methods in shown.items()} == {"/api/outcomes": ["post", "get"]}


async def test_without_the_viewer_the_page_names_the_contracts_file(
    deployed: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reference, "PACKAGE", tmp_path / "nothing")
    assert f"The contract is in {CONTRACT}." in await answer("/docs", deployed)


def test_no_other_file_of_the_package_is_served(stack: Stack) -> None:
    for path in ("/docs/", "/docs/package.json", "/docs/../template.yaml", "/docs/swagger-ui.js"):
        assert httpx.get(f"{stack.url}{path}").json() == {"error": "Not found"}


def test_a_template_without_openapi_yaml_has_no_reference(echo_stack: Stack) -> None:
    assert "Reference" not in echo_stack.output_file.read_text()
    assert httpx.get(f"{echo_stack.url}/docs/openapi.json").status_code == 403
