"""python -m ops.configuration ENV TEMPLATE: print the parameters of a deployment, as a file for `sam deploy`.

They are the overrides of samconfig.toml, and Configuration: a digest of the values that all parameters will have. SAM
publishes a version of a function when its text changes, which the value of a parameter is no part of; the digest is.
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
from ops.errors import StackError
from ops.template import parse_yaml

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Print, and return the exit code of the process."""
    try:
        environment, template = sys.argv[1:]
        settings = deploy_settings(ROOT / "samconfig.toml", environment)
        overrides = pairs(settings.get("parameter_overrides", []))
        declared = parse_yaml(Path(template).read_text())["Parameters"]
        print(json.dumps(configured(declared, overrides, _present(settings))))
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def deploy_settings(samconfig: Path, environment: str) -> Any:
    """Read what an environment is deployed with. Raises StackError when no stack is named there."""
    try:
        settings: Any = tomllib.loads(samconfig.read_text())[environment]["deploy"]["parameters"]
        settings["stack_name"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise StackError(f"{samconfig.name} has no stack_name in [{environment}.deploy.parameters]") from error
    return settings


def configured(declared: Any, overrides: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Add Configuration to the overrides.

    `sam deploy` leaves what is not overridden as it is in the stack, whatever the template's default is by now.
    """
    values = {
        name: overrides.get(name, present.get(name, str(parameter.get("Default", ""))))
        for name, parameter in declared.items()
        if name != "Configuration"
    }
    digest = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return {**overrides, "Configuration": digest[:16]}


def _present(settings: Any) -> dict[str, str]:
    """Ask the stack for its parameters; one that is not there yet has none. Raises StackError."""
    name = settings["stack_name"]
    try:
        session = boto3.Session(region_name=settings.get("region"), profile_name=settings.get("profile"))
        [stack] = session.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        if f"{name} does not exist" in str(error):
            return {}
        raise StackError(f"the parameters of {name} are not known: {' '.join(str(error).split())}") from error
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack.get("Parameters", [])}


if __name__ == "__main__":
    sys.exit(main())
