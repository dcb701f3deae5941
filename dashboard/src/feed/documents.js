import { button, html } from "../shared/dom.js";
import { asProblem } from "../shared/request.js";
import { localDay } from "../shared/time.js";
import { asOf } from "./format.js";
import { loadMore } from "./later.js";
import { midnight } from "./period.js";
import { localIn } from "./zone.js";

/** @import {Api} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {RowContext} from "./row.js" */
/** @import {Rows} from "./rows.js" */
/** @import {Totals} from "./totals.js" */
/** @import {Watcher} from "./watcher.js" */
/** @typedef {{choice: Choice, totals: Totals, rows: Rows, watcher: Watcher} & Pick<RowContext, "api" | "agent" | "changed" | "signedOut">} DocumentContext */
/** @typedef {{toggle: () => unknown, close: () => void}} Work starts or stops with each click on its button. toggle may throw a Problem */

/** @type {Record<"Download" | "Print" | "Statements", string>} the message if a button's work fails */
const FAILED = { Download: "Not downloaded.", Print: "Not printed.", Statements: "Not listed." };

/** The buttons that save or print the selected outcomes, and list statements. A click loads their code. */
export class Documents {
  /** @type {Partial<Record<keyof typeof FAILED, Work>>} */
  #started = {};
  #fault = html("p", { class: "fault", role: "alert" });
  #buttons = Object.keys(FAILED).map((name) =>
    button(name, (event) => void this.#press(/** @type {keyof typeof FAILED} */ (name), event)),
  );
  element = html("div", { class: "download" }, this.#fault, ...this.#buttons);
  /** Text that is only visible in print. */
  paper = html("p", { class: "paper help" });

  /** @param {HTMLElement} feed @param {DocumentContext} context */
  constructor(feed, context) {
    this.#feed = feed;
    this.#context = context;
  }
  #feed;
  #context;

  /** @param {keyof typeof FAILED} name @param {MouseEvent} event */
  async #press(name, { detail, currentTarget }) {
    if (detail > 1) return; // ignore the second click of a double click
    this.#fault.textContent = "";
    try {
      const more = await loadMore(this.element);
      this.#started[name] ??= more.works[name](/** @type {HTMLButtonElement} */ (currentTarget), this.#context);
      await this.#started[name].toggle();
    } catch (error) {
      const problem = asProblem(error);
      if (problem.kind === "signed-out") this.#context.signedOut(problem);
      else this.#fault.textContent = `${FAILED[name]} ${problem.message || "You are offline."}`;
    }
  }

  forget() {
    for (const work of Object.values(this.#started)) work.close();
  }

  render() {
    const { api, choice } = this.#context;
    const { from, to } = choice.span;
    const [download, print, statements] = this.#buttons;
    download.hidden = print.hidden = !api.has("export");
    download.title = "CSV";
    statements.hidden = !api.has("statements");
    if (statements.hidden) this.#started.Statements?.close();
    this.element.hidden = download.hidden && statements.hidden;
    this.paper.textContent = [
      this.#feed.getAttribute("owner"),
      choice.query.from && localDay.formatRange(from, midnight(-1, to)),
      choice.zone,
      ...choice.words,
      `printed ${asOf.format(localIn(choice.zone, Date.now()))}`,
    ]
      .filter(Boolean)
      .join(" · ");
  }
}
