"""The tools of POST /mcp and those of the client's own server are the same to a model, but for what is listed here."""

from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Tool
from outcomes_client import AsyncOutcomesClient
from outcomes_client._mcp import UNREAD, build

from tests.local.stacks import Stack

BY_OWN_SERVER = {
    "agent_id": "Which agent did it. Leave out if the server sets it.",
    "user_id": "For which user. Leave out if the server sets it.",
}
BY_API = {
    "agent_id": "Which agent did it. Leave out if your key says it.",
    "user_id": "For which user. Leave out if your key says it.",
}
"""The words for who has fixed them: there the variables of whoever runs the server, here the caller's key."""

NEEDS_SCOPE = "This server needs an agent key with the scope `correct`."
"""The words of the client's server to all, as it knows no scopes of its key. The API says it where it is lacking."""

ONLY_OWN_RESULTS = {
    # Of an API that is older than the client; and of no user, which both servers refuse to record for.
    "record_outcome": {"ignored_fields", "unassigned"},
    "amend_outcome": {"ignored_fields"},
    "void_outcome": {"ignored_fields"},
    "value_summary": {"start", "end"},  # `from` is no name in Python
}
ONLY_API_RESULTS = {"value_summary": {"from", "to"}}

type Tools = dict[str, Tool]


async def listed(server: Any) -> Tools:
    async with Client(server) as model:
        return {tool.name: tool for tool in (await model.list_tools()).tools}


@pytest.fixture(scope="module")
def of_own_server(stack: Stack) -> Tools:
    async def ask() -> Tools:
        async with AsyncOutcomesClient(stack.url, stack.key) as client:
            return await listed(build(client))

    return anyio.run(ask)


@pytest.fixture(scope="module")
def of_api(stack: Stack) -> Tools:
    async def ask() -> Tools:
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {stack.key}"}) as http:
            return await listed(streamable_http_client(f"{stack.url}/mcp", http_client=http))

    return anyio.run(ask)


def plain(schema: Any, definitions: dict[str, Any]) -> Any:
    """Write a schema without references, names of types in Python, and what says nothing to who validates by it."""
    if isinstance(schema, list):
        return [plain(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        schema = definitions[reference.rpartition("/")[2]] | {key: schema[key] for key in schema.keys() - {"$ref"}}
    idle = {"$defs", "additionalProperties"} if schema.get("additionalProperties") is True else {"$defs"}
    if {"enum", "const"} & schema.keys():
        idle.add("type")
    if "properties" in schema:
        idle.add("description")  # of one of several outcomes: the class's in Python
    return {
        key: plain(value, definitions)
        for key, value in schema.items()
        if key not in idle and not (key == "title" and isinstance(value, str))
    }


def arguments(tool: Tool) -> dict[str, Any]:
    schema: dict[str, Any] = plain(tool.input_schema, tool.input_schema.get("$defs", {}))
    return {"required": [], **schema}


def described(schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every argument with its name, those of items too."""
    for name, about in schema.get("properties", {}).items():
        yield name, about
        yield from described(about.get("items", {}))


def test_both_have_the_same_tools_in_the_same_order(of_own_server: Tools, of_api: Tools) -> None:
    assert list(of_own_server) == list(of_api)


def test_arguments_are_the_same(of_own_server: Tools, of_api: Tools) -> None:
    for name, tool in of_own_server.items():
        own, api = arguments(tool), arguments(of_api[name])
        for words, schema in ((BY_OWN_SERVER, own), (BY_API, api)):
            for argument, about in described(schema):
                if argument in words and "Only" not in about["description"]:
                    assert about.pop("description") == words[argument]
        assert own == api, name


def test_titles_and_hints_are_the_same(of_own_server: Tools, of_api: Tools) -> None:
    for name, tool in of_own_server.items():
        assert tool.annotations
        twin = of_api[name].annotations
        assert twin
        assert (tool.title, tool.annotations.model_dump() | {"title": tool.title}) == (
            of_api[name].title,
            twin.model_dump(),
        )


def test_descriptions_are_the_same_until_the_api_s_tell_of_the_key(of_own_server: Tools, of_api: Tools) -> None:
    for name, tool in of_own_server.items():
        own = (tool.description or "").replace(f" {UNREAD}", "").replace(f" {NEEDS_SCOPE}", "")
        common, _, of_key = (of_api[name].description or "").partition(" Your key")
        assert own == common, name
        assert of_key


def test_results_have_the_same_parts(of_own_server: Tools, of_api: Tools) -> None:
    def parts(tool: Tool) -> set[str]:
        assert tool.output_schema
        return set(tool.output_schema["properties"])

    for name, tool in of_own_server.items():
        own, api = parts(tool), parts(of_api[name])
        assert own - api == ONLY_OWN_RESULTS.get(name, set()), name
        assert api - own == ONLY_API_RESULTS.get(name, set()), name
