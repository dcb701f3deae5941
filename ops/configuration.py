"""python -m ops.configuration ENV TEMPLATE: print a deployment's parameters as JSON for `sam deploy`.

These parameters are the overrides in samconfig.toml, those of OWN, and Configuration, which is a digest of the new
values of all other parameters. SAM publishes a new version of a function if the function's template text changes, but
not if only a parameter's value changes. A changed digest also makes new versions (see AutoPublishAlias in
template.yaml).
"""

import json
import os
import secrets
import shlex
import sys
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.command import exit_code, positional
from ops.errors import StackError, one_line
from ops.stacks import find_stack, outputs, parameters
from ops.template import pairs, parameter_value, parse_yaml

ROOT = Path(__file__).parents[1]

OWN = ("Deployment", "ReleaseAlarms")
"""Parameters that every deployment passes: without an override, `sam deploy` would keep what `make end-key` has set."""


def main() -> int:
    """Print the parameters, and return the exit code of the process."""
    return exit_code(lambda: print_configured(*positional("ENV", "TEMPLATE")))


def print_configured(environment: str, template: str) -> None:
    """Print the parameters as JSON.

    Raises StackError if samconfig.toml or the stack cannot be read, if the template lacks an override's parameter or
    does not allow its value, if DataRequests=Off would remove the erasure secret from a stack that has erasure records,
    or if an override would accept a key that `make end-key` has ended.
    """
    samconfig = ROOT / "samconfig.toml"
    settings = deploy_settings(samconfig, environment)
    try:
        declared = parse_yaml(Path(template).read_text())["Parameters"]
    except OSError as error:
        raise StackError(f"{template} cannot be read: {error.strerror}") from error
    overrides = {name: declared[name]["Default"] for name in OWN} | pairs(settings.get("parameter_overrides", []))
    if unknown := overrides.keys() - declared.keys():  # `sam deploy` would ignore them
        raise StackError(f"delete or correct {', '.join(sorted(unknown))} in {samconfig.name}: no such parameter")
    for each, value in overrides.items():  # before anything is uploaded
        parameter_value(each, declared[each], value)
    name = settings["stack_name"]
    try:
        session = aws_session(settings)
        stack = find_stack(name, session)
        present = parameters(stack)
        if new_values(declared, overrides, present)["DataRequests"] == "Off" and _has_erasures(session, stack):
            raise StackError(
                f"{name} has erased users, and keeps records of it that only DataRequests=On can read: "
                f"set DataRequests=On in [{environment}.deploy.parameters] of samconfig.toml"
            )
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"cannot read the parameters of {name}: {one_line(error)}") from error
    _refuse_ended(samconfig, environment, overrides, present)
    print(json.dumps(configured(declared, overrides, present, rolled_back="ROLLBACK" in stack.get("StackStatus", ""))))


def environments(samconfig: Path) -> dict[str, Any]:
    """Return the deploy parameters of each environment with a stack. Raises StackError if the file cannot be read."""
    try:
        document = tomllib.loads(samconfig.read_text())
    except (OSError, ValueError) as error:
        raise StackError(f"{samconfig.name} cannot be read: {one_line(error)}") from error
    sections = {name: each for name, each in document.items() if isinstance(each, dict)}
    settings = {name: each.get("deploy", {}).get("parameters", {}) for name, each in sections.items()}
    return {name: each for name, each in settings.items() if "stack_name" in each}


def environment_of(stack: str, samconfig: Path) -> tuple[str, Any]:
    """Return the name and the deploy parameters of the environment with this stack, "" and {} if there is none."""
    known = environments(samconfig).items()
    return next((each for each in known if each[1]["stack_name"] == stack), ("", {}))


def use_settings(stack: str) -> None:
    """Let this process call AWS with the region and the profile of a stack's environment, as its deployment does."""
    _, settings = environment_of(stack, ROOT / "samconfig.toml")
    if "region" in settings:
        os.environ["AWS_DEFAULT_REGION"] = settings["region"]
    if "profile" in settings:
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_PROFILE"):
            os.environ.pop(variable, None)
        os.environ["AWS_PROFILE"] = settings["profile"]


