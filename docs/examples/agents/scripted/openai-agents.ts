// Runs the example with a scripted model: node dist/scripted/openai-agents.js '[{...}, "CLOSED Acme"]' response-1 [job-7]

import { Agent, type Model, type ModelResponse, Runner, Usage } from "@openai/agents";
import { OutcomesClient } from "outcomes-client";
import { recordFinished, recordOutcomeTool } from "../openai-agents.js";
import { closedDeal } from "./closed-deal.js";

const [script = "[]", responseId = "", runId] = process.argv.slice(2);
const turns = JSON.parse(script) as (string | object)[];

const model: Model = {
  async getResponse(): Promise<ModelResponse> {
    const turn = turns.shift();
    return {
      usage: new Usage(),
      responseId: responseId || undefined,
      output: [
        typeof turn === "string"
          ? { type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: turn }] }
          : {
              type: "function_call",
              callId: `call-${turns.length}`,
              name: "record_outcome",
              status: "completed",
              arguments: JSON.stringify(turn),
            },
      ],
    };
  },
  getStreamedResponse() {
    throw new Error("Nothing here streams");
  },
};

const outcomes = new OutcomesClient({ retry: { deadline: 2 } });
const agent = new Agent({
  name: "Negotiator",
  instructions: "Close the deal. Say CLOSED, its value and whose it is when it is closed.",
  model,
  tools: [recordOutcomeTool(outcomes, runId ?? "job")],
});
const finished = await new Runner({ tracingDisabled: true }).run(agent, "The deal with Acme.");
await recordFinished(outcomes, finished, closedDeal, runId);
const results = finished.newItems.filter((item) => item.type === "tool_call_output_item");
console.log(JSON.stringify({ text: finished.finalOutput, tool: results.map(({ output }) => output) }));
