// Receive and verify webhooks: npm install standardwebhooks, then WEBHOOK_SECRET=whsec_... node receiver.mjs

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const MAX_BYTES = 300_000; // an event has at most 256 KB

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const seen = new Set(); // keep these ids in a database in production, because they must survive a restart

/** Handle an event within 15 seconds; put longer work into a queue. */
function handle(event) {
  console.log(event.type, event.subject);
}

/** Reads the raw body, because the signature covers it. Returns null if it is too large. */
async function bodyOf(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

async function receive(request) {
  const body = await bodyOf(request);
  if (body === null) return 413;
  let event;
  try {
    event = webhook.verify(body, request.headers);
  } catch {
    return 401;
  }
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) {
    handle(event); // skip events that were handled before
    seen.add(id);
  }
  return 204;
}

const server = createServer(async (request, response) => {
  const status = await receive(request).catch(() => 500);
  response.writeHead(status, { "content-length": 0, ...(status === 413 && { connection: "close" }) }).end();
});
server.listen(Number(process.env.PORT ?? 9000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
