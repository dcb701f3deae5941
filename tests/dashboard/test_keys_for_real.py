"""Test <outcome-keys> with the real API, and call the API with the keys that it has created."""

import re
import shlex

import httpx
import pytest
from outcomes.keys import key_text
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.test_keys import button, new_key, rows


@pytest.fixture
def keys(open_keys: Open) -> Page:
    """Open <outcome-keys> for a viewer without keys."""
    page = open_keys()
    expect(page.get_by_text("No keys yet")).to_be_visible()
    return page


def take(page: Page, name: str) -> str:
    """Return the new key's secret, which the page shows only once, and click Done."""
    shown = page.get_by_role("textbox", name=f"The key of {name}")
    expect(shown).to_be_visible()
    key = shown.input_value()
    assert key_text.read_id(key)
    button(page, "Done").click()
    return key


def record(ledger: Ledger, key: str, **fields: object) -> tuple[int, list[str]]:
    """Record a deal with a key. Return the response's status and the names of the fields that were refused."""
    headers = {"Authorization": f"Bearer {key}"}
    body = {"outcomeType": "deal_closed", "title": "By its own key", **fields}
    answer = httpx.post(f"{ledger.url}/api/outcomes", json=body, headers=headers)
    return answer.status_code, [fault["field"] for fault in answer.json().get("details", [])]


def test_a_key_is_made_used_rotated_and_revoked(keys: Page, ledger: Ledger) -> None:
    new_key(keys, "Sales agent")
    keys.get_by_label("Agent number").fill("7")
    keys.get_by_label("Largest value").fill("500.50")
    keys.get_by_label("Deal closed").check()
    button(keys, "Make key").click()
    call = keys.get_by_role("textbox", name="curl")
    button(keys, "curl").click()
    url, _, credential, _, body = shlex.split(call.input_value().removeprefix("curl").replace("\\\n", ""))
    name, _, value = credential.partition(": ")
    assert httpx.post(url, content=body.replace("}", ', "agentId": 7}'), headers={name: value}).json() == {"ok": True}
    secrets = [take(keys, "Sales agent")]
    facts = rows(keys).locator(".meta")
    words = "May record · for Agent 7 only · only Deal closed · up to $500.50 each"
    expect(facts.first).to_have_text(words)
    assert record(ledger, secrets[0], valueUsd=500.5) == (200, [])
    refused = ["agentId", "outcomeType", "valueUsd"]
    assert record(ledger, secrets[0], valueUsd=500.51, agentId=8, outcomeType="task_complete") == (403, refused)
    keys.evaluate("dispatchEvent(new Event('online'))")
    expect(rows(keys)).to_contain_text("Last used within the last hour")
    expect(facts.first).to_have_text(words)

    works = [[200, 200], [401, 200, 200], [401, 401, 401, 200]]
    for overlap, expected in zip(("One day", "One day", "Not at all: it stops at once"), works, strict=True):
        button(keys, "Rotate Sales agent").click()
        keys.get_by_label("How long the current secret keeps working").select_option(overlap)
        button(keys, "Rotate").click()
        secrets.append(take(keys, "Sales agent"))
        assert [record(ledger, secret)[0] for secret in secrets] == expected
        expect(facts.nth(1)).to_have_text(re.compile("Made .* by you · Rotated .* by you · "))

    for key in ("Enter", "Escape"):
        button(keys, "Revoke Sales agent").click()
        expect(keys.get_by_role("heading", name="Revoke Sales agent?")).to_be_focused()
        button(keys, "Cancel").press(key)
        expect(button(keys, "Revoke Sales agent")).to_be_focused()
    assert record(ledger, secrets[-1])[0] == 200
    button(keys, "Revoke Sales agent").click()
    button(keys, "Revoke for good").click()
    expect(keys.get_by_text("No keys yet")).to_be_visible()
    expect(keys.get_by_role("status").filter(has_text="Sales agent is revoked.")).to_be_visible()
    expect(keys.get_by_role("heading", name="Agent keys")).to_be_focused()
    assert {record(ledger, secret)[0] for secret in secrets} == {401}


def test_a_key_that_was_revoked_elsewhere_leaves_the_list(keys: Page) -> None:
    new_key(keys, "Sales agent")
    button(keys, "Make key").click()
    take(keys, "Sales agent")
    button(keys, "Rotate Sales agent").click()
    id_ = rows(keys).locator("code").inner_text()[len("oc_") :][: key_text.ID_LENGTH]
    revoked = f"fetch('/api/keys/{id_}', {{ method: 'DELETE' }}).then(({{ status }}) => status)"
    assert keys.evaluate(revoked) == 200
    button(keys, "Rotate").click()
    expect(keys.get_by_text("The key no longer exists: it expired or was revoked elsewhere.")).to_be_visible()
    expect(keys.get_by_text("No keys yet")).to_be_visible()
    expect(keys.get_by_role("heading", name="Agent keys")).to_be_focused()
