import assert from "node:assert/strict";
import { test } from "node:test";
import "./elements.js";

const { marked, patterns, Search } = await import("../src/feed/search.js");

const row = {
  outcome: {
    id: "01M8ACQW01PJ4711CKZDPA329T",
    outcome_type: "deal_closed",
    title: "Renewed Acme (a year)",
    agent_id: 7,
    description: "Über 4,711 e-mails",
    metadata: { crm: "Deal-4712", note: 'One\nsecond "call"' },
  },
  context: { agent: (id) => `Agent ${id}` },
};

test("a search finds words from their beginning, and phrases in quotes", () => {
  const search = new Search();
  for (const [text, isMatch] of [
    ["ACME ren", true],
    ["newed", false], // not from the beginning
    ["4711", false], // inside the id and the number
    ["01M8ACQW", true],
    ["4712", true],
    ["second", true],
    ["call", true],
    ["mails", true],
    ["e-mails", true],
    ["deal-47", true],
    ["\\^$.*+?()[]{}|/-", false],
    ["über", true],
    ['"renewed acme"', true],
    ['"acme renewed"', false],
    ['"closed agent"', false], // in two places
    ['"renewed  acme', true], // while the second quote is not typed yet
    ["(a", true],
    ["a*", false],
    ["agent 7", true],
    ["null", false],
  ]) {
    search.text = text;
    assert.equal(search.matches(row), isMatch, text);
  }
});

test("what matched is marked, also where matches overlap", () => {
  for (const [text, words, shown] of [
    ["Renewed Acme", "acme", "Renewed <Acme>"],
    ["Renewed Acme", "ren renewed a", "<Ren><ewed> <A>cme"],
    ["Acme, Acme", "acme", "<Acme>, <Acme>"],
    ["Renewed", "x", "Renewed"],
  ]) {
    const parts = marked(text, patterns(words)).map((part) => (part.localName ? `<${part.textContent}>` : part));
    assert.equal(parts.join(""), shown);
  }
});
