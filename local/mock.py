"""Answer mock integrations from mapping templates, without a backend, as API Gateway does.

https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

import base64
import json
import logging
import re
from typing import Any

from airspeed import Template, TemplateError

from local.events import Call, is_binary_type
from local.openapi import Api, Mock
from local.responses import Answer, Refusal

log = logging.getLogger("local")

JSON = "application/json"


class Parameters(dict[str, str]):
    """The parameters of one location: path, query string or headers."""

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        """Return the value, or an empty string if it is missing.

        The preflight templates of AWS's CDK expect an empty string.
        """
        return super().get(name, default)


class Input:
    """The variable `$input` of a mapping template."""

    def __init__(self, api: Api, call: Call, parameters: dict[str, str]) -> None:
        is_binary = is_binary_type(api, call.header("content-type"))
        self.body = base64.b64encode(call.body).decode() if is_binary else call.body.decode(errors="replace")
        self._parameters = {
            "path": Parameters(parameters),
            "querystring": Parameters(call.query),
            "header": Parameters(call.headers),
        }

    def params(self, name: str | None = None) -> Any:
        """Return all parameters by location, or the first with this name in path, query string or headers."""
        if name is None:
            return self._parameters
        return next((values[name] for values in self._parameters.values() if name in values), "")


def mock_answer(api: Api, mock: Mock, parameters: dict[str, str], call: Call) -> Answer:
    """Return the answer of a mock integration. Raises Refusal if its templates do not produce one."""
    _check_request(api, mock, parameters, call)
    response = mock.response
    context = _context(api, call)
    templates = response.get("responseTemplates") or {JSON: ""}
    accepted = call.header("accept") or JSON
    _refuse_binary(api, accepted, response.get("contentHandling"))
    media_type = next((type_ for type_ in (accepted, JSON) if type_ in templates), next(iter(templates)))
    body = _render(templates[media_type], api, parameters, call, context)
    headers = {"Content-Type": media_type}
    for target, source in (response.get("responseParameters") or {}).items():
        if literal := re.fullmatch(r"'(.*)'", source, re.DOTALL):
            headers[target.removeprefix("method.response.header.")] = literal[1]
        else:
            log.error("the local stack only maps quoted values into responses, not %s", source)
            raise Refusal("API_CONFIGURATION_ERROR")
    override = context["responseOverride"]
    headers |= {name: str(value) for name, value in override["header"].items()}
    return Answer(int(override.get("status", response["statusCode"])), list(headers.items()), body.encode())


def _check_request(api: Api, mock: Mock, parameters: dict[str, str], call: Call) -> None:
    """Raise Refusal unless a request template fits the body's type, and gives a status, as API Gateway demands."""
    media_type = (call.header("content-type") or JSON).split(";")[0].strip().lower()
    template = mock.request_templates.get(media_type)
    if template is None:
        raise Refusal("UNSUPPORTED_MEDIA_TYPE")
    _refuse_binary(api, call.header("content-type"), mock.content_handling)
    try:
        int(json.loads(_render(template, api, parameters, call, _context(api, call)))["statusCode"])
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal("DEFAULT_5XX", status=500) from error


def _refuse_binary(api: Api, media_type: str | None, content_handling: str | None) -> None:
    """Refuse a binary body that is not converted to text, because templates cannot transform it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
    """
    if is_binary_type(api, media_type) and content_handling != "CONVERT_TO_TEXT":
        log.error("mock integration: unable to transform a binary body without contentHandling CONVERT_TO_TEXT")
        raise Refusal("API_CONFIGURATION_ERROR")


def _context(api: Api, call: Call) -> dict[str, Any]:
    return {
        "apiId": api.id,
        "httpMethod": call.method,
        "path": f"/{api.stage}{call.path}",
        "requestId": call.request_id,
        "stage": api.stage,
        "identity": {"sourceIp": call.source_ip, "userAgent": call.header("user-agent")},
        "responseOverride": {"header": {}},
    }


def _render(template: str, api: Api, parameters: dict[str, str], call: Call, context: dict[str, Any]) -> str:
    variables = {"input": Input(api, call, parameters), "context": context}
    try:
        return str(Template(template).merge(variables))
    except TemplateError as error:
        log.error("mapping template: %s", error)
        raise Refusal("API_CONFIGURATION_ERROR") from error
