import { html } from "../shared/dom.js";
import { download } from "./parts.js";
import { printAll } from "./print.js";
import { Statements } from "./statements.js";

/** @import {DocumentContext, Work} from "./documents.js" */

/** Work that a button starts on what the feed has read again, with a progress bar. While it runs, the button cancels it. */
class Progress {
  /** @type {AbortController | null} */
  #running = null;

  /**
   * @param {HTMLButtonElement} opener
   * @param {string} label of the progress bar
   * @param {DocumentContext} context
   * @param {(bar: HTMLProgressElement, signal: AbortSignal) => Promise<void>} work
   */
  constructor(opener, label, { rows, changed }, work) {
    this.#opener = opener;
    this.#name = opener.textContent;
    this.#bar = html("progress", { "aria-label": label });
    this.#rows = rows;
    this.#changed = changed;
    this.#work = work;
  }
  #opener;
  #name;
  #bar;
  #rows;
  #changed;
  #work;

  /** Start the work, or cancel it. Throws a Problem. */
  async toggle() {
    if (this.#running) return this.close();
    const running = new AbortController();
    this.#running = running;
    this.#bar.removeAttribute("value");
    this.#opener.before(this.#bar);
    this.#opener.textContent = "Cancel";
    try {
      this.#rows.skip();
      await this.#changed(); // reads list and totals, so that what is saved or printed and what is shown have one time
      running.signal.throwIfAborted();
      await this.#work(this.#bar, running.signal);
    } catch (error) {
      if (!running.signal.aborted) throw error;
    } finally {
      if (this.#running === running) this.close();
    }
  }

  close() {
    this.#running?.abort();
    this.#running = null;
    this.#bar.remove();
    this.#opener.textContent = this.#name;
  }
}

/**
 * Maps the name of each button of Documents to a function that creates its work.
 * @type {Record<"Download" | "Print" | "Statements", (opener: HTMLButtonElement, context: DocumentContext) => Work>}
 */
export const works = {
  Download: (opener, context) =>
    new Progress(opener, "Downloaded", context, (bar, signal) => {
      const { api, choice } = context;
      return download(api, choice.query, choice.span, bar, signal);
    }),
  Print: (opener, context) =>
    new Progress(opener, "Loaded", context, (bar, signal) => printAll(opener, context, bar, signal)),
  Statements: (opener, context) => new Statements(opener, context),
};
