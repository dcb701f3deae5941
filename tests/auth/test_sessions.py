"""Test real, forged, expired and ambiguous session cookies, and the users that they belong to."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from joserfc import jwe, jws
from joserfc.jwk import OctKey
from outcomes.auth.encrypted_cookies import AUTHJS, NEXT_AUTH, EncryptedCookie, encryption_key
from outcomes.auth.session_secrets import SessionSecrets
from outcomes.auth.sessions import Sessions
from outcomes.auth.stored_sessions import StoredSessions
from outcomes.auth.tokens import MAX_TOKEN_LENGTH, NoSession, SessionsUnavailable
from outcomes.aws.connection import Reply
from outcomes.calendar import instants

from local.session_cookies import KINDS, LIFETIME_SECONDS, encrypted_cookie, mint, stored_row
from tests.auth.conftest import NOON, REAL_COOKIES, SECRET, Clock
from tests.faults import DENIED, THROTTLED, Fault, Request, Send, error, faulty, fine, unreachable

type Row = dict[str, Any]
type CookiesOf = Callable[[int], list[str]]
type PutSession = Callable[[Row], None]
type Rotate = Callable[[str], None]
type SessionsOf = Callable[[float], Sessions]
type Forge = Callable[[EncryptedCookie, bytes], str]

FAMILIES = {"next-auth": NEXT_AUTH, "authjs": AUTHJS}
DAY = 24 * 60 * 60
CLAIMS = {"sub": "42", "userId": 42, "exp": NOON + 60}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> EncryptedCookie:
    return FAMILIES[request.param]


def token_of(cookie: str) -> str:
    return cookie.partition("=")[2]


def refusal(sessions: Sessions, *cookie_headers: str) -> str:
    """Return the reason why the cookies contain no valid session."""
    with pytest.raises(NoSession) as raised:
        sessions.user_id(cookie_headers)
    return raised.value.reason


def header(**cookies: str) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


class TestRealCookies:
    """These cookies come from the real packages that dashboards use: see make_cookies.mjs."""

    def made(self, **wanted: Any) -> list[dict[str, str]]:
        return [made["cookies"] for made in REAL_COOKIES["made"] if wanted.items() <= made.items()]

    @pytest.mark.parametrize(
        "made", REAL_COOKIES["made"], ids=lambda made: f"{next(iter(made['cookies']))} {made['what']}"
    )
    def test_authenticate_their_user(self, sessions: Sessions, made: dict[str, Any]) -> None:
        assert sessions.user_id([header(**made["cookies"])]) == made["user_id"]

    @pytest.mark.parametrize("kind", FAMILIES)
    def test_in_chunks_are_joined_in_numeric_order(self, sessions: Sessions, kind: str) -> None:
        for cookies in self.made(family=kind, what="large"):
            assert len(cookies) > 1
            backwards = dict(reversed(cookies.items()))
            assert sessions.user_id([header(**backwards)]) == 42
            assert sessions.user_id([f"{name}={chunk}" for name, chunk in backwards.items()]) == 42

    @pytest.mark.parametrize("kind", FAMILIES)
    def test_with_a_missing_chunk_are_refused(self, sessions: Sessions, kind: str) -> None:
        for cookies in self.made(family=kind, what="large"):
            for missing in cookies:
                rest = {name: chunk for name, chunk in cookies.items() if name != missing}
                assert refusal(sessions, header(**rest)) in ("no_session", "malformed_session", "unknown_session")

    @pytest.mark.parametrize("kind", FAMILIES)
    def test_under_another_name_are_refused(self, sessions: Sessions, kind: str) -> None:
        [plain] = self.made(family=kind, what="user id", secure=False)
        [secure] = self.made(family=kind, what="user id", secure=True)
        other = {"next-auth": AUTHJS, "authjs": NEXT_AUTH}[kind]
        assert refusal(sessions, header(**{other.name: next(iter(plain.values()))})) == "malformed_session"
        swapped = header(**dict(zip(secure, plain.values(), strict=True)))
        if kind == "authjs":  # Auth.js derives its encryption key from the cookie's name
            assert refusal(sessions, swapped) == "unknown_session"
        else:
            assert sessions.user_id([swapped]) == 42


def test_more_than_ten_chunks_are_joined_in_numeric_order(sessions: Sessions, family: EncryptedCookie) -> None:
    token = token_of(encrypted_cookie(family, family.name, CLAIMS, SECRET))
    size = len(token) // 12
    chunks = [token[start : start + size] for start in range(0, len(token), size)]
    assert len(chunks) > 11
    numbered = {f"{family.name}.{number}": chunk for number, chunk in enumerate(chunks)}
    assert sessions.user_id([header(**dict(sorted(numbered.items())))]) == 42


@pytest.mark.parametrize("kind", KINDS)
def test_the_laptops_own_sessions_are_valid_for_thirty_days(
    deployed_sessions: Sessions, put_session: PutSession, clock: Clock, kind: str
) -> None:
    minted = mint(kind, 7, SECRET, NOON)
    if minted.row:
        put_session(minted.row)
    clock.now = NOON + LIFETIME_SECONDS - 1
    assert deployed_sessions.user_id([minted.cookie]) == 7
    clock.now = NOON + LIFETIME_SECONDS + 15
    assert refusal(deployed_sessions, minted.cookie) == "expired_session"


def test_an_unknown_kind_of_session_is_an_error() -> None:
    with pytest.raises(ValueError, match="kind must be one of next-auth, authjs, stored"):
        mint("basic", 7, SECRET, NOON)


# Forgeries: each function takes a cookie family and its real key, and returns a token that must be refused.


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _base64url(data: bytes | str) -> str:
    return urlsafe_b64encode(data.encode() if isinstance(data, str) else data).rstrip(b"=").decode()


def _jwe(family: EncryptedCookie, key: bytes, plaintext: str | None = None, **changed_header: str) -> str:
    protected = {"alg": "dir", "enc": family.encryption} | changed_header
    text = _json(CLAIMS) if plaintext is None else plaintext
    return jwe.encrypt_compact(protected, text, OctKey.import_key(key), algorithms=list(protected.values()))


def _with_part(number: int, change: Callable[[bytes], bytes]) -> Forge:
    def forge(family: EncryptedCookie, key: bytes) -> str:
        parts = _jwe(family, key).split(".")
        part = urlsafe_b64decode(parts[number] + "=" * (-len(parts[number]) % 4))
        parts[number] = _base64url(change(part))
        return ".".join(parts)

    return forge


def _with_header(text: str) -> Forge:
    return lambda family, key: ".".join([_base64url(text), *_jwe(family, key).split(".")[1:]])


def _padded(claims: dict[str, Any], size: int) -> str:
    return _json(claims | {"padding": "0" * size})


MALFORMED: dict[str, Forge] = {
    "a key part": _with_part(1, lambda _: b"0" * 32),
    "a shorter key": lambda _, key: _jwe(NEXT_AUTH, key[:16], enc="A128GCM"),
    "another algorithm of the key": lambda family, key: _jwe(family, key[:32], alg="A256KW"),
    "compressed": lambda family, key: _jwe(family, key, zip="DEF"),
    "a bomb of 2 MB": lambda family, key: _jwe(family, key, _padded(CLAIMS, 2_000_000), zip="DEF"),
    "critical extensions": _with_header('{"alg":"dir","enc":"A256GCM","crit":["exp"]}'),
    "a signed token": lambda _, key: jws.serialize_compact({"alg": "HS256"}, _json(CLAIMS), OctKey.import_key(key)),
    "alg none": lambda *_: f"{_base64url(_json({'alg': 'none'}))}.{_base64url(_json(CLAIMS))}.",
    "alg none in five parts": lambda *_: f"{_base64url(_json({'alg': 'none'}))}..{_base64url(_json(CLAIMS))}..",
    "a header that is a list": _with_header('["alg","dir","enc","A256GCM"]'),
    "a header that is text": _with_header('"dir A256GCM"'),
    "a header that is a number": _with_header("1"),
    "a header that is not JSON": _with_header("{"),
    "a header that is not UTF-8": lambda family, key: _base64url(b"\xff") + _jwe(family, key)[4:],
    "no header": lambda family, key: "." + _jwe(family, key).partition(".")[2],
    "four parts": lambda family, key: _jwe(family, key).rpartition(".")[0],
    "six parts": lambda family, key: _jwe(family, key) + ".",
    "larger than any header": lambda family, key: _jwe(family, key, _padded(CLAIMS, MAX_TOKEN_LENGTH)),
    "text": lambda *_: "42",
    "dots": lambda *_: "....",
}


@pytest.mark.parametrize("forge", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_token_is_refused_before_decryption(
    sessions: Sessions, family: EncryptedCookie, forge: Forge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untouched(_decrypted: object) -> bytes | None:
        raise AssertionError("A secret was asked for, without which nothing can be decrypted")

    monkeypatch.setattr(sessions.secrets, "try_each", untouched)
    token = forge(family, encryption_key(family, family.name, SECRET))
    assert refusal(sessions, f"{family.name}={token}") == "malformed_session"


def test_a_token_of_another_secret_is_refused(sessions: Sessions, family: EncryptedCookie) -> None:
    assert refusal(sessions, encrypted_cookie(family, family.name, CLAIMS, SECRET + "!")) == "unknown_session"


def test_a_token_of_another_salt_is_refused(sessions: Sessions) -> None:
    token = token_of(encrypted_cookie(AUTHJS, "my.session-token", CLAIMS, SECRET))
    assert refusal(sessions, f"{AUTHJS.name}={token}") == "unknown_session"


ONLY_EXPIRY = {"exp": NOON + 60}


@pytest.mark.parametrize(
    ("claims", "user_id"),
    [
        ({"userId": 42}, 42),
        ({"userId": 1, "sub": "2"}, 1),
        ({"userId": 2**53 - 1}, 2**53 - 1),
        ({"userId": None, "sub": "42"}, 42),
        ({"sub": "42"}, 42),
        ({"sub": 42}, 42),
        ({"sub": "9007199254740991"}, 2**53 - 1),
        ({"userId": 42, "sub": "cjld2cjxh0000qzrmn831i7rn"}, 42),
        ({"userId": 42, "exp": NOON - 14}, 42),
        ({"userId": 42, "exp": 10**30}, 42),
        ({"userId": 42, "nbf": NOON + 15}, 42),
        ({"userId": 42, "nbf": NOON - 3600}, 42),
    ],
)
def test_claims_name_the_user(
    sessions: Sessions, family: EncryptedCookie, claims: dict[str, Any], user_id: int
) -> None:
    assert sessions.user_id([encrypted_cookie(family, family.name, ONLY_EXPIRY | claims, SECRET)]) == user_id


NO_USERS: list[Any] = [True, False, 0, -1, 1.5, 42.0, 2**53, {}, {"id": 42}, [], [42]]
WRONG_USER_IDS = [*NO_USERS, "42", ""]
WRONG_SUBJECTS = [
    *(*NO_USERS, None, "", "0", "-1", "+1", "1.5", "042", " 42", "42\n", "4_2", "1e3", "0x2a", "nan", "cjld2cjxh"),
    *("\u0664\u0662", "9007199254740992", "9" * 5000),
]
WRONG_TIMES: list[Any] = [None, str(NOON + 60), True, NOON + 0.5, [], {}]


WRONG_CLAIMS: list[tuple[dict[str, Any], str]] = [
    *(({"userId": wrong, "sub": "42"}, "no_user") for wrong in WRONG_USER_IDS),
    *(({"sub": wrong}, "no_user") for wrong in WRONG_SUBJECTS),
    ({}, "no_user"),
    ({"userId": None, "sub": None}, "no_user"),
    *(({"userId": 42, "exp": wrong}, "malformed_session") for wrong in WRONG_TIMES),
    *(({"userId": 42, "nbf": wrong}, "malformed_session") for wrong in WRONG_TIMES),
    *(({"userId": 42, "exp": past}, "expired_session") for past in (NOON - 15, NOON - 3600, 0, -1)),
    ({"userId": 42, "nbf": NOON + 16}, "expired_session"),
]


def test_wrong_claims_are_refused(sessions: Sessions, family: EncryptedCookie) -> None:
    for claims, reason in WRONG_CLAIMS:
        cookie = encrypted_cookie(family, family.name, ONLY_EXPIRY | claims, SECRET)
        assert refusal(sessions, cookie) == reason, claims


@pytest.mark.parametrize(
    "plaintext",
    [
        *("", "null", '"sub=42"', "42"),
        f'[["userId",42],["exp",{NOON + 60}]]',
        '{"userId":42}',
        f'{{"userId":42,"exp":{NOON + 60}',
        '{"userId":42,"exp":NaN}',
        '{"userId":42,"exp":Infinity}',
        '{"userId":42,"exp":1e400}',
        f'{{"userId":42,"exp":{"9" * 5000}}}',
        "[" * 6000,
    ],
    ids=lambda text: text[:30],
)
def test_claims_without_an_expiry_are_refused(sessions: Sessions, family: EncryptedCookie, plaintext: str) -> None:
    token = _jwe(family, encryption_key(family, family.name, SECRET), plaintext)
    assert refusal(sessions, f"{family.name}={token}") == "malformed_session"


def test_claims_that_are_not_utf_8_are_refused(sessions: Sessions, family: EncryptedCookie) -> None:
    key = OctKey.import_key(encryption_key(family, family.name, SECRET))
    protected = {"alg": "dir", "enc": family.encryption}
    token = jwe.encrypt_compact(protected, _json(CLAIMS).encode("utf-16"), key, algorithms=["dir", family.encryption])
    assert refusal(sessions, f"{family.name}={token}") == "malformed_session"


ODD_NEIGHBOURS = [
    *("bad[x]=1", '{"a":1}', "flag", "=", "=value", "name=", "a=b=c", '"', ",", "$Version=1"),
    *("caf\u00e9=\u2615", "\ud800=\udfff"),
]


class TestCookieHeaders:
    """Sessions are found in Cookie headers of every form that browsers and proxies send."""

    @pytest.fixture
    def cookie(self, family: EncryptedCookie) -> str:
        return encrypted_cookie(family, family.name, CLAIMS, SECRET)

    @pytest.mark.parametrize("neighbour", ODD_NEIGHBOURS)
    def test_odd_neighbours_are_ignored(self, sessions: Sessions, cookie: str, neighbour: str) -> None:
        for odd in (f"{neighbour}; {cookie}", f"{cookie}; {neighbour}", f"{neighbour};{cookie};{neighbour};"):
            assert sessions.user_id([odd]) == 42

    def test_several_header_lines_are_joined(self, sessions: Sessions, cookie: str) -> None:
        assert sessions.user_id(["theme=dark", cookie, ""]) == 42

    def test_blanks_and_quotes_around_a_value_are_ignored(self, sessions: Sessions, cookie: str) -> None:
        name, _, token = cookie.partition("=")
        assert sessions.user_id([f' \t{name} =\t"{token}" ;']) == 42
        assert refusal(sessions, f'{name}="{token}') in ("malformed_session", "unknown_session")

    def test_equal_duplicates_are_accepted(self, sessions: Sessions, cookie: str) -> None:
        name, _, token = cookie.partition("=")
        assert sessions.user_id([f'{cookie}; {name}="{token}"', cookie]) == 42

    @pytest.mark.parametrize("other", ["x", "", '""'])
    def test_two_different_values_under_one_name_are_refused(self, sessions: Sessions, cookie: str, other: str) -> None:
        name, _, token = cookie.partition("=")
        for headers in product([cookie], [f"{name}={other}"]):
            assert refusal(sessions, "; ".join(headers)) == "ambiguous_session"
            assert refusal(sessions, *reversed(headers)) == "ambiguous_session"
        valid_too = encrypted_cookie(FAMILIES["next-auth"], name, CLAIMS, SECRET)
        assert token_of(valid_too) != token
        assert refusal(sessions, f"{cookie}; {valid_too}") == "ambiguous_session"

    def test_two_different_chunks_under_one_name_are_refused(self, sessions: Sessions, cookie: str) -> None:
        name, _, token = cookie.partition("=")
        assert refusal(sessions, f"{name}.0={token[:50]}; {name}.1={token[50:]}; {name}.0=x") == "ambiguous_session"

    @pytest.mark.parametrize(
        "change", ["{}x", "{}.x", "{}.00", "{}.-1", "{}.\u0660", "x{}", "__Host-{}", "__secure-{}", "{}.0.0", "{}-0"]
    )
    def test_a_similar_name_is_ignored(self, sessions: Sessions, cookie: str, change: str) -> None:
        name, _, token = cookie.partition("=")
        similar = change.format(name)
        assert refusal(sessions, f"{similar}={token}") == "no_session"
        assert sessions.user_id([f"{similar}=x; {cookie}; {similar}=y"]) == 42

    def test_names_are_case_sensitive(self, sessions: Sessions, cookie: str) -> None:
        name, _, token = cookie.partition("=")
        assert refusal(sessions, f"{name.upper()}={token}") == "no_session"

    def test_a_cleared_cookie_is_no_session(self, sessions: Sessions, family: EncryptedCookie) -> None:
        assert refusal(sessions, f"{family.name}=") == "no_session"
        assert refusal(sessions, f"{family.name}.0=; {family.name}.1=x") == "no_session"


class TestPlainNames:
    @pytest.mark.parametrize("kind", KINDS)
    def test_are_ignored_where_only_secure_cookies_count(self, clock: Clock, kind: str) -> None:
        out_of_reach = SessionSecrets("out-of-reach", 30), StoredSessions("out-of-reach", clock)
        sessions = Sessions(*out_of_reach, accept_plain=False, clock=clock)
        cookie = mint(kind, 42, SECRET, NOON).cookie
        name, _, token = cookie.partition("=")
        assert refusal(sessions, cookie) == "no_session"
        assert refusal(sessions, f"{name}.0={token}") == "no_session"
        assert refusal(sessions, f"{cookie}; {name}=x") == "no_session"

    def test_beside_secure_ones_must_be_of_the_same_user(self, sessions: Sessions, family: EncryptedCookie) -> None:
        plain = encrypted_cookie(family, family.name, CLAIMS | {"userId": 1}, SECRET)
        mine, anothers = (
            encrypted_cookie(family, f"__Secure-{family.name}", CLAIMS | {"userId": user}, SECRET) for user in (1, 2)
        )
        assert sessions.user_id([f"{plain}; {mine}"]) == 1
        assert refusal(sessions, f"{plain}; {anothers}") == "ambiguous_session"


class TestSeveralSessions:
    """Any host of the domain can add cookies, so all valid sessions must belong to one user."""

    @pytest.fixture
    def cookies_of(self, put_session: PutSession) -> CookiesOf:
        def cookies(user: int) -> list[str]:
            put_session(stored_row(f"token-{user}", user, NOON + 60))
            whole = encrypted_cookie(NEXT_AUTH, NEXT_AUTH.name, CLAIMS | {"userId": user}, SECRET)
            chunked = token_of(encrypted_cookie(AUTHJS, AUTHJS.name, CLAIMS | {"userId": user}, SECRET))
            return [whole, f"{AUTHJS.name}.0={chunked[:90]}; {AUTHJS.name}.1={chunked[90:]}", f"session=token-{user}"]

        return cookies

    def test_of_one_user_are_that_users(self, deployed_sessions: Sessions, cookies_of: CookiesOf) -> None:
        for chosen in ([0, 1], [1, 0], [0, 2], [1, 2], [2, 1, 0]):
            assert deployed_sessions.user_id([cookies_of(42)[index] for index in chosen]) == 42

    @pytest.mark.parametrize("victims", [0, 1, 2])
    @pytest.mark.parametrize("tossed", [0, 1, 2])
    def test_of_which_one_is_an_attacker_s_are_refused(
        self, deployed_sessions: Sessions, cookies_of: CookiesOf, victims: int, tossed: int
    ) -> None:
        cookies = [cookies_of(42)[victims], cookies_of(666)[tossed]]
        assert refusal(deployed_sessions, "; ".join(cookies)) == "ambiguous_session"
        assert refusal(deployed_sessions, *reversed(cookies)) == "ambiguous_session"

    def test_a_whole_cookie_beside_chunks_of_another_user_is_refused(
        self, deployed_sessions: Sessions, family: EncryptedCookie
    ) -> None:
        victims = token_of(encrypted_cookie(family, family.name, CLAIMS, SECRET))
        chunks = f"{family.name}.0={victims[:90]}; {family.name}.1={victims[90:]}"
        for whole in (encrypted_cookie(family, family.name, CLAIMS | {"userId": 666}, SECRET), f"{family.name}=x"):
            assert refusal(deployed_sessions, f"{chunks}; {whole}") == "ambiguous_session"
            assert refusal(deployed_sessions, whole, chunks) == "ambiguous_session"
        assert deployed_sessions.user_id([f"{family.name}=; {chunks}"]) == 42

    def test_that_are_invalid_are_ignored(self, deployed_sessions: Sessions, cookies_of: CookiesOf) -> None:
        stale = encrypted_cookie(NEXT_AUTH, f"__Secure-{NEXT_AUTH.name}", CLAIMS | {"exp": 1}, SECRET)
        for cookie in cookies_of(42)[1:]:
            assert deployed_sessions.user_id([f"{stale}; {NEXT_AUTH.name}=x; {cookie}; __Secure-session=gone"]) == 42

    @pytest.mark.parametrize("name", [NEXT_AUTH.name, AUTHJS.name, "session"])
    def test_two_values_under_one_name_refuse_the_valid_ones_too(
        self, deployed_sessions: Sessions, cookies_of: CookiesOf, name: str
    ) -> None:
        beside = [cookie for cookie in cookies_of(42) if not cookie.startswith(name)]
        for cookie in beside:
            assert refusal(deployed_sessions, f"{cookie}; {name}=x; {name}=y") == "ambiguous_session"

    @pytest.mark.usefixtures("no_waiting")
    def test_of_which_one_cannot_be_looked_up_are_unavailable(
        self, deployed_sessions: Sessions, cookies_of: CookiesOf
    ) -> None:
        with faulty(deployed_sessions.stored.dynamodb, "GetItem", error(THROTTLED)), pytest.raises(SessionsUnavailable):
            deployed_sessions.user_id(cookies_of(42))


def fits(secrets: SessionSecrets, made_with: str) -> bool:
    """Return whether one of the secrets equals `made_with`."""
    return secrets.try_each(lambda secret: b"{}" if secret == made_with else None) is not None


@contextmanager
def reading(secrets: SessionSecrets, *faults: Fault) -> Iterator[list[str]]:
    """Inject faults into reads of the session secret, and repeat the last fault.

    Yields the version stages that were read, such as AWSCURRENT.
    """
    stages: list[str] = []

    def noting(fault: Fault) -> Fault:
        def note(request: Request, send: Send) -> Reply:
            stages.append(request.body["VersionStage"])
            return fault(request, send)

        return note

    with faulty(secrets.secrets_manager, "GetSecretValue", *map(noting, faults or (fine,))):
        yield stages


def created(at: float) -> Fault:
    """Return a fault that replaces the secret's creation time, because moto takes it from the real clock."""

    def fault(_request: Request, send: Send) -> Reply:
        reply = send()
        return reply._replace(body=json.dumps(json.loads(reply.body) | {"CreatedDate": at}).encode())

    return fault


