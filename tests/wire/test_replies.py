"""Our AWS client reads answers like `http.client`, but refuses an answer that is cut off or ambiguous."""

import io
from http.client import HTTPException, HTTPResponse
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from outcomes.aws.connection import MAX_LINE, MAX_LINES, BrokenReply, Reply, read_reply

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LONGEST = b"X: " + b"a" * (MAX_LINE - len(b"X: \r\n")) + b"\r\n"


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self.data, self.step = io.BytesIO(data), step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self.data.read(min(self.step, len(buffer)))
        buffer[: len(got)] = got
        return len(got)


def ours(data: bytes, at_most: int | None = None, step: int = 10**6) -> Reply | None:
    """Read an answer. Return None if it is refused."""
    try:
        return read_reply(io.BufferedReader(Trickle(data, step)), at_most)[0]
    except BrokenReply:
        return None


def theirs(data: bytes, at_most: int | None = None) -> Reply | None:
    """Read an answer with http.client. Return None if it is refused."""

    class Socket:
        def makefile(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(data)

    try:
        with HTTPResponse(Socket(), method="POST") as answer:  # type: ignore[arg-type]
            answer.begin()
            headers: dict[str, str] = {}
            for name, value in answer.getheaders():
                text = " ".join(line.strip(" \t\r") for line in value.split("\n"))  # http.client does not unfold lines
                headers[name.lower()] = f"{headers[name.lower()]}, {text}" if name.lower() in headers else text
            return Reply(answer.status, headers, b"" if at_most == 0 else answer.read(at_most))
    except (HTTPException, OSError, ValueError):
        return None


VALID: dict[str, bytes] = {
    "a length": OK + b"Content-Length: 3\r\n\r\nabc",
    "no length and no body": OK + b"Content-Length: 0\r\n\r\n",
    "leading zeros in the length": OK + b"Content-Length: 0003\r\n\r\nabc",
    "line feeds only": b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc",
    "no reason": b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
    "not even a space for a reason": b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "a value in Latin-1": OK + "X: é\r\nContent-Length: 0\r\n\r\n".encode("latin-1"),
    "an empty value": OK + b"X:\r\nContent-Length: 0\r\n\r\n",
    "a folded line": OK + b"X: a\r\n\t b\r\n c\r\nContent-Length: 3\r\n\r\nabc",
    "two headers of one name": OK + b"X: a\r\nx: b\r\nContent-Length: 0\r\n\r\n",
    "as many headers as allowed": OK + b"X: a\r\n" * (MAX_LINES - 2) + b"Content-Length: 3\r\n\r\nabc",
    "a header as long as allowed": OK + LONGEST + b"Content-Length: 0\r\n\r\n",
    "100 Continue": b"HTTP/1.1 100 Continue\r\nX: a\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc",
    "chunks": CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    "no chunks": CHUNKED + b"0\r\n\r\n",
    "odd chunk sizes": CHUNKED + b"00000000003\r\nabc\r\n1A \t\r\n" + b"x" * 26 + b"\r\n2;a=b\r\nde\r\n0;c\r\n\r\n",
    "trailers": CHUNKED + b"3\r\nabc\r\n0\r\nX: a\r\nY: b\r\n\r\n",
    "chunks despite a length": CHUNKED[:-2] + b"Content-Length: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "an error": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}",
    "204 in chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nX: a\r\n\r\n",
    "304 with the length of what it does not send": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
}


@pytest.mark.parametrize("data", VALID.values(), ids=VALID)
def test_a_valid_answer_is_read_as_http_client_reads_it_and_refused_if_it_is_cut_off_anywhere(data: bytes) -> None:
    for at_most in (None, 0, 2, 100):
        read = ours(data, at_most)
        assert read is not None
        assert read == theirs(data, at_most) == ours(data, at_most, step=1)
    for length in (*range(min(len(data), 200)), *range(max(0, len(data) - 200), len(data))):
        assert ours(data[:length]) is None
        assert ours(data[:length], at_most=100) is None  # http.client would return the bytes that it has read


REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "another protocol": b"SSH-2.0-x\r\n",
    "another version": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 1000 OK\r\nContent-Length: 0\r\n\r\n",
    "a negative status": b"HTTP/1.1 -200 OK\r\nContent-Length: 0\r\n\r\n",
    "a status line that is too long": b"HTTP/1.1 200 " + b"a" * MAX_LINE + b"\r\nContent-Length: 0\r\n\r\n",
    "a header that is too long": OK + b"a" + LONGEST + b"Content-Length: 0\r\n\r\n",
    "an endless header": OK + b"X: " + b"a" * 10 * MAX_LINE,
    "too many headers": OK + b"X: a\r\n" * (MAX_LINES - 1) + b"Content-Length: 0\r\n\r\n",
    "a chunk size that is no number": CHUNKED + b"x\r\nabc\r\n0\r\n\r\n",
    "an empty chunk size": CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "a chunk size that is too long": CHUNKED + b"0" * MAX_LINE + b"3\r\nabc\r\n0\r\n\r\n",
    "a chunk larger than what comes": CHUNKED + b"4\r\nabc\r\n0\r\n\r\n",
}
GUESSED_AT: dict[str, bytes] = {
    "a space before the status line": b" HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "an odd version": b"HTTP/1.10 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "a status with a sign": b"HTTP/1.1 +200 OK\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
    "a negative length": OK + b"Content-Length: -3\r\n\r\nabc",
    "a length with a sign": OK + b"Content-Length: +3\r\n\r\nabc",
    "a length that is no number": OK + b"Content-Length: x\r\n\r\nabc",
    "an empty length": OK + b"Content-Length:\r\n\r\nabc",
    "a length in other digits": OK + "Content-Length: ²\r\n\r\nabc".encode("latin-1"),
    "another coding": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a line without a colon": OK + b"X\r\nContent-Length: 3\r\n\r\nabc",
    "a space before the colon": OK + b"X : a\r\nContent-Length: 3\r\n\r\nabc",
    "a header without a name": OK + b": a\r\nContent-Length: 3\r\n\r\nabc",
    "a continuation of nothing": OK + b" X: a\r\nContent-Length: 3\r\n\r\nabc",
    "a carriage return in a value": OK + b"X: a\rContent-Length: 1\r\nContent-Length: 3\r\n\r\nabc",
    "a NUL in a value": OK + b"X: \0\r\nContent-Length: 3\r\n\r\nabc",
    "a chunk size with 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "a chunk size with an underscore": CHUNKED + b"0_3\r\nabc\r\n0\r\n\r\n",
    "a chunk followed by something else": CHUNKED + b"3\r\nabcde0\r\n\r\n",
    "trailers that end in a line": CHUNKED + b"3\r\nabc\r\n0\r\nX: a",
}
# http.client would wait for all these bytes, so it is not compared.
HUGE: dict[str, bytes] = {
    "a huge length": OK + b"Content-Length: " + b"9" * 15 + b"\r\n\r\nabc",
    "a length of more digits than Python parses": OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
    "a huge chunk": CHUNKED + b"F" * 12 + b"\r\nabc\r\n0\r\n\r\n",
}


