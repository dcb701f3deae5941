"""The tool that the Python client gives to agents' frameworks, and that of POST /mcp."""

from outcomes.contract.tools import TOOLS
from outcomes_client._tools import SAME_KEY, WHEN, Work


def test_the_tool_for_frameworks_says_of_work_what_the_api_s_does() -> None:
    api = TOOLS["record_outcome"]
    own = Work.model_json_schema()
    assert own["properties"].keys() == api.properties.keys() - {"agent_id", "user_id"}
    assert own["required"] == list(api.required)
    assert f"{WHEN} {SAME_KEY}" == api.description
    for name, schema in own["properties"].items():
        # pydantic names each field, and says of an object what is so unless said.
        said = {key: value for key, value in schema.items() if key != "title"}
        if name == "metadata":
            del said["anyOf"][0]["additionalProperties"]
        if name == "idempotency_key":  # beside a run's id there is less room
            said["maxLength"] = 255
        assert said == api.properties[name]
