"""Session cookies, and the user they belong to.

Three kinds are understood:

    next-auth v4   next-auth.session-token   encrypted (JWE), key derived from the session secret
    Auth.js v5     authjs.session-token      encrypted (JWE), key derived from the session secret and the cookie's name
    stored         session                   an opaque token; its SHA-256 is the key of a row in the sessions table

Names without the `__Secure-` prefix count only where plain cookies are accepted.

Any host of the domain can set a cookie that this one is sent, and so add an attacker's own, valid session to a victim's
request. So there is no order among sessions: all that are valid must be the same user's. Two different values under one
name, or a whole cookie beside its chunks, are nobody's session.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from outcomes.auth.encrypted_cookies import (
    AUTHJS,
    NEXT_AUTH,
    EncryptedCookie,
    decrypt,
    encryption_key,
    is_token_of,
    user_of_claims,
)
from outcomes.auth.session_secrets import SessionSecrets
from outcomes.auth.stored_sessions import StoredSessions
from outcomes.auth.tokens import NoSession, now
from outcomes.aws.caller import NEVER

STORED_COOKIE = "session"


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
        clock: Callable[[], float] = now,
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
        if not is_token_of(family, token):
            raise NoSession("malformed_session")

        def decrypted(secret: str) -> bytes | None:
            return decrypt(token, encryption_key(family, cookie_name, secret), family.encryption)

        plaintext = self.secrets.try_each(decrypted, until)
        if plaintext is None:
            raise NoSession("unknown_session")
        return user_of_claims(plaintext, self._clock())


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
