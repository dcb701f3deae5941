import { announce, button, buttons, html } from "../shared/dom.js";
import { asProblem, Problem, request } from "../shared/request.js";
import { ask } from "./api.js";
import { whole } from "./format.js";
import { monthName, paper, printAlone } from "./paper.js";
import { pause, readEach, save } from "./parts.js";
import { post } from "./post.js";
import { haveSameMonths, knownZone } from "./zone.js";

/** @import {DocumentContext} from "./documents.js" */
/** @typedef {{id: string, period: string, timezone: string, size: number, root: string}} Listed statement */

const SETTLED_MS = 600_000; // as in the API: a month can be requested from ten minutes after its end
const LONGEST_PAUSE = 15; // seconds between retries after the error "Still adding up", unless Retry-After is longer

/** Return the last month that is over in a time zone, like 2026-10. @param {string} timeZone */
function lastMonth(timeZone) {
  const now = new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", timeZone });
  const [year, month] = now
    .format(Date.now() - SETTLED_MS)
    .split("-")
    .map(Number);
  return new Date(Date.UTC(year, month - 2)).toISOString().slice(0, 7);
}

/** Explain to the owner why a statement could not be read. @param {Problem} problem @returns {string} */
function refusal({ kind, status, message }) {
  if (kind === "offline") return "You are offline.";
  return status === 403 ? "This session may not read statements." : message;
}

/** A list of the signed statements of all months that are over, with buttons to download and to print each. */
export class Statements {
  #status = html("p", { class: "help", role: "status" });
  #again = button("Try again", () => void this.#show());
  #months = html("ol", { class: "months", role: "list" });
  #fault = html("p", { class: "fault", role: "alert" });
  element = html(
    "section",
    { class: "statements", "aria-labelledby": "statements" },
    html("h3", { id: "statements" }, "Statements"),
    html(
      "p",
      { class: "help" },
      "One signed file for each month that is over. The signature proves what the platform said and when, not that it is true.",
    ),
    this.#months,
    buttons(this.#status, this.#again),
    this.#fault,
  );
  #timezone = ""; // the viewer's, or another one if no statement can be made for it
  #first = ""; // the root of the user's oldest statement, which has entries
  /** @type {AbortController | null} aborted when the list is closed */
  #open = null;
  /** @type {HTMLElement | null} the printed page, until it is printed */
  #paper = null;

  /** @param {HTMLButtonElement} opener @param {DocumentContext} context */
  constructor(opener, context) {
    this.#opener = opener;
    this.#context = context;
  }
  #opener;
  #context;

  toggle() {
    if (this.#open) return this.close();
    this.#opener.ariaExpanded = "true";
    this.#opener.closest(".top")?.after(this.element);
    void this.#show();
  }

  close() {
    this.#open?.abort();
    this.#open = null;
    this.#opener.ariaExpanded = "false";
    this.#months.replaceChildren();
    this.element.remove();
    this.#paper?.remove();
  }

  /** @param {string} path */
  #url(path) {
    return new URL(`statements${path}`, this.#context.api.url(""));
  }

  /**
   * Do some work, and show why if it fails. The work is aborted when the viewer closes the list.
   * @param {string} failure
   * @param {(signal: AbortSignal) => Promise<void>} work
   */
  async #try(failure, work) {
    this.#open ??= new AbortController();
    const { signal } = this.#open;
    this.#fault.textContent = "";
    try {
      await work(signal);
    } catch (error) {
      if (signal.aborted) return true;
      const problem = asProblem(error);
      if (problem.kind === "signed-out") this.#context.signedOut(problem);
      else this.#fault.textContent = `${failure} ${refusal(problem)}`;
      return false;
    }
    return true;
  }

  async #show() {
    this.#again.hidden = true;
    announce(this.#status, "Loading…");
    this.#again.hidden = await this.#try("Not all statements could be loaded.", async (signal) => {
      const ours = (/** @type {Listed} */ { timezone }) => timezone === this.#timezone;
      let listed = await this.#list(signal);
      this.#timezone = knownZone(); // also for another user who has signed in
      // The statements may have the zone's other name: those of a second name would take one of the user's places.
      if (!listed.some(ours))
        this.#timezone = listed.find((one) => haveSameMonths(one.timezone, this.#timezone))?.timezone ?? this.#timezone;
      const wanted = this.#timezone;
      this.#months.replaceChildren();
      this.#add(listed); // also if a later one cannot be made now
      let words = "";
      if (listed.find(ours)?.period !== lastMonth(wanted)) {
        words = await this.#make(signal, listed);
        listed = await this.#list(signal);
        this.#add(listed);
      }
      const why = this.#timezone === wanted ? "" : `No statements can be made for the time zone ${wanted}. `;
      announce(this.#status, words || `${why}Months of the time zone ${this.#timezone}.`);
    });
    if (!this.#again.hidden) announce(this.#status, "");
  }

  /** Read the list of the statements of all time zones, latest first. @param {AbortSignal} signal */
  async #list(signal) {
    /** @type {Listed[]} */
    const found = [];
    /** @type {string | null} */
    let cursor = null;
    do {
      const url = this.#url("?limit=50");
      if (cursor) url.searchParams.set("cursor", cursor);
      const page = await ask(url, signal);
      found.push(...page.statements);
      cursor = page.next_cursor;
    } while (cursor);
    return found;
  }

