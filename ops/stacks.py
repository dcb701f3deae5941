"""Describe deployed stacks."""

from typing import Any

import boto3
from botocore.exceptions import ClientError


def describe_stack(name: str, session: Any = boto3) -> Any:
    """Describe a stack by its name or id. Raises BotoCoreError and ClientError, also if it does not exist."""
    [stack] = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return stack


def find_stack(name: str, session: Any) -> Any:
    """Describe a stack like `describe_stack`. Return {} if it does not exist."""
    try:
        return describe_stack(name, session)
    except ClientError as error:
        if f"{name} does not exist" in str(error):
            return {}
        raise


def outputs(stack: Any) -> dict[str, str]:
    return {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}


def parameters(stack: Any) -> dict[str, str]:
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}
