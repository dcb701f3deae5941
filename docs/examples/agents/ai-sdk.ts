// A tool and an `onFinish` hook for the Vercel AI SDK, versions 6 and 7.

import { tool } from "ai";
import type { OutcomesClient } from "outcomes-client";
import { description, type OutcomeOf, parameters, recordRun, recordWork } from "./work.js";

/** The fields of a finished run that this example uses. Versions 6 and 7 of the SDK have these fields. */
interface Finished {
  text: string;
  steps: readonly { response: { id: string }; toolResults: readonly { toolName: string; output: unknown }[] }[];
}

/** Returns a tool that lets a model record finished work. */
export function recordOutcomeTool(outcomes: OutcomesClient, runId: string) {
  return tool({ description, inputSchema: parameters, execute: (work) => recordWork(outcomes, runId, work) });
}

/**
 * Returns an `onFinish` that records the outcome of a run, if `outcomeOf` returns one. Version 7 prefers the name `onEnd`, which
 * version 6 silently ignores.
 *
 * The idempotency key is `runId`, such as the id of a job that may be run again. The default is the id of the last response.
 * The SDK waits for the hook, and drops errors that the hook throws.
 */
export function recordOnFinish(outcomes: OutcomesClient, outcomeOf: OutcomeOf<Finished>, runId?: string) {
  return (run: Finished) => recordRun(outcomes, () => runId ?? run.steps.at(-1)?.response.id, run, outcomeOf);
}
