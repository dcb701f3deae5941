import { button, html } from "../shared/dom.js";
import { asProblem, Problem, request } from "../shared/request.js";
import { isRetryable } from "./api.js";
import { isoDay } from "./format.js";
import { midnight } from "./period.js";

/** @import {Api} from "./api.js" */
/** @import {Choice} from "./choice.js" */

const PART_TIMEOUT_MS = 120_000; // a part has some megabytes
const PART_TRIES = 4;

/** @param {number} seconds @param {AbortSignal} signal */
const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

/** Downloads a period's outcomes as one CSV file, part by part, with a progress bar and a Cancel button. */
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
    this.#button.title = `Outcomes recorded${isLast ? " in" : ""} ${name}, as CSV`;
  }

  /** @param {MouseEvent} event */
  #press(event) {
    if (event.detail > 1) return; // the second click of a double click
    if (this.#running) this.forget();
    else void this.#run();
  }

  async #run() {
    const running = new AbortController();
    const { from, to, isLast } = this.#choice.span;
    const query = { format: "csv", ...this.#choice.query, from: from.toISOString() };
    const url = this.#api.url("/export", { ...query, to: isLast ? null : to.toISOString() });
    const name = `outcomes_${isoDay.format(from)}_${isoDay.format(midnight(-1, to))}.csv`;
    const until = isLast ? Date.now() : to.getTime();
    this.#running = running;
    this.#bar.hidden = false;
    this.#bar.removeAttribute("value");
    this.#fault.textContent = "";
    this.#button.textContent = "Cancel";
    /** @type {BlobPart[]} */
    const parts = ["\ufeff"]; // the BOM makes spreadsheets read UTF-8
    let owner;
    try {
      /** @type {string | null} */
      let cursor = null;
      do {
        if (cursor) url.searchParams.set("cursor", cursor);
        const part = await this.#read(url, running.signal);
        const id = /^\w+,(\d+),/m.exec(part.text)?.[1]; // undefined for an empty part
        owner ??= id;
        if (id && id !== owner) throw new Problem("error", "Another user has signed in.");
        parts.push(new Blob([part.text]));
        cursor = part.headers.get("next-cursor");
        // Lines are sorted by time, newest first, so the time in the last line shows the progress.
        const reached = Date.parse(/([^,]+),[^,]+,\w+,[^,]*\r\n$/.exec(part.text.slice(-300))?.[1] ?? "");
        if (reached) this.#bar.value = (until - reached) / (until - from.getTime());
      } while (cursor);
      const file = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
      html("a", { href: file, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(file), 60_000); // no event tells when it has been read
    } catch (error) {
      if (running.signal.aborted) return;
      const problem = asProblem(error);
      if (problem.kind === "signed-out") this.#signedOut(problem);
      else this.#fault.textContent = `Not downloaded. ${problem.message || "You are offline."}`;
    }
    this.forget();
  }

  /** @param {URL} url @param {AbortSignal} signal */
  async #read(url, signal) {
    for (let tries = 1; ; tries += 1) {
      try {
        const part = await request(url, signal, { headers: { accept: "text/csv" }, timeout: PART_TIMEOUT_MS });
        if (part.problem) throw part.problem;
        return part;
      } catch (error) {
        const isFinal = tries === PART_TRIES || !(error instanceof Problem) || error.kind !== "error";
        if (isFinal || !isRetryable(error)) throw error;
        await pause(Math.max(error.retryAfter, 2 ** tries / 4), signal);
      }
    }
  }
}
