"""Read the headers of a REST API event, for the authorizer and the handlers.

The authorizer imports this module for every call with a key, so it imports nothing that loads slowly.
"""

TYPE_CHECKING = False  # type checkers treat this like typing.TYPE_CHECKING, whose module loads slowly
if TYPE_CHECKING:
    from typing import Any


def values(event: "dict[str, Any]", name: str) -> list[str]:
    """Return all values of a request header.

    name: the header's name in lower case. The event contains names as the client wrote them.
    """
    headers = event.get("multiValueHeaders") or {}
    return [value for sent_name, values in headers.items() if sent_name.lower() == name for value in values]
