"""Serve the Model Context Protocol over HTTP: answer JSON-RPC messages in a POST, without sessions or streams.

It supports the stateless revision (2026-07-28) and the earlier revisions that begin with `initialize`:
https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports
https://modelcontextprotocol.io/specification/2025-03-26/basic/transports (the only revision with batches)
"""

import time
from base64 import b64decode
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, NamedTuple

from outcomes.contract import json_text
from outcomes.contract.caller import Caller
from outcomes.contract.json_text import compact, response_bytes
from outcomes.contract.outcome_type import Types
from outcomes.edge import headers
from outcomes.edge.api import Event, Response, header, json_value, log_failure, note_refused, ok, respond
from outcomes.errors import BadRequest, Forbidden, Mistimed, Refused
from outcomes.limits import MAX_BATCH_OUTCOMES, MAX_BULK_CALLS, MAX_RESPONSE_BYTES
from outcomes.mcp import tool_calls, tools

MODERN = "2026-07-28"
WITH_INITIALIZE = ("2025-11-25", "2025-06-18", "2025-03-26")
WITH_BATCHES = "2025-03-26"  # the revision that is assumed if a client sends none
VERSIONS = (MODERN, *WITH_INITIALIZE)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

_STATUS = {METHOD_NOT_FOUND: 404}  # in the stateless revision, errors with other codes have the HTTP status 400

MAX_BATCH = 50
MAX_ID = 255  # characters
BATCH_SECONDS = 1.0
"""No call of a batch begins after this many seconds: the slowest call takes almost as long as the function's
timeout."""
_ROOM = MAX_RESPONSE_BYTES // 2
"""Maximum bytes of one answer, and of all answers of a batch before the next call begins."""

_META = "io.modelcontextprotocol/"
_SERVER = {"name": "outcomes", "title": "Outcomes", "version": "1.0.0.dev0"}
_CAPABILITIES: dict[str, Any] = {"tools": {}}
_ENCODED = ("=?base64?", "?=")

type Call = Callable[[str, dict[str, Any]], str]
"""Runs a tool, given its name and arguments (numbers as `Decimal`). Returns the JSON text of an object."""


class RpcError(Exception):
    """A JSON-RPC error: https://www.jsonrpc.org/specification#error_object."""

    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def answer(
    event: Event, caller: Caller, origins: str, capabilities: Collection[str], types: Types, call: Call
) -> Response:
    """Answer a POST.

    origins: comma-separated origins whose pages may call. capabilities: the lower-case names of the capabilities that
    are on. types: the valid outcome types. call: runs a tool; the exceptions that it raises become error results.

    Raises PayloadTooLarge. Raises Forbidden if the caller is a page of another origin, or a user with a session.
    """
    origin = header(event, "origin")
    if (origin is not None and origin not in origins.split(",")) or caller.session_user is not None:
        raise Forbidden
    return _Request(event, caller, capabilities, types, call).response()


