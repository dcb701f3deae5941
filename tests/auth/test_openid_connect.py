"""Test tokens of an OpenID Connect issuer, in the Authorization header and in a cookie.

The tests show which tokens are valid, and which credential wins if a request has several.
"""

import json
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from hmac import digest
from types import ModuleType
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey
from outcomes.auth import issuer_keys
from outcomes.auth.issuer_keys import IssuerKeys
from outcomes.auth.openid_connect import OpenIdConnect
from outcomes.auth.tokens import NoSession, SessionsUnavailable
from outcomes.aws.connection import Connection
from outcomes.calendar import instants

from functions.record_outcome import app as record_outcome
from local.session_cookies import stored_row
from tests.auth.conftest import NOON, Clock
from tests.auth.conftest import refused as is_unauthorized
from tests.auth.events import load_event
from tests.auth.issuer import (
    AUDIENCE,
    EC,
    ED25519,
    KEYS,
    METADATA,
    OTHER,
    RSA,
    Answer,
    Issuer,
    http,
    part,
    public,
    signed,
)
from tests.authority import make_authority
from tests.events import proxy_event
from tests.servers import serving

type Deploy = Callable[..., ModuleType]
type Log = Callable[[], list[dict[str, Any]]]
type PutSession = Callable[[dict[str, Any]], None]

COOKIE = load_event("post_with_session")["headers"]["Cookie"]  # a session of user 42
ARN = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1/"
BY_TOKEN = {"caller": "session", "userId": "42", "credential": "bearer"}
BY_COOKIE = {"caller": "session", "userId": "42"}
MAX_ID = 2**53 - 1


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving(Issuer()) as running:
        yield running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow a minute for calls to the issuer, because this machine may be busy."""
    for limit in ("FETCH_SECONDS", "CONNECT_SECONDS"):
        monkeypatch.setattr(issuer_keys, limit, 60)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def keys(patient: None, issuer: Issuer, clock: Clock, warnings: list[str]) -> IssuerKeys:  # noqa: ARG001
    return IssuerKeys(issuer.url, clock=clock, warn=warnings.append)


@pytest.fixture
def openid(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> OpenIdConnect:
    return OpenIdConnect(issuer.url, AUDIENCE, "sub", keys, clock)


@pytest.fixture
def authorizer(
    patient: None,  # noqa: ARG001
    deploy: Deploy,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """Load the authorizer with the issuer's settings, and set the clock to noon."""
    monkeypatch.setattr(instants, "now", lambda: NOON * 1000)
    app = deploy(OIDC_ISSUER=issuer.url, OIDC_AUDIENCE=AUDIENCE, OIDC_USER_CLAIM="sub", OIDC_COOKIE="token")
    monkeypatch.setattr(app, "LOOK_UP_SECONDS", 60)
    return app


def refused(openid: OpenIdConnect, token: str) -> str:
    """Return why a token is refused."""
    with pytest.raises(NoSession) as raised:
        openid.user_id(token)
    return raised.value.why


# ── Tokens ───────────────────────────────────────────────────────────────────────────────────────────────────────────

