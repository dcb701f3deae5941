"""Requests, answers and credentials, without I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from ._errors import ConfigurationError, InvalidOutcomeError, InvalidRequestError

PATH = "/api/outcomes"
MCP_PATH = "/mcp"
KEYS_PATH = "/api/keys"
OWN_KEY_PATH = f"{KEYS_PATH}/self"
STATEMENTS_PATH = "/api/statements"
COSTS_PATH = "/api/costs"
DEFINITIONS_PATH = "/api/definitions"
WATCHES_PATH = "/api/watches"
PUBLIC_KEYS_PATH = "/.well-known/outcomes-keys.json"
Owner = Literal["body", "session", "key"]
By = Literal["", "session", "key", "any", "nobody"]
HIDDEN = "***"
_SHORTEST_SECRET = 6  # minimum characters of a secret to hide, because shorter secrets could occur in any text
LONGEST_WAIT = 999_999_999  # maximum seconds to wait, about 30 years; time.sleep fails for a value ten times as large


@dataclass(frozen=True)
class Request:
    """A request before the client adds the credentials."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    query: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    by: By = ""  # the credential to send; "any": the key or else the session; "nobody": none; "": see credential_for
    does: str = ""  # describes the request in error texts; empty if it reads or records
    names: str = ""  # what the id in the path identifies, for the text of a 404
    user_id: int | None = None  # the user whose keys to manage; None means the session's user
    any_status: bool = False  # whether to parse answers of any status, not only 200

    def __post_init__(self) -> None:
        """Refuse an id that would lead to another path. Raises InvalidRequestError."""
        if {"", ".", ".."} & {*self.path.split("/")[1:]}:
            what, rule = "an id or a source of costs", "must not be empty, `.` or `..`"
        elif self.names == "outcome" and re.fullmatch(f"{PATH}/[a-z]+", self.path):
            what, rule = "an outcome's id", "must not be a word"  # `summary` and others name another call
        else:
            return
        kind = InvalidRequestError if self.method == "GET" else InvalidOutcomeError
        raise kind(f"Invalid id: {what} {rule}", error="Invalid id", details=[{"field": "id", "message": rule}])

    @property
    def reads(self) -> bool:
        """Return whether the request needs a credential that may read the user's outcomes."""
        return self.by != "any" and (self.method == "GET" or self.path == STATEMENTS_PATH)


class Headers(Mapping[str, str]):
    """The headers of an answer. Their names are case-insensitive; several headers of one name are joined by commas."""

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, str] = {}
        for name, value in headers:
            lower = name.lower()
            self._values[lower] = f"{self._values[lower]}, {value}" if lower in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True)
