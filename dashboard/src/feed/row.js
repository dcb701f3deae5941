import { button, furnish, html, icon } from "../shared/dom.js";
import { asProblem, Problem, unclear } from "../shared/request.js";
import { exactTime, localDay } from "../shared/time.js";
import { typeName } from "../shared/types.js";
import { ask, isOutcome, isUnsure, mayPass, newKey, refusal } from "./api.js";
import { amount, whole } from "./format.js";
import { changed, DEEDS, fact, linked, readable, STANDINGS, time, timeAgo, whose } from "./history.js";
import { typeIcon } from "./icons.js";

/** @import {Child} from "../shared/dom.js" */
/** @import {Correction, History, Outcome} from "./api.js" */
/** @import {House, Word} from "./history.js" */

const LONGEST_REASON = 500;

export class Row {
  element = html("li");
  summary = html("summary");

  /** @type {Outcome} as the server had it last */
  #outcome;
  #house;
  #unfolds;
  #headed = ""; // version and standing that the summary shows
  #told = -1; // version of what is told below the summary
  /** @type {Correction[] | null} */
  #past = null;
  /** @type {Problem | null} why the history could not be read */
  #unread = null;
  /** @type {AbortController | null} */
  #reading = null;
  /** @type {Word | null} shown as if it were taken already */
  #said = null;
  /** @type {{word: Word, problem: Problem} | null} what was not taken, and why */
  #untaken = null;

