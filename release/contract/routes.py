"""Read the routes, from template.yaml and from x-operations of openapi.base.yaml."""

import re
from typing import NamedTuple

from ops.template import capability_names, declared_paths
from release.contract import openapi
from release.contract.source import template


class Route(NamedTuple):
    """A route of the API, as templates use it.

    function: the folder of the function that answers it. capability: the parameter that switches it off, or "". client:
    the Python client's method that calls it, or None if clients do not. accepts: the credentials. errors: those of its
    function, by status. told: its entry in x-operations.
    """

    method: str
    path: str
    operation: str
    function: str
    capability: str
    tag: str
    client: str | None
    accepts: list[str]
    errors: dict[int, list[str]]
    told: openapi.Json

    @property
    def pattern(self) -> str:
        """A regular expression of the path, with any names. `OUTCOME_ID` stands for an outcome's id."""
        return re.sub(r"{\w+}", "[^/]+", self.path.replace("outcomes/{id}", "outcomes/OUTCOME_ID").replace(".", r"\."))


def routes() -> list[Route]:
    """Return the routes in the order of the template."""
    base = openapi.base()
    capabilities = {f"Has{name}": name for name in capability_names(template()["Parameters"])}
    answering = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower()): resource
        for resource in template()["Resources"].values()
        for event in (resource["Properties"].get("Events") or {}).values()
        if event["Type"] == "Api"
    }

    def route(method: str, path: str, name: str) -> Route:
        function, told = answering[path, method], base["x-operations"][name]
        return Route(
            method=method.upper(),
            path=path,
            operation=name,
            function=function["Properties"]["CodeUri"].strip("/").rpartition("/")[2],
            capability=capabilities.get(function.get("Condition"), ""),
            tag=openapi.tag(path),
            client=told["x-client"],
            accepts=told.get("x-security", base["x-security"]),
            errors=openapi.errors(told, base["components"]["schemas"]),
            told=told,
        )

    declared = declared_paths(template()["Resources"]["OutcomesApi"]["Properties"]).items()
    calls = [(method, path, call) for path, methods in declared for method, call in methods.items()]
    return [route(method, path, call["operationId"]) for method, path, call in calls if "security" in call]
