"""Find the user of the session cookies in a request.

These kinds are supported:

    next-auth v4   next-auth.session-token   encrypted (JWE), key derived from the session secret
    Auth.js v5     authjs.session-token      encrypted (JWE), key derived from the session secret and the cookie's name
    stored         session                   an opaque token; its SHA-256 is the key of a row in the sessions table
    OpenID Connect any cookie name          a JSON Web Token that the issuer signed

For the first three kinds, names without the `__Secure-` prefix are accepted only if `accept_plain` is set.

Any host of the domain can set cookies for this host. An attacker who controls such a host could add their own valid
session to a victim's request. Therefore a request is refused if its valid sessions belong to different users, if one of
these cookies has two different values, or if a cookie is sent both whole and in chunks.
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
from outcomes.aws.services import NEVER

STORED_COOKIE = "session"


class Sessions:
    """Verifies the sessions of one deployment.

    secrets: the secrets of encrypted cookies. accept_plain: whether to accept names without the `__Secure-` prefix.
    token_cookie: the name of the cookie that may contain an OpenID Connect token; empty if there is no such cookie.
    user_of_token: returns the user of such a token, before a deadline. clock: returns the time in seconds since the
    epoch.
    """

    def __init__(
        self,
        secrets: SessionSecrets,
        stored: StoredSessions,
        *,
        accept_plain: bool,
        token_cookie: str = "",
        user_of_token: Callable[[str, float], int] | None = None,
        clock: Callable[[], float] = now,
    ) -> None:
        self.secrets = secrets
        self.stored = stored
        self._prefixes = ("__Secure-", "") if accept_plain else ("__Secure-",)
        self._token_cookie, self._user_of_token = token_cookie, user_of_token
        self._clock = clock

    def user_id(self, cookie_headers: Sequence[str], until: float = NEVER) -> int:
        """Return the id of the user whose session is in the request's Cookie headers.

        until: the deadline, on `time.monotonic`.

        Raises NoSession if there is no valid session, or if valid sessions belong to several users. Raises
        SessionsUnavailable if the secret, the table or the issuer's keys cannot be read.
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
        if self._user_of_token and self._token_cookie and (token := _value(cookies, self._token_cookie)):
            yield partial(self._user_of_token, token)

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
    """Parse Cookie headers to the set of values of each name (RFC 6265, 5.4). Malformed pairs are skipped."""
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
        # Another host of the domain may have set one of the values, so neither value can be trusted.
        raise NoSession("ambiguous_session")
    return next(iter(values))


def _whole_or_chunks(cookies: dict[str, set[str]], name: str) -> str:
    """Read a cookie of next-auth or Auth.js, whole or in chunks `<name>.0`, `<name>.1` and so on."""
    whole = _value(cookies, name)
    chunks: list[str] = []
    while chunk := _value(cookies, f"{name}.{len(chunks)}"):
        chunks.append(chunk)
    if whole and chunks:
        # The libraries never set a whole cookie and chunks together, so another host of the domain must have set one of
        # them.
        raise NoSession("ambiguous_session")
    return whole or "".join(chunks)
