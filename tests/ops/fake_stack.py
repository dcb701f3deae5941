"""An AWS account with a deployed stack, for tests of `make end-key`."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import httpx
from outcomes.auth import keys

from ops.template import parameter_value
from tests.aws import Given, no_stack, parameters
from tests.template.conftest import FUNCTION, Deployment

STACK = "outcomes-prod"
AUTHORIZER = f"{STACK}-AuthorizerFunction-a1"
ARN = f"arn:aws:lambda:us-east-1:123456789012:function:{AUTHORIZER}"
URL = "https://api.example.com/api/outcomes"


def detail(name: str, source: str, evaluation: str = "Static") -> dict[str, Any]:
    return {"Target": {"Attribute": "Properties", "Name": name}, "Evaluation": evaluation, "ChangeSource": source}


def change(action: str, name: str, type_: str, *details: Any, replacement: str = "False") -> dict[str, Any]:
    return {
        "Action": action,
        "LogicalResourceId": name,
        "ResourceType": type_,
        "Replacement": replacement,
        "Details": list(details),
    }


def changes(before: Deployment, after: Deployment) -> list[dict[str, Any]]:
    """Return the changes of a change set: of resources whose properties differ, and of those that refer to them."""
    found = []
    types = {resource["Type"] for resource in before.document["Resources"].values()}
    for type_ in sorted(types):
        were, are = before.of(type_), after.of(type_)
        assert were.keys() == are.keys()
        for name, properties in are.items():
            differs = sorted(each for each in properties if were[name].get(each) != properties[each])
            if differs:
                # A version is replaced, because no property of it can be changed.
                replacement = "True" if type_ == "AWS::Lambda::Version" else "False"
                details = [detail(each, "ParameterReference") for each in differs]
                details += [detail(each, "DirectModification", "Dynamic") for each in differs]
                found.append(change("Modify", name, type_, *details, replacement=replacement))
    # SAM transforms the template again: the hash in the name of the API's deployment is that of the time.
    stage = detail("DeploymentId", "DirectModification", "Dynamic"), detail("DeploymentId", "ResourceReference")
    attribute = detail("Body", "ResourceAttribute", "Dynamic")
    return [
        *found,
        change("Add", "OutcomesApiDeploymentb1", "AWS::ApiGateway::Deployment"),
        change("Remove", "OutcomesApiDeploymenta0", "AWS::ApiGateway::Deployment"),
        change("Modify", "OutcomesApiStage", "AWS::ApiGateway::Stage", *stage),
        change("Modify", "OutcomesApi", "AWS::ApiGateway::RestApi", attribute),
    ]


@lru_cache  # most tests make the same change
def changes_by(
    template: Deployment, before: frozenset[tuple[str, str]], after: frozenset[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return the changes of a change set that replaces the template's parameters."""
    return changes(template.with_parameters(**dict(before)), template.with_parameters(**dict(after)))


