import type { NewOutcome } from "outcomes-client";

/** Says whether a final output is a closed deal, by the words that the agent was asked to end with. */
export function closedDeal(text: string): NewOutcome | undefined {
  const [, valueUsd, title] = /^CLOSED \$([0-9.]+) (.+)$/.exec(text) ?? [];
  return title ? { outcomeType: "deal_closed", title, valueUsd } : undefined;
}
