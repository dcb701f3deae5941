"""Every route has a function, and both clients have its call."""

import re

import pytest
from outcomes_client import OutcomesClient

from release.contract.routes import Route, routes
from release.contract.source import ROOT

TYPESCRIPT = "".join(file.read_text() for file in (ROOT / "clients/typescript/src").glob("*.ts"))
"""All modules: which of them a page loads is their own matter."""


@pytest.mark.parametrize("route", routes(), ids=lambda route: route.operation)
def test_a_route_has_its_function_and_its_calls(route: Route) -> None:
    assert (ROOT / f"functions/{route.function}/app.py").is_file()
    if route.client:
        assert hasattr(OutcomesClient, route.client)
        camel = re.sub("_(.)", lambda letter: letter[1].upper(), route.client)
        assert re.search(rf"^  (async )?{camel}\(", TYPESCRIPT, re.MULTILINE), camel