class Account:
    """An AWS account with a deployed stack. It answers the calls to CloudFormation, Lambda and the API."""

    def __init__(self, template: Deployment) -> None:
        self.declared = template.document["Parameters"]
        self.live = {name: str(one.get("Default", "")) for name, one in self.declared.items()} | template.parameters
        self.template = template
        self.parameters = self.live
        """The parameters that DescribeStacks returns: during an update, the new ones."""
        self.statuses = ["UPDATE_COMPLETE"]
        """The first one is the present status. Each look at the stack removes it, if it is not the last."""
        self.meanwhile: list[Callable[[], object]] = []
        """One of these functions is called each time that the stack is described."""
        self.change_set_id = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/samcli-deploy17/1"
        self.change_sets: dict[str, dict[str, str]] = {}
        self.also: list[dict[str, Any]] = []
        """Further changes in a change set."""
        self.ends = "UPDATE_COMPLETE"
        """The status after the next update."""
        self.concurrency: int | None = None
        self.tags: dict[str, str] = {}
        self.calls: list[str] = []
        self.fails: Callable[[str], object] = lambda _operation: None
        """Is called before each call, and may raise an exception."""

    def answer(self, given: Given) -> Given:
        """Answer a call of CloudFormation or Lambda."""
        operation = given["operation"]
        self.calls.append(operation)
        self.fails(operation)
        if given.get("StackName", STACK) != STACK:
            raise no_stack(given)
        answers: dict[str, Callable[[Given], Any]] = {
            "DescribeStacks": self.describe,
            "DescribeStackResource": lambda _: {"StackResourceDetail": {"PhysicalResourceId": AUTHORIZER}},
            "CreateChangeSet": self.create,
            "DescribeChangeSet": self.change_set,
            "DeleteChangeSet": lambda given: self.change_sets.pop(given["ChangeSetName"]),
            "ExecuteChangeSet": self.execute,
            "CancelUpdateStack": self.cancel,
            "GetFunction": self.get_function,
            "TagResource": lambda given: self.tags.update(given["Tags"]),
            "PutFunctionConcurrency": lambda given: self.reserve(given["ReservedConcurrentExecutions"]),
            "DeleteFunctionConcurrency": lambda _: self.reserve(None),
        }
        return answers[operation](given) or {}

    def describe(self, _given: Given) -> Given:
        if self.meanwhile:
            self.meanwhile.pop(0)()
        status = self.statuses[0]
        if len(self.statuses) > 1:
            self.statuses.pop(0)
        if status == "UPDATE_COMPLETE":
            self.live = self.parameters
        if "ROLLBACK" in status:
            self.parameters = self.live
        stack = {
            "StackName": STACK,
            "StackStatus": status,
            "ChangeSetId": self.change_set_id,
            "Parameters": parameters(self.parameters),
            "Outputs": [{"OutputKey": "ApiUrl", "OutputValue": URL}],
            "Tags": [{"Key": "project", "Value": "outcomes"}],
        }
        return {"Stacks": [stack]}

    def cancel(self, _given: Given) -> None:
        self.statuses = ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]

    def create(self, given: Given) -> None:
        assert "IN_PROGRESS" not in self.statuses[0]
        assert (given["UsePreviousTemplate"], given["Capabilities"]) == (True, ["CAPABILITY_IAM"])
        assert given["Tags"] == [{"Key": "project", "Value": "outcomes"}]
        made = {}
        for each in given["Parameters"]:
            name = each["ParameterKey"]
            made[name] = self.parameters[name] if each.get("UsePreviousValue") else each["ParameterValue"]
            parameter_value(name, self.declared[name], made[name])
        assert made.keys() == self.declared.keys()
        self.change_sets[given["ChangeSetName"]] = made

    def change_set(self, given: Given) -> Given:
        before, after = self.parameters, self.change_sets[given["ChangeSetName"]]
        listed = changes_by(self.template, frozenset(before.items()), frozenset(after.items()))
        return {
            "Status": "CREATE_COMPLETE",
            "Changes": [{"Type": "Resource", "ResourceChange": each} for each in listed + self.also],
        }

    def execute(self, given: Given) -> None:
        name = given["ChangeSetName"]
        self.parameters = self.change_sets[name]
        self.change_sets.clear()
        self.change_set_id = self.change_set_id.replace("samcli-deploy17", name)
        during = "UPDATE_ROLLBACK_IN_PROGRESS" if "ROLLBACK" in self.ends else "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        self.statuses = ["UPDATE_IN_PROGRESS", during, self.ends]

    def get_function(self, _given: Given) -> Given:
        reserved = {} if self.concurrency is None else {"ReservedConcurrentExecutions": self.concurrency}
        return {"Configuration": {"FunctionArn": ARN}, "Tags": {**self.tags}, "Concurrency": reserved}

    def reserve(self, concurrency: int | None) -> None:
        self.concurrency = concurrency

    def api(self, url: str, *, content: str, headers: dict[str, str]) -> httpx.Response:
        """Answer as the API does while the authorizer cannot run, knows the key, or does not know it."""
        assert (url, content) == (URL, "null")
        deployed = self.template.with_parameters(**self.live)
        authorizer = deployed.resolve(deployed.resources(FUNCTION)["AuthorizerFunction"])
        fingerprints = keys.parse_fingerprints(authorizer["Environment"]["Variables"]["KEY_FINGERPRINTS"])
        is_known = keys.is_valid(str(keys.bearer([headers["Authorization"]])), fingerprints)
        return httpx.Response(500 if self.concurrency == 0 else 400 if is_known else 401)

    def status(self, key: str) -> int:
        """Return the status of the API's answer to a call with this key."""
        return self.api(URL, content="null", headers={"Authorization": f"Bearer {key}"}).status_code
