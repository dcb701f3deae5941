"""Session cookies, and the user they belong to.

Three kinds are understood:

    next-auth v4   next-auth.session-token   encrypted (JWE), key derived from the session secret
    Auth.js v5     authjs.session-token      encrypted (JWE), key derived from the session secret and the cookie's name
    stored         session                   an opaque token; its SHA-256 is the key of a row in the sessions table

Names without the `__Secure-` prefix count only where plain cookies are accepted.

Any host of the domain can set a cookie that this one is sent, and so add an attacker's own, valid session to a victim's
request. So there is no order among sessions: all that are valid must be the same user's. Two different values under one
name, or a whole cookie beside its chunks, are nobody's session.

What decrypts takes longer to load than all else here. It is imported where a cookie is decrypted: whoever has a stored
session does not wait for it.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from hashlib import sha256
from typing import Any, NamedTuple

from outcomes.aws.caller import NEVER, Limits
from outcomes.aws.errors import CallFailed
from outcomes.aws.services import DynamoDB, SecretsManager
from outcomes.contract import instants
from outcomes.contract.limits import MAX_ID
from outcomes.errors import Busy

LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)
"""Limits of a call of the sessions table or Secrets Manager, in seconds, if the authorizer has as many left."""

SECRET_CACHE_SECONDS = 240
SECRET_REFETCH_SECONDS = 30

CLOCK_LEEWAY_SECONDS = 15  # what next-auth and Auth.js give
MAX_TOKEN_LENGTH = 10_240  # API Gateway takes no more than this in all headers together

DECIMAL = re.compile(r"[1-9][0-9]{0,15}")  # int() alone would take " 20 ", "2_0" and the digits of every script


def _now() -> float:
    """Read this host's clock, as corrected, in seconds since the epoch."""
    return instants.now() / 1000


class NoSession(Exception):
    """The caller has no valid session. `reason` is one of few fixed words, fit for a metric."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SessionsUnavailable(Exception):
    """It cannot be known whether the caller has a session: the secret or the table could not be read."""


class EncryptedCookie(NamedTuple):
    """A family of encrypted session cookies: its name without prefix, the only content encryption it uses (RFC 7518,
    5.1) with its key's length in bytes, and what its key is derived with.
    """

    name: str
    encryption: str
    key_length: int
    label: str
    salted_by_name: bool


# As in next-auth 4 (jwt/index) and @auth/core (jwt); https://authjs.dev/reference/core/jwt
NEXT_AUTH = EncryptedCookie("next-auth.session-token", "A256GCM", 32, "NextAuth.js Generated Encryption Key", False)
AUTHJS = EncryptedCookie("authjs.session-token", "A256CBC-HS512", 64, "Auth.js Generated Encryption Key", True)
STORED_COOKIE = "session"


def encryption_key(family: EncryptedCookie, cookie_name: str, secret: str) -> bytes:
    """Derive the key of an encrypted cookie, HKDF-SHA256 (RFC 5869) of the session secret.

    `cookie_name` is the full name: with its prefix, without a chunk's number.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    salt = cookie_name if family.salted_by_name else ""
    info = f"{family.label} ({salt})" if salt else family.label
    return HKDF(SHA256(), family.key_length, salt.encode(), info.encode()).derive(secret.encode())


def token_sha256(token: str) -> str:
    """Compute the key under which a stored session's token is found in the sessions table: 64 lower-case hex digits."""
    return sha256(token.encode()).hexdigest()


