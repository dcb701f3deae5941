import { html } from "../shared/dom.js";
import { facts } from "./facts.js";
import { History } from "./history.js";
import { duplicates, likeOriginal } from "./queue.js";
import { Verdict } from "./verdict.js";

/** @import {Row} from "./row.js" */

/** What an unfolded row shows: the outcome's facts, and the owner's verdict and the history if it can be corrected. */
export class Unfolded {
  #facts = html("div");
  #ledger = html("div");
  elements = [this.#facts, this.#ledger];
  #shownVersion = -1; // of the facts
  /** @type {History | null} */
  #history = null;
  /** @type {Verdict | null} */
  #verdict = null;

  /** @param {Row} row */
  constructor(row) {
    this.#row = row;
  }
  #row;

  get pending() {
    return this.#verdict?.pending;
  }

  /** Whether the outcome can be corrected. An operator may switch corrections on or off while the page is open. */
  get #hasLedger() {
    return this.#row.outcome.status !== undefined && this.#row.context.api.has("corrections");
  }

  /** Called each time the row is unfolded. */
  show() {
    this.#ledger.replaceChildren();
    if (this.#hasLedger) {
      this.#history ??= new History(this.#row);
      this.#verdict ??= new Verdict(this.#row, this.#history);
      this.#ledger.append(this.#verdict.element, this.#history.element);
    }
    this.render();
    this.read();
  }

  /** Read the history. */
  read() {
    if (this.#hasLedger) void this.#history?.read();
  }

  /** Render again after agents were renamed or the time zone has changed. */
  redraw() {
    this.#shownVersion = -1;
  }

  render() {
    this.#verdict?.render();
    this.#history?.render();
    const { outcome, context } = this.#row;
    const version = outcome.version ?? 0;
    if (this.#shownVersion === version) return;
    const original = duplicates(context.listed()).get(outcome.id);
    const hint = original ? [html("p", { class: "hint", dir: "auto" }, `This ${likeOriginal(original)}`)] : [];
    this.#facts.replaceChildren(...hint, ...facts(outcome, context.link(outcome.id)));
    this.#shownVersion = version;
  }
}
