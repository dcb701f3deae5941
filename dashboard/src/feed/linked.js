import { button, html } from "../shared/dom.js";
import { ask, isOutcome } from "./api.js";
import { Row } from "./row.js";

/** @import {Api, History, Outcome} from "./api.js" */
/** @import {RowContext} from "./row.js" */

const ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/; // a ULID; anything else below the endpoint is another route

/** The outcome that the page's address links to, shown above the list. */
export class LinkedOutcome {
  /** @type {string | null} */
  id = null;
  isDue = false; // it has to be read
  /** @type {Row | null} */
  #row = null;
  #list = html("ol", { class: "rows", role: "list" });
  #missing = html("p", { class: "caption", tabindex: -1 });
  element;

  /** @param {Api} api @param {RowContext} context @param {() => void} closed */
  constructor(api, context, closed) {
    this.#api = api;
    this.#context = context;
    const close = () => {
      this.id = null;
      this.#clear();
      closed();
    };
    const top = html("div", { class: "top" }, html("h3", {}, "Linked outcome"), button("Close", close));
    this.element = html("div", { class: "link", hidden: true }, top, this.#list, this.#missing);
  }
  #api;
  #context;

  /** @param {URLSearchParams} state @returns whether it has to be read */
  restore(state) {
    const id = state.get("outcome") || null;
    if (id !== this.id) this.isDue = true;
    this.id = id;
    return this.isDue;
  }

  /**
   * Read and show the outcome, or show that it does not exist.
   * @param {AbortSignal} signal
   * @returns false if another one is linked meanwhile
   */
  async read(signal) {
    this.#clear();
    if (!this.#context.canCorrect()) this.id = null;
    const { id } = this;
    this.element.hidden = id === null;
    if (id !== null) {
      const outcome = await this.#find(id, signal);
      if (id !== this.id) return false;
      if (outcome?.id === id && isOutcome(outcome)) {
        this.#row = new Row(outcome, "", this.#context);
        this.#list.append(this.#row.element);
      } else this.#missing.textContent = "This outcome does not exist or is not yours.";
    }
    this.isDue = false;
    return true;
  }

  /** @param {string} id @param {AbortSignal} signal */
  async #find(id, signal) {
    if (!ID.test(id)) return null;
    try {
      /** @type {Partial<History>} */
      const { outcome } = await ask(this.#api.url(`/${id}`), signal);
      return outcome;
    } catch (problem) {
      const { kind, status } = /** @type {any} */ (problem);
      if (kind !== "error" || status < 400 || status >= 429) throw problem;
    }
  }

  /** Unfold the outcome and move the focus to it. */
  open() {
    if (this.#row) this.#row.open();
    else this.#missing.focus();
  }

  /** @param {Outcome} outcome */
  update(outcome) {
    if (outcome.id === this.id) this.#row?.update(outcome);
  }

  redraw() {
    this.#row?.redraw();
  }

  forget() {
    this.#clear();
    this.isDue = this.id !== null;
  }

  #clear() {
    this.#row = null;
    this.#list.replaceChildren();
    this.#missing.textContent = "";
    this.element.hidden = true;
  }
}
