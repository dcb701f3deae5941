import type { NewOutcome } from "outcomes-client";

/** Returns the closed deal of a final output, if it has the form that the agent was asked for. */
export function closedDeal(text: string): NewOutcome | undefined {
  const [, valueUsd, title] = /^CLOSED \$([0-9.]+) (.+)$/.exec(text) ?? [];
  return title ? { outcomeType: "deal_closed", title, valueUsd } : undefined;
}