def cli_options(settings: Mapping[str, str]) -> str:
    """Return what a command of the AWS CLI needs at its end, to be pasted, for the region and profile of a stack."""
    return "".join(f" --{name} {shlex.quote(settings[name])}" for name in ("region", "profile") if name in settings)


def deploy_settings(samconfig: Path, environment: str) -> Any:
    """Return an environment's deploy parameters. Raises StackError, which says how to add an unknown environment."""
    if not environment:
        raise StackError("ENV is missing, such as ENV=prod")
    known = environments(samconfig)
    if environment not in known:
        raise StackError(
            f"ENV={environment} is unknown; {samconfig.name} has {', '.join(known)}. To add it, copy the section "
            f"[dev.deploy.parameters] as [{environment}.deploy.parameters], and change its stack_name, s3_prefix and "
            "tags."
        )
    return known[environment]


def stack_parameters(settings: Any) -> dict[str, str]:
    """Return the parameters of an environment's stack, {} if there is none. Raises StackError."""
    try:
        return parameters(find_stack(settings["stack_name"], aws_session(settings)))
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"cannot read the parameters of {settings['stack_name']}: {one_line(error)}") from error


def aws_session(settings: Any) -> boto3.Session:
    """Return a session with the region and the profile of an environment. Raises BotoCoreError."""
    return boto3.Session(region_name=settings.get("region"), profile_name=settings.get("profile"))


def configured(
    declared: Any, overrides: Mapping[str, str], present: Mapping[str, str], *, rolled_back: bool = False
) -> dict[str, str]:
    """Return the overrides with the parameter Configuration added. rolled_back: whether the last deployment was.

    The versions of a release stay after its rollback, and Lambda publishes no version that equals the last one, so the
    same release could not be deployed again. The last four digits are drawn for it, and then kept with the parameters.
    https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html
    """
    values = new_values(declared, overrides, present)
    digest = sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    last = present.get("Configuration", "")
    configuration = last if last[:12] == digest[:12] else digest[:16]
    if rolled_back:
        configuration = digest[:12] + secrets.token_hex(2)
    return {**overrides, "Configuration": configuration}


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


def accepted_again(fingerprints: str, present: Mapping[str, str]) -> list[str]:
    """Return those of the fingerprints that are in the stack's EndedFingerprints."""
    ended = present.get("EndedFingerprints", "").split(",")
    return [each for each in fingerprints.split(",") if each and each in ended]


def _refuse_ended(samconfig: Path, environment: str, overrides: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Raise StackError, which names the line of samconfig.toml, if an override would accept an ended key again."""
    if "EndedFingerprints" in overrides:
        number, _ = _line(samconfig, environment, "EndedFingerprints")
        what = f"EndedFingerprints from line {number}"
        raise StackError(f"delete {what} of {samconfig.name}: only `make end-key` sets this parameter")
    for ended in accepted_again(overrides.get("KeyFingerprints", ""), present):
        number, line = _line(samconfig, environment, ended)
        what = f"line {number}" if line.strip("\"',") == f"KeyFingerprints={ended}" else f"{ended} from line {number}"
        raise StackError(f"delete {what} of {samconfig.name}: `make end-key` has ended this key for good")


def _line(samconfig: Path, environment: str, text: str) -> tuple[int, str]:
    """Return the first line with this text in an environment's section, except comments, and the line's number."""
    lines = [line.strip() for line in samconfig.read_text().splitlines()]
    start = next((at for at, line in enumerate(lines) if line.startswith(f"[{environment}.")), 0)
    found = ((at + 1, line) for at, line in enumerate(lines) if at >= start and text in line and line[0] != "#")
    return next(found, (start + 1, lines[start]))


def _has_erasures(session: boto3.Session, stack: Any) -> bool:
    """Return whether a stack's ErasuresTable has any row. Raises BotoCoreError and ClientError."""
    table = outputs(stack).get("ErasuresTableName")
    if table is None:
        return False
    page = session.client("dynamodb").scan(TableName=table, Limit=1, ConsistentRead=True)
    return bool(page["Items"])


if __name__ == "__main__":
    sys.exit(main())
