"""A client for a deployed API: calls, basic checks of answers, and the deployment's capabilities and outcome types."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from outcomes.contract import json_text

from smoke.aws import CAPABILITIES, User


@dataclass
class Api:
    """A client for the API.

    url: the API's URL, which ends with /api/outcomes. cookie: a session's Cookie header. protocols: the HTTP versions
    of the answers. off: the capabilities that are off. types: the outcome types.
    """

    url: str
    client: httpx.Client
    key: str | None = None
    origin: str | None = None
    cookie: str | None = None
    protocols: set[str] = field(default_factory=set)
    off: Collection[str] = ()
    types: Sequence[str] = ("deal_closed", "task_complete")

    def call(
        self,
        method: str,
        path: str = "",
        *,
        key: bool = False,
        cookie: str | None = None,
        body: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
    ) -> httpx.Response:
        """Send a request. path: below `url`, or absolute if it begins with `/api/` or `/.`."""
        sent = list((headers or {}).items()) if isinstance(headers, dict | None) else list(headers)
        if key:
            sent.append(("Authorization", f"Bearer {self.key}"))
        if cookie:
            sent.append(("Cookie", cookie))
        if body is not None:
            content = json.dumps(body).encode() if not isinstance(body, str) else body.encode()
        if content is not None:
            sent.append(("Content-Type", "application/json"))
        url = self.url.removesuffix("/api/outcomes") if path.startswith(("/api/", "/.")) else self.url
        response = self.client.request(method, url + path, headers=sent, content=content)
        self.protocols.add(response.http_version)
        return response

    def outcome(self, user: User | None, **fields: Any) -> dict[str, Any]:
        """Return a request body that records an outcome."""
        mine = {} if user is None else {"userId": user.id}
        return {"outcomeType": self.types[0], "title": "Smoke test", **mine, **fields}


def answers(response: httpx.Response, status: int, body: Any = None) -> Any:
    """Assert a response's status, headers and, if given, body. Return the body."""
    got = f"{response.status_code} {response.text[:300]}"
    assert response.status_code == status, f"expected {status}, got {got}"
    assert response.headers["content-type"].split(";")[0] == "application/json", response.headers.get("content-type")
    assert response.headers.get("x-content-type-options") == "nosniff", "no X-Content-Type-Options: nosniff"
    assert response.headers.get("cache-control") == "no-store", "no Cache-Control: no-store"
    parsed = json_text.read(response.text)
    if body is not None:
        assert parsed == body, f"expected {body}, got {got}"
    return parsed


def is_no_route(response: httpx.Response) -> bool:
    """Return whether the answer says that this deployment does not have the route."""
    return bool(response.headers.get("no-such-route") == "true")


def switched_off(api: Api) -> frozenset[str]:
    """Return the capabilities that are off. Without a session, this can only find out whether Batch is off."""
    try:
        if api.cookie is None:
            return frozenset(["Batch"] if is_no_route(api.call("POST", "/batch", body={})) else [])
        headers = api.call("GET", "?limit=1", cookie=api.cookie).headers
    except httpx.HTTPError:  # every check of this API will report the same error
        return frozenset()
    on = headers.get("capabilities", ", ".join(CAPABILITIES).lower()).split(", ")
    return frozenset(name for name in CAPABILITIES if name.lower() not in on)


def outcome_types(api: Api) -> list[str]:
    """Return the deployment's outcome types. If it does not list them, return the first default type."""
    try:
        response = api.call("GET", "/types", key=api.key is not None, cookie=api.cookie)
    except httpx.HTTPError:  # every check of this API will report the same error
        return [*api.types]
    return [each["type"] for each in response.json()["types"]] if response.status_code == 200 else [*api.types]
