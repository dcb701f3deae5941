"""The headers of a REST API event, for the authorizer and for the handlers that it vouches to.

A call with a key comes by here on its way through the authorizer: this module imports nothing that is slow to load.
"""

from hashlib import sha256

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without loading typing
if TYPE_CHECKING:
    from typing import Any


def values(event: "dict[str, Any]", name: str) -> list[str]:
    """Read all values of a request header; `name` in lower case. API Gateway gives names as the client wrote them."""
    headers = event.get("multiValueHeaders") or {}
    return [value for sent_name, values in headers.items() if sent_name.lower() == name for value in values]


def cookies_fingerprint(event: "dict[str, Any]") -> str:
    """Compute the SHA-256 of the Cookie headers, as 64 lower-case hex digits.

    API Gateway remembers what the authorizer said of a GET by its Cookie header. By which, if there are several, AWS
    does not say; were it one of them, whoever sends that one alone would be taken for the user. So the authorizer says
    which it has read, if they were several, and handlers believe it only of a request that has the very same.
    """
    return sha256("\n".join(values(event, "cookie")).encode(errors="surrogatepass")).hexdigest()
