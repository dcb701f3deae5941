"""The official MCP client calls POST /mcp on the running stack with an agent key."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.local.stacks import ROOT, Stack

USER = 4_711


@pytest.fixture(scope="module")
def agent_key(stack: Stack) -> Callable[..., str]:
    """Create an agent key as its owner, because the platform may not create keys with the scope `read`."""

    def make(*scopes: str) -> str:
        headers = {"Cookie": stack.cookie(USER)}
        wanted = {"name": "MCP", "agentId": 7, "maxValueUsd": 500, "scopes": scopes}
        made = httpx.post(f"{stack.url}/api/keys", headers=headers, json=wanted)
        return str(made.json()["key"])

    return make


async def used(tools: Any, name: str, **arguments: Any) -> Any:
    result = await tools.call_tool(name, arguments)
    assert not result.is_error, result
    return result.structured_content


@pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
async def test_a_client_records_corrects_and_reads(stack: Stack, agent_key: Callable[..., str], mode: str) -> None:
    import httpx2  # imported late, because only one process needs them
    from mcp.client import Client
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Authorization": f"Bearer {agent_key('record', 'read', 'correct')}"}
    deal = {"outcome_type": "deal_closed", "title": "Renewed Acme", "value_usd": "12.50"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(f"{stack.url}/mcp", http_client=http), mode=mode) as tools,
    ):
        listed = (await tools.list_tools()).tools
        assert len(listed) == 7
        assert f"user {USER} and agent 7 only" in (listed[0].description or "")
        first = await used(tools, "record_outcome", **deal, idempotency_key=f"deal-{mode}")
        again = await used(tools, "record_outcome", **deal, idempotency_key=f"deal-{mode}")
        assert (first["replayed"], again["replayed"], again["id"]) == (False, True, first["id"])
        several = [{**deal, "idempotency_key": f"{mode}-{number}"} for number in range(2)]
        assert (await used(tools, "record_outcomes", outcomes=several))["recorded"] == 2
        about = {"outcome_id": first["id"], "reason": "Misread", "idempotency_key": f"amend-{mode}"}
        assert (await used(tools, "amend_outcome", **about, value_usd=7))["outcome"]["value_usd"] == 7
        about["idempotency_key"] = f"void-{mode}"
        assert (await used(tools, "void_outcome", **about))["outcome"]["status"] == "void"
        page = await used(tools, "list_outcomes", limit=3, start=datetime.now(UTC).date().isoformat())
        assert [each["status"] for each in page["outcomes"]] == ["recorded", "recorded", "void"]
        assert (await used(tools, "value_summary"))["voided"]["count"] >= 1
        refused = await tools.call_tool("record_outcome", {**deal, "value_usd": 501, "idempotency_key": "much"})
        assert refused.is_error


def test_the_documented_session_has_the_documented_answers(stack: Stack, agent_key: Callable[..., str]) -> None:
    headers = {"Authorization": f"Bearer {agent_key('record')}"}
    session = re.findall(r"^→ (.*)\n← (.*)$", (ROOT / "docs/mcp.md").read_text(), re.MULTILINE)
    assert len(session) == 5
    for sent, documented in session:
        answer = httpx.post(f"{stack.url}/mcp", headers=headers, content=sent)
        text = answer.text or str(answer.status_code)
        assert re.fullmatch(re.escape(documented).replace(re.escape("..."), ".*"), text), text
