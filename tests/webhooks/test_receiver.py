"""Test one attempt to deliver a webhook: the URL, TLS, deadlines and results."""

import itertools
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from outcomes.events.webhooks import SECONDS, Attempt, Receiver, signed

from tests.authority import Authority
from tests.webhooks.conftest import HOST, ReceivingServer

URL = f"https://{HOST}/hooks?of=outcomes"
BODY = b'{"id":"event:1"}'
HEADERS = signed("event:1", 1_775_044_800, BODY, [b"made-up-key-of-twenty-four-bytes"])

# A URL must have a public host name and one of two ports. The addresses of names are tested in test_addresses.py.
HOSTILE = {
    "no TLS": ["http://hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd", "//hooks.example.com/"],
    "an address": ["https://127.0.0.1/", "https://93.184.215.14/", "https://[::1]/", "https://[::ffff:127.0.0.1]/"],
    "an address in disguise": [
        *(f"https://{spelled}/" for spelled in ("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.0.0.0x1")),
        "https://169.254.169.254/latest/meta-data/",
    ],
    "a name of this network": ["https://localhost/", "https://metadata/", "https://instance-data/"],
    "a user": [
        "https://user@hooks.example.com/",
        "https://user:password@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://hooks.example.com%40127.0.0.1/",
        "https://127.0.0.1\\@hooks.example.com/",
        "https://hooks.example.com\\@127.0.0.1/",
    ],
    "another port": [f"https://hooks.example.com:{port}/" for port in ("22", "80", "6379", "0443", "", "443:80")],
    "another script": ["https://hooks.exämple.com/", "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ.com/", "https://127。0。0。1/"],
    "half a name": ["https://.example.com/", "https://hooks..com/", "https://-a.example.com/", "https://hooks.com./"],
    "no path": [
        *(f"https://hooks.example.com{path}" for path in ("/#fragment", "/a b", "/\r\nHost: x", "/ü", "?of=outcomes"))
    ],
    "nothing": ["", "https://", "https:///hooks", f"https://hooks.example.com/{'x' * 200}"],
}
FINE = [
    "https://hooks.example.com",
    "https://hooks.example.com/",
    "https://hooks.example.com:8443/a/b-c_d~e?f=g&h=%20#".rstrip("#"),
    "https://xn--exmple-cua.com/hooks",
    "https://a.b.c.d.example/",
]


@pytest.mark.parametrize("url", FINE)
def test_a_url_of_a_public_name_is_accepted(url: str) -> None:
    assert Receiver(url).host in url


@pytest.mark.parametrize("url", [pytest.param(url, id=f"{kind}: {url}") for kind in HOSTILE for url in HOSTILE[kind]])
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^not a URL that webhooks are sent to$"):
        Receiver(url)


@pytest.fixture
def hand(server: ReceivingServer, authority: Authority) -> Callable[..., Attempt]:
    """Return a function that makes one attempt. The receiver's name is resolved to this machine."""

    def attempt(url: str = URL, **how: Any) -> Attempt:
        given: dict[str, Any] = {"resolve": server.resolve, "authorities": str(authority.file)} | how
        return Receiver(url, **given).hand(HEADERS, BODY)

    return attempt


@pytest.mark.parametrize(
    ("url", "target", "host"), [(URL, "/hooks?of=outcomes", HOST), (f"https://{HOST}:8443", "/", f"{HOST}:8443")]
)
def test_a_signed_cloudevent_is_posted(
    server: ReceivingServer, hand: Callable[..., Attempt], url: str, target: str, host: str
) -> None:
    assert hand(url) == Attempt("", 204)
    [call] = server.calls
    assert (call.target, call.body) == (target, BODY)
    assert call.headers == {
        "host": host,
        "content-type": "application/cloudevents+json; charset=utf-8",
        "user-agent": "outcomes-api",
        "connection": "close",
        "content-length": str(len(BODY)),
        **HEADERS,
    }


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((status, "") for status in (200, 201, 202, 204, 299)),
        *((status, "status_3xx") for status in (300, 301, 302, 303, 304, 305, 307, 308)),
        *((status, "status_4xx") for status in (400, 401, 404, 410, 429)),
        *((status, "status_5xx") for status in (500, 502, 503, 504)),
    ],
)
@pytest.mark.parametrize("to", ["http://169.254.169.254/latest/meta-data/", f"https://{HOST}/elsewhere"])
def test_only_2xx_is_a_success_and_no_redirect_is_followed(
    server: ReceivingServer, hand: Callable[..., Attempt], status: int, reason: str, to: str
) -> None:
    server.answers = [(status, {"Location": to})]
    attempt = hand()
    assert attempt == Attempt(reason, status)
    assert attempt.is_gone is (status == 410)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("120", 120), (" 7 ", 7), ("0", 0), ("9" * 40, 999_999_999)),
        *((unusable, 0) for unusable in ("-5", "1.5", "soon", "", "٣", formatdate(0, usegmt=True))),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0),
    ],
)
def test_retry_after_sets_the_pause(
    server: ReceivingServer, hand: Callable[..., Attempt], value: str, seconds: float
) -> None:
    server.answers = [(503, {"Retry-After": value.encode().decode("latin-1")})]
    assert hand().pause == pytest.approx(seconds, abs=60)


