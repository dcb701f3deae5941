"""Bridge the Model Context Protocol from standard input and output to the API's own tools, `POST /mcp`.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
Messages are forwarded unchanged: parsing and writing them again would round numbers.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from . import _json
from ._client import OutcomesClient
from ._errors import ConfigurationError, OutcomesError
from ._sending import LOG

_VERSION = "io.modelcontextprotocol/protocolVersion"
_RECORD = ("record_outcome", "record_outcomes")
_CORRECT = ("amend_outcome", "void_outcome", "correct_outcomes")
_SEVERAL = {"record_outcomes": "outcomes", "correct_outcomes": "corrections"}
"""The tools whose arguments are a list, and its name."""
_PARSE_ERROR, _INTERNAL_ERROR = -32700, -32603  # https://www.jsonrpc.org/specification#error_object
_AT_ONCE = 8  # calls

Json = dict[str, Any]


class _OutOfBounds(Exception):
    """Tells a model why the bridge refused its call."""


class Bridge:
    """Forwards messages to the API. Stores the protocol version, and the user and agent for which it may record."""

    def __init__(self, client: OutcomesClient) -> None:
        self._client = client
        defaults = client._calls.defaults
        self._own = {name: id_ for name, id_ in (("user_id", defaults.user_id), ("agent_id", defaults.agent_id)) if id_}
        self._agreed = ""

    def answer(self, line: bytes) -> bytes | None:
        """Forward a message and return its answer, or None if the message gets no answer.

        The message and the answer are one line each.
        """
        try:
            said = _json.decode(line)
        except ValueError:
            # what cannot be checked must not be forwarded: the API might read it
            error = {"code": _PARSE_ERROR, "message": "The message cannot be read as JSON"}
            return _json.encode({"jsonrpc": "2.0", "id": None, "error": error})
        # process each call of a batch, to check the user and agent of each
        if self._own and isinstance(said, list) and said:
            # forward null in place of a list, because the API would read the list as a batch
            calls = [None if isinstance(each, list) else each for each in said]
            return _batch(map(self._answer, calls))
        return self._answer(said, line)

    def _answer(self, said: Any, line: bytes = b"") -> bytes | None:
        """Return the answer to a message. line: the message's original text, if it is not part of a batch."""
        message = said if isinstance(said, dict) else {}
        try:
            body = self._bound(message) or line or _json.encode(said)
            answer = self._client._run(self._client._calls.relay(body, self._headers(message)))
        except _OutOfBounds as refused:
            return _refused(said, str(refused))
        except OutcomesError as failure:
            LOG.warning("%s", failure)
            return _refused(said, f"{failure}. {_advise(failure)}")
        except Exception:  # noqa: BLE001 - the model gets an answer whatever fails
            LOG.exception("A message could not be forwarded")
            return _refused(said, _TELL)
        if message.get("method") == "initialize" and answer:
            self._agreed = str((_json.decode(answer).get("result") or {}).get("protocolVersion", ""))
        return answer

    def _headers(self, message: Json) -> dict[str, str]:
        """Return the HTTP headers: the protocol version and, since version 2026-07-28, the method and the tool."""
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        version = (params.get("_meta") or {}).get(_VERSION) if isinstance(params.get("_meta"), dict) else None
        if not version:
            return {"MCP-Protocol-Version": self._agreed} if self._agreed else {}
        about = {"MCP-Protocol-Version": version, "Mcp-Method": message.get("method")}
        if message.get("method") == "tools/call":
            about["Mcp-Name"] = params.get("name")
        return {name: _header(str(value)) for name, value in about.items()}

    def _bound(self, message: Json) -> bytes | None:
        """Add the bridge's user (`OUTCOMES_USER_ID`) to a call that records or corrects.

        If the call records, also add the bridge's agent (`OUTCOMES_AGENT_ID`). Return the new message, with exact
        numbers, or None if the message needs no change.

        Raises:
            _OutOfBounds: the model named a different user or agent.
        """
        params = message.get("params")
        name, arguments = (params.get("name"), params.get("arguments")) if isinstance(params, dict) else (None, None)
        if not self._own or name not in (*_RECORD, *_CORRECT) or not isinstance(arguments, dict):
            return None
        items = arguments.get(_SEVERAL[name]) if name in _SEVERAL else [arguments]
        for item in items if isinstance(items, list) else []:
            for field, own in self._own.items() if isinstance(item, dict) else ():
                if item.get(field) not in (None, own) or field in _cleared(item):
                    raise _OutOfBounds(f"This server records for {field} {own} only. Leave {field} out and call again.")
                if field == "user_id" or name in _RECORD:
                    item[field] = own
        return _json.encode(message)


def _cleared(item: Json) -> list[Any]:
    clear = item.get("clear")
    return clear if isinstance(clear, list) else []


_TELL = "You cannot fix this: tell the person who runs this server."


def _advise(failure: OutcomesError) -> str:
    """Return a text that tells a model what to do about a failure."""
    if failure.status == 413:
        return "Call again with fewer or shorter items."
    if not failure.retryable:
        return _TELL
    doubt = "It may or may not have been done. " if failure._maybe_done else ""
    return f"{doubt}Call again later with the same arguments."


def _header(text: str) -> str:
    """Encode a header value. It becomes Base64 if it is not plain text (specification 2026-07-28)."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    return text if plain else f"=?base64?{b64encode(text.encode(errors='replace')).decode()}?="


def _batch(answers: Iterable[bytes | None]) -> bytes | None:
    """Return the answer to a batch, or None if none of its messages gets an answer."""
    told = [each for each in answers if each is not None]
    return b"[%s]" % b",".join(told) if told else None


def _refused(message: Any, why: str) -> bytes | None:
    """Return the bridge's own answer to a message or a batch that it refused or could not forward.

    A tool call gets a result, because models see results. Another request gets an error. A notification gets no
    answer.
    """
    if isinstance(message, list):
        return _batch(_refused(each, why) for each in message if isinstance(each, dict))
    if not isinstance(message, dict) or message.get("id") is None:
        return None
    if message.get("method") == "tools/call":
        outcome: Json = {
            "result": {"resultType": "complete", "content": [{"type": "text", "text": why}], "isError": True}
        }
    else:
        outcome = {"error": {"code": _INTERNAL_ERROR, "message": why}}
    return _json.encode({"jsonrpc": "2.0", "id": message["id"], **outcome})


def serve(client: OutcomesClient) -> None:
    """Forward messages until standard input ends and all messages are answered.

    Raises:
        ConfigurationError: the client has no key. A session is not enough to call the tools.
    """
    if not client._address.api_key:
        raise ConfigurationError(
            "MCP needs a key (INTERNAL_API_KEY): create one with `outcomes keys create`. A session cannot be used"
        )
    bridge, one_at_a_time = Bridge(client), Lock()

    def forward(line: bytes) -> None:
        if (answer := bridge.answer(line)) is not None:
            try:
                with one_at_a_time:
                    sys.stdout.buffer.write(answer + b"\n")
                    sys.stdout.buffer.flush()
            except OSError as failure:
                LOG.warning("An answer could not be written: %s", failure)

    with client, ThreadPoolExecutor(_AT_ONCE) as pool:
        for line in sys.stdin.buffer:
            if line.strip():
                pool.submit(forward, line)
