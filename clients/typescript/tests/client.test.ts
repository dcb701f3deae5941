// Tests the features that only this client has: browsers and other platforms, signals, JavaScript values.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  BrokenAnswerError,
  BusyError,
  ConfigurationError,
  InvalidOutcomeError,
  OutcomesClient,
  OutcomesError,
} from "../src/index.js";
import { World } from "./world.js";

const url = "https://api.example/v1";
const NOTHING = { body: '{"outcomes":[],"next_cursor":null}' };
const RECORDED = { headers: { "Outcome-Id": "01A" }, body: '{"ok":true}' };

test("a client shows nothing of its key or its cookie", () => {
  const shown = inspect(new OutcomesClient({ url, key: "s3cret", cookie: "a=s3cret" }), { showHidden: true, depth: 9 });
  assert.doesNotMatch(shown, /s3cret/);
  assert.equal(JSON.stringify(new OutcomesClient({ url, key: "s3cret" })), "{}");
});

test("a log shows an error by its name", () => {
  assert.match(inspect(new BusyError("503 Busy")), /^BusyError: 503 Busy\n/);
});

test("in a page the browser sends its own cookie, to the page's own host, and no cookie beside a key", async () => {
  const world = new World([NOTHING, RECORDED]);
  await world.live({}, async () => {
    Object.assign(globalThis, { location: new URL("https://app.example/dashboard") });
    try {
      await world.client({ cookie: true }).list();
      await world.client({ cookie: true, key: "k", url }).record("task_complete", "x", { userId: 42 });
    } finally {
      Reflect.deleteProperty(globalThis, "location");
    }
  });
  const [first, second] = world.requests;
  assert.deepEqual(first?.headers, { Accept: "application/json" });
  assert.deepEqual([first?.init.credentials, second?.init.credentials], ["include", "omit"]);
});

test("outside of a page, fetch gets no option that only browsers support, caches nothing and follows no redirect", async () => {
  const world = new World([NOTHING]);
  await world.live({}, () => world.client({ url, cookie: "a=b" }).list());
  const { cache, redirect, ...others } = world.requests[0]?.init ?? {};
  assert.deepEqual([cache, redirect, "credentials" in others], ["no-store", "manual", false]);
});

test("a wait has full jitter", async () => {
  const world = new World([{ name: "lost" }, { name: "lost" }, NOTHING]);
  await world.live({}, () => {
    Math.random = () => 0.25;
    return world.client({ url, cookie: "a=b", retry: { first: 4 } }).list();
  });
  assert.deepEqual(world.waits, [1, 2]);
});

test("limits that are undefined, and a deadline and timeout that are not numbers, are the defaults", async () => {
  const seen: unknown[] = [];
  for (const retry of [
    {},
    { deadline: undefined, timeout: undefined, first: undefined, longest: undefined, addingUp: undefined },
    { deadline: Number.NaN, timeout: Number.NaN },
  ]) {
    for (const answer of [{ name: "lost" }, { status: 503, body: '{"error":"Still adding up"}', seconds: 25 }]) {
      const world = new World([...Array(30).fill(answer), NOTHING]);
      await world.live({}, () => assert.rejects(world.client({ url, cookie: "a=b", retry }).list(), OutcomesError));
      seen.push([world.timeouts, world.waits]);
    }
  }
  assert.deepEqual(seen, Array(3).fill(seen.slice(0, 2)).flat());
});

test("a limit that is not a number causes no endless loop", async () => {
  for (const name of ["deadline", "timeout", "first", "longest", "addingUp"]) {
    const world = new World([...Array(30).fill({ name: "lost" }), NOTHING]);
    await world.live({}, () =>
      assert.rejects(world.client({ url, cookie: "a=b", retry: { [name]: Number.NaN } }).list(), OutcomesError),
    );
  }
});

for (const [what, name, retry] of [
  ["a wait", "lost", { first: 3 }],
  ["a request, even if there is no time for another", "endless", { deadline: 1 }],
] as const) {
  test(`a signal ends ${what}`, async () => {
    const stop = new AbortController();
    const world = new World([{ name }]);
    await world.live({}, async () => {
      const client = world.client({ url, cookie: "a=b", retry });
      setImmediate(() => setImmediate(() => stop.abort(new Error("enough"))));
      await assert.rejects(client.list({ signal: stop.signal }), { message: "enough" });
    });
  });
}

test("an id beyond the safe integers is a broken answer", async () => {
  const outcome = {
    ...{ id: "01A", user_id: "@", agent_id: null, outcome_type: "task_complete", title: "x", description: null },
    ...{ value_usd: null, metadata: null, created_at: "2026-04-01T12:00:00.000Z" },
  };
  const body = JSON.stringify({ outcomes: [outcome] }).replace('"@"', "9007199254740993");
  const world = new World([{ body }]);
  await world.live({}, async () => {
    const client = world.client({ url, cookie: "a=b", retry: { deadline: 1, first: 1e9 } });
    await assert.rejects(client.list(), BrokenAnswerError);
  });
});

