"""Test mock integrations of the local API Gateway."""

import dataclasses
from typing import Any

import pytest

from local.events import Call
from local.mock import mock_answer
from local.openapi import Api, Mock
from local.responses import Refusal

TEXT = {"contentHandling": "CONVERT_TO_TEXT"}


def api(*binary_media_types: str) -> Api:
    return Api("id", "v1", {}, (), {}, binary_media_types)


def mock(*, request: str | None = "CONVERT_TO_TEXT", response: dict[str, Any] = TEXT) -> Mock:
    default = {"statusCode": "200", "responseTemplates": {"application/json": "$input.body"}}
    return Mock({"application/json": '{"statusCode": 200}'}, "never", {"default": default | response}, request)


CALL = Call("POST", "/", [], [], b"\xff", "127.0.0.1", "HTTP/1.1")


def test_a_template_gets_text_unchanged_and_a_binary_body_as_base64() -> None:
    assert mock_answer(api(), mock(request=None, response={}), {}, CALL).body == "\ufffd".encode()
    assert mock_answer(api("*/*"), mock(), {}, CALL).body == b"/w=="


@pytest.mark.parametrize("unconverted", [mock(request=None), mock(response={})])
def test_a_binary_body_that_is_not_converted_is_a_configuration_error(unconverted: Mock) -> None:
    with pytest.raises(Refusal, match="API_CONFIGURATION_ERROR"):
        mock_answer(api("*/*"), unconverted, {}, CALL)


def test_only_a_listed_type_is_binary() -> None:
    image = dataclasses.replace(CALL, headers=[("Accept", "image/png"), ("Content-Type", "application/json")])

    assert mock_answer(api("text/plain"), mock(request=None, response={}), {}, image).status == 200
    with pytest.raises(Refusal, match="API_CONFIGURATION_ERROR"):
        mock_answer(api("image/*"), mock(response={}), {}, image)


@pytest.mark.parametrize(
    ("passthrough", "templates", "status"),
    [
        ("when_no_match", {"text/plain": '{"statusCode": 500}'}, 202),
        ("when_no_templates", {}, 202),
        ("when_no_templates", {"text/plain": '{"statusCode": 500}'}, None),
        ("never", {}, None),
    ],
)
def test_a_body_without_a_template_of_its_type_passes_through_if_allowed(
    passthrough: str, templates: dict[str, str], status: int | None
) -> None:
    integration = Mock(templates, passthrough, {"2..": {"statusCode": "202"}})
    call = dataclasses.replace(CALL, body=b'{"statusCode": 200}')
    if status:
        assert mock_answer(api(), integration, {}, call).status == status
    else:
        with pytest.raises(Refusal, match="UNSUPPORTED_MEDIA_TYPE"):
            mock_answer(api(), integration, {}, call)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"statusCode": "soon"}', b"\xff"])
def test_a_request_template_without_a_status_is_a_500(body: bytes) -> None:
    with pytest.raises(Refusal, match="DEFAULT_5XX") as refused:
        mock_answer(api(), Mock({}, "when_no_match", {}), {}, dataclasses.replace(CALL, body=body))
    assert refused.value.status == 500


def test_the_first_response_whose_pattern_matches_the_status_is_used() -> None:
    responses = {"404": {"statusCode": "404"}, "4..": {"statusCode": "400"}, "default": {"statusCode": "200"}}
    for chosen, status in (("404", 404), ("409", 400), ("500", 200)):
        integration = Mock({"application/json": f'{{"statusCode": {chosen}}}'}, "never", responses)
        assert mock_answer(api(), integration, {}, CALL).status == status


@pytest.mark.parametrize(
    "responses",
    [
        {"4..": {"statusCode": "400"}},
        {"default": {"statusCode": "200", "responseTemplates": {"application/json": "#if(1)"}}},
        {
            "default": {
                "statusCode": "200",
                "responseParameters": {"method.response.header.X-Said": "integration.response.header.X"},
            }
        },
    ],
)
def test_a_response_that_cannot_be_made_is_a_configuration_error(responses: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="API_CONFIGURATION_ERROR"):
        mock_answer(api(), Mock({"application/json": '{"statusCode": 200}'}, "never", responses), {}, CALL)


def test_a_template_reads_parameters_by_location_and_by_name() -> None:
    template = """
        $input.params("id") $input.params("q") $input.params("Accept") [$input.params("none")]
        $input.params().path.id $input.params().querystring.get("q") [$input.params().header.get("none")]
    """
    responses = {"default": {"statusCode": "200", "responseTemplates": {"application/json": template}}}
    call = dataclasses.replace(CALL, query=[("q", "asked"), ("id", "not this")], headers=[("Accept", "*/*")])
    integration = Mock({"application/json": '{"statusCode": 200}'}, "never", responses)
    answer = mock_answer(api(), integration, {"id": "7"}, call)
    assert answer.body.decode().split() == ["7", "asked", "*/*", "[]", "7", "asked", "[]"]
