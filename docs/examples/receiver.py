"""Receive and verify webhooks: WEBHOOK_SECRET=whsec_... python receiver.py, in an environment with standardwebhooks."""

import json
import os
import re
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

MAX_BYTES = 300_000  # an event has at most 256 KB

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen: set[str] = set()  # keep these ids in a database in production, because they must survive a restart


def handle(event: dict[str, Any]) -> None:
    """Handle an event within 15 seconds; put longer work into a queue."""
    print(event["type"], event["subject"], flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,9}", length):  # read() without a length would wait for the end of the connection
            self.answer(411)
            return
        if int(length) > MAX_BYTES:
            self.answer(413)
            return
        body = self.rfile.read(int(length))  # keep the raw body, because the signature covers these bytes
        try:
            webhook.verify(body, dict(self.headers), json_parse=False)
        # ValueError means that the headers are not those of Standard Webhooks
        except (WebhookVerificationError, ValueError):
            self.answer(401)
            return
        id_ = self.headers["webhook-id"]
        if id_ not in seen:  # skip events that were handled before
            # Decimal loses no digit, and reads more digits than int does (4,300). json.dumps cannot write it.
            handle(json.loads(body, parse_int=Decimal, parse_float=Decimal))
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
