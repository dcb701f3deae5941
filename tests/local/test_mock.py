"""Mock integrations treat bodies as API Gateway's do: binary media types and `contentHandling`."""

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
    said = {"statusCode": "200", "responseTemplates": {"application/json": "$input.body"}}
    return Mock({"application/json": '{"statusCode": 200}'}, "never", {"default": said | response}, request)


CALL = Call("POST", "/", [], [], b"\xff", "127.0.0.1", "HTTP/1.1")


def test_a_template_gets_a_text_as_it_is_and_a_binary_body_as_base64() -> None:
    assert mock_answer(api(), mock(request=None, response={}), {}, CALL).body == "\ufffd".encode()
    assert mock_answer(api("*/*"), mock(), {}, CALL).body == b"/w=="


@pytest.mark.parametrize("unconverted", [mock(request=None), mock(response={})])
def test_no_template_transforms_a_binary_body_that_is_not_converted(unconverted: Mock) -> None:
    with pytest.raises(Refusal, match="API_CONFIGURATION_ERROR"):
        mock_answer(api("*/*"), unconverted, {}, CALL)


def test_only_a_listed_type_is_binary() -> None:
    image = dataclasses.replace(CALL, headers=[("Accept", "image/png"), ("Content-Type", "application/json")])

    assert mock_answer(api("text/plain"), mock(request=None, response={}), {}, image).status == 200
    with pytest.raises(Refusal, match="API_CONFIGURATION_ERROR"):
        mock_answer(api("image/*"), mock(response={}), {}, image)