ACCEPTED: dict[str, Callable[[Issuer], str]] = {
    "RS256": lambda issuer: issuer.token({}, NOON),
    "PS256": lambda issuer: issuer.token({}, NOON, algorithm="PS256"),
    "ES256": lambda issuer: issuer.token({}, NOON, key=EC, algorithm="ES256"),
    "EdDSA": lambda issuer: issuer.token({}, NOON, key=ED25519, algorithm="EdDSA"),
    "an audience among others": lambda issuer: issuer.token({"aud": ["other", AUDIENCE]}, NOON),
    "within the leeway after its end": lambda issuer: issuer.token({"exp": NOON - 59}, NOON),
    "within the leeway before its begin": lambda issuer: issuer.token({"nbf": NOON + 60}, NOON),
    "a fraction of a second": lambda issuer: issuer.token({"exp": NOON + 0.5, "nbf": NOON - 0.5}, NOON),
    "a number": lambda issuer: issuer.token({"sub": 42}, NOON),
    "no type": lambda issuer: issuer.token({}, NOON, header={"typ": None}),
    "an access token": lambda issuer: issuer.token({}, NOON, header={"typ": "application/at+JWT"}),
    "a private header": lambda issuer: issuer.token({}, NOON, header={"cat": "cl_B7d4PD111AAA"}),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_a_valid_token_names_its_user(openid: OpenIdConnect, issuer: Issuer, make: Callable[[Issuer], str]) -> None:
    assert openid.user_id(make(issuer)) == 42


def with_hmac_of_the_public_key(issuer: Issuer) -> str:
    text = issuer.token({}, NOON, header={"alg": "HS256"}).rpartition(".")[0]
    return f"{text}.{part(digest(RSA.as_pem(private=False), text.encode(), sha256))}"


def with_last_byte_changed(issuer: Issuer) -> str:
    text, _, signature = issuer.token({}, NOON).rpartition(".")
    return f"{text}.{signature[:-8]}{'A' * 8}"


def with_other_claims(issuer: Issuer) -> str:
    header, _, signature = issuer.token({}, NOON).split(".")
    return f"{header}.{issuer.token({'sub': '7'}, NOON).split('.')[1]}.{signature}"


EMBEDDED = public(OTHER, kid=None)
NOT_A_USER = "sub is not a whole number"
HOSTILE: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "alg none": (lambda i: i.token({}, NOON, header={"alg": "none"}).rpartition(".")[0] + ".", "not one for its alg"),
    "alg None with a signature": (lambda i: i.token({}, NOON, header={"alg": "None"}), "not one for its alg"),
    "HS256 with the public key": (with_hmac_of_the_public_key, "not one for its alg"),
    "RS512": (lambda i: i.token({}, NOON, algorithm="RS512"), "not one for its alg"),
    "ES256 by an RSA key": (lambda i: i.token({}, NOON, header={"alg": "ES256"}), "not one for its alg"),
    "no alg": (lambda i: i.token({}, NOON, header={"alg": None}), "kid or alg is not text"),
    "alg as a list": (lambda i: i.token({}, NOON, header={"alg": ["RS256"]}), "kid or alg is not text"),
    "another signature": (with_last_byte_changed, "signature"),
    "PS256 said and RS256 made": (
        lambda i: signed({"alg": "PS256", "kid": "rsa"}, claims_of(i.token({}, NOON)), RSA, "RS256"),
        "signature",
    ),
    "claims of another token": (with_other_claims, "signature"),
    "another's key under a known kid": (lambda i: i.token({}, NOON, key=OTHER, header={"kid": "rsa"}), "signature"),
    "issuer off by a slash": (lambda i: i.token({"iss": i.url + "/"}, NOON), "iss"),
    "issuer in capitals": (lambda i: i.token({"iss": i.url.upper()}, NOON), "iss"),
    "issuer in a list": (lambda i: i.token({"iss": [i.url]}, NOON), "iss"),
    "no issuer": (lambda i: i.token({"iss": None}, NOON), "iss"),
    "another audience": (lambda i: i.token({"aud": "other"}, NOON), "aud"),
    "audience as part of a text": (lambda i: i.token({"aud": f"{AUDIENCE}-admin"}, NOON), "aud"),
    "other audiences": (lambda i: i.token({"aud": ["other", f"{AUDIENCE}-admin"]}, NOON), "aud"),
    "audience in a nested list": (lambda i: i.token({"aud": [[AUDIENCE]]}, NOON), "aud"),
    "audience as a name in an object": (lambda i: i.token({"aud": {AUDIENCE: True}}, NOON), "aud"),
    "no audience": (lambda i: i.token({"aud": None, "azp": AUDIENCE}, NOON), "aud"),
    "expired": (lambda i: i.token({"exp": NOON - 60}, NOON), "expired"),
    "no exp": (lambda i: i.token({"exp": None}, NOON), "exp is missing"),
    "exp as text": (lambda i: i.token({"exp": str(NOON + 60)}, NOON), "exp is missing"),
    "exp true": (lambda i: i.token({"exp": True}, NOON), "exp is missing"),
    "exp NaN": (lambda i: i.token({"exp": float("nan")}, NOON), "exp is missing"),
    "exp infinite": (lambda i: i.token({"exp": float("inf")}, NOON), "exp is missing"),
    "not valid yet": (lambda i: i.token({"nbf": NOON + 61}, NOON), "not valid yet"),
    "nbf as text": (lambda i: i.token({"nbf": str(NOON)}, NOON), "nbf is not a number"),
    "kid of no key": (lambda i: i.token({}, NOON, header={"kid": "unknown"}), "no key with its kid"),
    "kid of a file": (lambda i: i.token({}, NOON, header={"kid": "../../dev/null"}), "no key with its kid"),
    "kid empty": (lambda i: i.token({}, NOON, header={"kid": ""}), "no key with its kid"),
    "kid of another kind of key": (lambda i: i.token({}, NOON, header={"kid": "ec"}), "not one for its alg"),
    "kid as a number": (lambda i: i.token({}, NOON, header={"kid": 0}), "kid or alg is not text"),
    "kid as a list": (lambda i: i.token({}, NOON, header={"kid": ["rsa"]}), "kid or alg is not text"),
    "no kid among several keys": (lambda i: i.token({}, NOON, header={"kid": None}), "no key with its kid"),
    "jku": (lambda i: i.token({}, NOON, header={"jku": i.url + KEYS}), "its header has jku"),
    "x5u": (lambda i: i.token({}, NOON, header={"x5u": i.url + KEYS}), "its header has x5u"),
    "an embedded key": (lambda i: i.token({}, NOON, key=OTHER, header={"jwk": EMBEDDED}), "its header has jwk"),
    "an embedded certificate": (lambda i: i.token({}, NOON, header={"x5c": ["MII="]}), "its header has x5c"),
    "a critical header": (lambda i: i.token({}, NOON, header={"crit": ["exp"], "exp": NOON}), "its header has crit"),
    "an unencoded payload": (lambda i: i.token({}, NOON, header={"b64": False}), "its header has b64"),
    "a logout token": (lambda i: i.token({}, NOON, header={"typ": "logout+jwt"}), "its typ"),
    "a logout token without a type": (lambda i: i.token({"events": {}}, NOON), "its typ or a claim events"),
    "100 kB": (lambda i: i.token({"padding": "x" * 100_000}, NOON), "longer than 10240"),
    "two parts": (lambda i: i.token({}, NOON).rpartition(".")[0], "not a signed JSON Web Token"),
    "five parts": (lambda i: i.token({}, NOON) + ".a.b", "not a signed JSON Web Token"),
    "claims that are a list": (lambda _: signed({"alg": "RS256", "kid": "rsa"}, ["a"], RSA, "RS256"), "not a signed"),
    "claims that are no JSON": (lambda _: signed({"alg": "RS256", "kid": "rsa"}, b"{", RSA, "RS256"), "not a signed"),
    "deep nesting": (lambda _: signed({"alg": "RS256"}, b'{"a":' * 1500 + b"1" + b"}" * 1500, RSA, "RS256"), ""),
    "not ASCII": (lambda i: i.token({}, NOON) + "\u0661", "not ASCII"),
    **{
        f"user {value!r}": (lambda i, value=value: i.token({"sub": value}, NOON), NOT_A_USER)  # type: ignore[misc]
        for value in (
            0,
            -1,
            1.5,
            42.0,
            True,
            MAX_ID + 1,
            str(MAX_ID + 1),
            "0",
            "042",
            " 42",
            "4_2",
            "\u0664",
            "auth0|4",
        )
    },
    "no user": (lambda i: i.token({"sub": None}, NOON), NOT_A_USER),
    "a list of users": (lambda i: i.token({"sub": [42]}, NOON), NOT_A_USER),
}


