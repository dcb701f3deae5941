"""Check the words for people against the contract, and complete them for the templates."""

from collections.abc import Iterable
from typing import Any

from outcomes.contract.outcome_fields import LATER

from clients.python.copied_functions import FUNCTIONS
from ops.template import default_outcome_types
from release.contract import openapi
from release.contract.routes import Route, routes
from release.contract.source import fields, words

FAILED = "FAILED"


def values(document: openapi.Json) -> dict[str, Any]:
    """Return what templates use. Raises ValueError if the words lack a parameter or an error, or have another one."""
    said: dict[str, Any] = words()
    operations = {
        operation["operationId"]: operation for methods in document["paths"].values() for operation in methods.values()
    }
    for name, rows in said["parameters"].items():
        known = {each["name"] for each in operations[name].get("parameters", ()) if each["in"] == "query"}
        # The page of lists describes `userId` for all reads.
        _same(f"parameters of {name}", {one for names, *_ in rows for one in names} | {"userId"}, known)
    all_routes = routes()
    errors, invalid = _errors(said["errors"], all_routes)
    template = openapi.template()
    ordered = {field.name: field for field in fields()}
    return said | {
        "fields": [*ordered.values()],
        "options": [ordered[name] for name in said["fields"]],
        "later": [ordered[name] for name in LATER],
        "types": default_outcome_types(template),
        "deployment": template["Parameters"],
        "groups": template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"],
        "errors": errors,
        "routes": all_routes,
        "copied": FUNCTIONS,
        "invalid": invalid,
    }


def _errors(rows: list[Any], known: list[Route]) -> tuple[list[Any], list[str]]:
    """Return the rows of errors, and the fields and parameters that an error `Invalid <field>` can name."""
    named = {(status, name) for status, names, *_ in rows for name in names}
    found = dict.fromkeys(
        (status, error) for route in known for status in route.errors for error in route.errors[status]
    )
    rest = [error for error in found if error not in named]
    failed = [error for status, error in rest if status == 500]
    invalid = [error.removeprefix("Invalid ") for status, error in rest if status == 400]
    _same("errors", [one for one in rest if one[0] not in (400, 500)], [])
    return [[status, failed if FAILED in names else names, *more] for status, names, *more in rows], invalid


def _same(what: str, told: Iterable[Any], known: Iterable[Any]) -> None:
    if differ := {*told} ^ {*known}:
        raise ValueError(f"words.yaml and the contract have different {what}: {sorted(differ)}")
