import type { NewOutcome } from "outcomes-client";

/** Returns the closed deal in a final output, if the output has the form that the agent was asked for. */
export function closedDeal(text: string): NewOutcome | undefined {
  const [, valueUsd, title] = /^CLOSED \$([0-9.]+) (.+)$/.exec(text) ?? [];
  return title ? { outcomeType: "deal_closed", title, valueUsd } : undefined;
}
