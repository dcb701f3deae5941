"""The API calls in README and docs/ return the answers printed below them."""

import itertools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.local.stacks import ROOT, Stack

NAMES = ("outcomes", "batch", "summary", "corrections", "agent-keys", "agent-costs")
PAGES = ["README.md", *(f"docs/{name}.md" for name in NAMES)]
users = itertools.count(60_000)


def calls(page: Path) -> Iterator[tuple[str, str]]:
    """Yield each curl command on the page, with the answer below the command.

    `...` in an answer matches anything.
    """
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        yield from re.findall(r"^(curl (?:.|\\\n|\n(?=    ))*)\n# (\{.*\})", block, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_a_documented_call_has_the_documented_answer(stack: Stack, page: str) -> None:
    user = next(users)
    bearer = {"Authorization": f"Bearer {stack.key}"}
    deal = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 12500.5, "userId": user}
    outcome_id, unassigned_id = "01M...", "01K..."
    if page in {"docs/summary.md", "docs/corrections.md"}:
        outcome_id, unassigned_id = (
            httpx.post(f"{stack.url}/api/outcomes", headers=bearer, json=deal | {"userId": owner}).headers["Outcome-Id"]
            for owner in (user, None)
        )
    agent_key = "oc_..."
    printed = list(calls(ROOT / page))
    assert printed

    for command, answer in printed:
        given = {
            "http://127.0.0.1:3000": stack.url,
            "try-me": stack.key,
            "$(make session USER_ID=42)": f"Cookie: {stack.cookie(user)}",
            "01M...": outcome_id,
            "01K...": unassigned_id,
            "oc_...": agent_key,
        }
        for text, own in given.items():
            command = command.replace(text, own)
        own_user = re.sub(r'("userId": )42\b', rf"\g<1>{user}", command)
        said = subprocess.run(["bash", "-c", own_user], capture_output=True, text=True, check=True).stdout
        pattern = re.escape(answer.replace(":42,", f":{user},")).replace(re.escape("..."), ".*")
        assert re.fullmatch(pattern, said), f"{command}\nanswers\n{said}\nand not\n{answer}"
        agent_key = next(iter(re.findall(r'"key":"(oc_\w+)"', said)), agent_key)