def test_retry_after_may_be_a_date(server: ReceivingServer, hand: Callable[..., Attempt]) -> None:
    server.answers = [(503, {"Retry-After": formatdate(time.time() + 3600, usegmt=True)})]
    assert hand().pause == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    "answer", [b"Content-Length: 1000000000\r\n\r\n" + b"x" * 100_000, b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_the_body_of_an_answer_is_not_read(
    server: ReceivingServer, hand: Callable[..., Attempt], answer: bytes
) -> None:
    server.answers = [lambda out: out.write(b"HTTP/1.1 200 OK\r\n" + answer)]
    assert hand() == Attempt("", 200)


def ticking() -> Callable[[], float]:
    """Return a clock that advances by a second each time it is read."""
    seconds = itertools.count()
    return lambda: float(next(seconds))


@pytest.mark.parametrize(
    "drops", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
def test_a_receiver_that_drips_is_cut_off_after_ten_seconds_in_all(
    server: ReceivingServer, hand: Callable[..., Attempt], drops: bytes
) -> None:
    """A timeout of the socket would begin again with each byte."""
    sent = 0

    def answer(out: Any) -> None:
        nonlocal sent
        for byte in (
            itertools.cycle(drops) if drops.endswith(b"\r\n\r\n") else [*drops, *itertools.repeat(b"x"[0], 100)]
        ):
            out.write(bytes([byte]))
            sent += 1
            if sent > 10_000:
                raise AssertionError("nobody cut it off")

    server.answers = [answer]
    assert hand(clock=ticking()) == Attempt("timeout", cause="TimeoutError")


def test_the_deadline_includes_resolving_and_connecting(server: ReceivingServer) -> None:
    assert SECONDS == 15
    asked: list[float] = []

    def resolve(host: bytes, port: int, seconds: float) -> Any:
        asked.append(seconds)
        return server.resolve(host, port, seconds) * 20

    # Each read of the clock advances it by a second. So each connection that fails takes a second.
    attempt = Receiver(f"https://{HOST}:8443", resolve=resolve, clock=ticking()).hand(HEADERS, BODY)
    assert attempt.reason == "no_connection"
    assert asked == [SECONDS - 1]


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 made-up-secret\r\n\r\n", b"SSH-2.0-x\r\n"])
def test_an_invalid_http_answer_fails_and_is_not_quoted(
    server: ReceivingServer, hand: Callable[..., Attempt], answer: bytes
) -> None:
    server.answers = [lambda out: out.write(answer)]
    attempt = hand()
    assert attempt.reason == "broken"
    assert attempt.cause in {"BrokenReply", "SSLEOFError"}


def test_a_certificate_of_another_name_or_authority_is_refused(
    server: ReceivingServer, hand: Callable[..., Attempt]
) -> None:
    for attempt in (hand("https://other.example.com/"), hand(authorities=None)):
        assert attempt.reason == "no_connection"
        assert "CERTIFICATE_VERIFY_FAILED" in attempt.cause
    assert server.calls == []


def test_a_cause_quotes_nothing_of_the_url_but_its_host() -> None:
    def nobody(*_: object) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    attempt = Receiver(f"https://{HOST}/made-up-token?key=made-up-secret", resolve=nobody).hand(HEADERS, BODY)
    assert attempt.cause == f"no connection to {HOST}: [Errno -2] Name or service not known"


def test_dns_rebinding_is_impossible(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is resolved once for each call, and the webhook is sent to the address that was checked."""
    connected: list[Any] = []
    addresses = iter(["8.8.8.8", "169.254.169.254"])

    def connect(_socket: socket.socket, address: Any) -> None:
        connected.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr("socket.socket.connect", connect)
    monkeypatch.setattr(
        "socket.getaddrinfo",
        lambda _host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(addresses), port))],
    )
    receiver = Receiver(URL)
    assert [receiver.hand(HEADERS, BODY).reason for _ in range(2)] == ["no_connection", "not_public"]
    assert connected == [("8.8.8.8", 443)]
