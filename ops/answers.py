"""python -m ops.answers ENV [NAME=VALUE ...]: ask for required parameters, and write the answers to samconfig.toml.

The required parameters are the first group in the template. All other parameters have defaults, and can be set in
samconfig.toml. The command does not ask for parameters given as NAME=VALUE. No parameter is a secret.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from ops.command import exit_code, positional
from ops.configuration import deploy_settings, stack_parameters
from ops.errors import StackError
from ops.files import write_lines
from ops.template import pairs, parameter_value, parse_yaml

ROOT = Path(__file__).parents[1]

type Ask = Callable[[str], str]


def main() -> int:
    """Ask for the parameters, and return the exit code of the process."""

    def command() -> None:
        environment, *given = sys.argv[1:] or positional("ENV")
        template = parse_yaml((ROOT / "template.yaml").read_text())
        samconfig = ROOT / "samconfig.toml"
        present = stack_parameters(deploy_settings(samconfig, environment))
        keep(samconfig, environment, template, pairs(given), present, input)

    return exit_code(command, if_interrupted="Nothing was changed.")


def keep(
    samconfig: Path, environment: str, template: Any, given: dict[str, str], present: Mapping[str, str], ask: Ask
) -> None:
    """Ask with the current values as defaults, and write the answers. The rest of the file does not change.

    present: the stack's parameters, for what the file does not say, such as the file of a release or a fresh clone.
    Raises StackError if the file cannot be read or has no settings for the environment. Exceptions of `ask` pass
    through. After an error, the file is unchanged.
    """
    try:
        document = tomlkit.parse(samconfig.read_text())
    except (OSError, TOMLKitError) as error:
        raise StackError(f"{samconfig.name} cannot be used: {error}") from error
    try:
        settings: Any = document[environment]["deploy"]["parameters"]
    except KeyError as error:
        raise StackError(f"{samconfig.name} has no [{environment}.deploy.parameters]") from error
    answers = pairs(settings.get("parameter_overrides", [])) | given
    [first, *_] = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    # Without Monitoring, no alarm exists, so do not ask whom alarms notify.
    silent = answers.get("Monitoring") == "Off"
    for name in [
        name for name in first["Parameters"] if name not in given and not (silent and name.startswith("Alarm"))
    ]:
        parameter = template["Parameters"][name]
        answers[name] = _answer(name, parameter, answers.get(name, present.get(name, parameter.get("Default"))), ask)
    overrides = tomlkit.array().multiline(True)
    # Also write empty values: CloudFormation keeps a parameter's previous value if it is left out.
    overrides.extend(f"{name}={value or '""'}" for name, value in answers.items())
    settings["parameter_overrides"] = overrides
    write_lines(samconfig, [tomlkit.dumps(document).removesuffix("\n")], opener=None).close()


def _answer(name: str, parameter: Any, present: Any, ask: Ask) -> str:
    print(f"\n{' '.join(parameter['Description'].split())}")
    while True:
        answer = ask(f"{name} [{present}, - for none]: " if present else f"{name}: ").strip() or str(present or "")
        answer = "" if answer == "-" else answer
        if not answer and "Default" not in parameter:
            print("  Required.")
            continue
        try:
            parameter_value(name, parameter, answer)
        except StackError as error:
            print(f"  {error}")
            continue
        return answer


if __name__ == "__main__":
    sys.exit(main())
