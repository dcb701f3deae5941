"""Read the routes, from template.yaml and from x-operations of openapi.base.yaml."""

import re
from typing import NamedTuple

from ops.template import declared_paths
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
    base, resources = openapi.base(), template()["Resources"]
    declared = declared_paths(resources["OutcomesApi"]["Properties"])

    def route(method: str, path: str, call: openapi.Json) -> Route:
        told = base["x-operations"][call["operationId"]]
        _, named = call["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        function = resources[named["Function"]["Ref"].removesuffix(".Alias")]
        return Route(
            method=method.upper(),
            path=path,
            operation=call["operationId"],
            function=function["Properties"]["CodeUri"].strip("/").rpartition("/")[2],
            capability=function.get("Condition", "").removeprefix("Has"),
            tag=openapi.tag(path),
            client=told["x-client"],
            accepts=told.get("x-security", base["x-security"]),
            errors=openapi.errors(told, base["components"]["schemas"]),
            told=told,
        )

    calls = [(method, path, call) for path, methods in declared.items() for method, call in methods.items()]
    return [route(*each) for each in calls if "security" in each[2]]
