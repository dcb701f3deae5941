// Runs the example with a scripted model: node dist/scripted/openai-agents.js '[{...}, "CLOSED Acme"]' response-1 [job-7]

import { Agent, Runner, Usage } from "@openai/agents";
import { assistantMessage, functionCall, ScriptedModel } from "@openai/agents/testing";
import { OutcomesClient } from "outcomes-client";
import { recordFinished, recordOutcomeTool } from "../openai-agents.js";
import { closedDeal } from "./closed-deal.js";

const [script = "[]", responseId = "", runId] = process.argv.slice(2);
const said = (JSON.parse(script) as (string | Record<string, unknown>)[]).map((turn, index) => ({
  usage: new Usage(),
  responseId: responseId || undefined,
  output: [
    typeof turn === "string"
      ? assistantMessage(turn)
      : functionCall("record_outcome", turn, { callId: `call-${index}` }),
  ],
}));

const outcomes = new OutcomesClient({ retry: { deadline: 2 } });
const agent = new Agent({
  name: "Negotiator",
  instructions: "Close the deal. Say CLOSED, its value and whose it is when it is closed.",
  model: new ScriptedModel(said),
  tools: [recordOutcomeTool(outcomes, runId ?? "job")],
});
const finished = await new Runner({ tracingDisabled: true }).run(agent, "The deal with Acme.");
await recordFinished(outcomes, finished, closedDeal, runId);
const results = finished.newItems.filter((item) => item.type === "tool_call_output_item");
console.log(JSON.stringify({ text: finished.finalOutput, tool: results.map(({ output }) => output) }));