class _Request(NamedTuple):
    event: Event
    caller: Caller
    capabilities: Collection[str]
    types: Types
    call: Call

    def response(self) -> Response:
        try:
            message = json_value(self.event)
        except BadRequest:
            return respond(400, _error_text("null", RpcError(PARSE_ERROR, "The body is not JSON")))
        id_ = _id(message.get("id")) if isinstance(message, dict) else None
        try:
            version = self._version(message)
            if version == MODERN:
                return self._modern(message)
            if isinstance(message, list):
                return self._batch(message, version)
            text = self._one(message)
        except RpcError as error:
            status = _STATUS.get(error.code, 400) if self._declared() == {MODERN} else 400
            return respond(status, _error_text(id_ or "null", error))
        return respond(202, "") if text is None else ok(text)

    def _declared(self) -> set[str]:
        return set(headers.values(self.event, "mcp-protocol-version"))

    def _version(self, message: Any) -> str:
        """Determine the protocol revision."""
        declared = self._declared()
        if len(declared) > 1:
            raise RpcError(HEADER_MISMATCH, "MCP-Protocol-Version was sent more than once")
        version = declared.pop() if declared else None
        if version is not None and version not in VERSIONS:
            data = {"supported": list(VERSIONS), "requested": version[:MAX_ID] if version.isascii() else ""}
            raise RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data)
        said = _meta(message).get(f"{_META}protocolVersion")
        if said is not None and said != version:
            raise RpcError(HEADER_MISMATCH, "MCP-Protocol-Version differs from the version in the body")
        return version or WITH_BATCHES

    def _modern(self, message: Any) -> Response:
        """Answer a request of MCP's stateless revision. Raises RpcError."""
        id_, method, params = _read(message)
        if id_ is None:
            return respond(202, "")
        if method is None:
            raise RpcError(INVALID_REQUEST, "Responses are not accepted: the server sends no requests")
        meta = _meta(message)
        if not all(f"{_META}{name}" in meta for name in ("protocolVersion", "clientCapabilities")):
            raise RpcError(INVALID_PARAMS, "params._meta must name protocolVersion and clientCapabilities")
        if header(self.event, "mcp-method") != method:
            raise RpcError(HEADER_MISMATCH, "Mcp-Method differs from the method in the body")
        if method == "tools/call" and _decoded(header(self.event, "mcp-name")) != params.get("name"):
            raise RpcError(HEADER_MISMATCH, "Mcp-Name differs from the name in the body")
        about = {"resultType": "complete", "_meta": {f"{_META}serverInfo": _SERVER}}
        # clients must not cache results, because these depend on the key's bounds, which may change
        kept = {"ttlMs": 0, "cacheScope": "private"}
        match method:
            case "server/discover":
                said = {"supportedVersions": list(VERSIONS), "capabilities": _CAPABILITIES}
                result = compact(about | said | kept | {"instructions": tools.instructions(self.caller)})
            case "tools/list":
                result = compact(about | kept | self._tools(params))
            case "tools/call":
                result = self._result(params, about)
            case _:
                raise RpcError(METHOD_NOT_FOUND, "Method not found")
        return ok(_result_text(id_, result))

    def _batch(self, messages: list[Any], version: str) -> Response:
        """Answer several messages. Raises RpcError."""
        if version != WITH_BATCHES:
            raise RpcError(INVALID_REQUEST, f"Version {version} has no batches")
        if not 1 <= len(messages) <= MAX_BATCH:
            raise RpcError(INVALID_REQUEST, f"A batch must have 1 to {MAX_BATCH} messages")
        _check_amount(messages)
        until = time.monotonic() + BATCH_SECONDS
        texts: list[str] = []
        for message in messages:
            id_ = (_id(message.get("id")) if isinstance(message, dict) else None) or "null"
            try:
                is_late = time.monotonic() > until or response_bytes("".join(texts)) > _ROOM
                text = self._one(message, in_batch=True, is_late=is_late)
            except RpcError as error:
                text = _error_text(id_, error)
            if text is not None:
                texts.append(text)
        return ok(f"[{','.join(texts)}]") if texts else respond(202, "")

    def _one(self, message: Any, *, in_batch: bool = False, is_late: bool = False) -> str | None:
        """Answer a message of the revisions that begin with `initialize`. Return None for a notification or response.

        Raises RpcError if it is not a JSON-RPC message.
        """
        id_, method, params = _read(message)
        if id_ is None or method is None:
            return None
        try:
            match method:
                case "initialize" if in_batch:
                    raise RpcError(INVALID_REQUEST, "initialize must not be part of a batch")
                case "initialize":
                    result = compact(self._initialized(params))
                case "ping":
                    result = "{}"
                case "tools/list":
                    result = compact(self._tools(params))
                case "tools/call" if is_late:
                    result = _failed("Not done: the batch took too long or its answer is too large. Call it alone.", {})
                case "tools/call":
                    result = self._result(params, {})
                case _:
                    raise RpcError(METHOD_NOT_FOUND, "Method not found")
        except RpcError as error:
            return _error_text(id_, error)
        return _result_text(id_, result)

    def _initialized(self, params: dict[str, Any]) -> dict[str, Any]:
        asked = params.get("protocolVersion")
        if not isinstance(asked, str):
            raise RpcError(INVALID_PARAMS, "params.protocolVersion must be a string")
        return {
            "protocolVersion": asked if asked in WITH_INITIALIZE else WITH_INITIALIZE[0],
            "capabilities": _CAPABILITIES,
            "serverInfo": _SERVER,
            "instructions": tools.instructions(self.caller),
        }

    def _tools(self, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("cursor") is not None:
            raise RpcError(INVALID_PARAMS, "Invalid cursor: all tools are on one page")
        return {"tools": tools.described(self.caller, self.capabilities, self.types)}

    def _result(self, params: dict[str, Any], about: dict[str, Any]) -> str:
        """Run a tool and return its result as JSON text. Raises RpcError for an unknown tool."""
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str) or name not in tools.TOOLS:
            raise RpcError(INVALID_PARAMS, "Unknown tool")
        if not isinstance(arguments, dict | None):
            raise RpcError(INVALID_PARAMS, "params.arguments must be an object")
        if missing := tools.missing(name, self.capabilities):
            return _failed(
                f"{name} does not work here: {missing[0]} is Off in this deployment. {tool_calls.TELL}", about
            )
        reads = tools.TOOLS[name].scope == "read"
        try:
            tool_calls.check(name, arguments or {}, self.caller)
            structured = self.call(name, arguments or {})
        except tool_calls.Mistake as mistake:
            return _failed(str(mistake), about)
        except Refused as refused:
            note_refused(self.event, refused)
            return _failed(tool_calls.advice(refused, name), about)
        except Mistimed:  # the endpoint processes the request again; idempotency keys make that safe
            raise
        except Exception as failure:  # noqa: BLE001 - any failure must be reported to the model
            log_failure(self.event, "Tool failed", failure)
            return _failed(tool_calls.READING_FAILED if reads else tool_calls.UNKNOWN, about)
        text = f"{tools.DATA}\n{structured}" if '"title":' in structured else structured
        content = f'[{{"type":"text","text":{json_text.string(text)}}}]'
        more = compact(about)[1:-1]
        result = f'{{"content":{content},"structuredContent":{structured},"isError":false{"," if more else ""}{more}}}'
        # Only read-only tools can return so many bytes, so nothing was recorded.
        if response_bytes(result) > _ROOM:
            return _failed("The answer is too large. Call again with a smaller limit or a shorter period.", about)
        return result


