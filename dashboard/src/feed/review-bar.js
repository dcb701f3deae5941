import { announce, button, hasFocus, html } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { faultOfReason } from "./correcting.js";
import { dollars, outcomes, whole } from "./format.js";

/** @import {Exact} from "../shared/numbers.js" */

/** The bar below the queue: what is selected, its verdict, and what became of the last verdict. */
export class ReviewBar {
  #count = html("p", { class: "chosen" });
  #said = html("p", { class: "help", role: "status" });
  #undo;
  #again;
  #verdicts;
  #question = html("span");
  #reason = html("input", { required: true, "aria-describedby": "reason-fault" });
  #fault = html("p", { class: "fault", id: "reason-fault" });
  #form = html(
    "form",
    {
      hidden: true,
      novalidate: true,
      submit: (/** @type {Event} */ event) => this.#submit(event),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.close(),
    },
    html("label", {}, this.#question, this.#reason),
    this.#fault,
    html(
      "div",
      { class: "buttons" },
      html("button", { class: "main" }, "Dispute"),
      button("Cancel", () => this.close()),
    ),
  );
  element;
  /** @type {((reason: string) => void) | null} called with the reason that the form asks for */
  #answer = null;

  /** @param {{confirm: () => void, dispute: () => void, undo: () => void, retry: () => void, closed: () => void}} actions */
  constructor({ confirm, dispute, undo, retry, closed }) {
    this.#closed = closed;
    this.#verdicts = [button("Confirm", confirm, { class: "main" }), button("Dispute", dispute, { class: "no" })];
    this.#undo = button("Undo", undo);
    this.#again = button("", retry);
    this.element = html(
      "div",
      { class: "verdicts", role: "group", "aria-label": "Verdict" },
      html(
        "div",
        { class: "buttons" },
        this.#count,
        html("div", { class: "buttons told" }, this.#said, this.#undo, this.#again),
        html("div", { class: "give" }, ...this.#verdicts),
      ),
      this.#form,
    );
  }
  #closed;

  /**
   * @param {{count: number, worth: Exact, may: boolean[], canDispute: boolean}} selected may: whether it can be confirmed and
   *   disputed. canDispute: whether anything in the list can be
   * @param {{said: string, canUndo: boolean, unsaved: number}} last what became of the last verdict
   * @returns whether the focused button was hidden
   */
  render({ count, worth, may, canDispute }, { said, canUndo, unsaved }) {
    const words = `${whole.format(count)} selected · ${dollars.format(decimal(worth))}`;
    this.#count.textContent = count ? words : "Nothing selected";
    this.#verdicts.forEach((one, index) => {
      one.ariaDisabled = String(!may[index]);
    });
    this.#verdicts[1].hidden = !canDispute;
    announce(this.#said, said);
    const focused = [this.#undo, this.#again].find(hasFocus);
    this.#undo.hidden = !canUndo;
    this.#again.hidden = !unsaved;
    this.#again.textContent = `Try ${whole.format(unsaved)} again`;
    return focused?.hidden === true;
  }

  /** Ask for the reason of a dispute. @param {number} count of the outcomes @param {(reason: string) => void} answer */
  ask(count, answer) {
    this.#answer = answer;
    this.#question.textContent = `Why do you dispute ${count === 1 ? "it" : `these ${outcomes(count)}`}?`;
    Object.assign(this.#reason, { value: "", ariaInvalid: null });
    this.#fault.textContent = "";
    this.#form.hidden = false;
    this.#reason.focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const reason = this.#reason.value.trim();
    const fault = faultOfReason(reason);
    this.#fault.textContent = fault;
    this.#reason.ariaInvalid = fault ? "true" : null;
    if (fault) return this.#reason.focus();
    const answer = this.#answer;
    this.close();
    answer?.(reason);
  }

  /** Close the form. */
  close() {
    if (this.#form.hidden) return;
    const hadFocus = hasFocus(this.#form);
    this.#form.hidden = true;
    this.#answer = null;
    if (hadFocus) this.#closed();
  }
}
