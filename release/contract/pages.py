"""Check the words for people against the contract, and complete them for the templates."""

import tomllib
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from outcomes.contract.outcome_fields import LATER

from clients.python.copied_functions import FUNCTIONS
from ops.template import default_outcome_types
from release.contract import models, openapi
from release.contract.routes import routes
from release.contract.source import ROOT, fields, template, words

ELSEWHERE = {"Invalid userId", "Invalid If-None-Match", "Invalid JSON"}
"""Errors that pages may describe once for several calls, outside the tables of parameters and fields."""


def values(document: openapi.Json) -> dict[str, Any]:
    """Return what templates use. Raises ValueError if the words lack a parameter or an error, or have another one."""
    said: dict[str, Any] = words()
    all_routes = routes()
    for operations, rows in said["parameters"].items():
        known = {each for route in all_routes if route.operation in operations.split() for each in route.errors[400]}
        told = {f"Invalid {name}" for names, *_ in rows for name in names}
        _same(f"parameters of {operations}", told - ELSEWHERE, known - ELSEWHERE)
    named = {(status, name) for status, names, *_ in said["errors"] for name in names}
    found = {(status, error) for route in all_routes for status, errors in route.errors.items() for error in errors}
    _same("errors", (each for each in found - named if each[0] not in (400, 500)), [])
    ordered = {field.name: field for field in fields()}
    return said | {
        "fields": [*ordered.values()],
        "options": [ordered[name] for name in said["fields"]],
        "later": [ordered[name] for name in LATER],
        "types": default_outcome_types(template()),
        "template": template(),
        "routes": all_routes,
        "pages": openapi.base()["x-pages"],
        "schemas": document["components"]["schemas"],
        "models": {model.name: model for model in models.described(said["models"], document)},
        "copied": FUNCTIONS,
        "decisions": _decisions(),
        "layer": _layer(),
    }


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


def _layer() -> dict[str, tuple[str | None, list[str]]]:
    """Return the docstring of each subpackage of the layer, and its modules, in the order of imports."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each.get("containers") == ["outcomes"]]
    found = {}
    for name in " | ".join(layers).split(" | "):
        folder = ROOT / "layers/common/outcomes" / name
        if folder.is_dir():
            files = [file for file in sorted(folder.rglob("*.py")) if file.stem != "__init__"]
            modules = [str(file.relative_to(folder).with_suffix("")) for file in files]
            found[name] = (import_module(f"outcomes.{name}").__doc__, modules)
    return found
