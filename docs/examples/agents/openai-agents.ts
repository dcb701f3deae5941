// A tool for the OpenAI Agents SDK, and a function that records a finished run.

import { tool } from "@openai/agents";
import type { OutcomesClient } from "outcomes-client";
import { description, type OutcomeOf, parameters, recordRun, recordWork } from "./work.js";

/** Returns a tool that lets a model record finished work. */
export function recordOutcomeTool(outcomes: OutcomesClient, runId: string) {
  return tool({
    name: "record_outcome",
    description,
    parameters,
    execute: (work) => recordWork(outcomes, runId, work),
  });
}

/** The fields of a RunResult, or of a `completed` StreamedRunResult, that this example uses. */
interface Finished<Output> {
  finalOutput?: Output | undefined;
  lastResponseId: string | undefined;
}

/**
 * Records the outcome of a run, if `outcomeOf` returns one. Call it with the result of `run`.
 *
 * The idempotency key is `runId`, such as the id of a job that may be run again. The default is the id of the last response.
 * Do not make this a listener of `agent_end`: the SDK does not wait for listeners, and a rejection would end the process.
 */
export async function recordFinished<Output>(
  outcomes: OutcomesClient,
  { finalOutput, lastResponseId }: Finished<Output>,
  outcomeOf: OutcomeOf<Output>,
  runId = lastResponseId,
) {
  if (finalOutput === undefined) return; // the run waits for an approval
  await recordRun(outcomes, () => runId, finalOutput, outcomeOf);
}
