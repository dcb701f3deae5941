import { inWords } from "../shared/words.js";
import { whole } from "./format.js";

/** @import {Row} from "./row.js" */

const STEP = 2000; // a search loads this many rows, and this many more whenever the viewer asks

/** The search of the list: which rows match, how many rows to load, and the number of matches in words. */
export class Search {
  #most = STEP;
  /** @type {string[]} */
  #words = [];

  /** @param {string} text what the viewer has entered */
  set text(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!this.isOn) this.#most = STEP;
  }

  get isOn() {
    return this.#words.length > 0;
  }

  /** The number of rows to load, 0 without a search. */
  get rows() {
    return this.isOn ? this.#most : 0;
  }

  /** Continue the search with more rows than were loaded. @param {number} loaded */
  extend(loaded) {
    this.#most = loaded + STEP;
  }

  /** Whether the outcome of a row contains each of the words. @param {Row} row */
  matches({ outcome, context }) {
    if (!this.isOn) return true;
    const { id, outcome_type, title, agent_id, description, metadata } = outcome;
    const agent = context.agent(agent_id);
    const said = [title, description, inWords(outcome_type), agent, id, metadata && JSON.stringify(metadata)];
    const text = said.join(" ").toLowerCase();
    return this.#words.every((word) => text.includes(word));
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
