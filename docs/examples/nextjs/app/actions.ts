"use server";

import { refresh } from "next/cache";
import { OutcomesClient, OutcomesError } from "outcomes-client";
import { signedInUser } from "./auth";

// Reads OUTCOMES_URL and INTERNAL_API_KEY, which only the server has. The visitor waits: not for the minute that a job may take.
const outcomes = new OutcomesClient({ retry: { deadline: 10 } });

/** Records a deal that the visitor closed, and says what came of it. Anybody can call an action, so it asks who that is. */
export async function recordDeal(_said: string, form: FormData): Promise<string> {
  const userId = await signedInUser();
  if (userId === undefined) return "Sign in first.";
  const text = (name: string) => String(form.get(name));
  try {
    await outcomes.record("deal_closed", text("title"), {
      userId,
      valueUsd: text("value"), // as text, so that no cent is rounded
      idempotencyKey: text("idempotencyKey"),
    });
  } catch (error) {
    if (!(error instanceof OutcomesError)) throw error;
    return `Not recorded: ${error.message}`;
  }
  refresh(); // the next deal has a key of its own
  return "Recorded.";
}
