"""Parse a template's YAML, and check values for its parameters."""

import json
import re
import shlex
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, NamedTuple, override

import yaml
from samtranslator.yaml_helper import intrinsics_multi_constructor
from yaml import CSafeLoader, MappingNode
from yaml.constructor import ConstructorError

from ops.errors import StackError


class Loader(CSafeLoader):
    """Loads YAML that may contain short forms of intrinsic functions. Refuses `{a: b, c}`, where c would be a name.

    It uses libyaml and is ten times as fast as SAM's parser.
    """

    @override
    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        for name, value in node.value if node.flow_style else ():
            if value.value == "" and value.tag == "tag:yaml.org,2002:null":
                raise ConstructorError(
                    None, None, f"{name.value!r} has no value: quote a text with a comma", name.start_mark
                )
        return super().construct_mapping(node, deep)


Loader.add_multi_constructor("!", intrinsics_multi_constructor)


def parse_yaml(text: str) -> Any:
    """Parse YAML with short forms of intrinsic functions into new objects. Raises yaml.YAMLError."""
    return json.loads(_in_json(text))


@lru_cache(maxsize=8)
def _in_json(text: str) -> str:
    # A stack and its tests parse the same text many times, so this function caches JSON, which parses ten times as fast
    # as YAML. JSON has no anchors: parts that share a YAML anchor become copies, so a change of one changes no other.
    return json.dumps(yaml.load(text, Loader), default=str)  # noqa: S506 (Loader is a safe loader)


class Call(NamedTuple):
    """A call of the API.

    function: the logical ID of the function that answers it. folder: this function's folder in `functions`. capability:
    the parameter that switches it off, or "".
    """

    method: str
    path: str
    operation: str
    function: str
    folder: str
    capability: str


def declared_calls(template: Any) -> list[Call]:
    """Return the calls of the API that functions answer, including those of capabilities that may be off."""
    resources = template["Resources"]

    def call(method: str, path: str, told: Any) -> Call:
        name = told["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"][1]["Function"]["Ref"].removesuffix(".Alias")
        folder = resources[name]["Properties"]["CodeUri"].strip("/").removeprefix("functions/")
        capability = resources[name].get("Condition", "").removeprefix("Has")
        return Call(method.upper(), path, told["operationId"], name, folder, capability)

    return [
        call(method, path, told)
        for path, methods in resources["OutcomesApi"]["Properties"]["DefinitionBody"]["paths"].items()
        for method, told in methods.get("Fn::If", [None, methods])[1].items()
        if "operationId" in told  # not an answer to preflights
    ]


def gateway_errors(template: Any) -> dict[str, tuple[int, str]]:
    """Return the status and the `error` of API Gateway's own answers to unknown callers, by their type."""
    usual = {"DEFAULT_4XX": 400, "DEFAULT_5XX": 500}
    responses = template["Resources"]["OutcomesApi"]["Properties"]["GatewayResponses"]
    return {
        kind: (
            told.get("StatusCode") or usual[kind],
            json.loads(re.sub(r"\$context[.\w]+", "", told["ResponseTemplates"]["application/json"]))["error"],
        )
        for kind, told in responses.items()
    }


def capability_names(parameters: dict[str, Any]) -> list[str]:
    """Return the names of the parameters that switch a capability "On" or "Off"."""
    switches = [name for name, declared in parameters.items() if declared.get("AllowedValues") == ["On", "Off"]]
    return [name for name in switches if name != "ReleaseAlarms"]


def default_outcome_types(template: Any) -> list[str]:
    default: str = template["Parameters"]["OutcomeTypes"]["Default"]
    return default.split(",")


def pairs(overrides: Any) -> dict[str, str]:
    """Parse parameter overrides. Like SAM CLI, accept a list or one string. Raises StackError if a quote is open."""
    try:
        texts = shlex.split(overrides) if isinstance(overrides, str) else [str(text) for text in overrides]
    except ValueError as error:
        raise StackError(f"cannot read {overrides}: {error}") from error
    return {name: value.strip('"') for name, _, value in (text.partition("=") for text in texts)}


def parameter_value(name: str, parameter: dict[str, Any], value: str) -> str | list[str]:
    """Parse a parameter's value. Raises StackError if the parameter's declaration does not allow it."""
    pattern = parameter.get("AllowedPattern", ".*")
    is_list = parameter.get("Type", "") == "CommaDelimitedList" or parameter.get("Type", "").startswith("List<")
    each = [part.strip() for part in value.split(",")] if is_list else [value]
    if not all(re.fullmatch(pattern, part, re.DOTALL) for part in each):
        hint = parameter.get("ConstraintDescription", f"must match {pattern}")
        raise StackError(f"parameter {name} {hint}")
    if parameter.get("Type", "") in ("Number", "List<Number>"):
        _check_numbers(name, each, parameter)
    if "AllowedValues" in parameter and value not in map(as_text, parameter["AllowedValues"]):
        raise StackError(f"parameter {name} must be one of {', '.join(map(as_text, parameter['AllowedValues']))}")
    return each if is_list else value


def _check_numbers(name: str, each: list[str], parameter: dict[str, Any]) -> None:
    # CloudFormation would accept 1.5, too, but what uses the parameters does not, some of it only when it runs.
    low, high = parameter.get("MinValue", 0), parameter.get("MaxValue")
    if not all(part.isascii() and part.isdigit() and low <= int(part) <= (high or int(part)) for part in each):
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise StackError(f"parameter {name} must be a whole number {bounds}")
    if "Default" in parameter and len(each) != as_text(parameter["Default"]).count(",") + 1:
        raise StackError(f"parameter {name} must have as many numbers as {parameter['Default']}")


def as_text(value: Any) -> str:
    """Return a scalar as text, like CloudFormation. Raises TypeError for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        raise TypeError("a list or map where text is needed")
    return str(value)