class Reply:
    """A complete answer. Its repr leaves out headers and body, which may contain a new key."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # case-insensitive: `Headers`
    body: bytes = field(repr=False)
    credential: str = "the credential"  # a description of the request's credential, for messages
    hide: Callable[[Any], Any] = field(
        default=lambda said: said, repr=False
    )  # replaces text that echoes secrets with ***


@dataclass(frozen=True)
class NoReply:
    """The reason why no complete answer came. `unsent`: no server can have received the request."""

    reason: str
    unsent: bool = False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` (a number or an HTTP date, RFC 9110, 10.2.3) asks to wait.

    Return None if the header is missing or invalid.
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    at = http_date(text)
    if at is None:
        return None
    # Compare with the server's Date header, if there is one: our clock may be wrong.
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    return min(LONGEST_WAIT, max(0.0, (at - now).total_seconds()))


def http_date(text: str) -> datetime | None:
    """Parse an HTTP date. A date without an offset is in UTC. Return None if the date is invalid."""
    from email.utils import parsedate_to_datetime  # only for an answer with `Retry-After`

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or an offset with too many digits causes OverflowError
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


KEY = "the key (INTERNAL_API_KEY)"
AGENT_KEY = "the agent key (INTERNAL_API_KEY)"
_NAMELESS = "The platform's key {} of a user: give user_id (--user), or set OUTCOMES_USER_ID"
SESSION = "the session (OUTCOMES_COOKIE)"
NOT_BY_SESSION = f"Managing the keys of a named user needs the platform's key (INTERNAL_API_KEY), not {SESSION}"
LOCAL_SESSION = 'export OUTCOMES_COOKIE="$(make session)"'
"""The shell command that signs in at the local stack."""


@dataclass(frozen=True)
class Address:
    """The API's URL with the caller's key and cookie, which are never shown."""

    url: str
    api_key: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # httpx would quote an invalid header value, which is a secret, in its error.
        if self.api_key is not None and not re.fullmatch(r"[\x21-\x7e]+", self.api_key):
            raise ConfigurationError("The API key (INTERNAL_API_KEY) must be visible ASCII characters without spaces")
        if self.cookie is not None:  # users may paste a whole header, "Cookie: name=value"
            object.__setattr__(self, "cookie", re.sub(r"(?i)^\s*cookie:\s*", "", self.cookie).strip())
        if self.cookie is not None and not re.fullmatch(r"[\x20-\x7e]+=[\x20-\x7e]+", self.cookie):
            raise ConfigurationError("The cookie (OUTCOMES_COOKIE) must be name=value, as a browser sends it")
        if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s?#]*)?", self.url):
            raise ConfigurationError("The URL (OUTCOMES_URL) must be http(s)://host[:port][/stage], without a password")
        object.__setattr__(self, "url", self.url.rstrip("/").removesuffix(PATH))

    @property
    def is_local(self) -> bool:
        """Return whether the API is the local stack or a fake, on this machine."""
        here = r"http://([a-z0-9.-]+\.)?localhost|http://127(\.[0-9]{1,3}){3}|http://\[::1\]"
        return bool(re.fullmatch(f"(?i:{here})(:[0-9]*)?(/.*)?", self.url))

    @property
    def is_plaintext(self) -> bool:
        """Return whether requests are sent unencrypted to another machine."""
        return self.url.startswith("http:") and not self.is_local

    def hide(self, said: Any) -> Any:
        """Replace a server's text with *** if it contains the key or the cookie, plain or escaped for JSON or a URL.

        In parsed JSON, check each text.
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
        """Return whether the key is an agent's key (for one user) and not the platform's (for all users)."""
        return re.fullmatch(r"oc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}", self.api_key or "") is not None

    @property
    def owner(self) -> Owner:
        """Return where the user of recorded outcomes comes from: the session, the agent key, or the body."""
        if self.has_agent_key:
            return "key"
        return "body" if self.api_key or not self.cookie else "session"

    def credential_for(self, request: Request) -> str:
        """Describe the credential that a request uses.

        Recording and correcting use the key or, without a key, the session. Confirming and disputing use the session.
        Reading uses the session or, without one, an agent key, but reading for a named user needs the platform's key.
        Keys are managed with the platform's key if a user is named, or else with the session. An agent key manages no
        keys, but can describe itself.
        """
        by_key = request.by == "key" or (bool(self.api_key) and request.by != "session")
        if request.reads:
            by_key = request.by == "key" or (self.has_agent_key and not self.cookie)
        if request.path.startswith(KEYS_PATH):
            by_key = bool(self.api_key) and not (self.cookie and (self.has_agent_key or request.user_id is None))
        if request.path == OWN_KEY_PATH:
            by_key = True
        return (AGENT_KEY if self.has_agent_key else KEY) if by_key else SESSION

    def headers_for(self, request: Request) -> dict[str, str]:
        """Return the headers of a request, with the key, the session, or no credential.

        Never send both: if the key were mistyped, the API would silently record for the session's user.

        Raises:
            ConfigurationError: the credential is missing, or the call does not name the user whose keys to manage.
        """
        headers = {"Accept": "application/json", **request.headers}
        if request.by == "nobody":
            return headers
        credential = self.credential_for(request)
        missing = self._missing(request, credential)
        if missing:
            needs_session = request.reads and request.by != "key"
            local = f" or, with the local stack, {LOCAL_SESSION}" if needs_session and self.is_local else ""
            raise ConfigurationError(f"{missing}; run `outcomes doctor`{local}")
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if credential == SESSION:
            return {**headers, "Cookie": str(self.cookie)}
        return {**headers, "Authorization": f"Bearer {self.api_key}"}

    def _missing(self, request: Request, credential: str) -> str:
        """Describe in words what a request lacks. Return "" if it lacks nothing."""
        if request.path == OWN_KEY_PATH:
            return "" if self.has_agent_key else f"Asking what a key may do needs {AGENT_KEY}"
        there = self.cookie if credential == SESSION else self.api_key
        if request.path.startswith(KEYS_PATH):
            if not there:
                return f"Managing keys needs {SESSION}, or the platform's key (INTERNAL_API_KEY)"
            if credential == SESSION and request.user_id is not None:
                return NOT_BY_SESSION
            return _NAMELESS.format("manages keys") if credential == KEY and request.user_id is None else ""
        if there:
            names_user = request.method != "GET" or any(name == "userId" for name, _ in request.query)
            is_nobodys = credential == KEY and request.path.startswith(f"{COSTS_PATH}/") and not names_user
            return _NAMELESS.format("reads costs") if is_nobodys else ""
        if request.reads and request.by == "key":
            return f"Reading for a named user needs {KEY}"
        if request.reads:
            return f"Reading needs {SESSION} or an agent key with the scope read"
        needed = {"session": SESSION, "key": KEY}.get(request.by, f"{KEY} or {SESSION}")
        return f"{request.does or 'Recording'} needs {needed}"


def id_of_key(text: str) -> str:
    """Return the id in a whole agent key, which is all that the finder of a leaked one has, or else the text."""
    key = re.fullmatch(r"oc_([0-9A-Za-z]{16})(?:_.*)?", text)
    return key[1] if key else text


def is_plain(url: str) -> bool:
    """Return whether the host of a URL is an ASCII name or an IPv4 address, and the port and path are valid."""
    parts = re.fullmatch(r"https?://([a-zA-Z0-9.-]+)(?::([0-9]{1,5}))?(?:/[a-zA-Z0-9._~/-]*)?", url)
    if not parts or int(parts[2] or 0) > 65_535 or {".", ".."} & {*url.split("/")}:
        return False
    labels = parts[1].split(".")
    if labels[-1].isdigit():
        return len(labels) == 4 and all(re.fullmatch("0|[1-9][0-9]{0,2}", each) and int(each) < 256 for each in labels)
    return all(1 <= len(each) < 64 and not each.lower().startswith("xn--") for each in labels)


def _plain(text: str) -> str:
    """Decode JSON and URL escapes."""
    return re.sub(
        r"(?:%(?:25)*|\\+u00)([0-9a-f]{2})|\\+", lambda found: chr(int(found[1], 16)) if found[1] else "", text.lower()
    )