test("a platform without an environment is no error", async () => {
  const world = new World([NOTHING]);
  await world.live({}, async () => {
    const { process } = globalThis;
    Object.assign(globalThis, { process: undefined });
    try {
      assert.throws(() => new OutcomesClient(), ConfigurationError);
      await world.client({ url, cookie: "a=b" }).list();
    } finally {
      Object.assign(globalThis, { process });
    }
  });
});

test("an invalid user is refused, and the environment's not used instead", async () => {
  await new World([]).live({ OUTCOMES_USER_ID: "42" }, async () => {
    for (const userId of [0, Number.NaN, Number("me"), -1]) {
      assert.throws(() => new OutcomesClient({ url, key: "k", userId }), ConfigurationError);
    }
  });
});

test("what is no list is refused instead of taken for an empty one", async () => {
  await new World([]).live({}, async () => {
    const client = new World([]).client({ url, key: "k", userId: 42 });
    await assert.rejects(client.recordMany({ outcomeType: "task_complete", title: "x" } as never), TypeError);
    await assert.rejects(client.putCosts("2026-04-01", "openai", { costUsd: 5 } as never), InvalidOutcomeError);
  });
});

test("a put of costs warns of fields that the API did not read, and of a user that the session is not of", async () => {
  const put = { headers: { "Ignored-Fields": "lines.0.agent_id" }, body: '{"ok":true,"version":1}' };
  const day = ["2026-04-01", "openai"] as const;
  const unread = "/api/costs/2026-04-01/openai: Stored, but the API did not read lines.0.agent_id";
  const ignored = "/api/costs: the costs are of the session's user: the given userId is ignored";
  for (const [credential, expected] of [
    [{ key: "k" }, [unread]],
    [{ cookie: "a=b" }, [ignored, unread, ignored]],
  ] as const) {
    const world = new World([put, { body: '{"ok":true,"version":2}' }]);
    await world.live({}, async () => {
      const client = world.client({ url, ...credential });
      await client.putCosts(...day, [{ costUsd: 5, agent_id: 7 } as never], { userId: 42 });
      await client.deleteCosts(...day, { userId: 42 });
    });
    assert.deepEqual(world.notices, expected);
  }
});

test("the rule of an idempotency key is told", async () => {
  const said = [{ field: "Idempotency-Key", message: "must match [!-~]{1,255}" }];
  const call = new OutcomesClient({ url, key: "k" }).record("task_complete", "x", { idempotencyKey: "two words" });
  await assert.rejects(call, (failure) => assert.deepEqual((failure as OutcomesError).details, said) ?? true);
});

test("null is sent, and undefined is not", async () => {
  const world = new World([RECORDED]);
  await world.live({}, () =>
    world.client({ url, key: "k", agentId: 7, userId: 42 }).record("task_complete", "x", {
      ...{ agentId: null, description: undefined, metadata: { there: null, not: undefined } },
    } as object),
  );
  assert.equal(
    world.requests[0]?.body,
    '{"outcomeType":"task_complete","title":"x","agentId":null,"metadata":{"there":null},"userId":42}',
  );
});

test("texts that look like prefixed numbers stay texts", async () => {
  const world = new World([RECORDED]);
  const metadata = { n1: "n1", s: ["s", 'n":1', "n\\", "12", '"'], 's"n:': ":" };
  await world.live({}, () => world.client({ url, key: "k" }).record("task_complete", "n1", { userId: 42, metadata }));
  assert.deepEqual(JSON.parse(`${world.requests[0]?.body}`), {
    outcomeType: "task_complete",
    title: "n1",
    metadata,
    userId: 42,
  });
});

test("a list is no amount", async () => {
  const world = new World([RECORDED]);
  const fields = { userId: 42, valueUsd: ["5"] as never };
  await world.live({}, () => world.client({ url, key: "k" }).record("task_complete", "x", fields));
  assert.deepEqual(JSON.parse(`${world.requests[0]?.body}`).valueUsd, ["5"]); // which the API refuses
});

test("a String object is a text", async () => {
  const world = new World([RECORDED]);
  const metadata = { one: new String("n12") } as never;
  await world.live({}, () => world.client({ url, key: "k" }).record("task_complete", "x", { userId: 42, metadata }));
  assert.deepEqual(JSON.parse(`${world.requests[0]?.body}`).metadata, { one: "n12" });
});

for (const [what, fields] of Object.entries({
  "an invalid Date": { occurredAt: new Date("soon") },
  "a circular reference": {
    metadata: {
      get itself() {
        return this;
      },
    },
  },
})) {
  test(`${what} is refused before sending`, async () => {
    const world = new World([]);
    await world.live({}, () =>
      assert.rejects(world.client({ url, key: "k" }).record("task_complete", "x", fields), InvalidOutcomeError),
    );
  });
}
