import { button, buttons, dotted, html, icon } from "../shared/dom.js";
import { inWords } from "../shared/words.js";
import { time, timeAgo } from "./changes.js";
import { amount, shortDay } from "./format.js";
import { typeIcon } from "./icons.js";
import { loadMore } from "./later.js";
import { happenedAt } from "./merge.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api, Outcome} from "./api.js" */
/** @import {Unfolded} from "./unfolded.js" */
/**
 * What a row needs of the feed. agent: returns an agent's name. keyNames: the names of agent keys by id, as far as they were
 * read. listed: returns the outcomes of the list. day: returns the date of an instant in the page's time zone.
 * link: returns the page's address that links to an outcome, or null without url-state. changed: called with newer versions of
 * outcomes; ends when all is read. folded: called when a row is.
 * @typedef {{api: Api, agent: (id: number | null) => string, keyNames: Map<string, string>,
 *   listed: () => Outcome[], day: (at: string) => string, link: (id: string) => string | null,
 *   changed: (...outcomes: Outcome[]) => Promise<void>, folded: (id: string) => void, signedOut: (problem: Problem) => void}} RowContext
 */

/** An outcome in the list, which unfolds to its details, the owner's verdict and its history. */
export class Row {
  element = html("li", { role: "listitem" });
  summary = html("summary");
  #details;
  #content = html("div", { class: "details" });
  #shownSummary = ""; // version and status that the summary shows
  /** @type {Unfolded | null} created when the row is unfolded: of thousands of rows, few ever are */
  #unfolded = null;

  /** @param {Outcome} outcome @param {string} order the sort key of its place @param {RowContext} context */
  constructor(outcome, order, context) {
    this.outcome = outcome;
    this.order = order;
    this.context = context;
    this.element.dataset.id = outcome.id;
    this.#details = html("details", { toggle: () => void this.#showDetails() }, this.summary);
    this.element.append(this.#details);
    this.render();
  }

  get isOpen() {
    return this.#details.open;
  }

  /** The owner's verdict, if it is not saved yet. */
  get pending() {
    return this.#unfolded?.pending;
  }

  /** The outcome's status. While a confirmation or dispute waits or is being sent, the status that it leads to. */
  get status() {
    return this.pending?.leadsTo ?? this.outcome.status;
  }

  /** Show a newer version of the outcome; ignore an older one. @param {Outcome} outcome @returns whether it is newer */
  update(outcome) {
    if ((outcome.version ?? 0) <= (this.outcome.version ?? 0)) return false;
    this.outcome = outcome;
    this.render();
    if (this.isOpen) this.#unfolded?.read();
    return true;
  }

  /** Show the facts, the verdict and the history of an unfolded row. */
  async #showDetails() {
    const hadFocus = this.#content.matches(":focus-within"); // what keeps the focus is also in the file that may fail
    const loading = html("p", { class: "help past", role: "status" }, "Loading…");
    this.#content.replaceChildren(...(this.isOpen ? [loading] : []));
    this.summary.after(this.#content);
    if (hadFocus) this.summary.focus();
    if (!this.isOpen) return this.context.folded(this.outcome.id);
    const more = await loadMore(this.element).catch((/** @type {Problem} */ { message }) => {
      const again = button("Try again", () => void this.#showDetails());
      loading.replaceWith(buttons(html("p", { class: "fault", role: "alert" }, message), again));
    });
    if (!more || !loading.isConnected) return; // another call has replaced this element
    this.#unfolded ??= new more.Unfolded(this);
    loading.replaceWith(...this.#unfolded.elements);
    this.#unfolded.show();
  }

  /** Unfold the row and move the focus to it. */
  open() {
    this.#details.open = true;
    this.summary.focus();
  }

  /** Render again after agents were renamed or the time zone has changed. */
  redraw() {
    this.#shownSummary = "";
    this.#unfolded?.redraw();
    this.render();
  }

  render() {
    this.element.dataset.standing = this.status ?? "";
    // Do not rebuild an unchanged summary, because the viewer may be selecting its text.
    const shown = `${this.outcome.version} ${this.status}`;
    if (this.#shownSummary !== shown) this.#drawSummary();
    this.#shownSummary = shown;
    if (this.isOpen) this.#unfolded?.render();
  }

  #drawSummary() {
    const { outcome_type, title, agent_id, created_at, value_usd } = this.outcome;
    const { status } = this;
    const happened = happenedAt(this.outcome);
    const [recordedOn, happenedOn] = [created_at, happened].map(this.context.day);
    const pieces = dotted(
      status && status !== "recorded" ? html("span", { class: "tag" }, inWords(status)) : null,
      inWords(outcome_type),
      html("span", { dir: "auto", title: agent_id && `Agent ${agent_id}` }, this.context.agent(agent_id)),
      timeAgo(happened),
      // If an outcome was recorded on the day when it happened, only the details show both times.
      happenedOn === recordedOn
        ? null
        : html("span", {}, "recorded ", time(created_at, shortDay(`${recordedOn}T12:00`))),
    );
    this.summary.replaceChildren(
      icon(typeIcon(outcome_type)),
      html(
        "span",
        { class: "what" },
        html("strong", { dir: "auto" }, title),
        html("span", { class: "meta" }, ...pieces),
      ),
      amount(value_usd),
    );
  }
}
