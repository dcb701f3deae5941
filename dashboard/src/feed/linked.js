import { button, html } from "../shared/dom.js";
import { ask, isOutcome } from "./api.js";
import { loadMore } from "./later.js";
import { Row } from "./row.js";

/** @import {Api, History, Outcome} from "./api.js" */
/** @import {RowContext} from "./row.js" */

/** The outcome that the page's address links to, shown above the list. */
export class LinkedOutcome {
  /** @type {string | null} */
  id = null;
  isDue = false; // the outcome has to be read
  /** @type {Row | null} */
  #row = null;
  element = html("div", { class: "link", hidden: true });

  /** @param {Api} api @param {RowContext} context @param {() => void} closed */
  constructor(api, context, closed) {
    this.#api = api;
    this.#context = context;
    this.#closed = closed;
  }
  #api;
  #context;
  #closed;

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
   * @returns false if the address has changed meanwhile, and links to another outcome
   */
  async read(signal) {
    this.forget();
    if (!this.#api.has("corrections")) this.id = null;
    const { id } = this;
    if (id !== null) {
      const { readLinked } = await loadMore(this.element);
      const make = (/** @type {Outcome} */ outcome) => new Row(outcome, "", this.#context);
      const { row, content } = await readLinked(id, this.#api, make, () => this.#close(), signal);
      if (id !== this.id) return false;
      this.#row = row;
      this.element.replaceChildren(...content);
      this.element.hidden = false;
    }
    this.isDue = false;
    return true;
  }

  #close() {
    this.id = null;
    this.forget();
    this.#closed();
  }

  /** Unfold the outcome and move the focus to it. If it does not exist, move the focus to the message that says so. */
  open() {
    if (this.#row) this.#row.open();
    else this.element.querySelector("p")?.focus();
  }

  /** @param {Outcome} outcome */
  update(outcome) {
    if (outcome.id === this.id) this.#row?.update(outcome);
  }

  redraw() {
    this.#row?.redraw();
  }

  forget() {
    this.isDue = this.id !== null;
    this.#row = null;
    this.element.replaceChildren();
    this.element.hidden = true;
  }
}

const ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/; // a ULID; anything else below the endpoint is another route

/**
 * Read a linked outcome. Return its row, or null if it does not exist, and the elements to show.
 * @param {string} id
 * @param {Api} api
 * @param {(outcome: Outcome) => Row} make
 * @param {() => void} close
 * @param {AbortSignal} signal
 * @returns {Promise<{row: Row | null, content: Element[]}>}
 */
export async function readLinked(id, api, make, close, signal) {
  const outcome = ID.test(id) ? await find(api.url(`/${id}`), signal) : null;
  const top = html("div", { class: "top" }, html("h3", {}, "Linked outcome"), button("Close", close));
  if (outcome?.id !== id || !isOutcome(outcome)) {
    const missing = html("p", { class: "caption", tabindex: -1 }, "This outcome does not exist or is not yours.");
    return { row: null, content: [top, missing] };
  }
  const row = make(outcome);
  return { row, content: [top, html("ol", { class: "rows", role: "list" }, row.element)] };
}

/** @param {URL} url @param {AbortSignal} signal */
async function find(url, signal) {
  try {
    /** @type {Partial<History>} */
    const { outcome } = await ask(url, signal);
    return outcome;
  } catch (problem) {
    const { kind, status } = /** @type {any} */ (problem);
    if (kind !== "error" || status < 400 || status >= 429) throw problem;
  }
}
