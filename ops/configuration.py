"""python -m ops.configuration ENV TEMPLATE: print a deployment's parameters as JSON for `sam deploy`.

These parameters are the overrides in samconfig.toml, and Configuration, which is a digest of the new values of all
other parameters. SAM publishes a new version of a function if the function's template text changes, but not if only a
parameter's value changes. A changed digest also makes new versions (see AutoPublishAlias in template.yaml).
"""

import json
import sys
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.answers import pairs
from ops.command import exit_code
from ops.errors import StackError, one_line
from ops.template import parse_yaml

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Print the parameters, and return the exit code of the process."""
    environment, template = sys.argv[1:]
    return exit_code(lambda: print_configured(environment, Path(template)))


def print_configured(environment: str, template: Path) -> None:
    """Print the parameters as JSON.

    Raises StackError if samconfig.toml or the stack cannot be read, or if DataRequests=Off would remove the erasure
    secret from a stack that has erasure records.
    """
    settings = deploy_settings(ROOT / "samconfig.toml", environment)
    overrides = pairs(settings.get("parameter_overrides", []))
    declared = parse_yaml(template.read_text())["Parameters"]
    name = settings["stack_name"]
    try:
        session = boto3.Session(region_name=settings.get("region"), profile_name=settings.get("profile"))
        stack = _stack(session, name)
        present = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}
        if new_values(declared, overrides, present)["DataRequests"] == "Off" and _has_erasures(session, stack):
            raise StackError(
                f"{name} has erased users, and keeps records of it that only DataRequests=On can read: "
                f"set DataRequests=On in [{environment}.deploy.parameters] of samconfig.toml"
            )
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"cannot read the parameters of {name}: {one_line(error)}") from error
    print(json.dumps(configured(declared, overrides, present)))


def deploy_settings(samconfig: Path, environment: str) -> Any:
    """Read an environment's deploy parameters. Raises StackError if they do not name a stack."""
    try:
        settings: Any = tomllib.loads(samconfig.read_text())[environment]["deploy"]["parameters"]
        settings["stack_name"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise StackError(f"{samconfig.name} has no stack_name in [{environment}.deploy.parameters]") from error
    return settings


def configured(declared: Any, overrides: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Return the overrides with the parameter Configuration added."""
    values = new_values(declared, overrides, present)
    digest = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return {**overrides, "Configuration": digest[:16]}


def new_values(declared: Any, overrides: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Return the values that all parameters except Configuration will have after the deployment.

    For a parameter that is not overridden, `sam deploy` keeps the stack's value, even if the template's default
    changed.
    """
    return {
        name: overrides.get(name, present.get(name, str(parameter.get("Default", ""))))
        for name, parameter in declared.items()
        if name != "Configuration"
    }


def _stack(session: boto3.Session, name: str) -> Any:
    """Describe a stack. Return {} if it does not exist yet. Raises BotoCoreError and ClientError."""
    try:
        [stack] = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if f"{name} does not exist" in str(error):
            return {}
        raise
    return stack


def _has_erasures(session: boto3.Session, stack: Any) -> bool:
    """Return whether a stack's ErasuresTable has any row. Raises BotoCoreError and ClientError."""
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    if "ErasuresTableName" not in outputs:
        return False
    page = session.client("dynamodb").scan(TableName=outputs["ErasuresTableName"], Limit=1, ConsistentRead=True)
    return bool(page["Items"])


if __name__ == "__main__":
    sys.exit(main())
