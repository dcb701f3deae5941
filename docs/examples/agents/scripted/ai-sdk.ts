// Runs the example with a model that says what it is told to: node dist/scripted/ai-sdk.js '[{...}, "CLOSED Acme"]' response-1 [job-7]

import { generateText, isStepCount, type LanguageModel } from "ai";
import { MockLanguageModelV4, mockValues } from "ai/test";
import { OutcomesClient } from "outcomes-client";
import { recordOnEnd, recordOutcomeTool } from "../ai-sdk.js";
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
const next = mockValues(...said);
const model: LanguageModel = new MockLanguageModelV4({ doGenerate: async () => next() });

const outcomes = new OutcomesClient({ retry: { deadline: 2 } });
const { text, steps } = await generateText({
  model,
  prompt: "Close the deal with Acme. Say CLOSED, its value and whose it is when it is closed.",
  tools: { record_outcome: recordOutcomeTool(outcomes, runId ?? "job") },
  stopWhen: isStepCount(5),
  onEnd: recordOnEnd(outcomes, ({ text }) => closedDeal(text), runId),
});
const results = steps.flatMap((step) => step.toolResults);
console.log(JSON.stringify({ text, tool: results.map(({ output }) => output) }));
