import { announce, build, button, buttons, html } from "../shared/dom.js";
import { asProblem, invalidResponse, isAmbiguous } from "../shared/request.js";
import { isOutcome, isRetryable } from "./api.js";
import { failure, faultOfReason, newKey, UNDO_MS } from "./correcting.js";
import { post } from "./post.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {History} from "./history.js" */
/** @import {Row} from "./row.js" */
/**
 * A retry sends the same body and idempotency key, so it counts once. ifVersion: the version that was shown. mayBeSaved:
 * whether an answer was lost.
 * @typedef {{leadsTo: "confirmed" | "disputed", key: string, mayBeSaved?: boolean,
 *   body: {type: string, reason?: string, ifVersion?: number}}} Correction
 */

let forms = 0;
/** @type {Map<string, string>} reasons that were not sent, by the outcome's id: they outlive the end of the session */
const drafts = new Map();

/** The owner's verdict on a row's outcome: buttons to confirm and dispute it, and a form for the reason. */
export class Verdict {
  /** @type {Correction | null} waiting or being sent, and shown as if it had succeeded */
  pending = null;
  /** @type {AbortController | null} aborted when the pending confirmation is sent or taken back */
  #waiting = null;
  /** @type {{correction: Correction, problem: Problem} | null} */
  #rejected = null;
  #says = html("p", { class: "help", role: "status" });
  #fault = html("p", { class: "fault", role: "alert" });
  #again = button("Try again", () => this.#rejected && this.#send(this.#rejected.correction));
  #right = button("Confirm", () => this.#confirm());
  #undo = button("Undo", () => this.#takeBack());
  #wrong = button("Dispute", () => this.#askWhy(), { class: "no", "aria-expanded": "false" });
  #reason = html("textarea", {
    rows: 2,
    required: true,
    input: () => drafts.set(this.#row.outcome.id, this.#reason.value),
  });
  #reasonFault = html("p", { class: "fault" });
  #form = html(
    "form",
    {
      hidden: true,
      novalidate: true,
      submit: (/** @type {SubmitEvent} */ event) => this.#dispute(event),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#closeForm(),
    },
    html("label", {}, "Why do you dispute it?", this.#reason),
    this.#reasonFault,
    buttons(
      html("button", {}, "Send"),
      button("Cancel", () => this.#closeForm()),
    ),
  );
  element = html(
    "div",
    { class: "word" },
    html("div", { class: "buttons", role: "group", "aria-label": "Confirm or dispute" }, this.#right, this.#wrong),
    this.#form,
    html("div", { class: "buttons said" }, this.#says, this.#undo),
    html("div", { class: "buttons untaken" }, this.#fault, this.#again),
  );

  /** @param {Row} row @param {History} history */
  constructor(row, history) {
    this.#row = row;
    this.#history = history;
    forms += 1;
    this.#reasonFault.id = `fault-${forms}`; // an outcome may be listed and linked
    build(this.#reason, { "aria-describedby": this.#reasonFault.id }, []);
    this.#reason.value = drafts.get(row.outcome.id) ?? "";
  }
  #row;
  #history;

  #confirm() {
    if (this.pending || this.#row.status === "confirmed") return;
    this.#closeForm();
    const body = { type: "confirm", ifVersion: this.#row.outcome.version };
    this.#sendLater({ leadsTo: "confirmed", key: newKey(), body });
  }

  /**
   * Show a correction as done, and send it after five seconds, in which the owner can take it back. If the page is
   * hidden, perhaps for good, send it at once.
   * @param {Correction} correction
   */
  #sendLater(correction) {
    const waiting = new AbortController();
    const { signal } = waiting;
    const send = (keepalive = false) => {
      waiting.abort();
      void this.#send(correction, keepalive);
    };
    const timer = setTimeout(send, UNDO_MS);
    signal.addEventListener("abort", () => clearTimeout(timer));
    document.addEventListener("visibilitychange", () => document.hidden && send(true), { signal });
    this.#waiting = waiting;
    this.pending = correction;
    this.#rejected = null;
    this.#row.render();
  }

  #takeBack() {
    this.#waiting?.abort();
    this.#waiting = null;
    this.pending = null;
    this.#right.focus();
    this.#row.render();
  }

  #askWhy() {
    if (this.#waiting) this.#takeBack();
    if (this.pending || this.#row.status === "disputed") return;
    this.#form.hidden = false;
    this.#wrong.ariaExpanded = "true";
    this.#reason.focus();
  }

  #closeForm() {
    if (this.#form.hidden) return;
    const hadFocus = this.#form.matches(":focus-within");
    this.#form.hidden = true;
    this.#wrong.ariaExpanded = "false";
    if (hadFocus) this.#wrong.focus();
  }

  /** @param {SubmitEvent} event */
  #dispute(event) {
    event.preventDefault();
    const reason = this.#reason.value.trim();
    const fault = faultOfReason(reason);
    this.#reasonFault.textContent = fault;
    this.#reason.ariaInvalid = fault ? "true" : null;
    if (fault) this.#reason.focus();
    if (fault || this.pending) return;
    this.#closeForm();
    void this.#send({ leadsTo: "disputed", key: newKey(), body: { type: "dispute", reason } });
  }

  /**
   * Show the correction as done, send it, and revert it if that fails.
   * @param {Correction} correction
   * @param {boolean} [keepalive] whether the browser sends the request even if the page is closed
   */
  async #send(correction, keepalive) {
    const { leadsTo, key, body } = correction;
    const { type, reason = null } = body;
    const row = this.#row;
    this.#waiting = null;
    this.pending = correction;
    this.#rejected = null;
    this.#keepFocus(leadsTo);
    row.render();
    try {
      const url = row.context.api.url(`/${encodeURIComponent(row.outcome.id)}/corrections`);
      const { id, outcome } = await post(url, { key, body, keepalive });
      if (outcome.id !== row.outcome.id || !isOutcome(outcome)) throw invalidResponse();
      if (outcome.version >= (row.outcome.version ?? 0)) row.outcome = outcome;
      this.#history.add({ id, type, reason, by: "session", created_at: new Date().toISOString() });
      if (reason) {
        this.#reason.value = "";
        drafts.delete(outcome.id);
      }
      this.pending = null;
      row.context.changed(outcome);
    } catch (error) {
      const problem = asProblem(error);
      this.pending = null;
      if (problem.kind === "signed-out") {
        problem.message = `Your verdict ${correction.mayBeSaved ? "may not have been" : "was not"} saved.`;
        return row.context.signedOut(problem);
      }
      correction.mayBeSaved ||= isAmbiguous(problem);
      this.#rejected = { correction, problem };
      /** @type {HTMLDetailsElement} */ (row.element.firstElementChild).open = true; // it may have been folded: say so
    }
    row.render();
    // A 409 or 412 means that our copy is stale: reload the history.
    const status = this.#rejected?.problem.status ?? 200;
    if (row.isOpen && [200, 409, 412].includes(status)) void this.#history.read();
  }

  /** Move the focus from Undo and "Try again", which are to be hidden. @param {Correction["leadsTo"]} leadsTo */
  #keepFocus(leadsTo) {
    if (this.element.querySelector(".said :focus, .untaken :focus"))
      (leadsTo === "confirmed" ? this.#right : this.#wrong).focus();
  }

  render() {
    const { status } = this.#row;
    const leadsTo = this.#rejected?.correction.leadsTo;
    if (leadsTo && leadsTo === status) {
      this.#keepFocus(leadsTo);
      this.#rejected = null; // it was saved after all, or given elsewhere
    }
    const isVoid = status === "void";
    let words = "";
    if (this.#waiting) words = "Confirmed. You can undo this for five seconds.";
    else if (this.pending) words = "Saving…";
    else if (isVoid) words = "It is void for good and does not count.";
    else if (status === "disputed") {
      const { isAmendedSinceDispute, isNeverCounted } = this.#history;
      words = isAmendedSinceDispute
        ? "It was amended after you disputed it."
        : "You disputed this. It waits for the platform, which amends it, declares it void or stands by it.";
      words += " The last word is yours: confirm it to end the dispute.";
      if (isNeverCounted !== null)
        words += isNeverCounted
          ? " It is then confirmed, but your rule never counts this type."
          : " It does not count until then.";
    } else if (status === "confirmed") words = "You confirmed this. You can still dispute it.";
    announce(this.#says, words);
    if (isVoid) this.#closeForm();
    this.#right.hidden = this.#wrong.hidden = isVoid;
    this.#right.ariaPressed = String(status === "confirmed");
    this.#wrong.ariaPressed = String(status === "disputed");
    this.#undo.hidden = !this.#waiting;
    this.#right.ariaDisabled = this.pending ? "true" : null;
    this.#wrong.ariaDisabled = this.pending && !this.#waiting ? "true" : null;

    const { problem, correction } = this.#rejected ?? {};
    announce(this.#fault, problem ? failure(problem, correction?.mayBeSaved) : "");
    this.#again.hidden = !problem || !isRetryable(problem);
  }
}
