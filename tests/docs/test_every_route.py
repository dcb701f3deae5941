"""Every route has a function, and both clients have its call."""

import re

import pytest
from outcomes_client import AsyncOutcomesClient, OutcomesClient

from release.contract.models import Json
from release.contract.openapi import base, routes
from release.contract.source import ROOT, template

TYPESCRIPT = "".join(file.read_text() for file in (ROOT / "clients/typescript/src").glob("*.ts"))
"""All modules: which of them a page loads is their own matter."""


@pytest.mark.parametrize("route", routes(base(), template()), ids=lambda route: route["operation"])
def test_a_route_has_its_function_and_its_calls(route: Json) -> None:
    assert (ROOT / f"functions/{route['folder']}/app.py").is_file()
    if client := route["client"]:
        assert hasattr(OutcomesClient, client)
        assert hasattr(AsyncOutcomesClient, client)
        camel = re.sub("_(.)", lambda letter: letter[1].upper(), client)
        assert re.search(rf"^  (async )?{camel}\(", TYPESCRIPT, re.MULTILINE), camel
