"""Listen to moto's event buses: each event becomes a line of the log, and a POST where somebody wants it.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import asyncio
import json
import logging
from typing import Any

import aiohttp
from moto.events.models import events_backends

from local.backlog import Backlog
from local.environment import ACCOUNT, REGION
from local.persistence import Persistence

log = logging.getLogger("local")

POST_SECONDS = 10.0
MAX_PAUSE = 10.0
"""Seconds between two attempts."""
HEADERS = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}


def listen(told: Backlog | None) -> None:
    """Log what is put on a bus from now on, and add it to `told`. moto offers no hook for it."""
    backend = events_backends[ACCOUNT][REGION]
    put_events = backend.put_events

    def heard(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results = put_events(events)
        for entry, result in zip(events, results, strict=True):
            if "EventId" in result:
                event = json.loads(entry["Detail"])
                log.info("event %s %s (%s)", event.get("type"), event.get("subject"), event.get("id"))
                if told is not None:
                    # As it was written: numbers keep all their digits.
                    told.new.append(entry["Detail"])
        return results

    backend.put_events = heard  # type: ignore[method-assign]


async def post(url: str, told: Backlog, persistence: Persistence) -> None:
    """Post each event to a URL, one after the other, until cancelled: the same again until it is answered with 2xx."""
    timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
    pause, is_trouble = 0.1, False
    async with aiohttp.ClientSession(timeout=timeout, headers=HEADERS) as receiver:
        with told.listening() as more:
            while True:
                more.clear()
                events = told.first(1)
                if not events:
                    await more.wait()
                    continue
                [(number, text)] = events
                trouble = await _post(receiver, url, text)
                if trouble is None:
                    try:
                        await asyncio.to_thread(persistence.done, told, [number])
                    except OSError as error:
                        trouble = f"what it took is not noted: {error.strerror}"
                if trouble is None:
                    if is_trouble:
                        log.info("EVENTS_URL takes events again; %d wait", len(told))
                    pause, is_trouble = 0.1, False
                    continue
                if not is_trouble:
                    log.warning("EVENTS_URL takes no events (%s); %d wait", trouble, len(told))
                is_trouble = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)


async def _post(receiver: aiohttp.ClientSession, url: str, text: str) -> str | None:
    """Post once. Returns what went wrong."""
    try:
        async with receiver.post(url, data=text.encode(), allow_redirects=False) as answer:
            return None if 200 <= answer.status < 300 else f"status {answer.status}"
    except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
        return f"{type(error).__name__}: {error}".rstrip(": ")
