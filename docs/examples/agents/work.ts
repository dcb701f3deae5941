// Records finished work of agents: code shared by the examples for the AI SDK and OpenAI Agents.

import {
  ForbiddenError,
  InvalidOutcomeError,
  KeyReusedError,
  type NewOutcome,
  type OutcomesClient,
  OutcomesError,
  type OutcomeType,
} from "outcomes-client";
import { z } from "zod";

/** Returns the outcome of a run, or undefined if it has none: not every final output is an outcome. */
export type OutcomeOf<Run> = (run: Run) => NewOutcome | undefined;

/** The tool's parameters describe the work, but not the user: the client's key or `userId` determines the user. */
export const parameters = z.object({
  outcomeType: z.enum([
    "negotiation_complete",
    "amplification_complete",
    "deal_closed",
    "broadcast_complete",
    "task_complete",
    "content_published",
  ] satisfies OutcomeType[]),
  title: z.string().describe("What was achieved, in one line a person understands."),
  valueUsd: z
    .string()
    .nullable()
    .describe('What it is worth in US dollars, such as "12500.50", if you know; null if you do not. Never a guess.'),
  name: z.string().describe("The name of this piece of work, never used for another: deal-4711-closed."),
});

export const description =
  "Record an outcome when you have finished something that the user would pay for. Not for steps on the way, attempts or " +
  "plans. To repeat a call that failed, send the same name with the same fields: it then counts once.";

/** Records the work that a model describes, and returns an answer for the model. A repeated job must pass the same `runId`. */
export async function recordWork(outcomes: OutcomesClient, runId: string, work: z.infer<typeof parameters>) {
  try {
    const { id } = await outcomes.record(work.outcomeType, work.title, {
      valueUsd: work.valueUsd,
      idempotencyKey: `${runKey(runId)}/${encodeURIComponent(work.name)}`,
    });
    return `Recorded as ${id}.`;
  } catch (error) {
    tell(error);
    return `It ${ended(error)}. ${advice(error)}`;
  }
}

/** Records the outcome of a finished run, if it has one. Logs failures and does not throw, because the run succeeded. */
export async function recordRun<Run>(
  outcomes: OutcomesClient,
  idOf: () => string | undefined,
  run: Run,
  outcomeOf: OutcomeOf<Run>,
) {
  try {
    const outcome = outcomeOf(run);
    if (!outcome) return;
    const runId = idOf();
    if (!runId) throw new Error("The response has no id: pass the id of the job");
    const { outcomeType, title, ...fields } = outcome;
    await outcomes.record(outcomeType, title, { ...fields, idempotencyKey: fields.idempotencyKey ?? runKey(runId) });
  } catch (error) {
    tell(error);
  }
}

/** Returns the idempotency key of a run. Without the length, run `a/b` would have the key of the work `b` of run `a`. */
const runKey = (runId: string) => (runId.includes("/") ? `/${runId.length.toString(16)}/${runId}` : runId);

/** Returns a text that tells the model what to do about a failure. */
function advice(error: unknown): string {
  if (error instanceof InvalidOutcomeError) return `${error.message}. Change that and call again.`;
  if (error instanceof KeyReusedError) return "Another outcome has this name. If it is the same work, do nothing.";
  if (error instanceof ForbiddenError) return `${error.message}. Do not bend the facts to fit.`;
  if (error instanceof OutcomesError && error.retryable) return "Call again later with the same name and fields.";
  return "You cannot fix this: tell the person who runs this agent.";
}

/** Returns what is known of an outcome: the answer of an earlier try may be lost. */
function ended(error: unknown): string {
  const isUnknown = error instanceof OutcomesError && (error.retryable || error.message.includes("it is not known"));
  return isUnknown ? "may or may not be recorded" : "is not recorded";
}

/** Logs a failure, and the idempotency key for a retry. Replace this by your own log. */
function tell(error: unknown): void {
  const key = error instanceof OutcomesError ? error.idempotencyKey : undefined;
  console.error(`An outcome ${ended(error)}`, ...(key ? [`(idempotency key ${key})`] : []), error);
}
