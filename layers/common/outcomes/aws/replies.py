"""Read HTTP/1.1 answers: https://www.rfc-editor.org/rfc/rfc9112

This module replaces `http.client`, because loading `http.client` takes a sixth of a cold start. There are two
differences: this module refuses incomplete answers, and answers whose end is ambiguous. In these cases, `http.client`
only guesses where the answer ends.
"""

import io
from collections.abc import Mapping
from typing import NamedTuple

MAX_LINE = 65_536  # bytes
MAX_LINES = 100  # maximum number of header lines, including the empty line at their end
MAX_BODY = 100_000_000  # bytes; limits the memory that is allocated for a body or a chunk before it is read

# The characters of tokens (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2) and digits. These are sets, because
# regular expressions take longer to compile.
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = {10: frozenset("0123456789"), 16: frozenset("0123456789ABCDEFabcdef")}


class BrokenReply(OSError):
    """An answer is not valid HTTP/1.1, or is cut off. It is an OSError like the other failures of a connection."""


class Reply(NamedTuple):
    """An HTTP answer. headers: the headers' values by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_reply(stream: io.BufferedIOBase, at_most: int | None) -> tuple[Reply, bool]:
    """Read an answer to a GET or POST. Return the answer, and whether the connection may be used for another request.

    at_most: how many bytes of the body to read; None reads the whole body. If it is 0, only the status is needed, so
    invalid headers are skipped. Raises BrokenReply, without quoting the answer, and the errors of reading
    from the stream.
    """
    version, status, headers = "", 0, {}
    while status < 200:  # interim answers such as 100 Continue come before the final one (RFC 9110, 15.2)
        version, status = _status_line(stream)
        headers = _headers(stream, is_strict=at_most != 0)
    if at_most == 0:
        return Reply(status, headers, b""), False
    persists = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked":
            raise BrokenReply("a transfer coding other than chunked")
        body = _chunks(stream, at_most)
    elif status in (204, 304):  # answers with the statuses No Content and Not Modified have no body
        body = b""
    elif length is not None:
        size = _size(length, 10)
        body = _exactly(stream, size if at_most is None else min(size, at_most))
    else:  # the body ends when the connection is closed
        body, persists = stream.read(at_most), False
    return Reply(status, headers, body), persists and at_most is None


def _line(stream: io.BufferedIOBase) -> str:
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise BrokenReply("a line is too long")
    if not line.endswith(b"\n"):
        raise BrokenReply("the answer is cut off")
    text = line[:-1].removesuffix(b"\r").decode("latin-1")
    if "\r" in text or "\0" in text:  # RFC 9110, 5.5
        raise BrokenReply("a control character in a line")
    return text


def _status_line(stream: io.BufferedIOBase) -> tuple[str, int]:
    line = _line(stream)
    version, status, reason = line[:8], line[9:12], line[12:]
    if version not in ("HTTP/1.0", "HTTP/1.1") or line[8:9] != " " or reason[:1] not in ("", " "):
        raise BrokenReply("no HTTP status line")
    if len(status) < 3 or not _DIGITS[10].issuperset(status) or status < "100":
        raise BrokenReply("an invalid status")
    return version, int(status)


def _headers(stream: io.BufferedIOBase, *, is_strict: bool = True) -> dict[str, str]:
    """Read headers, or the trailers after the last chunk. Several headers of one name are joined (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    name = ""
    for _ in range(MAX_LINES):
        line = _line(stream)
        if not line:
            return headers
        if line[0] in " \t" and name:  # an obsolete continuation of the previous line (RFC 9112, 5.2)
            headers[name] = f"{headers[name]} {line.strip(' \t')}"
            continue
        name, colon, value = line.partition(":")
        if colon and name and _TOKEN.issuperset(name):
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        elif is_strict:
            raise BrokenReply("an invalid header")
        else:
            name = ""
    raise BrokenReply("too many headers")


def _chunks(stream: io.BufferedIOBase, at_most: int | None) -> bytes:
    body = bytearray()
    while True:
        size = _size(_line(stream).partition(";")[0].rstrip(" \t"), 16)
        if not size:
            _headers(stream)
            return bytes(body)
        body += _exactly(stream, size if at_most is None else min(size, at_most - len(body)))
        if len(body) == at_most:
            return bytes(body)
        if _exactly(stream, 2) != b"\r\n":
            raise BrokenReply("a chunk of another size")


def _size(text: str, base: int) -> int:
    digits = text.lstrip("0")
    if not text or not _DIGITS[base].issuperset(text) or len(digits) > 9 or int(digits or "0", base) > MAX_BODY:
        raise BrokenReply("an invalid size")
    return int(digits or "0", base)


def _exactly(stream: io.BufferedIOBase, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BrokenReply("the answer is cut off")
    return data
