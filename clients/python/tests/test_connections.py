"""Test that the blocking client's own connections do what httpx does, and that httpx sends where they cannot."""

from __future__ import annotations

import asyncio
import gc
import inspect
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import certifi
import httpx
import pytest
from outcomes_client import AsyncOutcomesClient, NoAnswerError, OutcomesClient, OutcomesError, Retry
from outcomes_client._connections import Connections, _has_proxy
from outcomes_client._http import Headers, is_plain

from clients.python.tests.conftest import ONE_TRY, Api
from clients.python.tests.faults import AFTER_THE_WRITE, BEFORE_THE_WRITE, SLOW, FaultyServer
from tests.authority import Authority, make_authority
from tests.servers import serving

type Make = Callable[..., OutcomesClient | AsyncOutcomesClient]

WAYS: list[Make] = [
    OutcomesClient,
    lambda *given, **settings: OutcomesClient(*given, **settings, transport=httpx.HTTPTransport()),
    AsyncOutcomesClient,
]
"""The blocking client's own connections, those of httpx, and the async client."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the proxies and the certificates of the machine that runs the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def told(client: OutcomesClient | AsyncOutcomesClient, *call: Any) -> Any:
    """Make a call and close the client. Return the result, or what the error says."""
    try:
        name, *given = call or ("record", "task_complete", "One")
        done = getattr(client, name)(*given)
        return await done if inspect.isawaitable(done) else done
    except OutcomesError as error:
        return type(error), str(error), error.retryable, error.status
    finally:
        if isinstance(client, AsyncOutcomesClient):
            await client.aclose()
        else:
            client.close()


# Which library sends


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("https://api.example.com", True),
        ("https://API.example.com:8443/prod/v1", True),
        ("http://localhost:3000", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:3000", False),
        ("https://bücher.example", False),
        ("https://xn--bcher-kva.example", False),
        ("https://a_b.example", False),
        ("https://api.example.com.", False),
        ("https://api.example.com/a%20b", False),
        ("http://127.1", False),
    ],
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY", ""])
def test_httpx_sends_where_a_proxy_a_transport_or_an_unusual_url_needs_it(
    monkeypatch: pytest.MonkeyPatch, url: str, is_own: bool, name: str
) -> None:
    if name:
        monkeypatch.setenv(name, "http://proxy.example:8080" if name != "NO_PROXY" else "*")
    has_proxy = name not in ("", "NO_PROXY")
    with OutcomesClient(url) as client:
        assert isinstance(client._http, Connections) == (is_own and not has_proxy)
    with OutcomesClient(url, transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        assert isinstance(client._http, httpx.Client)


@pytest.mark.parametrize("proxies", [{}, {"http": "http://proxy.example:8080"}], ids=str)
def test_proxies_may_be_settings_of_the_system(monkeypatch: pytest.MonkeyPatch, proxies: Mapping[str, str]) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: proxies)
    monkeypatch.setattr("sys.platform", "darwin")
    assert _has_proxy() == bool(proxies)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://a..b",
            "https://.a",
            f"https://{'a' * 64}.example",
            "https://300.1.1.1",
            "https://1.2.3",
            "https://1",
        ),
        *("https://h/..", "https://h/a/../b", "https://h/./b", "https://h/a/."),
        *("https://01.2.3.4", "https://h:65536", "https://h:300O", "https://h:", "https://h:1:2", "https://h/ä", "h"),
    ],
)
def test_a_url_that_httpx_refuses_or_changes_is_not_plain(url: str) -> None:
    assert not is_plain(url)


# What is sent, and what comes back


async def test_each_way_sends_the_same_request(api: Api) -> None:
    api.door.upstream = lambda method, target, *_: (200, {"Seen": f"{method} {target}"}, b'{"outcomes":[]}')
    left_out = {"User-Agent", "Accept-Encoding", "Connection", "Idempotency-Key"}
    for call in ("record", "task_complete", "Ä"), ("list",), ("get", "a/b ü"):
        api.door.requests.clear()
        for way in WAYS:
            await told(way(f"{api.url}/stage", api.key, cookie=api.cookie, retry=ONE_TRY), *call)
        seen = [({n: v for n, v in headers.items() if n not in left_out}, body) for headers, body in api.door.requests]
        assert len(seen) == len(WAYS)
        assert seen[0] == seen[1] == seen[2]


async def test_each_way_sends_the_same_path_and_query(api: Api) -> None:
    targets: list[str] = []

    def upstream(_: str, target: str, *__: Any) -> tuple[int, Mapping[str, str], bytes]:
        targets.append(target)
        return 200, {}, b'{"outcomes":[]}'

    api.door.upstream = upstream
    for way in WAYS:
        done = (client := way(f"{api.url}/stage/", cookie=api.cookie, retry=ONE_TRY)).list(
            outcome_type=["deal_closed", "a b&c"], agent_id=7, cursor="ü=/+"
        )
        if inspect.isawaitable(done):
            await done
        await told(client, "get", "a/b ü")
    queries = {target.partition("?")[2] for target in targets}
    assert len(targets) == 6
    assert len(set(targets)) == 2
    assert any("outcomeType=a+b%26c" in query for query in queries)


@pytest.mark.parametrize(
    "fault", [fault for fault in (*AFTER_THE_WRITE, *BEFORE_THE_WRITE) if fault not in SLOW] + ["302", "long", *SLOW]
)
async def test_each_way_tells_the_same_of_a_fault(api: Api, fault: str) -> None:
    errors = []
    for way in WAYS:
        if fault == "302":
            api.door.upstream = lambda *_: (302, {"Location": "https://elsewhere.example/"}, b"")
        elif fault == "long":
            api.door.upstream = lambda *_: (200, {}, b" " * 17 * 2**20)
        else:
            api.fail(fault)
        retry = Retry(deadline=0.1, first=1e12) if fault in SLOW else ONE_TRY
        errors.append(await told(way(api.url, api.key, user_id=42, retry=retry)))
        assert fault in SLOW or not api.door.faults  # on a busy machine, a try may end before it is connected
        api.door.faults.clear()
    assert isinstance(errors[0], tuple), errors
    assert [error[2:] for error in errors] == [errors[0][2:]] * 3
    # How a slow answer ends depends on which limit of time is first.
    assert fault in SLOW or [error[:2] for error in errors] == [errors[0][:2]] * 3


async def test_each_way_tells_the_same_if_nobody_listens() -> None:
    with serving(FaultyServer(lambda *_: (200, {}, b""))) as server:
        url = server.url
    errors = [await told(way(url, "k", user_id=42, retry=ONE_TRY)) for way in WAYS]
    assert "Connection refused" in errors[0][1]
    assert errors[0] == errors[1]
    assert errors[2] == (errors[0][0], errors[2][1], *errors[0][2:])  # anyio has words of its own


def test_a_request_may_fail_while_another_thread_imports_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", ModuleType("httpx"))
    with OutcomesClient("http://127.0.0.1:9", "k", user_id=42, retry=ONE_TRY) as client, pytest.raises(NoAnswerError):
        client.record("task_complete", "One")


def test_threads_share_a_client_and_its_connections_are_used_again(api: Api) -> None:
    with OutcomesClient(**api.settings) as client, ThreadPoolExecutor(4) as threads:
        done = [*threads.map(lambda n: client.record("task_complete", f"Task {n}", user_id=42), range(12))]
        assert len({one.id for one in done}) == 12
        assert isinstance(client._http, Connections)
        pool = client._http._pool
        assert pool
        assert 1 <= len(pool.connections) <= 4


def test_a_process_made_by_a_fork_has_connections_of_its_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutcomesClient(**api.settings) as client:
        client.record("task_complete", "One", user_id=42)
        before = client._http
        assert isinstance(before, Connections)
        monkeypatch.setattr("os.getpid", lambda: -1)
        client.record("task_complete", "Two", user_id=42)
        assert client._http is not before
        assert before._pool
        assert len(before._pool.connections) == 1, "the parent still uses it"
        before.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_async_client_may_be_used_in_one_event_loop_after_the_other(api: Api) -> None:
    client = AsyncOutcomesClient(**api.settings)
    for title in ("One", "Two", "Three"):
        asyncio.run(client.record("task_complete", title, user_id=42))
    asyncio.run(client.aclose())
    assert len(api.recorded()) == 3
    gc.collect()  # connections of a loop that ended cannot be closed


def test_a_closed_client_sends_nothing(api: Api) -> None:
    client = OutcomesClient(**api.settings)
    client.record("task_complete", "One", user_id=42)
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match=r"^Cannot send a request, as the client has been closed\.$"):
        client.record("task_complete", "Two", user_id=42)
    assert len(api.recorded()) == 1


def test_headers_have_names_in_any_case_and_values_in_any_encoding(api: Api) -> None:
    headers = Headers([("Retry-After", "1"), ("X", "a"), ("x", "b")])
    assert (headers.get("RETRY-AFTER"), "retry-after" in headers, headers.get("y"), headers["X"]) == (
        "1",
        True,
        None,
        "a, b",
    )
    assert len(headers) == 2
    current = api.door.upstream

    def upstream(*asked: Any) -> Any:
        status, headers, body = current(*asked)
        return status, {**headers, "Ignored-Fields": "f\xfcr"}, body  # http.server writes Latin-1

    api.door.upstream = upstream
    with OutcomesClient(**api.settings) as client:
        assert client.record("task_complete", "One", user_id=42).ignored_fields == ("für",)


# Proxies and TLS


def test_a_proxy_of_the_environment_is_used(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    targets: list[str] = []
    current = api.door.upstream

    def upstream(method: str, target: str, *asked: Any) -> Any:
        targets.append(target)
        return current(method, target.removeprefix("http://api.example"), *asked)

    api.door.upstream = upstream
    monkeypatch.setenv("HTTP_PROXY", api.url)
    with OutcomesClient("http://api.example", api.key, user_id=42, allow_http=True) as client:
        client.record("task_complete", "One")
    assert targets == ["http://api.example/api/outcomes"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"), "localhost")


@pytest.fixture
def tls(api: Api, authority: Authority) -> Iterator[str]:
    """Serve the API over TLS. Return its URL."""
    server = FaultyServer(lambda *asked: api.door.upstream(*asked))
    server.socket = authority.server.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server) as door:
        yield f"https://localhost:{door.server_port}"


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_only_trusted_authorities_are_believed(
    api: Api, tls: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, is_trusted: bool
) -> None:
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    result = await told(OutcomesClient(tls, api.key, user_id=42, retry=ONE_TRY))
    if is_trusted:
        assert api.recorded()[0]["id"] == result.id
    else:
        assert "CERTIFICATE_VERIFY_FAILED" in result[1]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"cafile": certifi.where(), "capath": None}),
        ({"SSL_CERT_FILE": "f"}, {"cafile": "f", "capath": None}),
        ({"SSL_CERT_DIR": "d"}, {"cafile": None, "capath": "d"}),
        ({"SSL_CERT_FILE": "f", "SSL_CERT_DIR": "d"}, {"cafile": "f", "capath": None}),
    ],
    ids=str,
)
def test_certificates_are_those_that_httpx_trusts(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], expected: Mapping[str, str | None]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    trusted: list[dict[str, str | None]] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def create(cafile: str | None = None, capath: str | None = None) -> ssl.SSLContext:
        trusted.append({"cafile": cafile, "capath": capath})
        return context

    monkeypatch.setattr(ssl, "create_default_context", create)
    OutcomesClient("https://api.example.com").close()
    assert trusted == [expected]
