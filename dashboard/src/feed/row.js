import { button, buttons, dotted, html, icon } from "../shared/dom.js";
import { localDay } from "../shared/time.js";
import { inWords } from "../shared/words.js";
import { time, timeAgo } from "./changes.js";
import { amount, shortDay } from "./format.js";
import { typeIcon } from "./icons.js";
import { loadMore } from "./later.js";
import { happenedAt } from "./merge.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Outcome} from "./api.js" */
/** @import {History} from "./history.js" */
/** @import {More} from "./later.js" */
/** @import {Verdict} from "./verdict.js" */
/**
 * Functions of the feed that a row needs. url: returns the URL of a path below the endpoint. agent: returns an agent's
 * name. keyNames: the names of agent keys by id, as far as they were read. keysUrl: returns the URL that lists the
 * agent keys, or null if AgentKeys is off. link: returns the page's address that links to an outcome, or null without
 * url-state. canCorrect: whether Corrections is on. changed: called with a newer version of an outcome.
 * @typedef {{url: (path: string) => URL, agent: (id: number | null) => string, keyNames: Map<string, string>,
 *   keysUrl: () => URL | null, link: (id: string) => string | null, canCorrect: () => boolean,
 *   changed: (outcome: Outcome) => void, signedOut: (problem: Problem) => void}} RowContext
 */

/** An outcome in the list, which unfolds to its details, the owner's verdict and its history. */
export class Row {
  element = html("li", { role: "listitem" });
  summary = html("summary");
  #facts = html("div");
  #ledger = html("div");
  #details;
  #shownSummary = ""; // version and status that the summary shows
  #shownVersion = -1; // version that the details show
  // The facts, the verdict and the history are created when the row is unfolded: of thousands of rows, few ever are.
  /** @type {More | null} */
  #more = null;
  /** @type {Verdict | null} */
  #verdict = null;
  /** @type {History | null} */
  #history = null;

  /** @param {Outcome} outcome @param {string} order the sort key of its place @param {RowContext} context */
  constructor(outcome, order, context) {
    this.outcome = outcome;
    this.order = order;
    this.context = context;
    const toggle = () => {
      this.summary.nextElementSibling?.remove();
      this.#details.append(html("div", { class: "details" }, this.#facts, this.#ledger));
      this.render();
      void this.#showDetails();
    };
    this.#details = html("details", { toggle }, this.summary);
    this.element.append(this.#details);
    this.render();
  }

  get isOpen() {
    return this.#details.open;
  }

  /** The owner's verdict, if it is not saved yet. */
  get pending() {
    return this.#verdict?.pending;
  }

  /** The outcome's status. While a confirmation or dispute waits or is being sent, the status that it leads to. */
  get status() {
    const { pending } = this;
    if (pending) return pending.type === "confirm" ? "confirmed" : "disputed";
    return this.outcome.status;
  }

  /** Show a newer version of the outcome; ignore an older one. @param {Outcome} outcome @returns whether it is newer */
  update(outcome) {
    if ((outcome.version ?? 0) <= (this.outcome.version ?? 0)) return false;
    this.outcome = outcome;
    this.render();
    if (this.isOpen && this.#hasLedger) void this.#history?.read();
    return true;
  }

  /** Whether the outcome can be corrected. An operator may switch corrections on or off while the page is open. */
  get #hasLedger() {
    return this.outcome.status !== undefined && this.context.canCorrect();
  }

  /** Show the facts, the verdict and the history of an unfolded row. */
  async #showDetails() {
    const hadFocus = this.#ledger.matches(":focus-within");
    const loading = html("p", { class: "help past", role: "status" }, "Loading…");
    this.#ledger.replaceChildren(...(this.isOpen ? [loading] : []));
    if (hadFocus) this.summary.focus();
    if (!this.isOpen) return;
    try {
      this.#more = await loadMore(this.element);
    } catch (problem) {
      const fault = html("p", { class: "fault", role: "alert" }, /** @type {Problem} */ (problem).message);
      const again = button("Try again", () => void this.#showDetails());
      return loading.replaceWith(buttons(fault, again));
    }
    if (!loading.isConnected) return; // another call has replaced this element
    if (this.#hasLedger) {
      this.#history ??= new this.#more.History(this);
      this.#verdict ??= new this.#more.Verdict(this, this.#history);
      loading.replaceWith(this.#verdict.element, this.#history.element);
    } else loading.remove();
    this.render();
    if (this.#hasLedger) void this.#history?.read();
  }

  /** Unfold the row and move the focus to it. */
  open() {
    this.#details.open = true;
    this.summary.focus();
  }

  /** Render again after agents were renamed. */
  redraw() {
    this.#shownSummary = "";
    this.render();
  }

  render() {
    this.element.dataset.standing = this.status ?? "";
    // Do not rebuild an unchanged summary, because the viewer may be selecting its text.
    const shown = `${this.outcome.version} ${this.status}`;
    if (this.#shownSummary !== shown) this.#drawSummary();
    this.#shownSummary = shown;
    // Build the details only when the row is unfolded, because each row may have 64 KiB of metadata.
    if (!this.isOpen) return;
    this.#verdict?.render();
    this.#history?.render();
    const version = this.outcome.version ?? 0;
    if (!this.#more || this.#shownVersion === version) return;
    this.#facts.replaceChildren(...this.#more.facts(this.outcome, this.context.link(this.outcome.id)));
    this.#shownVersion = version;
  }

  #drawSummary() {
    const { outcome_type, title, agent_id, created_at, value_usd } = this.outcome;
    const { status } = this;
    const happened = happenedAt(this.outcome);
    const [recordedOn, happenedOn] = [created_at, happened].map((at) => localDay.format(new Date(at)));
    const pieces = dotted(
      status && status !== "recorded" ? html("span", { class: "tag" }, inWords(status)) : null,
      inWords(outcome_type),
      html("span", { dir: "auto", title: agent_id && `Agent ${agent_id}` }, this.context.agent(agent_id)),
      timeAgo(happened),
      // If an outcome was recorded on the day when it happened, only the details show both times.
      happenedOn === recordedOn ? null : html("span", {}, "recorded ", time(created_at, shortDay(created_at))),
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
