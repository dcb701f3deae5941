import { button, html } from "../shared/dom.js";
import { asProblem, Problem, request } from "../shared/request.js";
import { mayPass } from "./api.js";

const PART_TIMEOUT_MS = 120_000; // of some megabytes
const PART_TRIES = 4;

/** @param {number} seconds @param {AbortSignal} signal */
export const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

/** Reads a period's outcomes as one file, part by part, shows how far that is, and can be ended. */
export class Download {
  button = button("Download", (/** @type {MouseEvent} */ event) => this.#press(event));
  #bar = html("progress", { hidden: true, "aria-label": "Downloaded" });
  #fault = html("p", { class: "fault", role: "alert" });
  element = html("div", { class: "download" }, this.#fault, this.#bar, this.button);
  /** @type {AbortController | null} */
  #running = null;

  /**
   * @param {() => {url: URL, from: Date, to: Date, name: string}} wanted of now
   * @param {(problem: Problem) => void} signedOut
   */
  constructor(wanted, signedOut) {
    this.#wanted = wanted;
    this.#signedOut = signedOut;
  }
  #wanted;
  #signedOut;

  stop() {
    this.#running?.abort();
    this.#running = null;
    this.#bar.hidden = true;
    this.button.textContent = "Download";
  }

  /** @param {MouseEvent} event */
  #press(event) {
    if (event.detail > 1) return; // of a double click
    if (this.#running) this.stop();
    else void this.#run();
  }

  async #run() {
    const running = new AbortController();
    const { url, from, to, name } = this.#wanted();
    this.#running = running;
    this.#bar.hidden = false;
    this.#bar.removeAttribute("value");
    this.#fault.textContent = "";
    this.button.textContent = "Cancel";
    /** @type {BlobPart[]} */
    const parts = ["\ufeff"]; // by which spreadsheets know UTF-8
    let owner;
    try {
      /** @type {string | null} */
      let cursor = null;
      do {
        if (cursor) url.searchParams.set("cursor", cursor);
        const part = await this.#read(url, running.signal);
        const id = /^\w+,(\d+),/m.exec(part.text)?.[1]; // none in a part that is empty
        owner ??= id;
        if (id && id !== owner) throw new Problem("error", "Somebody else has signed in meanwhile.");
        parts.push(new Blob([part.text]));
        cursor = part.cursor;
        // The newest come first, so the last line says how far it is.
        const reached = Date.parse(/([^,]+),[^,]+,\w+,[^,]*\r\n$/.exec(part.text.slice(-300))?.[1] ?? "");
        if (reached) this.#bar.value = (to.getTime() - reached) / (to.getTime() - from.getTime());
      } while (cursor);
      const file = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
      html("a", { href: file, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(file), 60_000); // no event says when it was read
    } catch (error) {
      if (running.signal.aborted) return;
      const problem = asProblem(error);
      if (problem.kind === "signed-out") this.#signedOut(problem);
      else this.#fault.textContent = `Not downloaded. ${problem.message || "You are offline."}`;
    }
    this.stop();
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
        if (isFinal || !mayPass(error)) throw error;
        await pause(Math.max(error.retryAfter, 2 ** tries / 4), signal);
      }
    }
  }
}
