"""Bridge the Model Context Protocol from standard input and output to the API's own tools, `POST /mcp`.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
Lines are handed on as they came: the numbers of a message that is read and written again would be rounded.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any

from . import _json
from ._client import OutcomesClient
from ._errors import ConfigurationError, OutcomesError
from ._sending import LOG

_VERSION = "io.modelcontextprotocol/protocolVersion"
_RECORD = ("record_outcome", "record_outcomes")
_CORRECT = ("amend_outcome", "void_outcome")
_INTERNAL_ERROR = -32603  # https://www.jsonrpc.org/specification#error_object
_AT_ONCE = 8  # calls

Json = dict[str, Any]


class _Beyond(Exception):
    """Says to a model why its call is not handed on."""


class Bridge:
    """Hands messages on to the API. Knows the revision that is spoken, and for whom alone is recorded."""

    def __init__(self, client: OutcomesClient) -> None:
        self._client = client
        told = client._calls.defaults
        self._own = {name: id_ for name, id_ in (("user_id", told.user_id), ("agent_id", told.agent_id)) if id_}
        self._agreed = ""

    def answer(self, line: bytes) -> bytes | None:
        """Hand a message on and give back the answer, both a line; None where a message has none."""
        try:
            said = _json.decode(line)
        except ValueError:
            said = None  # which the API says
        if self._own and isinstance(said, list) and said:  # of a batch, each call has to be bound
            told = [text for each in said if (text := self._answer(each)) is not None]
            return b"[%s]" % b",".join(told) if told else None
        return self._answer(said, line)

    def _answer(self, said: Any, line: bytes = b"") -> bytes | None:
        """Answer a message. line: as it came, if it came alone."""
        message = said if isinstance(said, dict) else {}
        try:
            body = self._bound(message) or line or _json.encode(said)
            answer = self._client._run(self._client._calls.relay(body, self._headers(message)))
        except _Beyond as beyond:
            return _refused(message, str(beyond))
        except OutcomesError as failure:
            LOG.warning("%s", failure)
            again = "It may or may not have been done. Call again later with the same arguments."
            return _refused(message, f"{failure}. {again if failure.retryable else _TELL}")
        except Exception:  # noqa: BLE001 - whatever it is, the model must hear of it
            LOG.exception("A message could not be handed on")
            return _refused(message, _TELL)
        if message.get("method") == "initialize" and answer:
            self._agreed = str((_json.decode(answer).get("result") or {}).get("protocolVersion", ""))
        return answer

    def _headers(self, message: Json) -> dict[str, str]:
        """Say in headers what HTTP wants there: the revision, and from 2026-07-28 on what a message is about."""
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
        """Write for whom this server records (`OUTCOMES_USER_ID`, `OUTCOMES_AGENT_ID`) into a call, exactly.

        Raises:
            _Beyond: a model names others, or what no UTF-8 can say.
        """
        params = message.get("params")
        name, arguments = (params.get("name"), params.get("arguments")) if isinstance(params, dict) else (None, None)
        if not self._own or name not in (*_RECORD, *_CORRECT) or not isinstance(arguments, dict):
            return None
        items = arguments.get("outcomes") if name == "record_outcomes" else [arguments]
        for item in items if isinstance(items, list) else []:
            for field, own in self._own.items() if isinstance(item, dict) else ():
                if item.get(field) not in (None, own):
                    raise _Beyond(f"This server records for {field} {own} only. Leave {field} out and call again.")
                if field == "user_id" or name in _RECORD:
                    item[field] = own
        try:
            return _json.encode(message)
        except UnicodeEncodeError:
            raise _Beyond("A text holds half of a character, a lone surrogate. Leave it out and call again.") from None


_TELL = "You cannot mend this: tell the person who runs this server."


def _header(text: str) -> str:
    """Write a header, in Base64 where it is no plain text (specification 2026-07-28)."""
    plain = text.isascii() and text.isprintable() and text == text.strip()
    return text if plain else f"=?base64?{b64encode(text.encode(errors='replace')).decode()}?="


def _refused(message: Json, why: str) -> bytes | None:
    """Answer in the API's place: to a model as a tool's result, for what else is asked to who runs it."""
    if message.get("id") is None:
        return None
    if message.get("method") == "tools/call":
        told: Json = {"result": {"resultType": "complete", "content": [{"type": "text", "text": why}], "isError": True}}
    else:
        told = {"error": {"code": _INTERNAL_ERROR, "message": why}}
    return _json.encode({"jsonrpc": "2.0", "id": message["id"], **told})


def serve(client: OutcomesClient) -> None:
    """Bridge until standard input ends, and what was asked by then is answered.

    Raises:
        ConfigurationError: there is no key: a session may not use the tools.
    """
    if not client._address.api_key:
        raise ConfigurationError(
            "MCP needs a key (INTERNAL_API_KEY), which `outcomes keys create` makes: no session may"
        )
    bridge, one_at_a_time = Bridge(client), Lock()

    def hand_on(line: bytes) -> None:
        if (answer := bridge.answer(line)) is not None:
            with one_at_a_time:
                sys.stdout.buffer.write(answer + b"\n")
                sys.stdout.buffer.flush()

    with client, ThreadPoolExecutor(_AT_ONCE) as pool:
        for line in sys.stdin.buffer:
            if line.strip():
                pool.submit(hand_on, line)
