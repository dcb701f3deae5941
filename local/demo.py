"""Serve the demo dashboard at `/`: the page that CloudFront serves in a deployed stack, with a signed-in visitor.

It is not part of the template's API. Only FILES are served, never other files of the folder.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from ops.dashboard import FILES

# These headers are the template's FeedHeaders without Strict-Transport-Security. A test compares them.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            # These are the hashes of the styles in index.html and verify.html.
            "style-src 'sha256-ciAQ31ktUdwfTLS15W+tQiebXWnMo3Wj3ChD1HfwckM=' "
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


def routes(folder: Path, cookie: str) -> list[web.RouteDef]:
    """Return routes to FILES in `folder`, or no routes if it has no page.

    Files are read again for each request. cookie: a session as name=value, which the page sets as a cookie.
    """
    if not (folder / "index.html").is_file():
        return []
    return [web.get(path, _answer(folder / name, type_, cookie)) for path, (name, type_) in FILES.items()]


def _answer(file: Path, content_type: str, cookie: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        headers = {**HEADERS, "Content-Type": content_type, "Cache-Control": "no-store"}
        if file.suffix == ".html":
            headers["Set-Cookie"] = f"{cookie}; {COOKIE_ATTRIBUTES}"
        return web.Response(body=file.read_bytes(), headers=headers)

    return answer
