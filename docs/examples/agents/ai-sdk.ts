// A tool and an on-finish hook for the Vercel AI SDK 7.

import { type GenerateTextEndEvent, tool } from "ai";
import type { OutcomesClient } from "outcomes-client";
import { description, type OutcomeOf, parameters, recordRun, recordWork } from "./work.js";

/** Makes a tool by which a model records what it has finished. */
export function recordOutcomeTool(outcomes: OutcomesClient, runId: string) {
  return tool({ description, inputSchema: parameters, execute: (work) => recordWork(outcomes, runId, work) });
}

/**
 * Makes an `onEnd` (`onFinish` before version 7) that records what a run came to, if `outcomeOf` says that it came to anything.
 *
 * The key is the run's id: of the last response, unless you have one that stays where the job is run again. The SDK waits for the
 * hook, and drops what it throws.
 */
export function recordOnEnd(outcomes: OutcomesClient, outcomeOf: OutcomeOf<GenerateTextEndEvent>, runId?: string) {
  return (run: GenerateTextEndEvent) => recordRun(outcomes, runId ?? run.finalStep.response.id, run, outcomeOf);
}
