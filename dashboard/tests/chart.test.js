import assert from "node:assert/strict";
import { test } from "node:test";
import { axisTicks } from "../src/feed/chart.js";
import { mostAgents } from "../src/feed/shares.js";
import { decimal } from "../src/shared/numbers.js";

test("the axis ends near the largest value and has round ticks", () => {
  for (const [lowest, highest, expected] of [
    [0, 10_800, [12_500, 10_000, 7500, 5000, 2500, 0]],
    [0, 100, [100, 80, 60, 40, 20, 0]],
    [0, 101, [125, 100, 75, 50, 25, 0]],
    [0, 4.2, [5, 4, 3, 2, 1, 0]],
    [0, 1.1, [1.25, 1, 0.75, 0.5, 0.25, 0]],
    [0, 0.0042, [0.005, 0.004, 0.003, 0.002, 0.001, 0]],
    [0, 0.3, [0.3, 0.2, 0.1, 0]],
    [0, 999_999_999_999_999, [1e15, 8e14, 6e14, 4e14, 2e14, 0]],
    [-30, 0, [0, -10, -20, -30]],
    [-5, 30, [30, 20, 10, 0, -10]],
  ]) {
    const ticks = axisTicks(lowest, highest).map((tick) => Number(tick.toPrecision(12)) + 0);
    assert.deepEqual(ticks, expected, `${lowest} to ${highest}`);
  }
});

test("the agents of most value are shown, and the others as one if there are several", () => {
  const agents = [9, 8, 7, 6, 5, 4, 3, 2.5].map((value_usd, id) => ({ agent_id: id, count: 1, value_usd }));
  const together = (others) => {
    const { agents: number, count, value_usd } = mostAgents(agents, others).at(-1);
    return [number, count, decimal(value_usd)];
  };
  assert.deepEqual(mostAgents(agents.slice(0, 7)), agents.slice(0, 7));
  assert.deepEqual(mostAgents(agents).slice(0, 6), agents.slice(0, 6));
  assert.deepEqual(together(), [2, 2, "5.5"]);
  assert.deepEqual(mostAgents(agents, undefined, true).slice(7), agents.slice(6));
  assert.deepEqual(together({ agents: 10, count: 20, value_usd: 0.25 }), [12, 22, "5.75"]);
});
