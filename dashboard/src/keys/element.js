/**
 * <outcome-keys endpoint="/api/keys">: make, rotate and revoke the keys of a user's agents. A secret is shown once, when a
 * key is made or rotated, and forgotten when the viewer is done.
 */

import BASE from "../shared/styles.css";
import STYLES from "./styles.css";
// Styles come first, because gzip only looks back 32 kB, and scripts have more in common with each other than with
// styles.

import { attachShadow, button, define, html, styleSheet } from "../shared/dom.js";
import { Notice } from "../shared/notice.js";
import { asProblem, invalidResponse, Problem } from "../shared/request.js";
import { call, isAmbiguous, isKey, secretOf } from "./api.js";
import { form } from "./form.js";
import { Place } from "./place.js";
import { toMake, toRevoke, toRotate } from "./questions.js";
import { KeyRow } from "./row.js";
import { secret } from "./secret.js";
import { KEY, WORDS } from "./words.js";

/** @import {ViewState} from "../shared/request.js" */
/** @import {Key, NewKey} from "./api.js" */
/** @import {Question} from "./form.js" */

const SHEET = styleSheet(BASE + STYLES);

class OutcomeKeys extends HTMLElement {
  static observedAttributes = ["endpoint", "sign-in-url"];

  #known = false; // the list is loaded
  /** @type {Map<string, KeyRow>} by id */
  #rows = new Map();
  #changes = 0; // counts keys made, rotated or revoked here
  #made = ""; // id of the new key whose secret is still shown
  /** @type {Problem | null} */
  #problem = null;
  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  /** @type {AbortController | null} */
  #loading = null;

