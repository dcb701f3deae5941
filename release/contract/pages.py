"""Check the words for people against the contract, and complete them for the templates."""

import ast
import tomllib
from collections.abc import Iterable
from typing import Any

from outcomes.contract.outcome_fields import LATER

from clients.python.copied_functions import FUNCTIONS
from ops.template import default_outcome_types
from release.contract import models, openapi
from release.contract.routes import Route, routes
from release.contract.source import ROOT, fields, template, words

FAILED = "FAILED"
ELSEWHERE = {"userId", "If-None-Match"}
"""What pages may describe once for several calls, outside the tables of parameters and fields."""


def values(document: openapi.Json) -> dict[str, Any]:
    """Return what templates use. Raises ValueError if the words lack a parameter or an error, or have another one."""
    said: dict[str, Any] = words()
    all_routes = routes()
    for operations, rows in said["parameters"].items():
        refused = {
            error for route in all_routes if route.operation in operations.split() for error in route.errors[400]
        }
        known = {error.removeprefix("Invalid ") for error in refused - {"Invalid JSON"}} - ELSEWHERE
        _same(f"parameters of {operations}", {one for names, *_ in rows for one in names} - ELSEWHERE, known)
    errors, invalid = _errors(said["errors"], all_routes)
    ordered = {field.name: field for field in fields()}
    return said | {
        "fields": [*ordered.values()],
        "options": [ordered[name] for name in said["fields"]],
        "later": [ordered[name] for name in LATER],
        "types": default_outcome_types(template()),
        "deployment": template()["Parameters"],
        "groups": template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"],
        "errors": errors,
        "routes": all_routes,
        "pages": openapi.base()["x-pages"],
        "schemas": document["components"]["schemas"],
        "models": {model.name: model for model in models.described(said["models"], document)},
        "copied": FUNCTIONS,
        "invalid": invalid,
        "decisions": _decisions(),
        "layer": _layer(),
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


def _decisions() -> dict[str, dict[str, str]]:
    """Return the titles of decisions by subject and file. A title is `# Subject: What was decided`."""
    found: dict[str, dict[str, str]] = {}
    for file in sorted((ROOT / "docs/decisions").glob("[0-9]*.md")):
        subject, _, title = file.read_text().partition("\n")[0].removeprefix("# ").rpartition(": ")
        found.setdefault(subject or "Others", {})[file.name] = title
    return found


def _layer() -> dict[str, tuple[str, list[str]]]:
    """Return what each subpackage of the layer does, and its modules, in the order of imports."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each.get("containers") == ["outcomes"]]
    found = {}
    for name in " | ".join(layers).split(" | "):
        folder = ROOT / "layers/common/outcomes" / name
        if folder.is_dir():
            module = ast.parse((folder / "__init__.py").read_text())
            [does, *_] = " ".join((ast.get_docstring(module) or "").split()).removesuffix(".").split(". ")
            files = [file for file in sorted(folder.rglob("*.py")) if file.stem != "__init__"]
            found[name] = (does, [str(file.relative_to(folder).with_suffix("")) for file in files])
    return found