  /**
   * Request the statement of the last month. The API then also makes the statements of all earlier months, from the
   * month of the first outcome on. If there cannot be statements in the viewer's time zone, choose another one.
   * @param {AbortSignal} signal
   * @param {Listed[]} listed the statements of all time zones
   * @returns {Promise<string>} the reason why the statement does not exist yet, or an empty text
   */
  async #make(signal, listed) {
    const [latest] = listed;
    for (let tries = 1; ; tries += 1) {
      this.#add(listed);
      const timezone = this.#timezone;
      const period = lastMonth(timezone);
      try {
        await post(this.#url(""), { body: { period, timezone }, key: `${period}@${timezone}` }, signal);
        return "";
      } catch (error) {
        const { reason, retryAfter, details } = asProblem(error);
        if (reason === "Invalid timezone" && timezone !== "UTC") this.#timezone = "UTC";
        else if (
          reason === "Not possible" &&
          details[0]?.field === "timezone" &&
          latest &&
          latest.timezone !== timezone
        )
          this.#timezone = latest.timezone; // the statements already have as many time zones as possible
        else if (reason === "Not possible") {
          const why = details[0]?.message ?? "";
          const from = / from (\S+) on/.exec(why)?.[1];
          if (from) return `${monthName(period)} will be ready at ${new Date(from).toLocaleString()}.`;
          if (why !== "is before the first entry")
            return `The statement of ${monthName(period)} cannot be made: it ${why || "is not possible"}.`;
          return "The first month is not over yet. Its statement will be listed here.";
        } else if (reason !== "Still adding up") throw error;
        else {
          announce(this.#status, "Adding up your history…");
          await pause(Math.max(retryAfter, Math.min(tries, LONGEST_PAUSE)), signal);
        }
      }
    }
  }

  /** Add the rows that are missing: the viewer may be using the others. @param {Listed[]} listed latest first */
  #add(listed) {
    this.#first = listed.at(-1)?.root ?? "";
    const rows = listed.filter(({ timezone }) => timezone === this.#timezone).map((one) => this.#row(one));
    this.#months.prepend(...rows.slice(0, -this.#months.childElementCount || undefined));
  }

  /** @param {Listed} one */
  #row(one) {
    const month = monthName(one.period);
    const path = `/${one.id.replaceAll("/", "~").replaceAll("+", ".")}`;
    const file = `statement_${one.period}`;
    let isBusy = false;
    /** @type {(label: string, name: string, failure: string, act: (signal: AbortSignal) => Promise<void>) => Element} */
    const action = (label, name, failure, act) => {
      const work = async () => {
        if (isBusy) return;
        isBusy = true;
        await this.#try(failure, act);
        isBusy = false;
      };
      return button(label, work, { "aria-label": `${name} of ${month}` });
    };
    const text = (/** @type {AbortSignal} */ signal) => this.#text(one, path, signal);
    const all = buttons(
      action("Download", "Download the statement", "Not downloaded.", async (signal) =>
        save(new Blob([await text(signal)]), `${file}.json`),
      ),
      action("Entries", "Download the entries", "Not downloaded.", async (signal) =>
        save(await this.#entries(one, path, signal), `${file}_entries.ndjson`),
      ),
      action("Print", "Print the statement", "Not printed.", async (signal) => this.#print(await text(signal))),
    );
    const size = `${whole.format(one.size)} ${one.size === 1 ? "entry" : "entries"}`;
    return html("li", {}, html("strong", {}, month), html("span", { class: "count" }, size), all);
  }

  /** Read a statement's text. @param {Listed} one @param {string} path @param {AbortSignal} signal */
  async #text({ root, size }, path, signal) {
    const { text, problem } = await request(this.#url(path), signal);
    if (problem) throw problem;
    // All months without entries have the same root, so look whose statements are listed now.
    const isOurs = size || (await this.#list(signal)).some((one) => one.root === this.#first);
    if (!isOurs || !text.includes(`"root":"${root}"`)) throw new Problem("error", "Another user has signed in.");
    return text;
  }

  /** Read a statement's entries. @param {Listed} one @param {string} path @param {AbortSignal} signal */
  async #entries(one, path, signal) {
    const parts = [];
    let lines = 0;
    for await (const { text } of readEach(this.#url(`${path}/entries`), "application/x-ndjson", signal)) {
      parts.push(new Blob([text]));
      lines += text.split("\n").length - 1;
    }
    if (lines !== one.size) throw new Problem("error", "The file was not complete.");
    await this.#text(one, path, signal); // another user may have as many entries
    return new Blob(parts);
  }

  /** @param {string} text of a statement */
  #print(text) {
    this.#paper?.remove();
    this.#paper = paper(JSON.parse(text), this.#context.agent);
    printAlone(this.#paper, this.#opener.closest(".card"));
  }
}
