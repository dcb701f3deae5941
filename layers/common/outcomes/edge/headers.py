"""Read the headers of a REST API event, for the authorizer and the handlers.

The authorizer imports this module for every call with a key, so it imports nothing that loads slowly.
"""

from hashlib import sha256

TYPE_CHECKING = False  # type checkers treat it like typing.TYPE_CHECKING, but `typing` loads slowly
if TYPE_CHECKING:
    from typing import Any


def values(event: "dict[str, Any]", name: str) -> list[str]:
    """Return all values of a request header. name: in lower case; the event contains it as the client wrote it."""
    headers = event.get("multiValueHeaders") or {}
    return [value for sent_name, values in headers.items() if sent_name.lower() == name for value in values]


def cookies_fingerprint(event: "dict[str, Any]") -> str:
    """Compute the SHA-256 of all Cookie headers, as 64 lower-case hex digits.

    API Gateway caches the authorizer's answer to a GET by the Cookie header. AWS does not document which header it uses
    if there are several. If it uses only one, a request with only that header would hit the cache and be accepted as
    the user. So the authorizer returns the fingerprint of all Cookie headers, and handlers compare it with that of
    their own request.
    """
    return sha256("\n".join(values(event, "cookie")).encode(errors="surrogatepass")).hexdigest()