  #facts = html("div");
  #word = html("div", { class: "word" });
  #says = html("p", { class: "help", role: "status" });
  #fault = html("p", { class: "fault", role: "alert" });
  #again = button("Try again", () => this.#untaken && this.#say(this.#untaken.word));
  #right = button("This is right", () => this.#confirm());
  #wrong = button("This is not right", () => this.#askWhy(), { class: "no", "aria-expanded": "false" });
  #reason = html("textarea", { rows: 2, required: true });
  #reasonFault = html("p", { class: "fault" });
  #form = html(
    "form",
    {
      hidden: true,
      novalidate: true,
      submit: (/** @type {SubmitEvent} */ event) => this.#dispute(event),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#closeForm(),
    },
    html("label", {}, "What is not right?", this.#reason),
    this.#reasonFault,
    html(
      "div",
      { class: "buttons" },
      html("button", {}, "Send"),
      button("Cancel", () => this.#closeForm()),
    ),
  );
  #history = html("div", { class: "past" });

  /**
   * @param {Outcome} outcome
   * @param {House} house
   */
  constructor(outcome, house) {
    this.#outcome = outcome;
    this.#house = house;
    const details = html("div", { class: "details" }, this.#facts);
    if (outcome.status !== undefined) {
      this.#reasonFault.id = `fault-${outcome.id}`;
      furnish(this.#reason, { "aria-describedby": this.#reasonFault.id }, []);
      this.#word.append(
        html("div", { class: "buttons", role: "group", "aria-label": "Is this right?" }, this.#right, this.#wrong),
        this.#form,
        this.#says,
        html("div", { class: "buttons untaken" }, this.#fault, this.#again),
      );
      details.append(this.#word, this.#history);
    }
    this.#unfolds = html("details", { toggle: () => this.#unfolded() }, this.summary, details);
    this.element.append(this.#unfolds);
    this.#draw();
  }

  /**
   * Shows what the server says of the outcome, unless something newer is known.
   * @param {Outcome} outcome
   */
  show(outcome) {
    if ((outcome.version ?? 0) <= (this.#outcome.version ?? 0)) return;
    this.#outcome = outcome;
    this.#draw();
    if (this.#unfolds.open) void this.#read();
  }

  /** Unfolds it, and goes there. */
  open() {
    this.#unfolds.open = true;
    this.summary.focus();
  }

  /** Whether it says each of these words, in lower case, anywhere. @param {string[]} words */
  says(words) {
    const { id, outcome_type, title, agent_id, description, metadata } = this.#outcome;
    const said = [
      title,
      description,
      typeName(outcome_type),
      this.#house.agent(agent_id),
      id,
      JSON.stringify(metadata),
    ];
    const text = said.join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  }

  /** Shows it anew, for agents may have other names. */
  redraw() {
    this.#headed = "";
    this.#draw();
  }

  #unfolded() {
    if (!this.#unfolds.open) return;
    this.#draw();
    if (this.#outcome.status !== undefined) void this.#read();
  }

  /** Reads the history, and with it how the outcome stands. */
  async #read() {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    this.#unread = null;
    this.#drawHistory();
    const { id, version } = this.#outcome;
    try {
      /** @type {History} */
      const { outcome, corrections } = await ask(this.#house.url(`/${encodeURIComponent(id)}`), reading.signal);
      const isCorrection = (/** @type {Correction} */ one) =>
        typeof one.type === "string" && Date.parse(one.created_at);
      if (outcome.id !== id || !isOutcome(outcome) || !corrections.every(isCorrection)) throw unclear();
      this.#past = corrections;
      this.#outcome = outcome;
      if (outcome.version !== version) this.#house.moved(outcome);
    } catch (error) {
      if (reading.signal.aborted) return;
      this.#unread = asProblem(error);
    }
    this.#reading = null;
    if (this.#unread?.kind === "signed-out") this.#house.signedOut(this.#unread);
    this.#draw();
  }

  // ---- the owner's word

  #confirm() {
    if (this.#said || this.#status === "confirmed") return;
    this.#closeForm();
    void this.#say({ type: "confirm", reason: "", key: newKey() });
  }

  #askWhy() {
    if (this.#said || this.#status === "disputed") return;
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
    const length = [...reason].length; // as the API counts
    let fault = "";
    if (!length) fault = "Say what is not right.";
    else if (length > LONGEST_REASON)
      fault = `At most ${whole.format(LONGEST_REASON)} characters; these are ${whole.format(length)}.`;
    this.#reasonFault.textContent = fault;
    this.#reason.ariaInvalid = fault ? "true" : null;
    if (fault) this.#reason.focus();
    if (fault || this.#said) return;
    this.#closeForm();
    void this.#say({ type: "dispute", reason, key: newKey() });
  }

  /**
   * Shows the word as taken, sends it, and takes it back when it was not.
   * @param {Word} word sent again with its key, which counts once
   */
  async #say(word) {
    const { type, reason, key } = word;
    this.#said = word;
    this.#untaken = null;
    if (this.#again.matches(":focus")) (type === "confirm" ? this.#right : this.#wrong).focus();
    this.#draw();
    try {
      const url = this.#house.url(`/${encodeURIComponent(this.#outcome.id)}/corrections`);
      const { id, outcome } = await ask(url, undefined, { key, body: { type, ...(reason && { reason }) } });
      if (outcome.id !== this.#outcome.id || !isOutcome(outcome)) throw unclear();
      if (outcome.version >= (this.#outcome.version ?? 0)) this.#outcome = outcome;
      const entry = { id, type, reason: reason || null, by: "session", created_at: new Date().toISOString() };
      if (this.#past && !this.#past.some((one) => one.id === id)) this.#past = [...this.#past, entry];
      if (type === "dispute") this.#reason.value = "";
      this.#said = null;
      this.#house.moved(outcome);
    } catch (error) {
      const problem = asProblem(error);
      this.#said = null;
      if (problem.kind === "signed-out") return this.#house.signedOut(problem);
      this.#untaken = { word, problem };
    }
    this.#draw();
    // What was not possible was so for something that is not shown yet.
    const status = this.#untaken?.problem.status ?? 200;
    if (this.#unfolds.open && [200, 403, 409].includes(status)) void this.#read();
  }

  // ---- showing

  /** Where it stands, the owner's word taken for granted while it is on its way. */
  get #status() {
    if (this.#said) return this.#said.type === "confirm" ? "confirmed" : "disputed";
    return this.#outcome.status;
  }

  get #amendedSinceDispute() {
    const past = this.#past ?? [];
    return past.slice(past.findLastIndex(({ type }) => type === "dispute") + 1).some(({ type }) => type === "amend");
  }

  #draw() {
    const { id, outcome_type, title, agent_id, created_at, occurred_at, value_usd, description } = this.#outcome;
    const { metadata, recorded_by, version } = this.#outcome;
    const status = this.#status;
    const tag = status && status !== "recorded" ? (STANDINGS.get(status) ?? status) : null;
    const happened = occurred_at && occurred_at !== created_at ? occurred_at : null;
    // What differs by less than a day is told where every time is exact.
    const onAnotherDay =
      happened && localDay.format(new Date(happened)) !== localDay.format(new Date(created_at)) ? happened : null;
    this.element.dataset.standing = status ?? "";
    // What is shown already stays: somebody may be marking it with the mouse.
    const headed = `${version} ${status}`;
    if (this.#headed !== headed) {
      this.#headed = headed;
      const pieces = [
        tag && html("span", { class: "tag" }, tag),
        html("span", { dir: "auto" }, typeName(outcome_type)),
        html("span", { dir: "auto", title: agent_id && `Agent ${agent_id}` }, this.#house.agent(agent_id)),
        timeAgo(created_at),
        onAnotherDay && html("span", {}, "happened on ", time(onAnotherDay, localDay.format(new Date(onAnotherDay)))),
      ].filter((piece) => piece !== null);
      this.summary.replaceChildren(
        icon(typeIcon(outcome_type)),
        html(
          "span",
          { class: "what" },
          html("strong", { dir: "auto" }, title),
          html("span", { class: "meta" }, ...pieces.flatMap((piece, at) => (at ? [" · ", piece] : [piece]))),
        ),
        amount(value_usd),
      );
    }
    // Only once unfolded: metadata may be 64 KiB a row.
    if (!this.#unfolds.open) return;
    this.#drawWord(status, recorded_by ?? null);
    this.#drawHistory();
    if (this.#told === (version ?? 0)) return;
    this.#told = version ?? 0;
    const facts = Object.entries(metadata ?? {}).map(([key, value]) =>
      fact(key, ...linked(typeof value === "string" ? value : readable(value))),
    );
    if (happened) facts.push(fact("Happened", exactTime.format(new Date(happened))));
    facts.push(fact("Recorded", exactTime.format(new Date(created_at))), fact("Outcome", id));
    const link = this.#house.link(id);
    if (link) facts.push(fact("Link", html("a", { href: link }, "To this outcome")));
    this.#facts.replaceChildren(
      ...(description ? [html("p", { class: "description", dir: "auto" }, description)] : []),
      html("dl", {}, ...facts),
    );
  }

  /**
   * @param {string | undefined} status
   * @param {string | null} by
   */
  #drawWord(status, by) {
    const mayConfirm = by !== null && by !== "session";
    const over = status === "void";
    let words = "";
    if (this.#said) words = "Saving…";
    else if (over) words = "It was declared void, for good, and does not count.";
    else if (status === "disputed" && this.#amendedSinceDispute)
      words = "It was amended since you said that this is not right. It does not count until you say that it is.";
    else if (status === "disputed") words = "You said that this is not right. It does not count while that stands.";
    else if (status === "confirmed") words = "You said that this is right.";
    else if (by === "session") words = "You recorded this yourself, so it is not yours to confirm.";
    else if (!mayConfirm) words = "It is not known what recorded this, so it cannot be confirmed.";
    if (this.#says.textContent !== words) this.#says.textContent = words;
    if (over) this.#closeForm();
    this.#right.hidden = over || !mayConfirm;
    this.#wrong.hidden = over;
    this.#right.ariaPressed = String(status === "confirmed");
    this.#wrong.ariaPressed = String(status === "disputed");
    for (const one of [this.#right, this.#wrong]) one.ariaDisabled = this.#said ? "true" : null;

    const problem = this.#untaken?.problem;
    let fault = problem ? `Not saved. ${refusal(problem)}` : "";
    if (problem && isUnsure(problem))
      fault = `It may not have been saved. ${refusal(problem)} Trying again counts once.`;
    if (this.#fault.textContent !== fault) this.#fault.textContent = fault;
    this.#again.hidden = !problem || !mayPass(problem);
  }

  #drawHistory() {
    /** @type {Child[]} */
    const parts = [html("h4", {}, "History")];
    const { recorded_by, created_at } = this.#outcome;
    if (this.#past) {
      const entries = [
        html("li", {}, `Recorded${whose(recorded_by ?? null)} · `, timeAgo(created_at)),
        ...this.#past.map((one) =>
          html(
            "li",
            {},
            `${DEEDS.get(one.type) ?? one.type}${whose(one.by)} · `,
            timeAgo(one.created_at),
            one.reason ? html("q", { dir: "auto" }, one.reason) : null,
            one.changes ? changed(one.changes, this.#house) : null,
          ),
        ),
      ];
      parts.push(html("ol", { role: "list" }, ...entries));
    }
    if (this.#unread) {
      const { kind, status, message } = this.#unread;
      const why = kind === "offline" || status === 404 ? refusal(this.#unread) : message;
      const again = button("Try again", () => void this.#read());
      parts.push(
        html(
          "div",
          { class: "buttons" },
          html("p", { class: "fault", role: "alert" }, `It could not be read. ${why}`),
          again,
        ),
      );
    } else if (this.#reading && !this.#past) parts.push(html("p", { class: "help", role: "status" }, "Loading…"));
    const hadFocus = this.#history.matches(":focus-within");
    this.#history.replaceChildren(...parts.filter((part) => part !== null));
    if (hadFocus) (this.#history.querySelector("button") ?? this.summary).focus();
  }
}