  #heading = html("h2", { id: "heading", tabindex: -1 }, "Agent keys");
  #notice = new Notice(KEY, this.#heading, () => void this.#load());
  #make = button("New key", () => this.#askForNew(), { class: "main" });
  #making = new Place(this.#make);
  #live = html("p", { class: "help live", role: "status" });
  #list = html("ol", { class: "rows", role: "list" });
  #card = html(
    "section",
    { class: "card", "aria-labelledby": "heading" },
    html("header", {}, this.#heading, this.#making.buttons),
    this.#live,
    this.#making.panel,
    this.#notice.element,
    this.#list,
  );
  #root = attachShadow(this, SHEET, this.#card);

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const load = () => void this.#load();
    // While the tab was hidden, a key may have been used, or another user may have signed in.
    document.addEventListener("visibilitychange", () => document.hidden || load(), { signal });
    addEventListener("online", load, { signal });
    load();
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = null;
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "endpoint") {
      this.#problem = null;
      this.#forget();
    }
    if (this.#life) void this.#load();
  }

  // ---- loading

  /**
   * Read the keys. This is called at first, on return to the tab, on retry, and when it is unknown whether a change
   * took effect.
   */
  async #load() {
    this.#loading?.abort();
    if (!this.#life || this.#problem?.kind === "unset") return;
    this.#loading = new AbortController();
    const signal = AbortSignal.any([this.#loading.signal, this.#life.signal]);
    this.#render();
    try {
      if (!this.getAttribute("endpoint")) throw new Problem("unset");
      const keys = await this.#read(signal);
      if (signal.aborted) return;
      this.#problem = null;
      this.#show(keys);
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(asProblem(error));
    }
    this.#render();
  }

  /** Read the keys. Read them again if one was changed on this page in the meantime. @param {AbortSignal} signal */
  async #read(signal) {
    for (;;) {
      const changes = this.#changes;
      /** @type {{keys: Key[]}} */
      const { keys } = await call("GET", this.#url(), signal);
      if (!keys.every(isKey)) throw invalidResponse();
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

  // ---- the list

  /** Forget everything about the user who was signed in, including a secret that is still shown. */
  #forget() {
    this.#known = false;
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#making.close();
  }

  /** @param {Key[]} keys newest first */
  #show(keys) {
    this.#known = true;
    const ids = new Set(keys.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#remove(id);
    let before = this.#list.firstElementChild;
    for (const key of keys) {
      const row = this.#rows.get(key.id);
      row?.show(key);
      // A row that is already in its place is not moved, so that it keeps the focus.
      if (row && row.element === before) before = before.nextElementSibling;
      else this.#list.insertBefore((row ?? this.#add(key)).element, before);
    }
  }

  /** @param {Key} key */
  #add(key) {
    const row = new KeyRow(
      key,
      (row) => this.#askToRotate(row),
      (row) => this.#askToRevoke(row),
    );
    this.#rows.set(key.id, row);
    return row;
  }

  /** @param {string} id */
  #remove(id) {
    const row = this.#rows.get(id);
    if (row?.element.contains(this.#root.activeElement)) {
      this.#heading.focus();
      this.#live.textContent = `${row.key.name} no longer exists: it expired or was revoked elsewhere.`;
    }
    row?.element.remove();
    this.#rows.delete(id);
    if (this.#made === id) this.#making.close();
  }

  // ---- changes

  /**
   * Open a form and make the change when it is submitted.
   * @param {Place} place
   * @param {HTMLElement} back gets the focus when the form is closed
   * @param {Question} question
   * @param {(body: Record<string, unknown>, signal: AbortSignal) => Promise<void>} change
   */
  #ask(place, back, question, change) {
    const send = async (/** @type {Record<string, unknown>} */ body) => {
      const signal = this.#life?.signal;
      if (!signal) return null;
      try {
        await change(body, signal);
        this.#changes += 1;
        return null;
      } catch (error) {
        return signal.aborted ? null : this.#changeFailed(asProblem(error));
      }
    };
    this.#live.textContent = "";
    place.open(form(question, send, () => place.close(back)));
  }

  /** @param {Problem} problem @returns the problem if the form has to explain it */
  #changeFailed(problem) {
    if (problem.kind === "signed-out") {
      this.#failed(problem);
      this.#render();
      this.#heading.focus();
      return null;
    }
    if (isAmbiguous(problem) || problem.status === 404) void this.#load();
    return problem;
  }

  #askForNew() {
    this.#made = "";
    const types = call("GET", new URL("outcomes/types", this.#url()));
    this.#ask(this.#making, this.#make, toMake(types), async (body, signal) => {
      const key = await secretOf(call("POST", this.#url(), signal, body));
      this.#list.prepend((this.#rows.get(key.id) ?? this.#add(key)).element);
      this.#reveal(this.#making, this.#make, key);
      this.#made = key.id;
      this.#render();
    });
  }

  /** @param {KeyRow} row */
  #askToRotate(row) {
    this.#ask(row.place, row.rotate, toRotate(row.key), async (body, signal) => {
      const key = await secretOf(call("POST", this.#url(row.key.id, "rotate"), signal, body));
      row.show(key);
      this.#reveal(row.place, row.rotate, key);
    });
  }

  /** @param {KeyRow} row */
  #askToRevoke(row) {
    const { id, name } = row.key;
    this.#ask(row.place, row.revoke, toRevoke(row.key), async (_body, signal) => {
      const { ok } = await call("DELETE", this.#url(id), signal);
      if (!ok) throw invalidResponse();
      this.#remove(id);
      this.#heading.focus();
      this.#live.textContent = `${name} is revoked.`;
      this.#render();
    });
  }

  /**
   * Show a secret until the viewer is done with it.
   * @param {Place} place
   * @param {HTMLElement} back gets the focus afterwards
   * @param {NewKey} key
   */
  #reveal(place, back, key) {
    this.#live.textContent = "";
    place.open(secret(key, () => place.close(back)));
  }

  // ---- rendering

  #render() {
    const problem = this.#problem;
    /** @type {ViewState | null} */
    let noticed = problem?.kind ?? null;
    if (!noticed && !this.#known) noticed = "loading";
    if (!noticed && !this.#rows.size) noticed = "empty";
    this.#card.dataset.state = this.#known ? "ready" : (noticed ?? "");
    this.#card.dataset.banner = this.#known && problem ? problem.kind : "";
    this.#card.ariaBusy = String(noticed === "loading");
    this.#make.hidden = !this.#known;

    let [title, text] = WORDS[noticed ?? "loading"];
    if (noticed === "error" && this.#known) title = "This may be out of date";
    if (problem?.message) text = problem.message;
    this.#notice.show(noticed, [title, text], this.getAttribute("sign-in-url"));
    this.#notice.element.hidden = !noticed;
  }
}

define("outcome-keys", OutcomeKeys);
