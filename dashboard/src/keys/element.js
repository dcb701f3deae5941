/**
 * <outcome-keys endpoint="/api/keys">: the keys by which a user's agents record outcomes: make, rotate, revoke.
 *
 *   <script type="module" src="/outcome-keys.js"></script>
 *   <outcome-keys endpoint="/api/keys"></outcome-keys>
 *
 * Attributes
 *   endpoint     where keys are listed and made. Required.
 *   sign-in-url  where a signed-out viewer is sent; without it they are only told.
 *
 * A key's secret is shown once, when it is made or rotated, and forgotten with the press of a button. The looks are those
 * of <value-delivered>: a page that sets --value-delivered-* themes both.
 */

import { button, html, icon } from "../shared/dom.js";
import { Notice } from "../shared/notice.js";
import { exactNumber } from "../shared/numbers.js";
import { asProblem, Problem, unclear } from "../shared/request.js";
import { BASE } from "../shared/styles.js";
import { exactTime, localDay } from "../shared/time.js";
import { TYPES } from "../shared/types.js";
import { call, isKey, isUnsure } from "./api.js";
import { choice, endOf, field, tell, ticked, today } from "./fields.js";
import { STYLES } from "./styles.js";
import { BY, bounds, hasExpired, lastUsed, SCOPES } from "./words.js";

/** @import {Attributes, Child} from "../shared/dom.js" */
/** @import {Lack} from "../shared/request.js" */
/** @import {Key, NewKey} from "./api.js" */
/** @import {Field} from "./fields.js" */

const LONGEST_NAME = 80;

/** Hours for which a secret outlives its successor. */
const OVERLAPS = new Map([
  ["0", "Not at all: it stops at once"],
  ["1", "One hour"],
  ["24", "One day"],
  ["72", "Three days"],
  ["168", "One week"],
]);

/** @type {Record<Lack, [title: string, text: string]>} */
const WORDS = {
  loading: ["Loading your agents’ keys", "One moment."],
  empty: [
    "No keys yet",
    "Make one for each agent. It can then record what you allow and nothing else, and you can take it back without stopping the others.",
  ],
  "signed-out": ["You are signed out", "Sign in to see your agents’ keys."],
  offline: ["You are offline", "Your keys are shown as soon as you are connected again."],
  error: ["The keys could not be loaded", ""],
  unset: ["No endpoint", 'Give this element its attribute endpoint, for example endpoint="/api/keys".'],
};
const KEY = "M12.5 15.5a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM11.3 12.7L20 4M16 8l3 3";

/**
 * A place for a panel: a form, or a secret to copy. While there is one, the buttons that lead to it are away.
 * @typedef {{panel: HTMLElement, buttons: HTMLElement}} Place
 * @typedef {Place & {key: Key, element: HTMLLIElement, text: HTMLElement, rotate: HTMLElement, revoke: HTMLElement}} Row
 */

class OutcomeKeys extends HTMLElement {
  static observedAttributes = ["endpoint", "sign-in-url"];

  // What is known.
  #known = false;
  /** @type {Map<string, Row>} by id */
  #rows = new Map();
  #changes = 0; // grows with each key made, rotated or revoked here
  #made = ""; // id of the key that was made here and whose secret is still shown
  /** @type {Problem | null} */
  #problem = null;

  // What is going on.
  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  /** @type {AbortController | null} */
  #looking = null;

