"""The Python client's tool for agent frameworks equals that of POST /mcp."""

from outcomes.contract.tools import TOOLS
from outcomes_client._tools import SAME_KEY, WHEN, Work

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
        if name == "idempotency_key":  # shorter, because a run's id is added to it
            said["maxLength"] = 255
        if name == "outcome_type":  # a deployment may have others
            assert said["examples"] == [*TYPES]
            assert all(type_ in said["description"] for type_ in TYPES)
        else:
            assert said == api.properties[name]
