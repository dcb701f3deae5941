// Records the work that agents finish: what the AI SDK and OpenAI Agents have in common here.

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

/** Says what a run came to, undefined for nothing: a final output is no outcome, however well it reads. */
export type OutcomeOf<Run> = (run: Run) => NewOutcome | undefined;

/** The parameters of the tool: the work, but never whose it is, which the client knows by its key or `userId`. */
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

/** Records what a model says it has done, and tells it what came of that. `runId` names the job, also when it is run again. */
export async function recordWork(outcomes: OutcomesClient, runId: string, work: z.infer<typeof parameters>) {
  try {
    const { id } = await outcomes.record(work.outcomeType, work.title, {
      valueUsd: work.valueUsd,
      idempotencyKey: `${runId}/${encodeURIComponent(work.name)}`,
    });
    return `Recorded as ${id}.`;
  } catch (error) {
    tell(error);
    return `Not recorded. ${advice(error)}`;
  }
}

/** Records what a finished run came to, if anything. The run itself went well, so a failure is only told of, whatever it is. */
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
    if (!runId) throw new Error("The model gave its response no id: pass the job's");
    const { outcomeType, title, ...fields } = outcome;
    await outcomes.record(outcomeType, title, { idempotencyKey: runId, ...fields });
  } catch (error) {
    tell(error);
  }
}

/** Says to a model what to do about a failure. */
function advice(error: unknown): string {
  if (error instanceof InvalidOutcomeError) return `${error.message}. Change that and call again.`;
  if (error instanceof KeyReusedError) return "Another outcome has this name. If it is the same work, do nothing.";
  if (error instanceof ForbiddenError) return `${error.message}. Do not bend the facts to fit.`;
  if (error instanceof OutcomesError && error.retryable) return "Call again later with the same name and fields.";
  return "You cannot mend this: tell the person who runs this agent.";
}

/** Tells who runs the agent, with the key to record again by; put your own log here. */
function tell(error: unknown): void {
  const key = error instanceof OutcomesError ? error.idempotencyKey : undefined;
  const ended = error instanceof OutcomesError && error.retryable ? "may or may not be recorded" : "is not recorded";
  console.error(`An outcome ${ended}`, ...(key ? [`(idempotency key ${key})`] : []), error);
}
