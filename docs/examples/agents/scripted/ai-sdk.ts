// Runs the example with a scripted model: node dist/scripted/ai-sdk.js '[{...}, "CLOSED Acme"]' response-1 [job-7]

import { generateText, stepCountIs } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { OutcomesClient } from "outcomes-client";
import { recordOnFinish, recordOutcomeTool } from "../ai-sdk.js";
import { closedDeal } from "./closed-deal.js";

const [script = "[]", responseId = "", runId] = process.argv.slice(2);
const said = (JSON.parse(script) as (string | object)[]).map((turn, index) => ({
  content:
    typeof turn === "string"
      ? [{ type: "text" as const, text: turn }]
      : [
          {
            type: "tool-call" as const,
            toolCallId: `call-${index}`,
            toolName: "record_outcome",
            input: JSON.stringify(turn),
          },
        ],
  finishReason: { unified: typeof turn === "string" ? ("stop" as const) : ("tool-calls" as const), raw: undefined },
  usage: {
    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 1, text: 1, reasoning: 0 },
  },
  warnings: [],
  ...(responseId && { response: { id: responseId } }),
}));
const outcomes = new OutcomesClient({ retry: { deadline: 2 } });
const { text, steps } = await generateText({
  model: new MockLanguageModelV3({ doGenerate: said }), // both versions of the SDK support models of version 3
  prompt: "Close the deal with Acme. Say CLOSED, its value and whose it is when it is closed.",
  tools: { record_outcome: recordOutcomeTool(outcomes, runId ?? "job") },
  stopWhen: stepCountIs(5),
  onFinish: recordOnFinish(outcomes, ({ text }) => closedDeal(text), runId),
});
const results = steps.flatMap((step) => step.toolResults);
console.log(JSON.stringify({ text, tool: results.map(({ output }) => output) }));