def _read(message: Any) -> tuple[str | None, str | None, dict[str, Any]]:
    """Return a message's id (JSON text; None for a notification), method (None for a response) and params.

    Raises RpcError if it is not a JSON-RPC message.
    """
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, "This is not a JSON-RPC 2.0 message")
    method, params = message.get("method"), message.get("params", {})
    id_ = _id(message.get("id"))
    if "id" in message and id_ is None:
        raise RpcError(INVALID_REQUEST, f"id must be a number or a string of at most {MAX_ID} characters")
    if method is None and id_ is not None and ("result" in message or "error" in message):
        return id_, None, {}
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "method must be a string")
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object")
    return id_, method, params


def _check_amount(messages: list[Any]) -> None:
    """Raise RpcError if a batch records more outcomes than POST /api/outcomes/batch accepts, or has two bulk calls."""
    calls = [params for each in messages if isinstance(each, dict) and isinstance(params := each.get("params"), dict)]
    bulk = [call.get("arguments") for call in calls if call.get("name") in ("record_outcomes", "correct_outcomes")]
    lists = [sent.get("outcomes") for sent in bulk if isinstance(sent, dict)]
    amount = sum(len(items) for items in lists if isinstance(items, list))
    amount += sum(call.get("name") == "record_outcome" for call in calls)
    if len(bulk) > MAX_BULK_CALLS or amount > MAX_BATCH_OUTCOMES:
        most = (
            f"{MAX_BULK_CALLS} call of record_outcomes or correct_outcomes, and {MAX_BATCH_OUTCOMES} recorded outcomes"
        )
        raise RpcError(INVALID_REQUEST, f"A batch may have at most {most}")


def _id(value: object) -> str | None:
    """Return a message's id as JSON text, or None if it is invalid."""
    if isinstance(value, Decimal):
        return str(value) if len(str(value)) <= MAX_ID else None
    if isinstance(value, str) and len(value) <= MAX_ID and value.isprintable():
        return json_text.string(value)
    return None


def _meta(message: Any) -> dict[str, Any]:
    params = message.get("params") if isinstance(message, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def _decoded(value: str | None) -> str | None:
    """Decode a header value if it is marked as Base64 of UTF-8. Return None if it cannot be decoded."""
    begin, end = _ENCODED
    if value is None or not (value.startswith(begin) and value.endswith(end)):
        return value
    try:
        return b64decode(value[len(begin) : -len(end)], validate=True).decode()
    except ValueError:
        return None


def _failed(text: str, about: dict[str, Any]) -> str:
    return compact({"content": [{"type": "text", "text": text}], "isError": True} | about)


def _result_text(id_: str, result: str) -> str:
    return f'{{"jsonrpc":"2.0","id":{id_},"result":{result}}}'


def _error_text(id_: str, error: RpcError) -> str:
    told = {"code": error.code, "message": str(error)} | ({"data": error.data} if error.data else {})
    return f'{{"jsonrpc":"2.0","id":{id_},"error":{compact(told)}}}'