class Sessions:
    """The sessions of one deployment.

    `secrets` are what encrypted cookies may be made with. `accept_plain` says whether cookies without the `__Secure-`
    prefix count. `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        secrets: "SessionSecrets",
        stored: "StoredSessions",
        *,
        accept_plain: bool,
        clock: Callable[[], float] = _now,
    ) -> None:
        self.secrets = secrets
        self.stored = stored
        self._prefixes = ("__Secure-", "") if accept_plain else ("__Secure-",)
        self._clock = clock

    def user_id(self, cookie_headers: Sequence[str], until: float = NEVER) -> int:
        """Find the user whose session the request's Cookie headers carry.

        until: when that must be known, on the clock of `time.monotonic`.

        Raises NoSession when no session in them is valid, or when they are of several users, and SessionsUnavailable
        when that cannot be known.
        """
        refusal = NoSession("no_session")
        users = set()
        for user_of_session in self._candidates(_cookies(cookie_headers)):
            try:
                users.add(user_of_session(until))
            except NoSession as refused:
                refusal = refused
        if len(users) > 1:
            raise NoSession("ambiguous_session")
        if not users:
            raise refusal
        return users.pop()

    def _candidates(self, cookies: dict[str, set[str]]) -> Iterator[Callable[[float], int]]:
        for family in (NEXT_AUTH, AUTHJS):
            for prefix in self._prefixes:
                name = prefix + family.name
                if token := _whole_or_chunks(cookies, name):
                    yield partial(self._encrypted, family, name, token)
        for prefix in self._prefixes:
            if token := _value(cookies, prefix + STORED_COOKIE):
                yield partial(self.stored.user_id, token)

    def _encrypted(self, family: EncryptedCookie, cookie_name: str, token: str, until: float) -> int:
        if not _is_token_of(family, token):
            raise NoSession("malformed_session")

        def decrypted(secret: str) -> bytes | None:
            return _decrypted(token, encryption_key(family, cookie_name, secret), family.encryption)

        plaintext = self.secrets.try_each(decrypted, until)
        if plaintext is None:
            raise NoSession("unknown_session")
        return _user_of_claims(plaintext, self._clock())


class Version(NamedTuple):
    """A version of the session secret, and when it was created and read, in seconds since the epoch."""

    text: str
    created_at: float
    read_at: float


class SessionSecrets:
    """The current text of a Secrets Manager secret and, for so many days after that was created, the previous one.

    What was read is kept for four minutes: with the one for which API Gateway remembers a session, whatever is done to
    the secret takes effect within five.
    """

    def __init__(self, arn: str, overlap_days: int, clock: Callable[[], float] = _now) -> None:
        self._arn = arn
        self._overlap_seconds = overlap_days * 24 * 60 * 60
        self._clock = clock
        self._current: Version | None = None
        self._previous: Version | None = None
        self._looked_at = NEVER
        self._look_failed = False

    def try_each(self, decrypted: Callable[[str], bytes | None], until: float = NEVER) -> bytes | None:
        """Return what `decrypted` makes of the first secret that fits a token, or None when none does.

        A token that does not fit what is kept may be of the previous secret, or of one that was put there just now. So
        they are looked up, but seldom enough that a storm of such tokens does no harm.

        Raises SessionsUnavailable when they cannot be read before `until`; after that it is not known whom a strange
        token belongs to.
        """
        known = self._current
        if known is None or not self._is_within(SECRET_CACHE_SECONDS, known.read_at):
            self._current, self._previous, self._looked_at = self._read("AWSCURRENT", until), None, NEVER
        plaintext = self._first(decrypted)
        if plaintext is not None:
            return plaintext
        if not self._is_within(SECRET_REFETCH_SECONDS, self._looked_at):
            self._looked_at = self._clock()
            self._look_failed = True
            current = self._read("AWSCURRENT", until) if known is self._current else self._current
            previous = self._read("AWSPREVIOUS", until) if self._overlaps(current) else None
            self._current, self._previous = current, previous
            self._look_failed = False
            return self._first(decrypted)
        if self._look_failed:
            raise SessionsUnavailable("Session secret: could not be read again a moment ago")
        return None

    def _first(self, decrypted: Callable[[str], bytes | None]) -> bytes | None:
        counting = [self._current, self._previous if self._overlaps(self._current) else None]
        texts = (decrypted(version.text) for version in counting if version)
        return next((text for text in texts if text is not None), None)

    def _overlaps(self, current: Version | None) -> bool:
        """Check whether the secret before the current one still counts."""
        if current is None or not self._overlap_seconds:
            return False
        return self._clock() < current.created_at + self._overlap_seconds

    def _is_within(self, seconds: float, since: float) -> bool:
        """Check that no more time went by. A clock that was put back does not tell how much did."""
        return 0 <= self._clock() - since < seconds

    @cached_property
    def secrets_manager(self) -> SecretsManager:
        return SecretsManager(LIMITS)

    def _read(self, stage: str, until: float) -> Version | None:
        try:
            answer = self.secrets_manager.version(self._arn, stage, until)
        except (Busy, CallFailed) as error:
            raise SessionsUnavailable(f"Session secret: {error}") from error
        if answer is None:
            return None
        if not answer.get("SecretString"):
            # An empty one would derive a key that everybody knows.
            raise SessionsUnavailable(f"Session secret: {stage} has no text")
        return Version(answer["SecretString"], answer.get("CreatedDate", 0), self._clock())


class StoredSessions:
    """The table of stored sessions: `token_sha256` (HASH, S), `user_id` (N) and `expires_at` (N, epoch seconds)."""

    def __init__(self, table: str, clock: Callable[[], float] = _now) -> None:
        self._table = table
        self._clock = clock

    @cached_property
    def dynamodb(self) -> DynamoDB:
        return DynamoDB(LIMITS)

    def user_id(self, token: str, until: float = NEVER) -> int:
        """Find the user whose session has this token, before `until`. Raises NoSession and SessionsUnavailable."""
        if not _is_plausible(token):
            raise NoSession("malformed_session")
        key = {"token_sha256": {"S": token_sha256(token)}}
        # Consistent, so that a session deleted at logout is not found again.
        request = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        try:
            row = self.dynamodb.call("GetItem", request, until=until).get("Item")
        except (Busy, CallFailed) as error:
            raise SessionsUnavailable(f"Sessions table: {error}") from error
        if row is None:
            raise NoSession("unknown_session")
        # DynamoDB deletes an expired row when it gets around to it, days later at worst.
        expires_at = _whole_number(row.get("expires_at", {}).get("N"))
        if expires_at is None or expires_at <= self._clock():
            raise NoSession("expired_session")
        user_id = _whole_number(row.get("user_id", {}).get("N"))
        if user_id is None:
            raise NoSession("no_user")
        return user_id


def _cookies(headers: Sequence[str]) -> dict[str, set[str]]:
    """Read all values of each cookie name (RFC 6265, 5.4). Pairs that make no sense spoil none of their neighbours."""
    cookies: dict[str, set[str]] = {}
    for pair in ";".join(headers).split(";"):
        name, equals, value = pair.partition("=")
        if not equals:
            continue
        value = value.strip(" \t")
        if len(value) >= 2 and value[0] == value[-1] == '"':
            value = value[1:-1]
        cookies.setdefault(name.strip(" \t"), set()).add(value)
    return cookies


def _value(cookies: dict[str, set[str]], name: str) -> str:
    values = cookies.get(name, {""})
    if len(values) > 1:
        # Another site of the same domain may have set the second one: neither can be trusted.
        raise NoSession("ambiguous_session")
    return next(iter(values))


def _whole_or_chunks(cookies: dict[str, set[str]], name: str) -> str:
    """Read a cookie that next-auth or Auth.js set as a whole, or split into `<name>.0`, `<name>.1` and so on."""
    whole = _value(cookies, name)
    chunks: list[str] = []
    while chunk := _value(cookies, f"{name}.{len(chunks)}"):
        chunks.append(chunk)
    if whole and chunks:
        # They set the one or the others, and clear what is left over: somebody else has set the second.
        raise NoSession("ambiguous_session")
    return whole or "".join(chunks)


def _is_plausible(token: str) -> bool:
    return len(token) <= MAX_TOKEN_LENGTH and token.isascii()


def _is_token_of(family: EncryptedCookie, token: str) -> bool:
    """Check that this is a compact JWE (RFC 7516, 7.1) as the family makes them, before any work is spent on it."""
    if not _is_plausible(token):
        return False
    header_part, *other_parts = token.split(".")
    if len(other_parts) != 4 or other_parts[0]:  # direct encryption has an empty encrypted key
        return False
    header = _json_object(_base64url_decoded(header_part))
    # A compressed token (zip) could be a bomb; neither family compresses.
    return header.get("alg") == "dir" and header.get("enc") == family.encryption and not {"zip", "crit"} & header.keys()


def _decrypted(token: str, key: bytes, encryption: str) -> bytes | None:
    from joserfc import jwe
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    try:
        return jwe.decrypt_compact(token, OctKey.import_key(key), algorithms=["dir", encryption]).plaintext
    except (JoseError, ValueError):  # the key does not fit, or a part of the token has the wrong form or length
        return None


def _user_of_claims(plaintext: bytes, now: float) -> int:
    claims = _json_object(plaintext)
    expires_at, not_before = claims.get("exp"), claims.get("nbf", 0)
    if type(expires_at) is not int or type(not_before) is not int:  # a bool is an instance of int, but not of this type
        raise NoSession("malformed_session")
    if expires_at <= now - CLOCK_LEEWAY_SECONDS or not_before > now + CLOCK_LEEWAY_SECONDS:
        raise NoSession("expired_session")
    user_id = claims.get("userId")
    if user_id is None:  # then the subject is the user, in text as RFC 7519 asks or as a number
        subject = claims.get("sub")
        user_id = _whole_number(subject) if isinstance(subject, str) else subject
    if type(user_id) is not int or not 1 <= user_id <= MAX_ID:
        raise NoSession("no_user")
    return user_id


def _whole_number(text: str | None) -> int | None:
    """Read a number from 1 to 2^53-1 in plain decimal digits; None for anything else."""
    if text is None or not DECIMAL.fullmatch(text) or int(text) > MAX_ID:
        return None
    return int(text)


def _base64url_decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def _json_object(text: bytes) -> dict[str, Any]:
    """Read a JSON object; an empty one for anything else."""
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
