import { button, buttons, html } from "../shared/dom.js";
import { asProblem, invalidResponse } from "../shared/request.js";
import { ask, isOutcome } from "./api.js";
import { changed, timeAgo } from "./changes.js";
import { readRules } from "./claims.js";
import { refusal } from "./correcting.js";
import { isLate, marks, ruleFinder, typeAmended } from "./marks.js";
import { countsInWords, isNeverCounted } from "./queue.js";

/** @import {Child} from "../shared/dom.js" */
/** @import {Problem} from "../shared/request.js" */
/** @import {Correction, History as Answer} from "./api.js" */
/** @import {Row, RowContext} from "./row.js" */

/** Return the id of an agent key. Return undefined if `by` is not an agent key. @param {string | null} by */
const keyOf = (by) => /^key:(.+)/.exec(by ?? "")?.[1];

/**
 * Read the names of the viewer's agent keys, unless every agent key in `makers` was looked up before. Return whether
 * names were read. The viewer sees the id of a key without a name, such as a revoked key.
 * @param {(string | null)[]} makers who recorded or corrected an outcome
 * @param {RowContext} context
 */
async function readKeyNames(makers, { api, keyNames }) {
  const missing = makers.flatMap((by) => keyOf(by) ?? []).filter((id) => !keyNames.has(id));
  if (!missing.length || !api.has("agentkeys")) return false;
  for (const id of missing) keyNames.set(id, "");
  try {
    for (const { id, name } of (await ask(new URL("keys", api.url("")))).keys) keyNames.set(id, name);
  } catch {
    return false;
  }
  return true;
}

/** @param {string | null} by @param {RowContext} context @returns {Child[]} */
export function whose(by, { keyNames }) {
  if (by === "session") return [" by you"];
  if (by === "key") return [" by the platform"];
  const id = keyOf(by);
  if (!id) return [];
  const name = keyNames.get(id);
  return name ? [" by the key ", html("bdi", { title: id }, name)] : [` by an agent’s key (${id})`];
}

/** @param {string} words @returns {Child[]} */
const marked = (words) => [" · ", html("strong", {}, words)];

/** @type {Map<string, string>} */
const TYPES = new Map([
  ["amend", "Amended"],
  ["void", "Declared void"],
  ["confirm", "Confirmed"],
  ["dispute", "Disputed"],
  ["uphold", "The platform stands by it"],
]);

/** @param {Correction} one */
const isCorrection = (one) => typeof one.type === "string" && Date.parse(one.created_at);

/** The corrections of a row's outcome, read each time the row is unfolded. */
export class History {
  /** @type {Correction[] | null} */
  #corrections = null;
  /** @type {string[]} what the owner should know of how it was recorded */
  #marks = [];
  /** @type {Problem | null} of the last read */
  #problem = null;
  /** @type {AbortController | null} */
  #reading = null;
  /** @type {boolean | null} whether a disputed outcome would not count either if its owner confirmed it; null: not known */
  isNeverCounted = null;
  element = html("div", { class: "past" });

  /** @param {Row} row */
  constructor(row) {
    this.#row = row;
  }
  #row;

  get isAmendedSinceDispute() {
    const past = this.#corrections ?? [];
    return past.slice(past.findLastIndex(({ type }) => type === "dispute") + 1).some(({ type }) => type === "amend");
  }

  /**
   * Append a correction that was made on this page, if the history is loaded and lacks it.
   * @param {Correction} correction
   */
  add(correction) {
    if (!this.#corrections?.some(({ id }) => id === correction.id)) this.#corrections?.push(correction);
  }

  /** Read the history and the outcome's current version. */
  async read() {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    this.#problem = null;
    this.render();
    const { context, outcome: known } = this.#row;
    try {
      const include = context.api.has("definitions") ? "counts" : null;
      const url = context.api.url(`/${encodeURIComponent(known.id)}`, { include });
      /** @type {Answer} */
      const { outcome, corrections } = await ask(url, reading.signal);
      if (outcome.id !== known.id || !isOutcome(outcome) || !corrections.every(isCorrection)) throw invalidResponse();
      // Few outcomes need the rules: those that were recorded late, and disputed ones, which have no `counts`.
      const needsRules = isLate(outcome) || outcome.status === "disputed";
      const rules = needsRules ? await readRules(context.api, reading.signal).catch(() => null) : [];
      if (reading.signal.aborted) return;
      this.#marks = marks(outcome, ruleFinder(rules ?? []));
      this.isNeverCounted = rules && isNeverCounted(outcome, rules);
      this.#corrections = corrections;
      // A slow answer may be older than what the row has by now.
      if ((outcome.version ?? 0) >= (this.#row.outcome.version ?? 0)) this.#row.outcome = outcome;
      if ((outcome.version ?? 0) > (known.version ?? 0)) context.changed(outcome);
    } catch (error) {
      if (reading.signal.aborted) return;
      this.#problem = asProblem(error);
    }
    this.#reading = null;
    if (this.#problem?.kind === "signed-out") context.signedOut(this.#problem);
    this.#row.render();
    const makers = [this.#row.outcome.recorded_by ?? null, ...(this.#corrections ?? []).map(({ by }) => by)];
    if (await readKeyNames(makers, context)) this.render();
  }

  render() {
    const { outcome, context } = this.#row;
    const { recorded_by, created_at } = outcome;
    /** @type {Element[]} */
    const parts = [html("h4", {}, "History")];
    const counts = countsInWords(outcome);
    if (counts) parts.unshift(html("p", { class: "counting" }, counts));
    if (this.#corrections) {
      const entries = this.#corrections.map((one) => this.#entry(one));
      const how = [...whose(recorded_by ?? null, context), " · ", timeAgo(created_at), ...this.#marks.flatMap(marked)];
      const recorded = html("li", {}, "Recorded", ...how);
      parts.push(html("ol", { role: "list" }, recorded, ...entries));
    }
    if (this.#problem) {
      const { kind, status, message } = this.#problem;
      const why = kind === "offline" || status === 404 ? refusal(this.#problem) : message;
      const fault = html("p", { class: "fault", role: "alert" }, `The history could not be loaded. ${why}`);
      parts.push(
        buttons(
          fault,
          button("Try again", () => void this.read()),
        ),
      );
    } else if (this.#reading && !this.#corrections)
      parts.push(html("p", { class: "help", role: "status" }, "Loading…"));
    this.element.replaceChildren(...parts);
  }

  /** @param {Correction} correction */
  #entry(correction) {
    const { type, by, created_at, reason, changes } = correction;
    const amended = typeAmended(correction);
    return html(
      "li",
      {},
      TYPES.get(type) ?? type,
      ...(type === "uphold" ? [] : whose(by, this.#row.context)),
      " · ",
      timeAgo(created_at),
      ...(amended ? marked(amended) : []),
      reason ? html("q", { dir: "auto" }, reason) : null,
      changes ? changed(changes, this.#row.context.agent) : null,
    );
  }
}
