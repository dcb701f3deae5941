"""Read the routes: from template.yaml, x-operations of openapi.base.yaml, and the words for people."""

from typing import NamedTuple

from ops.template import capability_names, declared_paths, parse_yaml
from release.contract import openapi
from release.contract.source import ROOT, words


class Rows(NamedTuple):
    """An answer that is a list: the model of its rows, its member, and the readers of a row's fields.

    of_user: whether the call has the parameter `userId`. on_page: whether the TypeScript client of pages has the call,
    which is then written by hand, because that client is full.
    """

    model: str
    member: str
    fields: dict[str, str]
    of_user: bool
    on_page: bool


class Route(NamedTuple):
    """A route of the API, as templates use it.

    function: the folder of the function that answers it. capability: the parameter that switches it off, or "". client:
    the Python client's method that calls it, or None if clients do not. failed: the error of its `500`. does: for the
    table of all calls. rows: how to read its answer, if its call in the clients is generated. words: for this call.
    """

    method: str
    path: str
    operation: str
    function: str
    capability: str
    tag: str
    credential: str
    client: str | None
    failed: str
    does: str
    rows: "Rows | None"
    words: dict[str, str]

    @property
    def call(self) -> str:
        """The method and the path."""
        return f"{self.method} {self.path}"


def routes() -> list[Route]:
    """Return the routes in the order of the template. Raises ValueError if the words lack one, or have another."""
    template = parse_yaml((ROOT / "template.yaml").read_text())
    resources, capabilities = template["Resources"], capability_names(template["Parameters"])
    described, usual = openapi.operations()
    said = words()["calls"]
    answering = {
        (event["Properties"]["Path"], event["Properties"]["Method"].lower()): resource
        for resource in resources.values()
        for event in (resource["Properties"].get("Events") or {}).values()
        if event["Type"] == "Api"
    }
    found = []
    for path, methods in declared_paths(resources["OutcomesApi"]["Properties"]).items():
        for method, route in methods.items():
            if "security" not in route:
                continue
            name, resource = route["operationId"], answering[path, method]
            folder = resource["Properties"]["CodeUri"].strip("/").rpartition("/")[2]
            capability = resource.get("Condition", "").removeprefix("Has")
            operation = described[name]
            word = said.get(name, "")
            word = word if isinstance(word, dict) else {"does": word}
            found.append(
                Route(
                    *(method.upper(), path, name, folder, capability if capability in capabilities else ""),
                    *(openapi.tag(path), _credential(operation.get("x-security", usual))),
                    *(operation["x-client"], operation["x-errors"].get(500, [""])[0], word["does"]),
                    *(_rows(operation), word),
                )
            )
    if differ := said.keys() ^ {route.operation for route in found}:
        raise ValueError(f"words.yaml and template.yaml have different calls: {', '.join(sorted(differ))}")
    return found


def _rows(operation: openapi.Json) -> Rows | None:
    if "x-rows" not in operation:
        return None
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    [(member, rows)] = schema["properties"].items()
    readers = {"integer": "whole", "number": "amount", "string": "text", None: "text"}
    fields = {}
    for name, value in rows["items"]["properties"].items():
        parts = value.get("anyOf", [value])
        fields[name] = readers[parts[0].get("type")] + ("_or_none" if len(parts) > 1 else "")
    asks = {parameter["name"] for parameter in operation.get("parameters", ())}
    said = operation["x-rows"]
    return Rows(said["model"], member, fields, "userId" in asks, said.get("page", False))


def _credential(schemes: list[str]) -> str:
    keys = {"Key": "`INTERNAL_API_KEY`", "AgentKey": "agent key"}
    named = ["key"] if keys.keys() <= {*schemes} else [word for scheme, word in keys.items() if scheme in schemes]
    return ", ".join([*named, *(["session"] if "StoredSession" in schemes else [])]) or "none"
