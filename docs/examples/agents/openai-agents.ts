// A tool and what to do with a finished run for the OpenAI Agents SDK.

import { tool } from "@openai/agents";
import type { OutcomesClient } from "outcomes-client";
import { description, type OutcomeOf, parameters, recordRun, recordWork } from "./work.js";

/** Makes a tool by which a model records what it has finished. */
export function recordOutcomeTool(outcomes: OutcomesClient, runId: string) {
  return tool({
    name: "record_outcome",
    description,
    parameters,
    execute: (work) => recordWork(outcomes, runId, work),
  });
}

/** The part of a RunResult that counts here; of a StreamedRunResult once it is `completed`. */
interface Finished<Output> {
  finalOutput?: Output | undefined;
  lastResponseId: string | undefined;
}

/**
 * Records what a run came to, if `outcomeOf` says that it came to anything. Call it with what `run` resolved to.
 *
 * The key is the run's id: of the last response, unless you have one that stays where the job is run again. This is no listener of
 * `agent_end`: nobody waits for those, and what one rejects with would end the process.
 */
export async function recordFinished<Output>(
  outcomes: OutcomesClient,
  { finalOutput, lastResponseId }: Finished<Output>,
  outcomeOf: OutcomeOf<Output>,
  runId = lastResponseId,
) {
  if (finalOutput === undefined) return; // it waits for an approval
  await recordRun(outcomes, () => runId, finalOutput, outcomeOf);
}
