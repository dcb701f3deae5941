"""Read the routes, from template.yaml and from x-operations of openapi.base.yaml."""

import re
from typing import NamedTuple

from ops.template import capability_names, declared_paths
from release.contract import openapi


class Rows(NamedTuple):
    """An answer that is a list: the model of its rows, and its member.

    of_user: whether the call has the parameter `userId`. on_page: whether the TypeScript client of pages has the call,
    which is then written by hand, because that client is full.
    """

    model: str
    member: str
    of_user: bool
    on_page: bool


class Route(NamedTuple):
    """A route of the API, as templates use it.

    function: the folder of the function that answers it. capability: the parameter that switches it off, or "". client:
    the Python client's method that calls it, or None if clients do not. errors: those of its function, by status. does:
    for the table of all calls. rows: how to read its answer, if its call in the clients is generated. words: for this
    call.
    """

    method: str
    path: str
    operation: str
    function: str
    capability: str
    tag: str
    credential: str
    client: str | None
    errors: dict[int, list[str]]
    does: str
    rows: Rows | None
    words: dict[str, str]

    @property
    def call(self) -> str:
        """The method and the path."""
        return f"{self.method} {self.path}"

    @property
    def pattern(self) -> str:
        """A regular expression of the path, with any names. `OUTCOME_ID` stands for an outcome's id."""
        return re.sub(r"{\w+}", "[^/]+", self.path.replace("outcomes/{id}", "outcomes/OUTCOME_ID").replace(".", r"\."))


def routes() -> list[Route]:
    """Return the routes in the order of the template."""
    base, template = openapi.base(), openapi.template()
    capabilities = {f"Has{name}": name for name in capability_names(template["Parameters"])}
    answering = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower()): resource
        for resource in template["Resources"].values()
        for event in (resource["Properties"].get("Events") or {}).values()
        if event["Type"] == "Api"
    }

    def route(method: str, path: str, name: str) -> Route:
        function, told, tag = answering[path, method], base["x-operations"][name], openapi.tag(path)
        summary = told["summary"]
        return Route(
            method=method.upper(),
            path=path,
            operation=name,
            function=function["Properties"]["CodeUri"].strip("/").rpartition("/")[2],
            capability=capabilities.get(function.get("Condition"), ""),
            tag=tag,
            credential=_credential(told.get("x-security", base["x-security"])),
            client=told["x-client"],
            errors=openapi.errors(told, base["components"]["schemas"]),
            does=told.get("x-does") or f"[{summary[0].lower()}{summary[1:]}]({base['x-pages'][tag]})",
            rows=_rows(told),
            words=told.get("x-words", {}),
        )

    declared = declared_paths(template["Resources"]["OutcomesApi"]["Properties"]).items()
    calls = [(method, path, call) for path, methods in declared for method, call in methods.items()]
    return [route(method, path, call["operationId"]) for method, path, call in calls if "security" in call]


def _rows(told: openapi.Json) -> Rows | None:
    if "x-rows" not in told:
        return None
    [member] = told["x-answer"]["schema"]["members"]
    asks = {parameter["name"] for parameter in told.get("parameters", ())}
    said = told["x-rows"]
    return Rows(said["model"], member, "userId" in asks, said.get("page", False))


def _credential(schemes: list[str]) -> str:
    keys = {"Key": "`INTERNAL_API_KEY`", "AgentKey": "agent key"}
    named = ["key"] if keys.keys() <= {*schemes} else [word for scheme, word in keys.items() if scheme in schemes]
    return ", ".join([*named, *(["session"] if "StoredSession" in schemes else [])]) or "none"
