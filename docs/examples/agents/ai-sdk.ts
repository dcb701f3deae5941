// A tool and an on-finish hook for the Vercel AI SDK, versions 6 and 7.

import { tool } from "ai";
import type { OutcomesClient } from "outcomes-client";
import { description, type OutcomeOf, parameters, recordRun, recordWork } from "./work.js";

/** The part that counts here of what the SDK says of a run that has finished, the same in both versions. */
interface Finished {
  text: string;
  steps: readonly { response: { id: string }; toolResults: readonly { toolName: string; output: unknown }[] }[];
}

/** Makes a tool by which a model records what it has finished. */
export function recordOutcomeTool(outcomes: OutcomesClient, runId: string) {
  return tool({ description, inputSchema: parameters, execute: (work) => recordWork(outcomes, runId, work) });
}

/**
 * Makes an `onFinish` that records what a run came to, if `outcomeOf` says that it came to anything. Version 7 prefers the name
 * `onEnd`, which version 6 ignores without a word.
 *
 * The key is the run's id: of the last response, unless you have one that stays where the job is run again. The SDK waits for the
 * hook, and drops what it throws.
 */
export function recordOnFinish(outcomes: OutcomesClient, outcomeOf: OutcomeOf<Finished>, runId?: string) {
  return (run: Finished) => recordRun(outcomes, () => runId ?? run.steps.at(-1)?.response.id, run, outcomeOf);
}
