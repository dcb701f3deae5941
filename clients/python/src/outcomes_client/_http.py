"""Say what is asked, what is answered, and who is asking. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Literal

from ._errors import ConfigurationError

PATH = "/api/outcomes"
MCP_PATH = "/mcp"
KEYS_PATH = "/api/keys"
OWN_KEY_PATH = f"{KEYS_PATH}/self"
Owner = Literal["body", "session", "key"]
By = Literal["", "session", "key"]
HIDDEN = "***"
_SHORTEST_SECRET = 6  # characters; what is shorter stands in any text
LONGEST_WAIT = 999_999_999  # seconds, some 30 years; time.sleep fails at ten times as many


@dataclass(frozen=True)
class Request:
    """Holds a request, without what says who is asking."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    by: By = ""  # what alone it can go by
    does: str = ""  # in a word, where it neither reads nor records
    names: str = ""  # what the path names by its id, and may not be there
    user_id: int | None = None  # whose it is about, where not the session's user's
    any_status: bool = False  # an answer of any status is one to read


@dataclass(frozen=True)
class Reply:
    """Holds a whole answer, which may be a new key: so it is not shown."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # looked up in any case, as httpx.Headers are
    body: bytes = field(repr=False)
    credential: str = "the credential"  # that it was asked for with, in words
    hide: Callable[[Any], Any] = field(default=lambda said: said, repr=False)  # puts *** for a text that echoes secrets


@dataclass(frozen=True)
class NoReply:
    """Says why no whole answer came. `unsent`: nobody can have seen the request."""

    reason: str
    unsent: bool = False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read the seconds that `Retry-After` asks to wait, a number or an HTTP date (RFC 9110, 10.2.3); else None."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    at = http_date(text)
    if at is None:
        return None
    # Against the server's own clock where it tells it: ours may be wrong.
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    return min(LONGEST_WAIT, max(0.0, (at - now).total_seconds()))


def http_date(text: str) -> datetime | None:
    """Read the date of a header, in UTC where it names no offset; None if it is none that a calendar has."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError: a year or an offset of twenty digits
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


KEY = "the key (INTERNAL_API_KEY)"
AGENT_KEY = "the agent key (INTERNAL_API_KEY)"
SESSION = "the session (OUTCOMES_COOKIE)"


@dataclass(frozen=True)
class Address:
    """Knows where the API is, and the key and the cookie of who is calling, which it never shows."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # A header value that HTTP cannot carry would come back, whole, in the text of an error.
        if self.api_key is not None and not re.fullmatch(r"[\x21-\x7e]+", self.api_key):
            raise ConfigurationError("The API key (INTERNAL_API_KEY) must be visible ASCII characters without spaces")
        if self.cookie is not None:  # also as the whole header, ready to paste behind curl -H
            object.__setattr__(self, "cookie", re.sub(r"(?i)^\s*cookie:\s*", "", self.cookie).strip())
        if self.cookie is not None and not re.fullmatch(r"[\x20-\x7e]+=[\x20-\x7e]+", self.cookie):
            raise ConfigurationError("The cookie (OUTCOMES_COOKIE) must read name=value, as a browser sends it")
        if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#]*)?", self.url):
            raise ConfigurationError(
                "The URL (OUTCOMES_URL) must read http(s)://host[:port][/stage], without a password"
            )
        object.__setattr__(self, "url", self.url.rstrip("/").removesuffix(PATH))

    @property
    def is_readable_on_the_way(self) -> bool:
        """Tell whether what is sent goes in the clear to another machine than this."""
        here = r"http://([a-z0-9.-]+\.)?localhost|http://127(\.[0-9]{1,3}){3}|http://\[::1\]"
        return self.url.startswith("http:") and not re.fullmatch(f"(?i:{here})(:[0-9]*)?(/.*)?", self.url)

    def hide(self, said: Any) -> Any:
        """Leave nothing of a text of a server that echoes key or cookie, as it is or as JSON or a URL writes it.

        What was said may be JSON, of which each text is looked at.
        """
        if isinstance(said, str):
            plain = _plain(said)
            return HIDDEN if any(secret in plain for secret in self._secrets) else said
        if isinstance(said, list):
            return [self.hide(each) for each in said]
        return {self.hide(name): self.hide(each) for name, each in said.items()} if isinstance(said, dict) else said

    @cached_property
    def _secrets(self) -> list[str]:
        cookie = self.cookie or ""
        secrets = [self.api_key or "", cookie, *(one.partition("=")[2] for one in cookie.split("; "))]
        return [_plain(secret) for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    @property
    def has_agent_key(self) -> bool:
        """Tell whether the key is one user's, made for an agent; else it is the platform's, which is every user."""
        return re.fullmatch(r"oc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}", self.api_key or "") is not None

    @property
    def owner(self) -> Owner:
        """Tell whose outcomes are recorded: the session's user's, the agent key's, or whoever's the body names."""
        if self.has_agent_key:
            return "key"
        return "body" if self.api_key or not self.cookie else "session"

    def credential_for(self, request: Request) -> str:
        """Name what a request goes by: recording and correcting by the key, else by the session; reading, and what only
        an owner says, always by the session.

        Keys are managed by the platform's key for the user that is named, else by the session for its own. An agent key
        manages none, and is the only one that may ask what it may do.
        """
        by_key = request.by == "key" or (bool(self.api_key) and request.method != "GET" and request.by != "session")
        if request.path.startswith(KEYS_PATH):
            by_key = bool(self.api_key) and not (self.cookie and (self.has_agent_key or request.user_id is None))
        if request.path == OWN_KEY_PATH:
            by_key = True
        return (AGENT_KEY if self.has_agent_key else KEY) if by_key else SESSION

    def headers_for(self, request: Request) -> dict[str, str]:
        """Make the headers of a request, with the credential that it goes by.

        One at a time: were both sent, a mistyped key would silently record for the session's user.

        Raises:
            ConfigurationError: the one that is needed is missing, or the user whose keys it is about.
        """
        credential = self.credential_for(request)
        missing = self._missing(request, credential)
        if missing:
            raise ConfigurationError(f"{missing}; `outcomes doctor` looks into it")
        headers = {"Accept": "application/json", **request.headers}
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if credential == SESSION:
            return {**headers, "Cookie": str(self.cookie)}
        return {**headers, "Authorization": f"Bearer {self.api_key}"}

    def _missing(self, request: Request, credential: str) -> str:
        """Say what a request needs that there is not; nothing where all is there."""
        if request.path == OWN_KEY_PATH:
            return "" if self.has_agent_key else f"Asking what a key may do needs {AGENT_KEY}"
        there = self.cookie if credential == SESSION else self.api_key
        if request.path.startswith(KEYS_PATH):
            if not there:
                return f"Managing keys needs {SESSION}, or {KEY} of the platform"
            nobodys = credential == KEY and request.user_id is None
            return (
                "The platform must say whose keys: give a user_id (--user), or set OUTCOMES_USER_ID" if nobodys else ""
            )
        if there:
            return ""
        by = request.by or ("session" if request.method == "GET" else "")
        needed = {"session": SESSION, "key": KEY, "": f"{KEY} or {SESSION}"}[by]
        return f"{request.does or ('Reading' if request.method == 'GET' else 'Recording')} needs {needed}"


def _plain(text: str) -> str:
    """Undo what JSON and URLs make of a text."""
    return re.sub(
        r"(?:%(?:25)*|\\+u00)([0-9a-f]{2})|\\+", lambda found: chr(int(found[1], 16)) if found[1] else "", text.lower()
    )
