"""Templates are resolved as CloudFormation does. Unsupported templates are refused with a message of one line."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.lambdas import specs
from local.openapi import Api, Proxy, Route, api
from local.template import Template, capabilities, load
from ops.errors import StackError

DOCUMENT = {
    "Parameters": {
        "Word": {"Type": "String", "Default": "word"},
        "Words": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Number": {"Type": "Number", "Default": 60},
    },
    "Conditions": {
        "IsWord": {"Fn::Equals": [{"Ref": "Word"}, "word"]},
        "IsOther": {"Fn::Not": [{"Condition": "IsWord"}]},
        "Both": {"Fn::And": [{"Condition": "IsWord"}, {"Condition": "IsOther"}]},
        "Either": {"Fn::Or": [{"Condition": "IsWord"}, {"Condition": "IsOther"}]},
    },
    "Resources": {
        "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": {"Fn::Sub": "${Word}s"}}},
        "Unnamed": {"Type": "AWS::DynamoDB::Table"},
        "Function": {"Type": "AWS::Lambda::Function"},
        "Secret": {"Type": "AWS::SecretsManager::Secret"},
        "Absent": {"Type": "AWS::DynamoDB::Table", "Condition": "IsOther"},
        "Queue": {"Type": "AWS::SQS::Queue"},
    },
}


@pytest.fixture
def document() -> Template:
    template = Template(DOCUMENT, Path(), {})
    template.arns["Secret"] = "arn:aws:secretsmanager:us-east-1:123456789012:secret:Secret-AbCdEf"
    return template


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Word"}, "word"),
        ({"Ref": "Words"}, ["a", "b"]),
        ({"Ref": "Number"}, "60"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "Table"}, "words"),
        ({"Ref": "Unnamed"}, "Unnamed"),
        ({"Ref": "Secret"}, "arn:aws:secretsmanager:us-east-1:123456789012:secret:Secret-AbCdEf"),
        ({"Fn::GetAtt": ["Table", "Arn"]}, "arn:aws:dynamodb:us-east-1:123456789012:table/words"),
        ({"Fn::GetAtt": "Function.Arn"}, "arn:aws:lambda:us-east-1:123456789012:function:Function"),
        ({"Fn::Sub": "${Word}-${AWS::AccountId}-${!Literal}"}, "word-123456789012-${Literal}"),
        (
            {"Fn::Sub": ["${X}/${Table.Arn}", {"X": {"Ref": "Word"}}]},
            "word/arn:aws:dynamodb:us-east-1:123456789012:table/words",
        ),
        ({"Fn::Join": ["-", ["a", {"Ref": "Word"}]]}, "a-word"),
        ({"Fn::Join": [",", {"Ref": "Words"}]}, "a,b"),
        ({"Fn::Select": [1, {"Ref": "Words"}]}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": ["/", "x/y"]}]}, "x"),
        ({"Fn::If": ["IsWord", "yes", "no"]}, "yes"),
        ({"Fn::If": ["IsOther", "yes", "no"]}, "no"),
        ({"Fn::If": ["Both", "yes", "no"]}, "no"),
        ({"Fn::If": ["Either", "yes", "no"]}, "yes"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        ({"Ref": "Word", "other": 1}, {"Ref": "Word", "other": 1}),
        ({"Condition": {"Ref": "Word"}}, {"Condition": "word"}),
    ],
)
def test_an_intrinsic_is_resolved(document: Template, value: Any, expected: Any) -> None:
    assert document.resolve(value) == expected


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"Ref": "Nothing"}, "there is no parameter or resource Nothing"),
        ({"Ref": "Absent"}, "there is no parameter or resource Absent"),
        ({"Ref": "Queue"}, "Queue is an AWS::SQS::Queue, which the local stack does not run"),
        ({"Fn::GetAtt": ["Table", "StreamArn"]}, "the local stack does not know Table.StreamArn"),
        ({"Fn::ImportValue": "x"}, "the local stack does not know Fn::ImportValue"),
        ({"Fn::Select": [9, ["a"]]}, 'Fn::Select cannot be resolved: [9, ["a"]]'),
        ({"Fn::Join": ["", [["a"]]]}, 'Fn::Join cannot be resolved: ["", [["a"]]]'),
        ({"Fn::If": ["Nope", 1, 2]}, "there is no condition Nope"),
    ],
)
def test_an_unresolvable_value_is_named(document: Template, value: Any, complaint: str) -> None:
    with pytest.raises(StackError) as caught:
        document.resolve(value)
    assert str(caught.value) == complaint


def test_a_resource_whose_condition_is_false_does_not_exist(document: Template) -> None:
    assert list(document.resources("AWS::DynamoDB::Table")) == ["Table", "Unnamed"]


@pytest.mark.parametrize(
    ("parameter", "given", "complaint"),
    [
        ({}, {}, "parameter P has no default and no value in the local stack"),
        ({"Default": "x"}, {"Q": "1"}, "the template has no parameter Q, only P"),
        ({"AllowedPattern": "[a-z]*"}, {"P": "A"}, "parameter P must match [a-z]*"),
        (
            {"AllowedPattern": "[a-z]*", "ConstraintDescription": "is for letters."},
            {"P": "A"},
            "parameter P is for letters.",
        ),
        (
            {"Type": "Number", "MinValue": 0, "MaxValue": 9},
            {"P": "10"},
            "parameter P must be a whole number from 0 to 9",
        ),
        ({"Type": "Number"}, {"P": "ten"}, "parameter P must be a whole number of at least 0"),
        ({"Type": "Number", "MinValue": 1}, {"P": "1.5"}, "parameter P must be a whole number of at least 1"),
        ({"Type": "List<Number>"}, {"P": "-1,5"}, "parameter P must be a whole number of at least 0"),
        ({"Type": "List<Number>", "Default": "5,9"}, {"P": "5"}, "parameter P must have as many numbers as 5,9"),
        ({"AllowedValues": ["a", "b"]}, {"P": "c"}, "parameter P must be one of a, b"),
        ({"Type": "CommaDelimitedList", "AllowedPattern": "[a-z]"}, {"P": "a,B"}, "parameter P must match [a-z]"),
    ],
)
def test_a_parameter_is_checked_as_cloudformation_would(
    parameter: dict[str, Any], given: dict[str, str], complaint: str
) -> None:
    with pytest.raises(StackError) as caught:
        Template({"Parameters": {"P": {"Type": "String", **parameter}}, "Resources": {}}, Path(), given)
    assert str(caught.value) == complaint


def _loaded(folder: Path, resources: dict[str, Any], **parameters: str) -> Template:
    (folder / "code").mkdir(exist_ok=True)
    template = folder / "template.yaml"
    declared = {name: {"Type": "String"} for name in parameters}
    document = {"Transform": "AWS::Serverless-2016-10-31", "Parameters": declared, "Resources": resources}
    template.write_text(yaml.safe_dump(document))
    return load(template, {}, parameters)


def test_capabilities_are_the_parameters_that_are_on_or_off(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    switch = {"Type": "String", "Default": "On", "AllowedValues": ["On", "Off"]}
    declared = {"Sums": switch, "Files": switch, "Speed": switch | {"AllowedValues": ["On", "Off", "Full"]}}
    template.write_text(
        yaml.safe_dump({"Parameters": declared, "Resources": {"Table": {"Type": "AWS::DynamoDB::Table"}}})
    )
    assert sorted(capabilities(template)) == ["Files", "Sums"]
    assert load(template, {"Files": "Off"}, {"Speed": "Off"}).switched_off == ["Files"]


FUNCTION = {
    "Type": "AWS::Serverless::Function",
    "Properties": {"CodeUri": "code", "Handler": "app.handler", "Runtime": "python3.13"},
}


def test_an_event_of_a_function_makes_a_route(tmp_path: Path) -> None:
    event = {"Type": "Api", "Properties": {"Path": "/new", "Method": "PUT"}}
    function = {**FUNCTION, "Properties": {**FUNCTION["Properties"], "Timeout": 7, "Events": {"E": event}}}  # type: ignore[dict-item]
    template = _loaded(tmp_path, {"New": function})
    (spec,) = specs(template).values()
    (route,) = api(template).routes
    assert route == Route("put", "/new", Proxy(spec.arn, 29.0), None)
    assert (spec.name, spec.timeout, spec.folders) == ("New", 7.0, ((tmp_path / "code").resolve(),))


@pytest.mark.parametrize(
    ("resources", "complaint"),
    [
        ({"F": {**FUNCTION, "Properties": {"CodeUri": "nowhere"}}}, "Resource with id [F] is invalid."),
        (
            {"F": {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": {"Bucket": "b", "Key": "k"}}}},
            "CodeUri of F must be a folder",
        ),
        (
            {"F": {"Type": "AWS::Serverless::Function", "Properties": {"Handler": "a.b"}}},
            "Resource with id [F] is invalid.",
        ),
    ],
)
def test_a_template_that_sam_refuses_is_one_line(tmp_path: Path, resources: dict[str, Any], complaint: str) -> None:
    with pytest.raises(StackError) as caught:
        _loaded(tmp_path, resources)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_code_folder_is_named(tmp_path: Path) -> None:
    function = {**FUNCTION, "Properties": {"CodeUri": "nowhere", "Handler": "app.handler", "Runtime": "python3.13"}}
    with pytest.raises(StackError, match=r"F: its code must be a folder beside the template \(nowhere\)"):
        specs(_loaded(tmp_path, {"F": function}))


def test_a_layer_from_elsewhere_is_named(tmp_path: Path) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:layer:Elsewhere:3"
    function = {**FUNCTION, "Properties": {**FUNCTION["Properties"], "Layers": [arn]}}  # type: ignore[dict-item]
    with pytest.raises(StackError, match=f"^F: the local stack has no layer {arn}$"):
        specs(_loaded(tmp_path, {"F": function}))


MOCK = {"type": "mock", "passthroughBehavior": "never", "responses": {"default": {}}}


def _api_of(tmp_path: Path, paths: dict[str, Any], **more: Any) -> Api:
    definition = {"openapi": "3.0.1", "info": {"title": "x", "version": "1"}, "paths": paths, **more}
    resource = {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "s", "DefinitionBody": definition}}
    return api(_loaded(tmp_path, {"Api": resource}))


@pytest.mark.parametrize(
    ("operation", "more", "complaint"),
    [
        ({}, {}, "GET /a: the local stack supports no integration of type none"),
        (
            {"x-amazon-apigateway-integration": {"type": "http_proxy"}},
            {},
            "GET /a: the local stack supports no integration of type http_proxy",
        ),
        (
            {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "https://x"}},
            {},
            "GET /a: not the URI of a Lambda function: https://x",
        ),
        ({"security": [{"sigv4": []}]}, {}, "GET /a: the local stack has no authorizer sigv4"),
        (
            {"x-amazon-apigateway-request-validator": "all"},
            {},
            "GET /a: the local stack supports no request validators",
        ),
        (
            {"x-amazon-apigateway-integration": {"type": "mock", "responses": {"2..": {}}}},
            {},
            "GET /a: a mock needs passthroughBehavior never, and default as its only response",
        ),
        *(
            (
                {"x-amazon-apigateway-integration": MOCK},
                {"x-amazon-apigateway-gateway-responses": {"THROTTLED": response}},
                "THROTTLED: the local stack supports only a JSON template and quoted headers",
            )
            for response in (
                {"responseTemplates": {"text/plain": "No"}},
                {"responseParameters": {"gatewayresponse.header.X-Said": "method.request.header.X"}},
                {"responseParameters": {"gatewayresponse.path.a": "'b'"}},
            )
        ),
        (
            {"security": [{"t": []}], "x-amazon-apigateway-integration": MOCK},
            {"components": {"securitySchemes": {"t": {"x-amazon-apigateway-authorizer": {"type": "token"}}}}},
            "t: the local stack only supports authorizers of type REQUEST",
        ),
    ],
)
def test_an_unsupported_api_is_an_error_at_start(
    tmp_path: Path, operation: dict[str, Any], more: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(StackError) as caught:
        _api_of(tmp_path, {"/a": {"get": operation}}, **more)
    assert str(caught.value) == complaint


def test_two_apis_or_variables_of_a_stage_are_an_error(tmp_path: Path) -> None:
    definition = {"openapi": "3.0.1", "info": {"title": "x", "version": "1"}, "paths": {}}
    resource: Any = {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "s", "DefinitionBody": definition}}
    with pytest.raises(StackError, match="exactly one REST API, the template has 2"):
        api(_loaded(tmp_path, {"One": resource, "Two": resource}))
    resource["Properties"]["Variables"] = {"colour": "green"}
    with pytest.raises(StackError, match="no variables of the stage s"):
        api(_loaded(tmp_path, {"One": resource}))
