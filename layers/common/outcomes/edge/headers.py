"""Read the headers of a REST API event, for the authorizer and the handlers.

The authorizer imports this module for every call with a key, so it imports nothing that loads slowly.
"""

from hashlib import sha256

TYPE_CHECKING = False  # type checkers take it for typing.TYPE_CHECKING, which takes time to load
if TYPE_CHECKING:
    from typing import Any


def values(event: "dict[str, Any]", name: str) -> list[str]:
    """Read all values of a request header. name: in lower case; the event has it as the client wrote it."""
    headers = event.get("multiValueHeaders") or {}
    return [value for sent_name, values in headers.items() if sent_name.lower() == name for value in values]


def cookies_fingerprint(event: "dict[str, Any]") -> str:
    """Compute the SHA-256 of all Cookie headers, as 64 lower-case hex digits.

    API Gateway caches the authorizer's answer to a GET by its Cookie header. AWS does not document which one it uses if
    there are several; if only one, a request with just that cookie would hit the cache and pass as the user. So the
    authorizer returns the fingerprint of all Cookie headers, and handlers compare it with those of their request.
    """
    return sha256("\n".join(values(event, "cookie")).encode(errors="surrogatepass")).hexdigest()
