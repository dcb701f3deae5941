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
    return Api("id", "v1", (), {}, binary_media_types)


def mock(*, request: str | None = "CONVERT_TO_TEXT", response: dict[str, Any] = TEXT) -> Mock:
    default = {"statusCode": "200", "responseTemplates": {"application/json": "$input.body"}}
    return Mock({"application/json": '{"statusCode": 200}'}, default | response, request)


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


def test_a_body_without_a_template_of_its_type_is_refused() -> None:
    call = dataclasses.replace(CALL, headers=[("Content-Type", "text/plain")])
    with pytest.raises(Refusal, match="UNSUPPORTED_MEDIA_TYPE"):
        mock_answer(api(), mock(), {}, call)


@pytest.mark.parametrize("template", ["", "[]", "{}", '{"statusCode": "soon"}'])
def test_a_request_template_without_a_status_is_a_500(template: str) -> None:
    with pytest.raises(Refusal, match="DEFAULT_5XX") as refused:
        mock_answer(api(), Mock({"application/json": template}, {}), {}, CALL)
    assert refused.value.status == 500


@pytest.mark.parametrize(
    "response",
    [
        {"responseTemplates": {"application/json": "#if(1)"}},
        {"responseParameters": {"method.response.header.X-Said": "integration.response.header.X"}},
    ],
)
def test_a_response_that_cannot_be_made_is_a_configuration_error(response: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="API_CONFIGURATION_ERROR"):
        mock_answer(api(), mock(response=response), {}, CALL)


def test_a_template_reads_parameters_by_location_and_by_name() -> None:
    template = """
        $input.params("id") $input.params("q") $input.params("Accept") [$input.params("none")]
        $input.params().path.id $input.params().querystring.get("q") [$input.params().header.get("none")]
    """
    call = dataclasses.replace(CALL, query=[("q", "asked"), ("id", "not this")], headers=[("Accept", "*/*")])
    integration = mock(response={"responseTemplates": {"application/json": template}})
    answer = mock_answer(api(), integration, {"id": "7"}, call)
    assert answer.body.decode().split() == ["7", "asked", "*/*", "[]", "7", "asked", "[]"]