  #heading = html("h2", { id: "heading", tabindex: -1 }, "Agent keys");
  #notice = new Notice(KEY, this.#heading, () => void this.#look());
  #root = this.attachShadow({ mode: "open" });
  #ui = this.#build();

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [BASE, STYLES];
    this.#root.append(this.#ui.card);
  }

  /** Makes what is in the card, once; #render then only changes it. */
  #build() {
    const heading = this.#heading;
    const make = button("New key", () => this.#askForNew(), { class: "main" });
    const making = {
      buttons: html("div", { class: "buttons" }, make),
      panel: html("div", { class: "panel", hidden: true }),
    };
    const rows = html("ol", { class: "rows", role: "list" });
    const live = html("p", { class: "help live", role: "status" });
    const card = html(
      "section",
      { class: "card", "aria-labelledby": "heading" },
      html("header", {}, heading, making.buttons),
      live,
      making.panel,
      this.#notice.element,
      rows,
    );
    return { card, heading, make, making, live, rows };
  }

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const look = () => void this.#look();
    // Whoever comes back to the tab may have used a key meanwhile, or be signed in as somebody else.
    document.addEventListener("visibilitychange", () => document.hidden || look(), { signal });
    addEventListener("online", look, { signal });
    look();
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = null;
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "endpoint") this.#forget();
    if (this.#life) void this.#look();
  }

  // ---- looking

  /** Reads the keys: at first, on return to the tab, on retry, and when it is not known what came of a change. */
  async #look() {
    this.#looking?.abort();
    if (!this.#life) return;
    this.#looking = new AbortController();
    const signal = AbortSignal.any([this.#looking.signal, this.#life.signal]);
    this.#render();
    try {
      if (!this.getAttribute("endpoint")) throw new Problem("unset");
      const keys = await this.#list(signal);
      if (signal.aborted) return;
      this.#problem = null;
      this.#show(keys);
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(asProblem(error));
    }
    this.#render();
  }

  /**
   * Lists the keys as they are, whatever is changed meanwhile.
   * @param {AbortSignal} signal
   */
  async #list(signal) {
    for (;;) {
      const changes = this.#changes;
      /** @type {{keys: Key[]}} */
      const { keys } = await call("GET", this.#url(), signal);
      if (!keys.every(isKey)) throw unclear();
      if (changes === this.#changes) return keys;
    }
  }

  /** @param {string[]} path below the endpoint */
  #url(...path) {
    const url = new URL(this.getAttribute("endpoint") ?? "", document.baseURI);
    url.pathname = [url.pathname.replace(/\/$/, ""), ...path.map(encodeURIComponent)].join("/");
    return url;
  }

  /** @param {Problem} problem */
  #failed(problem) {
    this.#problem = problem;
    if (problem.kind === "signed-out") this.#forget();
  }

  // ---- keeping

  /** Everything about whoever was signed in, a secret that is still shown included. */
  #forget() {
    this.#known = false;
    this.#rows.clear();
    this.#ui.rows.replaceChildren();
    this.#close(this.#ui.making);
  }

  /** @param {Key[]} keys all there are, newest first */
  #show(keys) {
    this.#known = true;
    const ids = new Set(keys.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#remove(id);
    let before = this.#ui.rows.firstElementChild;
    for (const key of keys) {
      const row = this.#rows.get(key.id);
      if (row) this.#fill(row, key);
      // What stands in its place already is not moved, so that the keyboard's place stays where it is.
      if (row && row.element === before) before = before.nextElementSibling;
      else this.#ui.rows.insertBefore((row ?? this.#add(key)).element, before);
    }
  }

  /** @param {Key} key */
  #add(key) {
    const text = html("div", { class: "what" });
    const rotate = button("Rotate", () => this.#askToRotate(row), { "aria-label": `Rotate ${key.name}` });
    const revoke = button("Revoke", () => this.#askToRevoke(row), { "aria-label": `Revoke ${key.name}` });
    const buttons = html("div", { class: "buttons" }, rotate, revoke);
    const panel = html("div", { class: "panel", hidden: true });
    const element = html("li", {}, html("div", { class: "key" }, icon(KEY), text, buttons), panel);
    /** @type {Row} */
    const row = { key, element, text, buttons, panel, rotate, revoke };
    this.#rows.set(key.id, row);
    this.#fill(row, key);
    return row;
  }

  /**
   * @param {Row} row
   * @param {Key} key as it is now
   */
  #fill(row, key) {
    row.key = key;
    /**
     * @param {string} instant
     * @param {string} words
     */
    const time = (instant, words) =>
      html("time", { datetime: instant, title: exactTime.format(new Date(instant)) }, words);
    const { created_at: made, rotated_at: rotated, last_used_at: used, expires_at: end } = key;
    /**
     * @param {string} words
     * @param {string} instant
     * @param {string | null} [who]
     */
    const done = (words, instant, who) =>
      html("span", {}, words, time(instant, localDay.format(new Date(instant))), BY.get(who ?? "") ?? null);
    const facts = [
      done("Made ", made, key.made_by),
      ...(rotated ? [done("Rotated ", rotated, key.rotated_by)] : []),
      html("span", {}, used ? "Last used " : "Never used", used ? time(used, lastUsed(used)) : null),
    ];
    if (end) {
      const expired = hasExpired(key);
      const words = expired ? "Expired " : "Until ";
      facts.push(html("span", { class: expired ? "over" : null }, words, time(end, localDay.format(new Date(end)))));
    }
    row.text.replaceChildren(
      html("strong", { dir: "auto" }, key.name),
      html("span", { class: "meta" }, bounds(key)),
      html("span", { class: "meta" }, ...facts.flatMap((fact, at) => (at ? [" · ", fact] : [fact]))),
      html("code", {}, `oc_${key.id}_…`),
    );
  }

  /** @param {string} id */
  #remove(id) {
    const row = this.#rows.get(id);
    if (row?.element.contains(this.#root.activeElement)) {
      this.#ui.heading.focus();
      this.#ui.live.textContent = `${row.key.name} is gone: it has ended or was revoked elsewhere.`;
    }
    row?.element.remove();
    this.#rows.delete(id);
    if (this.#made === id) this.#close(this.#ui.making);
  }

  // ---- asking

  /**
   * @param {Place} place
   * @param {HTMLElement} content
   */
  #open(place, content) {
    this.#ui.live.textContent = "";
    place.panel.replaceChildren(content);
    place.panel.hidden = false;
    place.buttons.hidden = true;
  }

  /**
   * @param {Place} place
   * @param {HTMLElement} [next] where the keyboard's place is then
   */
  #close(place, next) {
    if (place === this.#ui.making) this.#made = "";
    place.panel.replaceChildren();
    place.panel.hidden = true;
    place.buttons.hidden = false;
    next?.focus();
  }

  /**
   * Opens a form: asks, sends, and tells what was wrong with what.
   * @param {Place} place
   * @param {HTMLElement} back the button that led here
   * @param {{title: Child[], text: string, send: string, sending: string, danger?: boolean, unsure: string}} words
   *   unsure: what else there is to say when nobody knows whether it was done
   * @param {Field[]} asked
   * @param {(signal: AbortSignal) => Promise<void>} send
   */
  #ask(place, back, words, asked, send) {
    const leave = () => this.#close(place, back);
    const alert = html("p", { class: "fault", role: "alert" });
    const submit = html("button", { class: words.danger ? "main danger" : "main" }, words.send);
    const title = html("h3", { tabindex: -1 }, ...words.title);
    let sending = false;

    /** @param {Map<Field, string>} faults */
    const refuse = (faults) => {
      for (const one of asked) tell(one, faults.get(one) ?? "");
      const first = asked.find((one) => faults.has(one));
      const control = first?.controls.find(({ validity }) => !validity.valid) ?? first?.controls[0];
      control?.focus();
    };
    /** @param {Problem} problem */
    const explain = (problem) => {
      /** @type {Map<Field, string>} */
      const faults = new Map();
      for (const { field: name, message } of problem.details) {
        const one = asked.find((one) => one.name === name);
        if (one) faults.set(one, `${one.label} ${message}.`);
      }
      refuse(faults);
      if (faults.size) return;
      const more = isUnsure(problem) ? words.unsure : problem.status === 409 && "Revoke one that is not used any more.";
      const message = problem.message || "You are offline.";
      alert.textContent = more ? `${message} ${more}` : message;
    };
    /** @param {SubmitEvent} event */
    const submitted = async (event) => {
      event.preventDefault();
      const signal = this.#life?.signal;
      if (sending || !signal) return;
      alert.textContent = "";
      // Here for its words in the viewer's language, and so that what is no number is not taken for "no bound".
      const invalid = asked.flatMap((one) => {
        const control = one.controls.find(({ validity }) => !validity.valid);
        return control ? [/** @type {[Field, string]} */ ([one, control.validationMessage])] : [];
      });
      refuse(new Map(invalid));
      if (invalid.length) return;
      sending = true;
      submit.textContent = words.sending;
      submit.ariaDisabled = "true";
      try {
        await send(signal);
        this.#changes += 1;
      } catch (error) {
        if (signal.aborted) return;
        const problem = asProblem(error);
        if (problem.kind === "signed-out") {
          this.#failed(problem);
          this.#render();
          this.#ui.heading.focus();
          return;
        }
        explain(problem);
        if (isUnsure(problem) || problem.status === 404) void this.#look();
      } finally {
        sending = false;
        submit.textContent = words.send;
        submit.ariaDisabled = null;
      }
    };
    this.#open(
      place,
      html(
        "form",
        {
          novalidate: true,
          submit: submitted,
          keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && !sending && leave(),
        },
        title,
        html("p", {}, words.text),
        asked.length ? html("div", { class: "fields" }, ...asked.map(({ element }) => element)) : null,
        alert,
        html(
          "div",
          { class: "buttons" },
          submit,
          button("Cancel", () => sending || leave()),
        ),
      ),
    );
    (asked[0]?.controls[0] ?? title).focus();
  }

  #askForNew() {
    const input = (/** @type {Attributes} */ attributes) => html("input", { autocomplete: "off", ...attributes });
    const name = field(
      "name",
      "Name",
      "What you will know the key by, for example “Nightly import”.",
      input({ required: true, maxlength: LONGEST_NAME }),
    );
    const agent = field(
      "agentId",
      "Agent number",
      "The key records for this agent only. Without a number, for any of your agents.",
      input({ type: "number", min: 1, step: 1 }),
    );
    const most = field(
      "maxValueUsd",
      "Largest value of one outcome, in US dollars",
      "An outcome of more is refused, gain or loss: an agent that is talked into something can claim this much and no more. Without an amount, any value is taken.",
      input({ type: "number", min: 0, step: "any" }),
    );
    const last = field(
      "expiresAt",
      "Last day",
      "The key stops working at the end of this day. Without one, it works until you revoke it.",
      input({ type: "date", min: today(), max: "9999-12-30" }),
    );
    const types = choice(
      "outcomeTypes",
      "Types of outcome",
      "Only those ticked are taken. With none ticked, all are.",
      [...TYPES].map(([type, name]) => [type, name, false]),
    );
    const scopes = choice(
      "scopes",
      "What the key may do",
      "As little as the agent needs: whoever gets hold of the key may do the same.",
      [...SCOPES].map(([scope, [, words]]) => [scope, words, scope === "record"]),
    );
    const one = () => scopes.controls[0].setCustomValidity(ticked(scopes).length ? "" : "Tick at least one.");
    scopes.element.addEventListener("change", one);

    const { making, make, rows } = this.#ui;
    const words = {
      title: ["New key"],
      text: "It is yours alone: whatever is recorded with it is recorded for you, within these bounds, which cannot be changed later.",
      send: "Make key",
      sending: "Making…",
      unsure:
        "The key may have been made all the same. Nobody has its secret then: revoke it if it is in the list below, and make another.",
    };
    this.#ask(making, make, words, [name, agent, most, last, types, scopes], async (signal) => {
      const [named, agentId, maxValueUsd, date] = [name, agent, most, last].map(({ controls }) => controls[0].value);
      const body = {
        name: named,
        ...(agentId && { agentId: Number(agentId) }),
        ...(maxValueUsd && { maxValueUsd: exactNumber(maxValueUsd) }),
        ...(date && { expiresAt: endOf(date) }),
        ...(ticked(types).length && { outcomeTypes: ticked(types) }),
        scopes: ticked(scopes),
      };
      const key = await this.#secret(call("POST", this.#url(), signal, body));
      rows.prepend((this.#rows.get(key.id) ?? this.#add(key)).element);
      this.#reveal(making, make, key);
      this.#made = key.id;
      this.#render();
    });
  }

  /** @param {Row} row */
  #askToRotate(row) {
    const { id, name } = row.key;
    const options = [...OVERLAPS].map(([value, words]) => html("option", { value, selected: value === "24" }, words));
    const overlap = field(
      "overlapHours",
      "How long the present secret goes on working",
      "Long enough to hand the agent the new one. A secret that may have leaked should stop at once.",
      html("select", {}, ...options),
    );
    const words = {
      title: ["A new secret for ", html("bdi", {}, name)],
      text: "The name and the bounds stay. At most two secrets work at a time: one that is left from an earlier rotation stops now.",
      send: "Rotate",
      sending: "Rotating…",
      unsure:
        "It may have been rotated all the same. Rotating once more would then end the secret that your agent has: wait for the end of the overlap, or hand it another key first.",
    };
    this.#ask(row, row.rotate, words, [overlap], async (signal) => {
      const body = { overlapHours: Number(overlap.controls[0].value) };
      const key = await this.#secret(call("POST", this.#url(id, "rotate"), signal, body));
      this.#fill(row, key);
      this.#reveal(row, row.rotate, key);
    });
  }

  /** @param {Row} row */
  #askToRevoke(row) {
    const { id, name } = row.key;
    const words = {
      title: ["Revoke ", html("bdi", {}, name), "?"],
      text: "Whoever uses it is refused from the next call on. This cannot be undone; what was recorded with it stays.",
      send: "Revoke for good",
      sending: "Revoking…",
      danger: true,
      unsure: "The key may have been revoked all the same. To be sure, revoke it again.",
    };
    this.#ask(row, row.revoke, words, [], async (signal) => {
      const { ok } = await call("DELETE", this.#url(id), signal);
      if (!ok) throw unclear();
      this.#remove(id);
      this.#ui.heading.focus();
      this.#ui.live.textContent = `${name} is revoked.`;
      this.#render();
    });
  }

  /**
   * Checks that an answer is a key with its secret.
   * @param {Promise<any>} answer
   * @returns {Promise<NewKey>}
   */
  async #secret(answer) {
    const key = await answer;
    if (typeof key.key !== "string" || !isKey(key)) throw unclear();
    return key;
  }

  /**
   * Shows a secret until the viewer is done with it.
   * @param {Place} place
   * @param {HTMLElement} back where the keyboard's place is then
   * @param {NewKey} key
   */
  #reveal(place, back, { key, name }) {
    const label = `The key of ${name}`;
    const text = html("textarea", { readonly: true, rows: 1, spellcheck: "false", "aria-label": label });
    text.value = key;
    const copied = html("p", { class: "help", role: "status" });
    const copy = button(
      "Copy",
      async () => {
        text.select();
        try {
          await navigator.clipboard.writeText(key);
          copied.textContent = "Copied.";
        } catch {
          copied.textContent =
            "Your browser does not let this page copy. The key is marked: copy it by keyboard or menu.";
        }
      },
      { class: "main" },
    );
    const title = html("h3", { tabindex: -1 }, "Copy the key of ", html("bdi", {}, name), " now");
    this.#open(
      place,
      html(
        "div",
        { class: "secret" },
        title,
        html(
          "p",
          {},
          "It is shown this once and can never be looked up again. Hand it to that agent alone, and treat it as a password.",
        ),
        text,
        html(
          "div",
          { class: "buttons" },
          copy,
          button("Done", () => this.#close(place, back)),
          copied,
        ),
      ),
    );
    title.focus();
  }

  // ---- showing

  #render() {
    const { card, make } = this.#ui;
    const problem = this.#problem;
    /** @type {Lack | null} */
    let told = problem?.kind ?? null;
    if (!told && !this.#known) told = "loading";
    if (!told && !this.#rows.size) told = "empty";
    card.dataset.state = this.#known ? "ready" : (told ?? "");
    card.dataset.banner = this.#known && problem ? problem.kind : "";
    card.ariaBusy = String(told === "loading");
    make.hidden = !this.#known;

    const [usual, words] = WORDS[told ?? "loading"];
    const title = told === "error" && this.#known ? "This may be out of date" : usual;
    const text = (told === "error" && problem?.message) || words;
    this.#notice.show(told, [title, text], this.getAttribute("sign-in-url"));
    this.#notice.element.hidden = !told;
  }
}

if (!customElements.get("outcome-keys")) customElements.define("outcome-keys", OutcomeKeys);
