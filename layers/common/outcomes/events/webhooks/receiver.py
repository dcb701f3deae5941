"""Send a webhook to its receiver, and return the result."""

import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from outcomes.aws.addresses import NotPublic, public_addresses
from outcomes.aws.connection import Connection, NotSent, Resolve
from outcomes.aws.replies import Reply
from outcomes.calendar import instants

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
"""In small letters: the CloudEvents SDK for JavaScript throws for `UTF-8`."""

SECONDS = 15
"""Limit for a whole attempt: DNS, connecting, sending, and the answer's headers.

Standard Webhooks recommends 15 to 30."""
CONNECT_SECONDS = 4  # limit for connecting to one address, so that time is left to try another

# WebhookUrl in template.yaml has the same pattern. The host must be a lower-case name with a dot, not an IP address.
# Only the ports 443 and 8443 are allowed. A user, password or fragment is not allowed.
_URL = re.compile(
    r"(?P<origin>https://([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?(:(443|8443))?)"
    r"(?P<target>/[!$-;=?-Z_a-z~]*)?",
    re.ASCII,
)
MAX_URL = 200


class Attempt(NamedTuple):
    """The result of an attempt.

    reason: why it failed, one of a fixed set of words; empty on success. status: the answer's status, or None.
    cause: for the log, without text from the receiver. pause: seconds that the receiver asked us to wait.
    """

    reason: str
    status: int | None = None
    cause: str = ""
    pause: float = 0

    @property
    def is_gone(self) -> bool:
        """Check whether the receiver refuses all further webhooks (410 Gone)."""
        return self.status == 410


class Receiver:
    """A receiver of webhooks. Raises ValueError for a URL that is not allowed, without quoting it."""

    def __init__(
        self,
        url: str,
        *,
        resolve: Resolve = public_addresses,
        authorities: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        match = _URL.fullmatch(url)
        if not match or len(url) > MAX_URL:
            raise ValueError("not a URL that webhooks are sent to")
        self._target = match["target"] or "/"
        self._connection = Connection(match["origin"], CONNECT_SECONDS, SECONDS, authorities, clock, resolve)
        self._clock = clock

    @property
    def host(self) -> str:
        return self._connection.host

    def hand(self, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post a webhook once. Read only the answer's headers, and do not follow redirects."""
        headers = {
            "host": self.host,
            "content-type": CONTENT_TYPE,
            "user-agent": "outcomes-api",
            "connection": "close",
            **headers,
        }
        until = self._clock() + SECONDS
        try:
            reply = self._connection.post(headers, body, until, target=self._target, whole=False)
        except NotSent as failure:
            reason = "not_public" if isinstance(failure.__cause__, NotPublic) else "no_connection"
            return Attempt(reason, cause=str(failure))
        except OSError as failure:
            # Leave out the error's text, because it may quote the receiver's answer.
            return Attempt("timeout" if isinstance(failure, TimeoutError) else "broken", cause=type(failure).__name__)
        if 200 <= reply.status < 300:
            return Attempt("", reply.status)
        return Attempt(f"status_{reply.status // 100}xx", reply.status, pause=_asked_pause(reply))


def _asked_pause(reply: Reply) -> float:
    """Parse Retry-After (RFC 9110, 10.2.3) to seconds from now; 0 if it is missing or invalid."""
    value = reply.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - instants.now() / 1000)
    except (ValueError, OverflowError):
        return 0
