"""Serve the demo dashboard at `/`: the page that CloudFront serves in a deployed stack, with a signed-in visitor.

It is not part of the template's API. Only FILES are served, never other files of the folder. `/?user=7` signs in user
7, which only a laptop's stack may do.
"""

import json
import re
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path

from aiohttp import web
from outcomes.limits import MAX_ID

from ops.dashboard import FILES

# These headers are the template's FeedHeaders without Strict-Transport-Security. A test compares them.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            # These are the hashes of the styles in index.html and verify.html.
            "style-src 'sha256-S1NZZRrfJXa7RAYgtNvS/hX/z+MDUL3ptqU7kdsD8OI=' "
            "'sha256-W82NntNwbYHzfWUT7tm/lR8xxr8H8NB/qMViY4Xz6S0='",
            "img-src data:",  # the pages' icon
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# The cookie has no Domain, so browsers send it only to this host. It is not Secure, because the stack has no TLS.
COOKIE_ATTRIBUTES = "Path=/; HttpOnly; SameSite=Lax"

DEMO_USER = 42
AGENTS = {3: "Procurement", 7: "Sales", 11: "Content", 19: "Newsletter", 23: "Renewals", 31: "Back office"}
"""The names of the agents of `make seed`, by id. A platform's own page knows the names of its agents."""


def routes(folder: Path, cookie: Callable[[int], str]) -> list[web.RouteDef]:
    """Return routes to FILES in `folder`, or no routes if it has no page.

    Files are read again for each request. cookie: returns a user's session as name=value, which the page sets as a
    cookie.
    """
    if not (folder / "index.html").is_file():
        return []
    return [web.get(path, _answer(folder / name, type_, cookie)) for path, (name, type_) in FILES.items()]


def _answer(
    file: Path, content_type: str, cookie: Callable[[int], str]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        headers = {**HEADERS, "Content-Type": content_type, "Cache-Control": "no-store"}
        body = file.read_bytes()
        if file.name == "index.html":
            user = request.query.get("user", str(DEMO_USER))
            if not re.fullmatch("[1-9][0-9]{0,15}", user) or int(user) > MAX_ID:
                return web.Response(
                    status=400, text=f"user must be a whole number from 1 to {MAX_ID}, as in /?user=7\n"
                )
            headers["Set-Cookie"] = f"{cookie(int(user))}; {COOKIE_ATTRIBUTES}"
            body = _of_user(body, user)
        response = web.Response(body=body, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):  # as CloudFront does: `Compress` in the template
            response.enable_compression(web.ContentCoding.gzip)
        return response

    return answer


def _of_user(page: bytes, user: str) -> bytes:
    """Say on the page whose it is, and name the demo's agents."""
    names = escape(json.dumps(AGENTS)).encode()
    page = page.replace(b"<h1>Dashboard</h1>", f"<h1>Dashboard of user {user}</h1>".encode())
    return page.replace(b"<value-delivered ", b'<value-delivered agent-names="' + names + b'" ').replace(
        b"<outcome-keys id", b'<outcome-keys agent-names="' + names + b'" id'
    )
