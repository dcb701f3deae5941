"""Receives webhooks, verified: pip install standardwebhooks, then WEBHOOK_SECRET=whsec_... python receiver.py"""

import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MAX_BYTES = 300_000  # an event has no more than 256 KB

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen: set[str] = set()  # of a receiver that is started anew now and then, in its database


def handle(event: dict[str, Any]) -> None:
    """Do what is to be done about an event, within ten seconds; put what takes longer into a queue."""
    print(event["type"], event["subject"], flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,9}", length):  # without one, or below zero, reading would end with the connection
            self.answer(411)
            return
        if int(length) > MAX_BYTES:
            self.answer(413)
            return
        body = self.rfile.read(int(length))  # as it came: the signature is of these bytes
        try:
            webhook.verify(body, dict(self.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):  # the latter for headers that are none of Standard Webhooks
            self.answer(401)
            return
        id_ = self.headers["webhook-id"]
        if id_ not in seen:  # what comes again has been handled
            handle(json.loads(body))
            seen.add(id_)
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver)
    print(f"http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
