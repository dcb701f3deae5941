"""The Python client's tool for agent frameworks equals the tool of POST /mcp."""

from outcomes.mcp.tools import TOOLS, _with_names
from outcomes_client import ListedType
from outcomes_client._tools import SAME_KEY, WHEN, Work, work_with

from tests.outcome_types import TYPES


def test_the_tool_for_frameworks_describes_outcomes_as_the_api_does() -> None:
    api = TOOLS["record_outcome"]
    own = Work.model_json_schema()
    assert own["properties"].keys() == api.properties.keys() - {"agent_id", "user_id"}
    assert own["required"] == list(api.required)
    assert f"{WHEN} {SAME_KEY}" == api.description
    for name, schema in own["properties"].items():
        # pydantic adds titles, and states the default of additionalProperties.
        said = {key: value for key, value in schema.items() if key != "title"}
        if name == "metadata":
            del said["anyOf"][0]["additionalProperties"]
        if name == "idempotency_key":  # the tool adds the id of a run to the key, so the given key must be shorter
            said["maxLength"] = 255
        if name == "outcome_type":  # a deployment may have other outcome types
            assert said["examples"] == [*TYPES]
            assert all(type_ in said["description"] for type_ in TYPES)
        else:
            assert said == api.properties[name]


def test_the_tool_for_frameworks_offers_the_types_that_it_is_given() -> None:
    names = ["lead_qualified", "ticket_resolved"]
    api = _with_names(TOOLS["record_outcome"].properties, names)
    for types in (names, [ListedType(name, "") for name in names]):
        own = work_with(types).model_json_schema()["properties"]
        assert {key: value for key, value in own.pop("outcome_type").items() if key != "title"} == api["outcome_type"]
        assert own == {name: each for name, each in Work.model_json_schema()["properties"].items() if name in own}
    assert work_with("lead_qualified").model_json_schema() == work_with(names[:1]).model_json_schema()
