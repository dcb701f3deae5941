"use server";

import { refresh } from "next/cache";
import { OutcomesClient, OutcomesError } from "outcomes-client";
import { signedInUser } from "./auth";

export interface Answer {
  said: string;
  /** What was refused, to be mended. */
  title?: string;
  value?: string;
}

// Reads OUTCOMES_URL and INTERNAL_API_KEY, which only the server has. The visitor waits: not for the minute that a job may take.
const outcomes = new OutcomesClient({ retry: { deadline: 10 } });

/** Records a deal that the visitor closed, and says what came of it. Anybody can call an action, so it asks who that is. */
export async function recordDeal(_before: Answer, form: FormData): Promise<Answer> {
  const userId = await signedInUser();
  if (userId === undefined) return { said: "Sign in first." };
  const [title, value, idempotencyKey] = ["title", "value", "idempotencyKey"].map((name) => String(form.get(name)));
  try {
    await outcomes.record("deal_closed", title, {
      userId,
      valueUsd: value, // as text, so that no cent is rounded
      idempotencyKey,
    });
  } catch (error) {
    if (!(error instanceof OutcomesError)) throw error;
    return { said: `Not recorded: ${error.message}`, title, value };
  }
  refresh(); // the next deal has a key of its own
  return { said: "Recorded." };
}