class TestSecrets:
    @pytest.fixture
    def sessions_of(self, session_secret: str, clock: Clock) -> SessionsOf:
        """Return a function that creates `Sessions` for a number of overlap days."""
        stored = StoredSessions("out-of-reach", clock)
        return lambda days: Sessions(
            SessionSecrets(session_secret, days, clock), stored, accept_plain=True, clock=clock
        )

    @pytest.fixture
    def secrets(self, session_secret: str, clock: Clock) -> SessionSecrets:
        return SessionSecrets(session_secret, 30, clock)

    def test_are_read_again_after_a_rotation(self, secrets: SessionSecrets, rotate: Rotate) -> None:
        assert fits(secrets, SECRET)
        rotate("new")
        assert fits(secrets, "new")
        assert fits(secrets, SECRET)

    def test_are_read_once_in_four_minutes_and_the_previous_only_where_the_current_does_not_fit(
        self, secrets: SessionSecrets, rotate: Rotate, clock: Clock
    ) -> None:
        rotate("new")
        with reading(secrets) as stages:
            for clock.now in (NOON, NOON + 1, NOON + 239):
                assert fits(secrets, "new")
            assert stages == ["AWSCURRENT"]
            clock.now = NOON + 240
            assert fits(secrets, "new")
            assert stages == ["AWSCURRENT"] * 2
            for clock.now in (NOON + 241, NOON + 242, NOON + 479):
                assert fits(secrets, SECRET)
            assert stages == ["AWSCURRENT"] * 3 + ["AWSPREVIOUS"]

    def test_are_forgotten_within_four_minutes_of_their_removal(
        self, secrets: SessionSecrets, rotate: Rotate, clock: Clock
    ) -> None:
        rotate("new")
        assert fits(secrets, "new")
        assert fits(secrets, SECRET)
        rotate("newer")
        rotate("newest")
        clock.now = NOON + 239
        assert fits(secrets, "new")
        assert fits(secrets, SECRET)
        clock.now = NOON + 240
        assert not fits(secrets, "new")
        assert not fits(secrets, SECRET)

    def test_are_kept_no_longer_when_the_clock_is_put_back(
        self, secrets: SessionSecrets, rotate: Rotate, clock: Clock
    ) -> None:
        assert fits(secrets, SECRET)
        rotate("new")
        rotate("newer")
        clock.now = NOON - 3600
        assert not fits(secrets, SECRET)

    @pytest.mark.parametrize(
        ("days", "age", "counts"),
        [
            (30, 0, True),
            (30, 30 * DAY - 1, True),
            (30, 30 * DAY, False),
            (1, DAY - 1, True),
            (1, DAY, False),
            (0.5, DAY // 2 - 1, True),
            (0.5, DAY // 2, False),
            (0, 0, False),
            (0, -60, False),  # Secrets Manager's clock is ahead of ours
        ],
    )
    def test_count_when_previous_for_the_days_of_overlap(
        self, sessions_of: SessionsOf, family: EncryptedCookie, rotate: Rotate, days: float, age: int, counts: bool
    ) -> None:
        rotate("new")
        sessions = sessions_of(days)
        of_current, of_previous = (encrypted_cookie(family, family.name, CLAIMS, each) for each in ("new", SECRET))
        with reading(sessions.secrets, created(NOON - age)) as stages:
            assert sessions.user_id([of_current]) == 42
            if counts:
                assert sessions.user_id([of_previous]) == 42
            else:
                assert refusal(sessions, of_previous) == "unknown_session"
        assert stages == ["AWSCURRENT", "AWSCURRENT", "AWSPREVIOUS"][: 2 + counts]

    def test_expire_when_previous_while_cached(self, secrets: SessionSecrets, rotate: Rotate, clock: Clock) -> None:
        rotate("new")
        with reading(secrets, created(NOON - 30 * DAY + 100)):
            clock.now = NOON + 99
            assert fits(secrets, SECRET)
            clock.now = NOON + 100
            assert not fits(secrets, SECRET)

    def test_use_the_corrected_clock(
        self, session_secret: str, rotate: Rotate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rotate("new")
        assert fits(SessionSecrets(session_secret, 30), SECRET)
        monkeypatch.setattr(instants, "_correction", 31 * DAY * 1000)
        assert not fits(SessionSecrets(session_secret, 30), SECRET)

    def test_are_read_again_for_unknown_tokens_every_thirty_seconds(
        self, secrets: SessionSecrets, clock: Clock
    ) -> None:
        assert fits(secrets, SECRET)
        with reading(secrets) as stages:
            for clock.now in range(NOON + 100, NOON + 130):
                assert not fits(secrets, "strange")
            assert stages == ["AWSCURRENT", "AWSPREVIOUS"]  # the second read finds no previous version of the secret
            clock.now = NOON + 130
            assert not fits(secrets, "strange")
            assert len(stages) == 4

    def test_are_read_once_for_an_unknown_first_token(self, secrets: SessionSecrets) -> None:
        with reading(secrets) as stages:
            assert not fits(secrets, "strange")
        assert stages == ["AWSCURRENT", "AWSPREVIOUS"]

    def test_of_which_the_previous_expired_are_one_call_for_an_unknown_token(
        self, secrets: SessionSecrets, rotate: Rotate, clock: Clock
    ) -> None:
        rotate("new")
        with reading(secrets, created(NOON - 30 * DAY)) as stages:
            for clock.now in range(NOON, NOON + 30):
                assert not fits(secrets, SECRET)
        assert stages == ["AWSCURRENT"]

    @pytest.mark.usefixtures("no_waiting")
    def test_that_cannot_be_read_again_fail_unknown_tokens_only(self, secrets: SessionSecrets, clock: Clock) -> None:
        assert fits(secrets, SECRET)
        with faulty(secrets.secrets_manager, "GetSecretValue", error(THROTTLED)) as calls:
            for clock.now in range(NOON + 100, NOON + 130):
                with pytest.raises(SessionsUnavailable):
                    fits(secrets, "strange")
                assert fits(secrets, SECRET)
            assert len(calls) == 2  # the authorizer makes one call with two attempts
        clock.now = NOON + 130
        assert not fits(secrets, "strange")

    @pytest.mark.usefixtures("no_waiting")
    def test_that_are_too_old_and_cannot_be_read_are_not_used(self, secrets: SessionSecrets, clock: Clock) -> None:
        assert fits(secrets, SECRET)
        clock.now = NOON + 240
        with (
            faulty(secrets.secrets_manager, "GetSecretValue", unreachable),
            pytest.raises(SessionsUnavailable, match="Session secret: "),
        ):
            fits(secrets, SECRET)
        assert fits(secrets, SECRET)

    @pytest.mark.usefixtures("no_waiting")
    @pytest.mark.parametrize("trouble", [error(THROTTLED), error(DENIED), unreachable])
    def test_of_which_the_previous_cannot_be_read_fail_unknown_tokens_only(
        self, secrets: SessionSecrets, trouble: Fault
    ) -> None:
        with reading(secrets, fine, trouble) as stages:
            for _ in range(9):
                assert fits(secrets, SECRET)
                with pytest.raises(SessionsUnavailable, match="Session secret: "):
                    fits(secrets, "strange")
            assert len(stages) <= 3  # one attempt reads the secret's current version, two the previous one

    @pytest.mark.usefixtures("no_waiting")
    def test_survive_one_failed_attempt(self, secrets: SessionSecrets) -> None:
        with faulty(secrets.secrets_manager, "GetSecretValue", error("InternalServiceError", status=500), fine):
            assert fits(secrets, SECRET)

    @pytest.mark.usefixtures("tables")
    def test_that_do_not_exist_are_a_failure(self) -> None:
        with pytest.raises(SessionsUnavailable, match="ResourceNotFoundException"):
            fits(SessionSecrets("missing", 30), SECRET)

    def test_without_text_are_a_failure(self, secrets_manager: Any) -> None:
        secrets_manager.create_secret(Name="binary", SecretBinary=SECRET.encode())
        with pytest.raises(SessionsUnavailable, match="AWSCURRENT has no text"):
            fits(SessionSecrets("binary", 30), SECRET)


class TestStoredSessions:
    @pytest.fixture
    def stored(self, tables: dict[str, str], clock: Clock) -> StoredSessions:
        return StoredSessions(tables["SessionsTable"], clock)

    def refusal(self, stored: StoredSessions, token: str) -> str:
        with pytest.raises(NoSession) as raised:
            stored.user_id(token)
        return raised.value.reason

    def test_belong_to_the_user_of_their_row(self, stored: StoredSessions, put_session: PutSession) -> None:
        put_session(stored_row("token", 42, NOON + 1))
        assert stored.user_id("token") == 42

    def test_are_refused_when_unknown(self, stored: StoredSessions, put_session: PutSession) -> None:
        row = stored_row("token", 42, NOON + 60)
        put_session(row)
        for token in ("unknown", "TOKEN", "token ", "tok", row["token_sha256"]["S"]):
            assert self.refusal(stored, token) == "unknown_session"

    @pytest.mark.parametrize(
        "token", ["t" * (MAX_TOKEN_LENGTH + 1), "t\u00e9", "\ud800"], ids=["long", "accent", "half"]
    )
    def test_are_refused_without_a_read_when_malformed(self, stored: StoredSessions, token: str) -> None:
        with faulty(stored.dynamodb, "GetItem", fine) as calls:
            assert self.refusal(stored, token) == "malformed_session"
        assert not calls

    @pytest.mark.parametrize(
        ("column", "value", "reason"),
        [
            *(("expires_at", {"N": str(past)}, "expired_session") for past in (NOON, NOON - 1, 1, -1)),
            ("expires_at", {"N": str(NOON + 60.5)}, "expired_session"),
            *(("expires_at", value, "expired_session") for value in ({"S": str(NOON + 60)}, {"BOOL": True}, None)),
            *(("user_id", {"N": number}, "no_user") for number in ("0", "-1", "1.5", "9007199254740992")),
            *(("user_id", value, "no_user") for value in ({"S": "42"}, {"NULL": True}, {"BOOL": True}, None)),
            ("user_id", {"L": [{"N": "42"}]}, "no_user"),
        ],
    )
    def test_are_refused_when_the_row_is_expired_invalid_or_incomplete(
        self, stored: StoredSessions, put_session: PutSession, column: str, value: Any, reason: str
    ) -> None:
        row = stored_row("token", 42, NOON + 60) | {column: value}
        put_session({name: each for name, each in row.items() if each is not None})
        assert self.refusal(stored, "token") == reason

    @pytest.mark.parametrize("name", ["session", "__Secure-session"])
    def test_are_looked_up_without_any_secret(
        self, stored: StoredSessions, clock: Clock, put_session: PutSession, name: str
    ) -> None:
        put_session(stored_row("token", 42, NOON + 60))
        sessions = Sessions(SessionSecrets("missing", 30), stored, accept_plain=True, clock=clock)
        assert sessions.user_id([f"{name}=token"]) == 42

    def test_are_not_split_in_chunks(self, sessions: Sessions) -> None:
        assert refusal(sessions, "session.0=to; session.1=ken") == "no_session"

    @pytest.mark.usefixtures("no_waiting")
    def test_are_unavailable_when_the_table_cannot_be_read(self, stored: StoredSessions) -> None:
        with (
            faulty(stored.dynamodb, "GetItem", error(THROTTLED)) as calls,
            pytest.raises(SessionsUnavailable, match="Sessions table: "),
        ):
            stored.user_id("token")
        assert len(calls) == 2
