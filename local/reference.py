"""Serve the rendered API reference at `/docs`: Swagger UI (from node_modules) with this folder's openapi.yaml.

Like the demo page, it is not part of the template's API. It shows the routes of the running stack, and can call them.
"""

import json
from collections.abc import Awaitable, Callable
from html import escape
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from local import demo
from local.openapi import Api

VIEWER = Path(__file__).with_name("viewer")
PACKAGE = VIEWER / "node_modules/swagger-ui-dist"
FILES = {
    "/docs": (VIEWER / "index.html", "text/html; charset=utf-8"),
    "/docs/start.js": (VIEWER / "start.js", "text/javascript; charset=utf-8"),
    "/docs/swagger-ui-bundle.js": (PACKAGE / "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    "/docs/swagger-ui.css": (PACKAGE / "swagger-ui.css", "text/css; charset=utf-8"),
}
"""File and content type by URL path."""

HEADERS = demo.HEADERS | {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",  # Swagger UI's icons are data URLs
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
}


def routes(contract: Path, api: Api, cookie: str) -> list[web.RouteDef]:
    """Return the routes of the API reference. Return no routes if the file `contract` (OpenAPI, in YAML) is missing.

    cookie: a session as name=value, which the page sets as a cookie, so that each call can be tried.
    """
    if not contract.is_file():
        return []

    async def document(_: web.Request) -> web.Response:
        text = json.dumps(_served(contract, api))
        return web.Response(text=text, headers=HEADERS | {"Content-Type": "application/json"})

    answers = [web.get(path, _file(file, type_, contract, cookie)) for path, (file, type_) in FILES.items()]
    return [*answers, web.get("/docs/openapi.json", document)]


def _served(contract: Path, api: Api) -> Any:
    """Read the contract. Keep only the routes of this stack, and set its address."""
    # this loader is as safe as safe_load, but ten times as fast
    document = yaml.load(contract.read_text(), yaml.CSafeLoader)
    served = {(route.method.lower(), route.resource) for route in api.routes}
    methods = {
        path: {method: operation for method, operation in operations.items() if (method, path) in served}
        for path, operations in document["paths"].items()
    }
    paths = {path: operations for path, operations in methods.items() if operations}
    return document | {"servers": [{"url": "/"}], "paths": paths}


def _file(
    file: Path, content_type: str, contract: Path, cookie: str
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        if not PACKAGE.is_dir():
            return web.Response(text=_missing(contract), headers=HEADERS | {"Content-Type": FILES["/docs"][1]})
        headers = HEADERS | {"Content-Type": content_type}
        if file.suffix == ".html":
            headers["Set-Cookie"] = f"{cookie}; {demo.COOKIE_ATTRIBUTES}"
        return web.Response(body=file.read_bytes(), headers=headers)

    return answer


def _missing(contract: Path) -> str:
    """Return the page that is shown if Swagger UI is not in node_modules."""
    return (
        '<!doctype html><html lang="en"><title>Outcomes API</title><h1>Outcomes API</h1>'
        f"<p>The contract is in {escape(str(contract))}."
        " To see it rendered here, install npm and run make run again.</p>"
    )