INVALID = {**REFUSED, **GUESSED_AT, **HUGE}


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_answer_is_refused_even_if_http_client_guesses_at_it(name: str) -> None:
    assert ours(INVALID[name]) is None
    if name not in HUGE:
        assert (theirs(INVALID[name]) is not None) is (name in GUESSED_AT)


@pytest.mark.parametrize("line", [b"no colon", b"X : a", b": a", b" X: a", b"Content-Length: x"])
def test_without_a_body_invalid_headers_are_skipped(line: bytes) -> None:
    """A webhook counts as delivered even if its receiver answers with invalid headers."""
    data = OK + line + b"\r\n folded\r\nRetry-After: 7\r\n\r\n"
    read = ours(data, at_most=0)
    assert read is not None
    assert (read.status, read.headers["retry-after"]) == (200, "7")
    assert theirs(data, at_most=0) is not None
    assert ours(data) is None


def test_interim_answers_are_skipped() -> None:
    """http.client treats every interim answer except 100 as the final answer."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    assert ours(interim * 3 + VALID["a length"]) == ours(VALID["a length"])


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    assert ours(OK + b"\r\nabc") == Reply(200, {}, b"abc") == theirs(OK + b"\r\nabc")


@pytest.mark.parametrize(
    ("data", "at_most", "persists"),
    [
        (VALID["a length"], None, True),
        (VALID["chunks"], None, True),
        (VALID["204"], None, True),
        (VALID["a length"], 3, False),
        (VALID["a length"], 0, False),
        (VALID["HTTP/1.0"], None, False),
        (OK + b"Connection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", None, True),
        (OK + b"Connection: a, CLOSE\r\nContent-Length: 0\r\n\r\n", None, False),
        (OK + b"Connection: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", None, False),
        (OK + b"\r\nabc", None, False),
    ],
)
def test_a_connection_persists_only_after_a_whole_answer_of_known_length(
    data: bytes, at_most: int | None, persists: bool
) -> None:
    assert read_reply(io.BufferedReader(Trickle(data, 100)), at_most)[1] is persists


LINES = st.sampled_from(
    [
        *(b"X: a", b"x:b", b"Y: \xe9 ", b" folded", b"\tfolded", b"", b"no colon", b"X : a", b"X: a\rY: b", b"\0: a"),
        *(b"Content-Length: 3", b"Content-Length: 12", b"content-length: 0", b"Content-Length: -1"),
        *(b"Transfer-Encoding: chunked", b"transfer-encoding: Chunked", b"Transfer-Encoding: identity"),
        *(b"Connection: close", b"Connection: keep-alive"),
    ]
)
STATUS_LINES = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200 OK",
            b"HTTP/1.0 200 OK",
            b"HTTP/1.1 500",
            b"HTTP/1.1 204 ",
            b"HTTP/1.1 304 ",
            b"HTTP/2 200 OK",
        ),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
    ]
)
BODIES = st.lists(
    st.sampled_from([b"3\r\n", b"abc", b"\r\n", b"0\r\n", b"\r\n", b"c;x=y\r\n", b"-1\r\n", b"abcdefghijkl", b"\n"])
).map(b"".join)
ENDS = st.sampled_from([b"\r\n", b"\n"])
MUTATIONS = st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=2)), max_size=2)


@settings(max_examples=300, deadline=None)
@given(STATUS_LINES, st.lists(LINES, max_size=5), ENDS, BODIES, MUTATIONS, st.sampled_from([None, 0, 1, 3, 100]))
@example(b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"], b"\r\n", b"3\r\nabc\r\n0\r\n\r\n", [], None)
def test_any_answer_is_read_as_http_client_reads_it_or_refused(
    status: bytes, lines: list[bytes], end: bytes, body: bytes, mutations: list[tuple[int, bytes]], at_most: int | None
) -> None:
    data = end.join([status, *lines, b"", body])
    for place, inserted in mutations:
        data = data[:place] + inserted + data[place + 1 :]
    read, model = ours(data, at_most), theirs(data, at_most)
    if at_most == 0 and read and model:  # see test_without_a_body_invalid_headers_are_skipped
        assert read.status == model.status or model.status < 200
    elif model is None or model.status >= 200:  # see test_interim_answers_are_skipped
        assert read in (None, model)
    assert read == ours(data, at_most, step=3)
