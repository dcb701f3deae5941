"""Evaluate template.yaml as CloudFormation does: transformed by SAM, with its conditions and intrinsic functions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html
"""

import json
import logging
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from yaml import YAMLError

from local.environment import ACCOUNT, REGION
from ops.errors import StackError, one_line
from ops.template import as_text, capability_names, parameter_value, parse_yaml

STACK_NAME = "outcomes-local"

PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK_NAME}/local",
    "AWS::StackName": STACK_NAME,
    "AWS::URLSuffix": "amazonaws.com",
}

# The property that contains a resource's name, by resource type. Without this property, the logical id is the name.
NAMES = {
    "AWS::ApiGateway::RestApi": "",
    "AWS::ApiGateway::Stage": "StageName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Lambda::Alias": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::LayerVersion": "",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SecretsManager::Secret": "Name",
}

# For resources of these types, Ref returns the ARN, and for all others the name.
REFERENCED_BY_ARN = {"AWS::Lambda::Alias", "AWS::Lambda::LayerVersion", "AWS::SecretsManager::Secret"}

_NO_VALUE = object()


class Template:
    """A transformed template with its parameters.

    arns: the ARNs that are known only after creation, by logical id. The code that creates a resource adds its ARN.
    """

    def __init__(self, document: dict[str, Any], folder: Path, parameters: Mapping[str, str]) -> None:
        self.folder = folder
        self.arns: dict[str, str] = {}
        self._document = document
        self._parameters = _parameter_values(document.get("Parameters", {}), parameters)
        self._known: dict[str, bool] = {}  # conditions depend on nothing but parameters
        self._intrinsics = {
            "Ref": self._ref,
            "Fn::And": lambda conditions: all(map(self._holds, conditions)),
            "Fn::Equals": lambda pair: as_text(self.resolve(pair[0])) == as_text(self.resolve(pair[1])),
            "Fn::GetAtt": self._get_att,
            "Fn::If": lambda args: self.resolve(args[1 if self._condition(args[0]) else 2]),
            "Fn::Join": lambda args: as_text(self.resolve(args[0])).join(
                as_text(part) for part in self.resolve(args[1])
            ),
            "Fn::Not": lambda conditions: not self._holds(conditions[0]),
            "Fn::Or": lambda conditions: any(map(self._holds, conditions)),
            "Fn::Select": lambda args: self.resolve(args[1])[int(self.resolve(args[0]))],
            "Fn::Split": lambda args: self.resolve(args[1]).split(args[0]),
            "Fn::Sub": self._sub,
        }

    def resources(self, type_: str) -> dict[str, dict[str, Any]]:
        """Return the unresolved properties of each existing resource of a type, by logical id."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self._document["Resources"].items()
            if resource["Type"] == type_ and self._exists(resource)
        }

    def resolve(self, value: Any) -> Any:
        """Evaluate the intrinsic functions in a value. Raises StackError if one is unknown or refers to nothing."""
        match value:
            case dict() if len(value) == 1 and self._is_intrinsic(name := next(iter(value))):
                return self._call(name, value[name])
            case dict():
                return {key: kept for key, item in value.items() if (kept := self.resolve(item)) is not _NO_VALUE}
            case list():
                return [kept for item in value if (kept := self.resolve(item)) is not _NO_VALUE]
            case _:
                return value

    @property
    def broken_rules(self) -> dict[str, str]:
        """Return what the template's rules say against the parameters, by the rules' names."""
        return {
            name: assertion["AssertDescription"]
            for name, rule in self._document.get("Rules", {}).items()
            if self.resolve(rule.get("RuleCondition", True))
            for assertion in rule["Assertions"]
            if not self.resolve(assertion["Assert"])
        }

    @property
    def texts(self) -> dict[str, str]:
        """Return all parameters that have a string value, by name."""
        return {name: value for name, value in self._parameters.items() if isinstance(value, str)}

    @property
    def switched_off(self) -> list[str]:
        """Return the capabilities that are Off."""
        names = capability_names(self._document.get("Parameters", {}))
        return [name for name in names if self._parameters[name] == "Off"]

    def name(self, logical_id: str) -> str:
        """Return a resource's name, which is its name property or, without one, its logical id. Raises StackError."""
        resource = self._document["Resources"].get(logical_id)
        if resource is None or not self._exists(resource):
            raise StackError(f"there is no parameter or resource {logical_id}")
        if resource["Type"] not in NAMES:
            raise StackError(f"{logical_id} is an {resource['Type']}, which the local stack does not run")
        if resource["Type"] == "AWS::ApiGateway::RestApi":
            return sha256(logical_id.encode()).hexdigest()[:10]
        if resource["Type"] == "AWS::S3::Bucket":  # bucket names are lowercase
            logical_id = f"{STACK_NAME}-{logical_id}".lower()
        return as_text(self.resolve(resource.get("Properties", {}).get(NAMES[resource["Type"]], logical_id)))

    def arn(self, logical_id: str) -> str:
        """Return the Amazon Resource Name of a resource that runs here. Raises StackError for any other resource."""
        name = self.name(logical_id)
        if logical_id in self.arns:
            return self.arns[logical_id]
        match self._document["Resources"][logical_id]["Type"]:
            case "AWS::DynamoDB::Table":
                return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
            case "AWS::Lambda::Function":
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
            case "AWS::Lambda::Alias":
                function = self.resolve(self._document["Resources"][logical_id]["Properties"]["FunctionName"])
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}:{name}"
            case "AWS::Lambda::LayerVersion":
                return f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}:1"
            case "AWS::S3::Bucket":
                return f"arn:aws:s3:::{name}"
            case type_:
                raise StackError(f"the local stack does not know the ARN of {logical_id}, an {type_}")

    def _exists(self, resource: dict[str, Any]) -> bool:
        return "Condition" not in resource or self._condition(resource["Condition"])

    def _is_intrinsic(self, name: str) -> bool:
        return name == "Ref" or name.startswith("Fn::")

    def _call(self, name: str, argument: Any) -> Any:
        if name not in self._intrinsics:
            raise StackError(f"the local stack does not know {name}")
        try:
            return self._intrinsics[name](argument)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StackError(f"{name} cannot be resolved: {json.dumps(argument)}") from error

    def _condition(self, name: str) -> bool:
        if name not in self._document.get("Conditions", {}):
            raise StackError(f"there is no condition {name}")
        if name not in self._known:
            self._known[name] = self._holds(self._document["Conditions"][name])
        return self._known[name]

    def _holds(self, condition: Any) -> bool:
        """Evaluate a condition, which may refer to another condition as {"Condition": name}."""
        if isinstance(condition, dict) and condition.keys() == {"Condition"}:
            return self._condition(condition["Condition"])
        return bool(self.resolve(condition))

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if name in self._parameters:
            return self._parameters[name]
        type_ = self._document["Resources"].get(name, {}).get("Type")
        return self.arn(name) if type_ in REFERENCED_BY_ARN else self.name(name)

    def _get_att(self, argument: str | list[str]) -> str:
        logical_id, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        if attribute == "StreamArn":
            table = self.resources("AWS::DynamoDB::Table").get(logical_id, {})
            if isinstance(self.resolve(table.get("StreamSpecification")), dict):
                return f"{self.arn(logical_id)}/stream/local"
        if attribute != "Arn":
            raise StackError(f"the local stack does not know {logical_id}.{attribute}")
        return self.arn(logical_id)

    def _sub(self, argument: str | list[Any]) -> str:
        text, given = (argument, {}) if isinstance(argument, str) else (argument[0], self.resolve(argument[1]))

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in given:
                return as_text(given[name])
            return as_text(self._get_att(name) if "." in name else self._ref(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)


def capabilities(path: Path) -> list[str]:
    """Return the parameters of a template that switch a capability "On" or "Off". Raises StackError, like `load`."""
    return capability_names(_read(path).get("Parameters", {}))


def load(path: Path, local: Mapping[str, str], overrides: Mapping[str, str]) -> Template:
    """Read and transform a SAM template.

    overrides: parameter values; the template must declare all of these parameters. local: values of parameters that are
    not overridden; the template does not need to declare these parameters. All other parameters have their defaults.

    Raises StackError if the file does not exist, if SAM does not accept it, or if a parameter's value is missing or not
    allowed.
    """
    # Imported here, because these packages take 0.3 s to load, and most tests that import this module do not need
    # them.
    import boto3
    from samtranslator.model.exceptions import ExceptionWithMessage
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    document = _read(path)
    declared = json.loads(json.dumps(document.get("Parameters", {})))
    parameters = {name: value for name, value in local.items() if name in declared} | dict(overrides)
    values = _parameter_values(declared, parameters)
    _point_at_local_code(document)
    for name in [name for name, value in values.items() if isinstance(value, list)]:
        # Without a default, SAM keeps references to a list parameter. Otherwise, it would insert the list as a string.
        document["Parameters"][name].pop("Default", None)
    logging.getLogger("samtranslator").setLevel(logging.CRITICAL)
    translator = Translator(
        {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"},
        Parser(),
        boto_session=boto3.Session(region_name=REGION),
    )
    try:
        transformed = translator.translate(document, {n: v for n, v in values.items() if isinstance(v, str)})
    except ExceptionWithMessage as error:
        causes = getattr(error, "causes", None) or [error]
        raise StackError(f"{path.name}: {one_line(causes[0].message)}") from error
    # SAM raises these errors for unexpected structures
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StackError(f"{path.name}: SAM cannot transform it: {one_line(error)}") from error
    transformed["Parameters"] = declared
    return Template(transformed, path.parent, parameters)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = parse_yaml(path.read_text())
    except FileNotFoundError as error:
        raise StackError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise StackError(f"{path.name}: {one_line(error)}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise StackError(f"{path.name}: no Resources in it")
    return document


def _point_at_local_code(document: dict[str, Any]) -> None:
    """Replace local paths with S3 keys, because SAM only transforms code that is in S3."""
    places = [(document.get("Globals", {}).get("Function", {}), "CodeUri", "Globals")]
    for logical_id, resource in document["Resources"].items():
        match resource:
            case {"Type": "AWS::Serverless::Function"}:
                places.append((resource.setdefault("Properties", {}), "CodeUri", logical_id))
            case {"Type": "AWS::Serverless::LayerVersion"}:
                places.append((resource.setdefault("Properties", {}), "ContentUri", logical_id))
    for properties, key, logical_id in places:
        if key in properties:
            if not isinstance(properties[key], str):
                raise StackError(f"{key} of {logical_id} must be a folder for the local stack")
            properties[key] = f"s3://local/{properties[key].removeprefix('./')}"


def _parameter_values(declared: dict[str, Any], given: Mapping[str, str]) -> dict[str, str | list[str]]:
    if unknown := sorted(given.keys() - declared.keys()):
        raise StackError(f"the template has no parameter {', '.join(unknown)}, only {', '.join(declared)}")
    values = {}
    for name, parameter in declared.items():
        if name not in given and "Default" not in parameter:
            raise StackError(f"parameter {name} has no default and no value in the local stack")
        values[name] = parameter_value(name, parameter, as_text(given.get(name, parameter.get("Default"))))
    return values
