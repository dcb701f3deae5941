"""Say whether a change set does more than `make end-key` may do."""

from typing import Any

MAY_CHANGE = {
    "AWS::Lambda::Version": {"Add", "Modify", "Remove"},
    "AWS::Lambda::Alias": {"Modify"},
    "AWS::CodeDeploy::DeploymentGroup": {"Modify"},
    "AWS::ApiGateway::Deployment": {"Add", "Remove"},  # SAM makes a new one in each change set (AlwaysDeploy)
}
# The only property that may change, by type of resource
MAY_SET = {"AWS::Lambda::Function": "Environment", "AWS::ApiGateway::Stage": "DeploymentId"}


def is_expected(change: Any) -> bool:
    """Return whether a resource's change only publishes versions, moves aliases or sets variables, or follows from one.

    CloudFormation also lists each resource that refers to such a one; its details have the reference as their source.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html
    """
    if change["ResourceType"] in MAY_CHANGE:
        return change["Action"] in MAY_CHANGE[change["ResourceType"]]
    may_set, details = MAY_SET.get(change["ResourceType"], ""), change.get("Details", [])
    follows = ("ResourceReference", "ResourceAttribute")
    each = [one["Target"].get("Name") == may_set or one.get("ChangeSource") in follows for one in details]
    return change["Action"] == "Modify" and change.get("Replacement") != "True" and bool(each) and all(each)
