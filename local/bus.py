"""Listen to moto's event buses: each event becomes a line of the log, and a POST where somebody wants it.

It is signed as a webhook is, so that receivers of those can be written here as well. A deployed function posts by
itself, and to no address that is not public.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import asyncio
import json
import logging
import time
from typing import Any

import aiohttp
from outcomes.events.webhooks.signing import is_id, signed, signing_key

from local.backlog import Backlog
from local.moto_backend import backend
from local.persistence import Persistence

log = logging.getLogger("local")

POST_SECONDS = 10.0
MAX_PAUSE = 10.0
"""Seconds between two attempts."""
HEADERS = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}


def listen(told: Backlog | None) -> None:
    """Log what is put on a bus from now on, and add it to `told`. moto offers no hook for it."""
    bus = backend("events")
    put_events = bus.put_events

    def heard(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = put_events(events)
        for entry, result in zip(events, results, strict=True):
            if "EventId" in result:
                event = json.loads(entry["Detail"])
                log.info("event %s %s (%s)", event.get("type"), event.get("subject"), event.get("id"))
                if told is not None:
                    # As it was written: numbers keep all their digits.
                    told.new.append(entry["Detail"])
        return results

    bus.put_events = heard


async def post(url: str, secret: str, told: Backlog, persistence: Persistence) -> None:
    """Post each event to a URL, one after the other, until cancelled: the same again until it is answered with 2xx.

    secret: that it is signed with, as Standard Webhooks has it.
    """
    key = signing_key(secret)
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
                trouble = await _post(receiver, url, text.encode(), key)
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


async def _post(receiver: aiohttp.ClientSession, url: str, body: bytes, key: bytes) -> str | None:
    """Post once. Returns what went wrong."""
    id_ = json.loads(body).get("id")
    # An event of somebody else may have none.
    headers = signed(id_, int(time.time()), body, [key]) if is_id(id_) else {}
    try:
        async with receiver.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            return None if 200 <= answer.status < 300 else f"status {answer.status}"
    except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
        return f"{type(error).__name__}: {error}".rstrip(": ")
