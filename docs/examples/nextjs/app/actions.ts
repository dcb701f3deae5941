"use server";

import { refresh } from "next/cache";
import { InvalidOutcomeError, KeyReusedError, OutcomesClient, OutcomesError } from "outcomes-client";
import { signedInUser } from "./auth";

export interface Answer {
  said: string;
  /** The values that were refused. The form shows them again. */
  title?: string;
  value?: string;
}

// Reads OUTCOMES_URL and INTERNAL_API_KEY on the server. Because a visitor waits, retries end after 10 s, not after a minute.
const outcomes = new OutcomesClient({ retry: { deadline: 10 } });

/** Records a deal for the visitor, and returns a message. Anybody can call a server action, so this one checks the session. */
export async function recordDeal(_before: Answer, form: FormData): Promise<Answer> {
  const userId = await signedInUser();
  if (!userId) return { said: "Sign in first." };
  const [title, value, idempotencyKey] = ["title", "value", "idempotencyKey"].map((name) => String(form.get(name)));
  try {
    await outcomes.record("deal_closed", title, {
      userId,
      valueUsd: value, // as text, so that no cent is rounded
      idempotencyKey,
    });
  } catch (error) {
    if (!(error instanceof OutcomesError)) throw error;
    if (error instanceof KeyReusedError) {
      refresh(); // with the old key, this deal would be refused again
      return { said: "Not recorded: an earlier deal of this form is recorded. Record this one, too?", title, value };
    }
    // After other errors, the deal may be stored: an earlier answer may be lost. The form keeps the key, so that it counts once.
    const ended = error instanceof InvalidOutcomeError ? "Not recorded" : "It may be recorded";
    return { said: `${ended}: ${error.message}`, title, value };
  }
  refresh(); // gives the next deal a new idempotency key
  return { said: "Recorded." };
}
