import { button, html } from "../shared/dom.js";
import { asProblem } from "../shared/request.js";
import { loadMore } from "./load.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api} from "./api.js" */
/** @import {Choice} from "./choice.js" */

/** Downloads the outcomes that are selected as one CSV file, part by part, with a progress bar and a Cancel button. */
export class Download {
  #button = button("Download", (/** @type {MouseEvent} */ event) => this.#press(event));
  #bar = html("progress", { hidden: true, "aria-label": "Downloaded" });
  #fault = html("p", { class: "fault", role: "alert" });
  element = html("div", { class: "download" }, this.#fault, this.#bar, this.#button);
  /** @type {AbortController | null} */
  #running = null;

  /** @param {Api} api @param {Choice} choice @param {(problem: Problem) => void} signedOut */
  constructor(api, choice, signedOut) {
    this.#api = api;
    this.#choice = choice;
    this.#signedOut = signedOut;
  }
  #api;
  #choice;
  #signedOut;

  forget() {
    this.#running?.abort();
    this.#running = null;
    this.#bar.hidden = true;
    this.#button.textContent = "Download";
  }

  render() {
    this.element.hidden = !this.#api.has("export");
    const { isLast, name } = this.#choice.span;
    this.#button.title = `Outcomes${isLast ? " in" : ","} ${name}, as CSV`;
  }

  /** @param {MouseEvent} event */
  #press(event) {
    if (event.detail > 1) return; // the second click of a double click
    if (this.#running) this.forget();
    else void this.#run();
  }

  async #run() {
    const running = new AbortController();
    const { query, span } = this.#choice;
    this.#running = running;
    this.#bar.hidden = false;
    this.#bar.removeAttribute("value");
    this.#fault.textContent = "";
    this.#button.textContent = "Cancel";
    try {
      const { download } = await loadMore(this.element);
      await download(this.#api, query, span, this.#bar, running.signal);
    } catch (error) {
      if (running.signal.aborted) return;
      const problem = asProblem(error);
      if (problem.kind === "signed-out") this.#signedOut(problem);
      else this.#fault.textContent = `Not downloaded. ${problem.message || "You are offline."}`;
    }
    this.forget();
  }
}
