import { html } from "../shared/dom.js";
import { inWords } from "../shared/words.js";
import { whole } from "./format.js";

/** @import {Row} from "./row.js" */

const STEP = 2000; // a search loads this many rows, and this many more whenever the viewer asks
const BEFORE = 24; // how many characters an excerpt has before a match, and at most twice as many after it

/**
 * Return a pattern for each word, and for each phrase in quotes, of a search. It matches from the beginning of a word, so
 * that digits do not match inside ids.
 * @param {string} text
 */
export const patterns = (text) =>
  [...text.matchAll(/"([^"]+)"?|[^\s"]+/g)]
    .map(([word, phrase]) => (phrase ?? word).trim())
    .filter(Boolean)
    .map((term) => term.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replace(/\s+/g, "\\s+"))
    .map((term) => new RegExp(`(?<![\\p{L}\\p{N}])${term}`, "giu"));

/** Return a text with the matches of all patterns marked. @param {string} text @param {RegExp[]} patterns */
export function marked(text, patterns) {
  const found = patterns.flatMap((pattern) =>
    [...text.matchAll(pattern)].map(({ 0: { length }, index }) => [index, index + length]),
  );
  /** @type {(string | Element)[]} */
  const parts = [];
  let end = 0;
  for (const [from, to] of found.sort(([a], [b]) => a - b)) {
    if (to <= end) continue;
    const start = Math.max(from, end);
    parts.push(text.slice(end, start), html("mark", {}, text.slice(start, to)));
    end = to;
  }
  return [...parts, text.slice(end)].filter((part) => part !== "");
}

/** The search of the list: which rows match and where, how many rows to load, and the number of matches in words. */
export class Search {
  #most = STEP;
  /** @type {RegExp[]} */
  #patterns = [];
  /** @type {Set<Row>} */
  #marked = new Set();

  /** @param {string} text what the viewer has entered */
  set text(text) {
    this.#patterns = patterns(text);
    if (!this.isOn) this.#most = STEP;
  }

  get isOn() {
    return this.#patterns.length > 0;
  }

  /** The number of rows to load, 0 without a search. */
  get rows() {
    return this.isOn ? this.#most : 0;
  }

  /** Continue the search with more rows than were loaded. @param {number} loaded */
  extend(loaded) {
    this.#most = loaded + STEP;
  }

  /** @param {Row} row */
  #fields({ outcome: { id, outcome_type, title, agent_id, description, metadata }, context }) {
    // After an escape such as \n, a word begins.
    const hidden = [description, id, metadata && JSON.stringify(metadata).replace(/\\(u....|.)/g, " ")];
    return { seen: [title, inWords(outcome_type), context.agent(agent_id)], hidden: hidden.map((text) => text ?? "") };
  }

  /** Whether the outcome of a row contains each word and phrase. @param {Row} row */
  matches(row) {
    if (!this.isOn) return true;
    const { seen, hidden } = this.#fields(row);
    return this.#patterns.every((pattern) => [...seen, ...hidden].some((text) => text.search(pattern) >= 0));
  }

  /**
   * Mark in a row's summary what matched. If a word only matched what the row shows unfolded, append an excerpt.
   * @param {Row} row
   * @param {boolean} isMatch
   */
  mark(row, isMatch) {
    if (this.#marked.delete(row)) row.redraw();
    if (!isMatch || !this.isOn) return;
    this.#marked.add(row);
    const { seen, hidden } = this.#fields(row);
    const texts = document.createTreeWalker(row.summary, NodeFilter.SHOW_TEXT);
    /** @type {Text[]} */
    const nodes = [];
    while (texts.nextNode()) nodes.push(/** @type {Text} */ (texts.currentNode));
    for (const node of nodes)
      if (!node.parentElement?.closest("time, data, .tag, .none"))
        node.replaceWith(...marked(node.data, this.#patterns));
    const missed = this.#patterns.find((pattern) => seen.every((text) => text.search(pattern) < 0));
    const text = missed && hidden.find((one) => one.search(missed) >= 0);
    if (!missed || !text) return;
    const at = text.search(missed);
    const [from, to] = [Math.max(0, at - BEFORE), at + 3 * BEFORE];
    const excerpt = `${from ? "…" : ""}${text.slice(from, to)}${to < text.length ? "…" : ""}`;
    row.summary
      .querySelector(".what")
      ?.append(html("span", { class: "hit", dir: "auto" }, ...marked(excerpt, this.#patterns)));
  }

  /** Say that no loaded row matches. @param {boolean} hasMore whether there are rows that are not loaded */
  none(hasMore) {
    return hasMore ? "No match so far." : "No outcome matches this search.";
  }

  /** Return the text of the button that loads more rows. @param {boolean} isLoading */
  more(isLoading) {
    return isLoading ? "Searching…" : "Search further";
  }

  /**
   * Return how many of the loaded rows match: "12 matches in 640 of 2,310".
   * @param {number} matches
   * @param {number} loaded
   * @param {number | null} total null: unknown
   */
  result(matches, loaded, total) {
    const found = `${whole.format(matches)} ${matches === 1 ? "match" : "matches"} in ${whole.format(loaded)}`;
    return total === null ? found : `${found} of ${whole.format(Math.max(total, loaded))}`;
  }
}
