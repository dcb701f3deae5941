import { announce, build, button, dotted, hasFocus, html } from "../shared/dom.js";
import { inWords } from "../shared/words.js";
import { timeAgo } from "./changes.js";
import { amount, fullDay, shortDay } from "./format.js";
import { happenedAt } from "./merge.js";
import { claimed, isByRule, NOTES, worth } from "./queue.js";
import { Verdicts } from "./verdicts.js";

/** @import {History} from "./history.js" */
/** @import {More} from "./later.js" */
/** @typedef {Pick<More, "History" | "facts">} Parts of the second file */
/** @import {RowContext} from "./row.js" */
/** @import {Item} from "./verdicts.js" */

const DUE = new Map([
  ["unconfirmed", "needs your word"],
  ["counted", "counts now"],
  ["not_counted", "does not count"],
]);

/** An outcome in the review queue: a checkbox, what it says, its verdict and what happened to it. */
export class ReviewRow {
  element = html("li", { role: "listitem" });
  check = html("input", { type: "checkbox", tabindex: -1 });
  summary = button("Details", () => this.#toggle(), { value: "details", "aria-expanded": "false", tabindex: -1 });
  #confirm = button("Confirm", () => {}, { value: "confirm", tabindex: -1 });
  #dispute = button("Dispute", () => {}, { value: "dispute", class: "no", tabindex: -1 });
  #undo = button("Undo", () => {}, { value: "undo", tabindex: -1 });
  #again = button("Try again", () => {}, { value: "retry", tabindex: -1 });
  #title = html("strong", { dir: "auto" });
  #meta = html("span", { class: "meta" });
  #hints = html("span", { class: "hints" });
  #amount = html("span");
  #verdict = html("span", { class: "given" });
  #said = html("span", { class: "what-happened" });
  #details = html("div", { class: "details", hidden: true });
  /** @type {History | null} */
  #history = null;
  drawn = ""; // what the row shows
  /** @type {number | undefined | null} the version of which the details are shown */
  #shown = null;
  /** @type {number | undefined | null} the version that the history has read */
  #read = null;

  /**
   * @param {Item} item
   * @param {number} number unique within the element
   * @param {RowContext} context
   * @param {Parts} more
   */
  constructor(item, number, context, more) {
    this.item = item;
    this.context = context;
    this.#more = more;
    const [title, about, given, said] = ["title", "about", "given", "said"].map((name) => `${name}-${number}`);
    this.#title.id = title;
    this.#verdict.id = given;
    this.#said.id = said;
    this.check.id = `check-${number}`;
    build(this.check, { "aria-labelledby": title, "aria-describedby": `${about} ${given} ${said}` }, []);
    for (const one of this.controls.slice(1)) build(one, { "aria-describedby": title }, []);
    const what = html("span", { id: about }, this.#meta, this.#hints);
    this.element.append(
      this.check,
      html("label", { class: "what", for: this.check.id }, this.#title, what),
      this.#amount,
      html(
        "div",
        { class: "acts" },
        html(
          "div",
          { class: "pair" },
          html("span", {}, this.#verdict, this.#undo),
          html("span", { class: "choice" }, this.#confirm, this.#dispute),
        ),
        this.summary,
      ),
      html("div", { class: "happened" }, this.#said, this.#again),
      this.#details,
    );
  }
  #more;

  get id() {
    return this.item.outcome.id;
  }

  /** All controls, of which one row's are in the order of tabs. */
  get controls() {
    return [this.check, this.#undo, this.#again, this.#confirm, this.#dispute, this.summary];
  }

  /** Whether a verdict is still to be given. */
  get isOpen() {
    return ["open", "failed", "changed"].includes(this.item.state);
  }

  /** The row's shown control of this kind, or its checkbox. @param {string} value */
  control(value) {
    return this.controls.find((one) => one.value === value && !one.hidden) ?? this.check;
  }

  /** @param {boolean} isSelected */
  set isSelected(isSelected) {
    this.check.checked = isSelected;
    this.element.classList.toggle("selected", isSelected);
  }

  /** @param {boolean} isCurrent whether its controls can be reached by Tab */
  set isCurrent(isCurrent) {
    for (const one of this.controls) one.tabIndex = isCurrent ? 0 : -1;
  }

  /** @param {string[]} hints @param {string} dispute the state of a dispute */
  render(hints, dispute) {
    const { outcome, state, judged, said } = this.item;
    const { title, outcome_type, agent_id, created_at, version, status, counts } = outcome;
    const drawn = JSON.stringify([version, hints, dispute, counts, this.context.agent(agent_id)]);
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      const happened = happenedAt(outcome);
      const [on, recorded] = [happened, created_at].map(this.context.day);
      const closes = counts?.on ? `counts on ${fullDay.format(new Date(counts.on))}` : "";
      const due = DUE.get(counts?.state ?? "") ?? closes;
      this.#title.textContent = title;
      this.#amount.replaceChildren(amount(worth(outcome)));
      this.#meta.replaceChildren(
        ...dotted(
          inWords(outcome_type),
          html("span", { dir: "auto" }, this.context.agent(agent_id)),
          timeAgo(happened),
          on === recorded ? null : `recorded ${shortDay(`${recorded}T12:00`)}`,
          isByRule(outcome) ? `value by your rule, ${claimed(outcome)}` : null,
          dispute ? html("span", { class: "state" }, dispute) : null,
        ),
        due ? html("span", { class: "due" }, " · ", due) : "",
      );
      this.#hints.replaceChildren(
        ...hints.map((hint) => html("span", { class: NOTES.has(hint) ? "hint note" : "hint", dir: "auto" }, hint)),
      );
    }
    this.element.dataset.state = state;
    const verdict = judged?.type === "dispute" ? "Disputed" : "Confirmed";
    const words = { waiting: verdict, sending: `${verdict} · saving…`, saved: verdict }[/** @type {string} */ (state)];
    announce(this.#verdict, words ?? "");
    announce(this.#said, said);
    this.#undo.hidden = state !== "waiting";
    this.#again.hidden = state !== "failed" || !this.item.canRetry;
    this.element.classList.toggle("decided", !this.isOpen);
    this.check.ariaDisabled = String(!this.isOpen);
    // A decided row keeps the place of these buttons, so that nothing below it moves.
    if (this.isOpen) {
      this.#confirm.hidden = !Verdicts.may(this.item, "confirm");
      this.#dispute.hidden = !Verdicts.may(this.item, "dispute");
    } else this.isSelected = false;
    this.element.dataset.standing = status ?? "";
    if (!this.#details.hidden) this.#drawDetails();
  }

  /** Show or hide the outcome's facts and history. */
  #toggle() {
    const isShown = this.#details.hidden;
    this.#details.hidden = !isShown;
    this.summary.ariaExpanded = String(isShown);
    this.#shown = this.#read = null;
    if (isShown) this.#drawDetails();
    else this.#details.replaceChildren();
  }

  /** Show the facts of another version, and read its history, unless this has told of it. */
  #drawDetails() {
    const { outcome } = this.item;
    this.#history ??= this.#makeHistory();
    if (this.#shown === outcome.version) return this.#history.render();
    this.#shown = outcome.version;
    if (hasFocus(this.#details)) this.summary.focus();
    this.#details.replaceChildren(...this.#more.facts(outcome, this.context.link(outcome.id)), this.#history.element);
    if (this.#read !== outcome.version) void this.#history.read();
  }

  #makeHistory() {
    const { item, context, summary } = this;
    const read = (/** @type {number | undefined} */ version) => {
      this.#read = version;
    };
    const row = {
      context,
      summary,
      get outcome() {
        return item.outcome;
      },
      // The context tells the queue of a new version.
      set outcome({ version }) {
        read(version);
      },
      render: () => this.#history?.render(),
    };
    return new this.#more.History(/** @type {any} */ (row));
  }
}
