"""python -m ops.configuration ENV TEMPLATE: print a deployment's parameters as a file for `sam deploy`.

These are the overrides of samconfig.toml, and Configuration: a digest of all parameters' new values. SAM publishes a
new version of a function only when its template text changes, and parameter values are not part of that text.
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
    """Print the parameters as JSON. Raises StackError."""
    settings = deploy_settings(ROOT / "samconfig.toml", environment)
    overrides = pairs(settings.get("parameter_overrides", []))
    declared = parse_yaml(template.read_text())["Parameters"]
    print(json.dumps(configured(declared, overrides, _present(settings))))


def deploy_settings(samconfig: Path, environment: str) -> Any:
    """Read an environment's deploy parameters. Raises StackError when they name no stack."""
    try:
        settings: Any = tomllib.loads(samconfig.read_text())[environment]["deploy"]["parameters"]
        settings["stack_name"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise StackError(f"{samconfig.name} has no stack_name in [{environment}.deploy.parameters]") from error
    return settings


def configured(declared: Any, overrides: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Add Configuration to the overrides.

    `sam deploy` keeps the stack's value of a parameter that is not overridden, even if the template's default changed.
    """
    values = {
        name: overrides.get(name, present.get(name, str(parameter.get("Default", ""))))
        for name, parameter in declared.items()
        if name != "Configuration"
    }
    digest = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return {**overrides, "Configuration": digest[:16]}


def _present(settings: Any) -> dict[str, str]:
    """Return the stack's parameters, none for a stack that does not exist yet. Raises StackError."""
    name = settings["stack_name"]
    try:
        session = boto3.Session(region_name=settings.get("region"), profile_name=settings.get("profile"))
        [stack] = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        if f"{name} does not exist" in str(error):
            return {}
        raise StackError(f"cannot read the parameters of {name}: {one_line(error)}") from error
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack.get("Parameters", [])}


if __name__ == "__main__":
    sys.exit(main())
