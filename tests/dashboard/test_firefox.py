"""Test the demo page in Firefox, which is controlled through WebDriver BiDi.

Playwright cannot control a Firefox that Mozilla built. https://www.w3.org/TR/webdriver-bidi/
"""

import asyncio
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

from tests.browsers import SECONDS
from tests.local.stacks import Stack

ESCAPE = "\ue00c"  # as WebDriver names the key
USER = 82_000
DIGITS = "123456789012345.12345678901234567890123"
FEED, KEYS = (f"document.querySelector('{name}').shadowRoot" for name in ("value-delivered", "outcome-keys"))
GAP = """(([feed, keys]) => Math.round(keys.top - feed.bottom))(['value-delivered', 'outcome-keys'].map((name) =>
    document.querySelector(name).getBoundingClientRect()))"""
RECORD = f"""fetch('/api/outcomes', {{
    method: 'POST',
    headers: {{ 'Content-Type': 'application/json' }},
    body: '{{"outcomeType": "deal_closed", "title": "Seen in Firefox", "valueUsd": {DIGITS}}}',
}}).then(({{ ok }}) => ok)"""

# Make no requests to Mozilla's servers. Use one content process, because starting several takes longer than the test.
QUIET = {
    "app.normandy.enabled": "false",
    "browser.aboutwelcome.enabled": "false",
    "browser.safebrowsing.update.enabled": "false",
    "browser.newtab.preload": "false",
    "datareporting.policy.dataSubmissionEnabled": "false",
    "dom.ipc.processCount": "1",
    "dom.ipc.processPrelaunch.enabled": "false",
    "extensions.systemAddon.update.enabled": "false",
    "fission.autostart": "false",
    "network.captive-portal-service.enabled": "false",
    "network.connectivity-service.enabled": "false",
    "services.settings.server": '"data:,"',
    "toolkit.telemetry.enabled": "false",
}


class Firefox:
    """A tab of a headless Firefox. complaints: the warnings and errors in its console."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._tab = ""
        self.complaints: list[str] = []

    @classmethod
    @asynccontextmanager
    async def running(cls, profile: Path) -> AsyncIterator[Self]:
        """Context manager: run Firefox; skip the test if it is not installed."""
        executable = shutil.which("firefox-esr") or shutil.which("firefox")
        if executable is None:
            pytest.skip("no Firefox: install the system's (apt-get install firefox-esr)")
        (profile / "user.js").write_text("".join(f'user_pref("{name}", {value});\n' for name, value in QUIET.items()))
        command = [executable, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
        process = subprocess.Popen([*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = profile / "WebDriverBiDiServer.json"  # Firefox writes its port into this file
            for _ in range(600):
                if address.exists() and address.stat().st_size:
                    break
                await asyncio.sleep(0.05)
            port = json.loads(address.read_text())["ws_port"]
            url = f"ws://127.0.0.1:{port}/session"
            async with ClientSession() as http, http.ws_connect(url, max_msg_size=0) as socket:
                firefox = cls(socket)
                await firefox._send("session.new", capabilities={})
                await firefox._send("session.subscribe", events=["log.entryAdded"])
                firefox._tab = (await firefox._send("browsingContext.getTree"))["contexts"][0]["context"]
                yield firefox
        finally:
            process.terminate()
            process.wait(10)

    async def open(self, url: str) -> None:
        await self._send("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def run(self, script: str) -> Any:
        """Evaluate a script, await its promise, and return the result: a string, number or boolean."""
        target = {"context": self._tab}
        answer = await self._send(
            "script.evaluate", expression=script, target=target, awaitPromise=True, resultOwnership="none"
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return answer["result"].get("value")

    async def press(self, key: str) -> None:
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": strokes}
        await self._send("input.performActions", context=self._tab, actions=[source])

    async def until(self, script: str, is_so: Callable[[Any], bool] = bool) -> None:
        """Evaluate a script until it returns the wanted result. Raise AssertionError after SECONDS."""
        result = None
        for _ in range(SECONDS * 20):
            if is_so(result := await self.run(script)):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"{script} is {result}")

    async def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=4 * SECONDS)  # axe takes long on a busy machine
            if message.get("method") == "log.entryAdded" and message["params"]["level"] in ("warn", "error"):
                self.complaints.append(message["params"]["text"])
            if message.get("id") == number:
                assert message["type"] == "success", message
                return dict(message["result"])


def test_the_elements_work_in_firefox(stack: Stack, tmp_path: Path, axe: str) -> None:

    async def look() -> None:
        async with Firefox.running(tmp_path) as firefox:
            await firefox.open(f"{stack.url}/?user={USER}")  # the start page signs the viewer in
            await firefox.until(f"/ready|empty/.test({FEED}.querySelector('.card').dataset.state)")
            assert await firefox.run(RECORD)
            await firefox.run("document.querySelector('value-delivered').setAttribute('refresh', '1')")
            await firefox.until(f"{FEED}.querySelector('.feed > .rows strong')?.textContent === 'Seen in Firefox'")
            assert await firefox.run(f"{FEED}.querySelector('.feed > .rows data').value") == DIGITS
            await firefox.until(f"/[1-9]/.test({FEED}.querySelector('.total data')?.value)")
            await firefox.run(f"{FEED}.querySelector('.periods [value=\"365\"]').click()")
            await firefox.until(f"{FEED}.querySelectorAll('.plot rect').length > 50")  # in a year, each bar is a week
            await firefox.until(
                f"{FEED}.querySelector('.feed > .rows').ariaBusy === 'false'"
            )  # the list of the year has loaded
            await firefox.run(f"{FEED}.querySelector('.feed > .rows summary').click()")
            await firefox.until(f"{FEED}.querySelector('.past li') !== null")
            assert "#period=365" in await firefox.run("location.href")
            await firefox.run(f"{FEED}.querySelector('.needs button').click()")
            await firefox.until(f"{FEED}.activeElement?.matches('.claims input')")
            await firefox.press("x")
            assert await firefox.run(f"{FEED}.querySelector('.chosen').textContent.startsWith('1 selected')")
            await firefox.run(f"{FEED}.activeElement.click()")
            assert await firefox.run(f"{FEED}.querySelector('.chosen').textContent") == "Nothing selected"
            await firefox.press(ESCAPE)
            await firefox.until(f"{FEED}.querySelector('.review').hidden")
            await firefox.run(f"{KEYS}.querySelector('header button').click()")
            await firefox.until(f"{KEYS}.querySelector('form input') !== null")
            await firefox.run(f"{KEYS}.querySelector('form input').value = 'Made in Firefox'")
            await firefox.run(f"{KEYS}.querySelector('form').requestSubmit()")
            await firefox.until(f"{KEYS}.querySelectorAll('.places button').length === 6")
            assert await firefox.run(f"{KEYS}.querySelector('.paste textarea').value.includes('INTERNAL_API_KEY=oc_')")
            await firefox.run(f"{axe}; 1")
            assert json.loads(await firefox.run("axe.run().then(({ violations }) => JSON.stringify(violations))")) == []
            await firefox.run(f"{KEYS}.querySelector('.rows .danger').click()")
            await firefox.until(f"{KEYS}.querySelector('.panel .danger') !== null")
            await firefox.run(f"{KEYS}.querySelector('.panel form').requestSubmit()")
            await firefox.until(f"{KEYS}.querySelectorAll('.rows li').length === 0")
            await firefox.run("document.querySelector('style').remove()")  # restore the page's own margins
            assert await firefox.run(GAP) == 24
            assert firefox.complaints == []

    # Run the test in another thread, because Playwright keeps an event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, look()).result()
