"""python strangers.py: use the API with Python libraries that know nothing of it, and print `ok NAME` for each.

Standard input: JSON with `url`, `key`, `bearer` (a token of the stack's OpenID Connect issuer), `jwks` (the address of
the issuer's keys), `webhook` (the `headers` and the `body` of an event), `secret` (whsec_...), `statement` and `keys`
(texts).
"""

import asyncio
import json
import sys
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import jwt
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

given = json.load(sys.stdin)
headers: dict[str, str] = given["webhook"]["headers"]
body = b64decode(given["webhook"]["body"])


def cloudevents() -> None:
    event = from_http_event(HTTPMessage(headers, body))
    assert event.get_type() == "outcome.recorded"
    assert event.get_data()["title"] == "Renewed Acme"


def pyjwt() -> None:
    """Verify a session's token with the issuer's keys, and a statement with the API's keys."""
    key = jwt.PyJWKClient(given["jwks"]).get_signing_key_from_jwt(given["bearer"]).key
    assert jwt.decode(given["bearer"], key, algorithms=["ES256", "RS256", "EdDSA"], options={"verify_aud": False})[
        "sub"
    ]

    signature = json.loads(given["statement"])["signature"]
    kid = jwt.get_unverified_header(signature)["kid"]
    public = next(key for key in jwt.PyJWKSet.from_json(given["keys"]).keys if key.key_id == kid)
    assert given["statement"].startswith(jwt.api_jws.decode(signature, public, algorithms=["EdDSA"])[:-1].decode())


def mcp() -> None:
    async def record() -> None:
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {given['key']}"})
        async with http, Client(streamable_http_client(f"{given['url']}/mcp", http_client=http)) as client:
            assert "record_outcome" in {tool.name for tool in (await client.list_tools()).tools}
            deal = {
                "outcome_type": "deal_closed",
                "title": "Renewed Initech",
                "idempotency_key": "initech",
                "user_id": 7,
            }
            assert not (await client.call_tool("record_outcome", deal)).is_error

    asyncio.run(record())


USES: dict[str, Callable[[], Any]] = {
    "standardwebhooks": lambda: Webhook(given["secret"]).verify(body, headers),
    "svix": lambda: SvixWebhook(given["secret"]).verify(body, headers),
    "cloudevents": cloudevents,
    "PyJWT": pyjwt,
    "mcp": mcp,
}

for name, use in USES.items():
    use()
    print(f"ok {name}")
