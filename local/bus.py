"""Log each event put on moto's event buses, and post it to EVENTS_URL.

Posts are signed like webhooks, so that a webhook receiver can be developed with the local stack. In a deployed stack, a
function posts webhooks, and only to public addresses.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import asyncio
import json
import logging
import time
from typing import Any

import aiohttp
from outcomes.events.webhooks import CONTENT_TYPE, is_id, signed, signing_key

from local.moto_backend import backend
from local.persistence import Backlog, Persistence

log = logging.getLogger("local")

POST_SECONDS = 15.0
MAX_PAUSE = 10.0
"""Backoff grows to this many seconds."""


def listen(backlog: Backlog | None) -> None:
    """Log every event put on a bus from now on, and add it to the backlog. This patches moto, which has no hook."""
    bus = backend("events")
    put_events = bus.put_events

    def put_and_log(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = put_events(events)
        for entry, result in zip(events, results, strict=True):
            if "EventId" in result:
                event = json.loads(entry["Detail"])
                log.info("event %s %s (%s)", event.get("type"), event.get("subject"), event.get("id"))
                if backlog is not None:
                    # insert the original text, so that numbers keep all their digits
                    backlog.new.append(entry["Detail"])
        return results

    bus.put_events = put_and_log


async def post(url: str, secret: str, backlog: Backlog, persistence: Persistence) -> None:
    """Post the events in order until cancelled. Retry each event with backoff until the answer is 2xx.

    secret: the signing secret, in the format of Standard Webhooks.
    """
    key = signing_key(secret)
    timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
    pause, is_trouble = 0.1, False
    async with aiohttp.ClientSession(timeout=timeout, headers={"Content-Type": CONTENT_TYPE}) as receiver:
        with backlog.listening() as more:
            while True:
                more.clear()
                events = backlog.first(1)
                if not events:
                    await more.wait()
                    continue
                [(number, text)] = events
                trouble = await _post(receiver, url, text.encode(), key)
                if trouble is None:
                    try:
                        await asyncio.to_thread(persistence.done, backlog, [number])
                    except OSError as error:
                        trouble = f"its answer cannot be written to the journal: {error.strerror}"
                if trouble is None:
                    if is_trouble:
                        log.info("EVENTS_URL accepts events again; %d are waiting", len(backlog))
                    pause, is_trouble = 0.1, False
                    continue
                if not is_trouble:
                    log.warning("EVENTS_URL does not accept events (%s); %d are waiting", trouble, len(backlog))
                is_trouble = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)


async def _post(receiver: aiohttp.ClientSession, url: str, body: bytes, key: bytes) -> str | None:
    """Post an event once. Return the error, or None on success."""
    id_ = json.loads(body).get("id")
    # Events from other publishers may have no valid id.
    headers = signed(id_, int(time.time()), body, [key]) if is_id(id_) else {}
    try:
        async with receiver.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            return None if 200 <= answer.status < 300 else f"status {answer.status}"
    except (aiohttp.ClientError, OSError) as error:  # OSError includes a timeout
        return str(error) or "timed out"
