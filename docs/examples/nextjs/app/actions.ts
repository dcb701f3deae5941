"use server";

import { refresh } from "next/cache";
import { OutcomesClient, OutcomesError } from "outcomes-client";
import { signedInUser } from "./auth";

export interface Answer {
  said: string;
  /** The refused values, to be corrected. */
  title?: string;
  value?: string;
}

// Reads OUTCOMES_URL and INTERNAL_API_KEY, which only the server has. A visitor waits, so retry for 10 s instead of a minute.
const outcomes = new OutcomesClient({ retry: { deadline: 10 } });

/** Records a deal of the visitor and returns a message. Anybody can call an action, so it checks the session. */
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
  refresh(); // gives the next deal a new idempotency key
  return { said: "Recorded." };
}
