"""What each capability switches on: nothing of one that is off is deployed."""

from typing import Any

import pytest

from ops.template import declared_paths

from .conftest import Deployment, deploy
from .test_functions import BY_RIGHTS_ONLY, functions

CAPABILITIES = {
    "Batch": {"RecordBatchFunction"},
    "Totals": {"SummarizeOutcomesFunction"},
    "AgentKeys": {"ManageKeysFunction"},
    "Corrections": {"CorrectOutcomeFunction", "GetOutcomeFunction"},
    "Export": {"ExportOutcomesFunction"},
    "DataRequests": BY_RIGHTS_ONLY,
    "ModelTools": {"McpFunction"},
}
"""Functions of each capability, in the order of the parameters."""
ALL_OFF = dict.fromkeys(CAPABILITIES, "Off")


def variable(template: Deployment, function: str, name: str) -> Any:
    return functions(template)[function]["Environment"]["Variables"][name]


@pytest.mark.parametrize("off", CAPABILITIES)
def test_a_capability_that_is_off_has_no_function(deployed: Deployment, off: str) -> None:
    template = deployed.with_parameters(**{off: "Off"})

    assert functions(deployed).keys() - functions(template).keys() == CAPABILITIES[off]


@pytest.mark.parametrize("off", CAPABILITIES)
def test_list_and_tools_know_what_is_on(deployed: Deployment, off: str) -> None:
    template = deployed.with_parameters(**{off: "Off"})
    names = ", ".join(name.lower() for name in CAPABILITIES if name != off)

    assert variable(template, "ListOutcomesFunction", "CAPABILITIES") == names
    if off != "ModelTools":
        assert variable(template, "McpFunction", "CAPABILITIES") == names


def test_the_core_has_three_functions_one_path_and_every_table(template: Any, deployed: Deployment) -> None:
    core = deployed.with_parameters(**ALL_OFF)

    assert functions(core).keys() == {"AuthorizerFunction", "ListOutcomesFunction", "RecordOutcomeFunction"}
    assert variable(core, "ListOutcomesFunction", "CAPABILITIES") == ""
    assert core.one("AWS::ApiGateway::RestApi")["Body"]["paths"].keys() == {"/api/outcomes"}
    assert core.resources("AWS::DynamoDB::Table").keys() == deployed.resources("AWS::DynamoDB::Table").keys()
    assert len(declared_paths(template["Resources"]["OutcomesApi"]["Properties"])) > 1


def test_without_agent_keys_the_authorizer_knows_no_table_of_them() -> None:
    core = deploy(AgentKeys="Off")

    assert variable(core, "AuthorizerFunction", "KEYS_TABLE") == ""
    assert "KeysTable" not in str(core.of("AWS::IAM::Role")["AuthorizerFunctionRole"])