def claims_of(token: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(token.split(".")[1] + "==")


@pytest.mark.parametrize(("make", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_token_is_refused(
    openid: OpenIdConnect, issuer: Issuer, make: Callable[[Issuer], str], why: str
) -> None:
    assert why in refused(openid, make(issuer))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_a_401_both_ways_with_a_log_line(
    authorizer: ModuleType, issuer: Issuer, log: Log, name: str
) -> None:
    token = HOSTILE[name][0](issuer)
    if token.isascii() and token.count(".") == 2:  # any other text is refused as an unknown key
        assert is_unauthorized(authorizer, load_event("post_with_key", Authorization=[f"Bearer {token}"]))
        [line] = log()
        assert (line["message"], bool(line["why"])) == ("Token refused", True)
    assert is_unauthorized(authorizer, load_event("post_with_session", Cookie=[f"token={token}"]))
    line = log()[-1]
    assert (line["message"], bool(line["why"])) == ("Token refused", True)
    assert token.split(".")[1] not in json.dumps(line)


def test_the_greatest_user_id_counts(openid: OpenIdConnect, issuer: Issuer) -> None:
    for value in (MAX_ID, str(MAX_ID)):
        assert openid.user_id(issuer.token({"sub": value}, NOON)) == MAX_ID


def test_another_claim_may_name_the_user(issuer: Issuer, keys: IssuerKeys, clock: Clock) -> None:
    openid = OpenIdConnect(issuer.url, AUDIENCE, "https://example.com/user_id", keys, clock)
    assert openid.user_id(issuer.token({"sub": "auth0|4711", "https://example.com/user_id": 42}, NOON)) == 42
    assert "https://example.com/user_id is not" in refused(openid, issuer.token({"sub": "42"}, NOON))


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_keys_alg_narrows_what_it_verifies(openid: OpenIdConnect, issuer: Issuer) -> None:
    issuer.keys = [public(RSA, alg="RS256")]
    assert openid.user_id(issuer.token({}, NOON)) == 42
    assert "not one for its alg" in refused(openid, issuer.token({}, NOON, algorithm="PS256"))


def test_without_a_kid_the_only_key_counts(openid: OpenIdConnect, issuer: Issuer) -> None:
    issuer.keys = [public(RSA, kid=None)]
    assert openid.user_id(issuer.token({}, NOON, header={"kid": None})) == 42


def test_of_keys_with_one_kid_each_is_tried(openid: OpenIdConnect, issuer: Issuer) -> None:
    issuer.keys = [public(OTHER, kid="rsa"), public(EC, kid="rsa"), public(RSA)]
    assert openid.user_id(issuer.token({}, NOON)) == 42


@pytest.mark.parametrize(
    "jwk",
    [
        {"kty": "oct", "k": part(b"x" * 32), "kid": "rsa", "alg": "HS256"},
        public(RSA, use="enc"),
        public(RSA, key_ops=["encrypt"]),
        public(RSA, key_ops="verify"),
        public(RSA, alg="RS512"),
        public(RSA, alg="HS256"),
        public(RSA, alg=["RS256"]),
        public(RSA, kid=7),
        public(RSA, n="!"),
        public(RSA, n=part(b"\1" * 128)),
        public(RSA, n=None),
        public(RSA, e=7),
        public(ECKey.generate_key("P-384"), kid="rsa"),
        public(EC, x=part(b"\1" * 32), kid="rsa"),
        public(OKPKey.generate_key("X25519"), kid="rsa"),
        public(ED25519, x="AA", kid="rsa"),
        {"kty": ["RSA"]},
        "rsa",
        None,
    ],
)
def test_an_unfit_key_is_skipped(openid: OpenIdConnect, issuer: Issuer, jwk: Any) -> None:
    issuer.keys = [jwk, public(EC)]
    assert "no key with its kid" in refused(openid, issuer.token({}, NOON))
    assert openid.user_id(issuer.token({}, NOON, key=EC, algorithm="ES256")) == 42


def test_keys_are_fetched_once_an_hour(openid: OpenIdConnect, issuer: Issuer, clock: Clock) -> None:
    for later, fetches in ((0, 1), (3599, 1), (3600, 2), (3601, 2)):
        clock.now = NOON + later
        assert openid.user_id(issuer.token({}, clock.now)) == 42
        assert issuer.fetched == [METADATA, KEYS] * fetches


def test_a_token_that_cannot_be_valid_fetches_nothing(openid: OpenIdConnect, issuer: Issuer) -> None:
    for claims in ({"iss": "https://other.example.com"}, {"aud": "other"}, {"exp": 1}, {"sub": "nobody"}):
        refused(openid, issuer.token(claims, NOON))
    assert issuer.fetched == []


def test_a_rotated_key_counts_at_once_and_a_removed_one_no_longer(
    openid: OpenIdConnect, issuer: Issuer, clock: Clock
) -> None:
    old = issuer.token({}, NOON)
    assert openid.user_id(old) == 42
    issuer.keys = [public(OTHER)]
    clock.now += 10  # the time is still within a minute of the first fetch
    assert openid.user_id(issuer.token({}, NOON, key=OTHER)) == 42
    assert "no key" in refused(openid, old)


def test_an_unknown_kid_causes_one_fetch_a_minute(openid: OpenIdConnect, issuer: Issuer, clock: Clock) -> None:
    unknown = issuer.token({}, NOON, header={"kid": "unknown"})
    assert "no key" in refused(openid, unknown)  # the first token only fetches the keys
    for later, fetches in ((0, 2), (1, 2), (59, 2), (60, 3), (61, 3)):
        clock.now = NOON + later
        assert "no key" in refused(openid, unknown)
        assert issuer.fetched == [METADATA, KEYS] * fetches
    # If the issuer rotates its key again within the minute, the new key is fetched when the minute is over.
    issuer.keys = [public(OTHER)]
    rotated = issuer.token({}, NOON, key=OTHER)
    assert "no key" in refused(openid, rotated)
    clock.now = NOON + 120
    assert openid.user_id(rotated) == 42


def test_while_the_issuer_is_down_its_keys_stay_in_use_for_a_day(
    openid: OpenIdConnect, issuer: Issuer, clock: Clock, warnings: list[str]
) -> None:
    assert openid.user_id(issuer.token({}, NOON)) == 42
    issuer.go_down()
    for later, tries in ((3600, 1), (3659, 1), (3660, 2), (86_399, 3)):
        clock.now = NOON + later
        assert openid.user_id(issuer.token({}, clock.now)) == 42
        assert issuer.fetched[2:] == [METADATA] * tries
        assert len(warnings) == tries
    assert warnings[0] == f"Issuer: {issuer.url} answered with status 503; its cached keys stay in use"
    clock.now = NOON + 86_400
    with pytest.raises(SessionsUnavailable):
        openid.user_id(issuer.token({}, clock.now))
    issuer.answers = {}
    clock.now += 5
    assert openid.user_id(issuer.token({}, clock.now)) == 42


def test_while_no_keys_are_cached_a_failing_issuer_is_asked_every_five_seconds(
    openid: OpenIdConnect, issuer: Issuer, clock: Clock
) -> None:
    """Otherwise each token, also a forged one, would keep an execution of the authorizer waiting for the issuer."""
    issuer.go_down()
    for later, tries in ((0, 1), (0, 1), (4.9, 1), (5, 2), (9.9, 2), (10, 3)):
        clock.now = NOON + later
        with pytest.raises(SessionsUnavailable):
            openid.user_id(issuer.token({}, NOON, header={"kid": f"unknown at {later}"}))
        assert issuer.fetched == [METADATA] * tries
    issuer.answers = {}
    clock.now = NOON + 15
    assert openid.user_id(issuer.token({}, NOON)) == 42


def test_while_the_issuer_is_down_an_unknown_kid_is_not_refused(
    openid: OpenIdConnect, issuer: Issuer, clock: Clock
) -> None:
    """The token may be signed with a new key, and its user must not be logged out."""
    assert openid.user_id(issuer.token({}, NOON)) == 42
    issuer.go_down()
    for later, tries in ((1, 1), (30, 1), (61, 2)):
        clock.now = NOON + later
        with pytest.raises(SessionsUnavailable):
            openid.user_id(issuer.token({}, NOON, header={"kid": "new"}))
        assert issuer.fetched[2:] == [METADATA] * tries
    assert openid.user_id(issuer.token({}, NOON)) == 42


def test_a_clock_that_was_set_back_fetches_anew(openid: OpenIdConnect, issuer: Issuer, clock: Clock) -> None:
    assert openid.user_id(issuer.token({}, NOON)) == 42
    clock.now = NOON - 10
    assert openid.user_id(issuer.token({}, NOON)) == 42
    assert issuer.fetched == [METADATA, KEYS] * 2


# ── An issuer that answers garbage, slowly, by redirect or not at all ────────────────────────────────────────────────


def drip(out: Any) -> None:
    """Send a byte every 20 ms, for longer than the test's deadline."""
    out.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100):
        out.write(b" ")
        out.flush()
        time.sleep(0.02)


def document(**members: Any) -> bytes:
    return http(json.dumps(members).encode())


REDIRECT = http(b"", "302 Found", "Location: /elsewhere")
ELSEWHERE: dict[str, Answer] = {"/elsewhere": document(keys=[public(RSA)])}

BROKEN: dict[str, tuple[dict[str, Answer], str]] = {
    "no HTTP": ({METADATA: b"garbage\r\n\r\n"}, "no answer from .*BrokenReply"),
    "nothing": ({METADATA: b""}, "no answer from .*BrokenReply"),
    "no JSON": ({METADATA: http(b"<html>")}, "answered no JSON object"),
    "a list": ({METADATA: http(b"[]")}, "answered no JSON object"),
    "deep nesting": ({METADATA: http(b"[" * 60_000)}, "answered no JSON object"),
    "not UTF-8": ({METADATA: http(b'{"issuer":"\xff"}')}, "answered no JSON object"),
    "64 kB and a byte": ({METADATA: http(b" " * 65_537)}, "answered more than 65536 bytes"),
    "keys of 64 kB and a byte": ({KEYS: http(b" " * 65_537)}, "answered more than 65536 bytes"),
    "slow metadata": ({METADATA: drip}, "no answer from .*TimeoutError"),
    "slow keys": ({KEYS: drip}, "no answer from .*TimeoutError"),
    "a redirect": ({METADATA: REDIRECT, **ELSEWHERE}, "status 302"),
    "a redirect to keys": ({KEYS: REDIRECT, **ELSEWHERE}, "status 302"),
    "another issuer": ({METADATA: document(issuer="https://other.example.com")}, "names another issuer"),
    "no issuer": ({METADATA: document(jwks_uri="https://a.example.com")}, "names another issuer"),
    "no keys": ({KEYS: document(keys=[])}, "none of its keys"),
    "keys of no use": ({KEYS: document(keys=[{"kty": "oct", "k": "AA"}])}, "none of its keys"),
    "no list of keys": ({KEYS: document(keys={"rsa": public(RSA)})}, "has no list of keys"),
}


@pytest.mark.parametrize(("answers", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_issuer_is_no_refusal_of_its_users(
    openid: OpenIdConnect,
    issuer: Issuer,
    clock: Clock,
    answers: dict[str, Answer],
    cause: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issuer_keys, "FETCH_SECONDS", 0.3)
    issuer.answers = answers
    with pytest.raises(SessionsUnavailable, match=cause):
        openid.user_id(issuer.token({}, NOON))
    assert "/elsewhere" not in issuer.fetched
    issuer.answers = {}
    clock.now += 5
    assert openid.user_id(issuer.token({}, NOON)) == 42


@pytest.mark.parametrize(
    "jwks_uri",
    [
        *("http://keys.example.com/", "http://169.254.169.254/latest", "file:///etc/passwd", "//127.0.0.1/keys", "", 7),
        *(
            "https://user@127.0.0.1/",
            "https://127.0.0.1:99999/",
            "https://a.example.com/\r\nX: y",
            "http://127.0.0.1#/",
        ),
    ],
)
def test_keys_are_fetched_from_no_other_url(openid: OpenIdConnect, issuer: Issuer, jwks_uri: Any) -> None:
    issuer.answers = {METADATA: document(issuer=issuer.url, jwks_uri=jwks_uri)}
    with pytest.raises(SessionsUnavailable):
        openid.user_id(issuer.token({}, NOON))
    assert issuer.fetched == [METADATA]


def test_both_fetches_share_three_seconds(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, deadlines = time.monotonic(), []
    get = Connection.get

    def noted(connection: Any, headers: Any, until: float, **how: Any) -> Any:
        deadlines.append(until)
        return get(connection, headers, until, **how)

    monkeypatch.setattr(Connection, "get", noted)
    IssuerKeys(issuer.url).with_id("rsa")
    first, second = deadlines
    assert first == second
    assert 0 <= first - begun - 3 < 1
    with pytest.raises(SessionsUnavailable, match="no time left"):  # the caller's own deadline has passed
        IssuerKeys(issuer.url).with_id("rsa", until=begun)


def test_an_issuer_that_cannot_be_reached_is_no_refusal(clock: Clock) -> None:
    with serving(Issuer()) as gone:
        token = gone.token({}, NOON)
    openid = OpenIdConnect(gone.url, AUDIENCE, "sub", IssuerKeys(gone.url, clock=clock), clock)
    with pytest.raises(SessionsUnavailable, match="no connection to"):
        openid.user_id(token)


def test_an_https_issuer_has_a_public_address_and_a_valid_certificate(tmp_path: Any, issuer: Issuer) -> None:
    with pytest.raises(SessionsUnavailable, match="not an address of the public internet"):
        IssuerKeys(f"https://127.0.0.1:{issuer.server_port}").with_id("rsa")

    authority = make_authority(tmp_path, "login.example.com")
    url = f"https://login.example.com:{issuer.server_port}"
    issuer.socket = authority.server.wrap_socket(issuer.socket, server_side=True)
    issuer.answers = {METADATA: document(issuer=url, jwks_uri=url + KEYS)}
    resolve = lambda _host, port, _seconds: [(2, 1, 6, "", ("127.0.0.1", port))]  # noqa: E731
    trusting = IssuerKeys(url, resolve=resolve, authorities=str(authority.file))
    assert [key.id for key in trusting.with_id("rsa")] == ["rsa"]
    with pytest.raises(SessionsUnavailable, match="certificate verify failed"):
        IssuerKeys(url, resolve=resolve).with_id("rsa")
    issuer.answers = {METADATA: document(issuer=url, jwks_uri=issuer.url + KEYS)}
    with pytest.raises(SessionsUnavailable, match="not an https URL"):
        IssuerKeys(url, resolve=resolve, authorities=str(authority.file)).with_id("rsa")


# ── The authorizer ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("event", ["post_with_session", "get_with_session"])
def test_a_token_is_a_session_both_ways(authorizer: ModuleType, issuer: Issuer, event: str) -> None:
    token = issuer.token({}, NOON)
    for headers, context in (
        ({"Authorization": [f"Bearer {token}"]}, BY_TOKEN),
        ({"Cookie": [f"theme=dark; token={token}"]}, BY_COOKIE),
    ):
        answer = authorizer.handler(load_event(event, **headers), None)
        assert answer["principalId"] == "user:42"
        assert answer["context"] == context
        allowed = "GET/*" if event == "get_with_session" else "POST/api/outcomes"
        assert answer["policyDocument"]["Statement"][0]["Resource"] == ARN + allowed


def test_a_valid_bearer_wins_over_every_cookie(authorizer: ModuleType, issuer: Issuer, put_session: PutSession) -> None:
    put_session(stored_row("stored", 7, NOON + 60))
    bearer = [f"Bearer {issuer.token({'sub': 43}, NOON)}"]
    for cookie in (COOKIE, "__Secure-session=stored", f"token={issuer.token({'sub': 7}, NOON)}", "token=a; token=b"):
        answer = authorizer.handler(load_event("post_with_key", Authorization=bearer, Cookie=[cookie]), None)
        assert answer["context"] == BY_TOKEN | {"userId": "43"}


def test_an_invalid_bearer_beside_a_valid_cookie_is_that_session(authorizer: ModuleType, issuer: Issuer) -> None:
    bearer = [f"Bearer {issuer.token({'exp': 1, 'sub': 7}, NOON)}"]
    for cookie in (COOKIE, f"token={issuer.token({}, NOON)}"):
        answer = authorizer.handler(load_event("post_with_key", Authorization=bearer, Cookie=[cookie]), None)
        assert answer["context"] == BY_COOKIE


@pytest.mark.parametrize("other", [COOKIE, "__Secure-session=stored"])
def test_cookies_of_two_users_are_a_401_and_of_one_a_session(
    authorizer: ModuleType, issuer: Issuer, put_session: PutSession, other: str
) -> None:
    put_session(stored_row("stored", 42, NOON + 60))
    for user, expired, is_session in ((42, False, True), (7, False, False), (7, True, True)):
        token = issuer.token({"sub": user, "exp": 1 if expired else NOON + 60}, NOON)
        event = load_event("post_with_session", Cookie=[f"{other}; token={token}"])
        if is_session:
            assert authorizer.handler(event, None)["context"] == BY_COOKIE
        else:
            assert is_unauthorized(authorizer, event)


def test_two_tokens_under_the_name_of_the_cookie_are_a_401(authorizer: ModuleType, issuer: Issuer) -> None:
    tokens = "; ".join(f"token={issuer.token({'sub': user}, NOON)}" for user in (42, 7))
    assert is_unauthorized(authorizer, load_event("post_with_session", Cookie=[tokens]))


def test_an_issuer_never_reached_is_a_500_both_ways(
    authorizer: ModuleType, issuer: Issuer, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.go_down()
    token = issuer.token({}, NOON)
    for later, headers in ((0, {"Authorization": [f"Bearer {token}"]}), (5, {"Cookie": [f"token={token}"]})):
        monkeypatch.setattr(instants, "now", lambda time=NOON + later: time * 1000)
        with pytest.raises(RuntimeError, match=r"^Cannot identify the caller$"):
            authorizer.handler(load_event("post_with_key", **headers), None)
        assert log()[-1]["cause"] == f"Issuer: {issuer.url} answered with status 503"


def test_keys_in_use_while_the_issuer_is_down_are_logged(
    authorizer: ModuleType, issuer: Issuer, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = load_event("post_with_key", Authorization=[f"Bearer {issuer.token({'exp': NOON + 9000}, NOON)}"])
    authorizer.handler(event, None)
    issuer.go_down()
    monkeypatch.setattr(instants, "now", lambda: (NOON + 3600) * 1000)
    assert authorizer.handler(event, None)["context"] == BY_TOKEN
    [line] = log()
    assert (line["level"], line["message"]) == ("WARNING", "Cannot fetch the issuer's keys")


def test_without_an_issuer_a_token_is_an_unknown_key(deploy: Deploy, issuer: Issuer) -> None:
    authorizer = deploy()
    for headers in (
        {"Authorization": [f"Bearer {issuer.token({}, NOON)}"]},
        {"Cookie": [f"token={issuer.token({}, NOON)}"]},
    ):
        assert is_unauthorized(authorizer, load_event("post_with_key", **headers))
    assert issuer.fetched == []


def test_without_the_name_of_a_cookie_only_a_bearer_counts(deploy: Deploy, issuer: Issuer) -> None:
    authorizer = deploy(OIDC_ISSUER=issuer.url, OIDC_AUDIENCE=AUDIENCE, OIDC_USER_CLAIM="sub", OIDC_COOKIE="")
    token = issuer.token({}, time.time())
    assert is_unauthorized(authorizer, load_event("post_with_key", Cookie=[f"token={token}; ={token}"]))
    bearer = load_event("post_with_key", Authorization=[f"Bearer {token}"])
    assert authorizer.handler(bearer, None)["context"] == BY_TOKEN


# ── What a valid token allows ─────────────────────────────────────────────────────────────────────────────────────────

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal", "userId": 7}


@pytest.mark.parametrize(
    ("headers", "by_cookie", "by_bearer"),
    [
        ({"Origin": "https://evil.example.com"}, 403, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403, 200),
        ({"Content-Type": "text/plain"}, 415, 200),
        ({}, 200, 200),
    ],
)
@pytest.mark.usefixtures("tables")
def test_only_a_token_in_a_cookie_is_guarded_against_csrf(
    headers: dict[str, str], by_cookie: int, by_bearer: int
) -> None:
    for context, status in ((BY_COOKIE, by_cookie), (BY_TOKEN, by_bearer)):
        response = record_outcome.handler(proxy_event("POST", authorizer=context, body=OUTCOME, headers=headers), None)
        assert response["statusCode"] == status
        assert (status != 200) or "id" in json.loads(response["body"])  # the body contains the id, as for a session
