"""Compare what is written by hand in both clients with openapi.yaml. `make contract` writes the rest."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from outcomes_client import _models

from ops.template import parse_yaml

DOCUMENT: Any = parse_yaml((Path(__file__).parents[3] / "openapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]


def names(model: Any) -> set[str]:
    return {each.name for each in dataclasses.fields(model)}


def test_a_result_has_all_fields_of_the_contract_s_results() -> None:
    one_of = [one["$ref"].rpartition("/")[2] for one in SCHEMAS["Result"]["oneOf"]]
    said = {name for one in one_of for name in SCHEMAS[one]["properties"]}
    # The API's field `ignored` is `ignored_fields` in the client. The idempotency key comes from the item, not the API.
    named = {"ignored_fields" if name == "ignored" else name for name in said} | {"idempotency_key"}
    assert names(_models.Result) == named


def test_a_line_of_costs_has_the_contract_s_fields() -> None:
    assert names(_models.CostLine) == SCHEMAS["CostLine"]["properties"].keys()
