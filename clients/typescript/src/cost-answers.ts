// Parses the API's answers about costs, as answers.ts parses the others.

import {
  amount,
  done,
  ifSaid,
  instant,
  list,
  orNull,
  type Reply,
  shape,
  shaped,
  text,
  total,
  totals,
  whole,
} from "./answers.js";
import type * as models from "./models.js";

const lines = list(
  shape({
    agent_id: orNull(whole),
    cost_usd: amount,
    quantity: orNull(amount),
    unit: orNull(text),
    label: orNull(text),
  }),
);
const put = { version: whole, put_by: text, put_at: instant };
const versions = ifSaid(list(shape({ ...put, lines: orNull(lines) })));
const dayOf = shape({ ...put, date: text, source: text, lines, versions });

const sums = shape({
  from: text,
  to: text,
  days: text,
  cost_usd: orNull(amount),
  by_agent: list(shape({ agent_id: orNull(whole), cost_usd: amount })),
  other_agents: ifSaid(shape({ agents: whole, cost_usd: amount })),
  by_day: list(shape({ date: text, cost_usd: orNull(amount), sources: list(text), restated_at: ifSaid(instant) })),
  by_source: list(shape({ source: text, cost_usd: amount, known_days: whole, gaps: list(text) })),
  known_days: whole,
  of_days: whole,
});

export const version: (reply: Reply) => number = shaped((body) => done(body) && whole(body.version));

export const day: (reply: Reply) => models.CostDay = shaped((body) => {
  const { versions, ...stored } = dayOf(body);
  return { ...stored, versions: versions ?? [] };
});

export const costs: (reply: Reply) => models.Costs = shaped(sums);

const cost = { cost_usd: orNull(amount) };
const withCosts = shape({
  ...totals,
  ...cost,
  known_days: orNull(whole),
  of_days: orNull(whole),
  net_usd: orNull(amount),
  ratio: orNull(amount),
  by_agent: list(shape({ ...total, agent_id: orNull(whole), ...cost, cost_per_outcome: orNull(amount) })),
  other_agents: ifSaid(shape({ ...total, agents: whole, ...cost })),
});

export const summary: (reply: Reply) => models.CostSummary = shaped(withCosts);
