/**
 * <outcome-keys endpoint="/api/keys">: the keys by which a user's agents record outcomes: make, rotate, revoke. A secret is
 * shown once, when a key is made or rotated, and forgotten with the press of a button.
 */

import BASE from "../shared/styles.css";
import STYLES from "./styles.css";
// Styles go first: gzip looks back for 32 kB, and scripts have more in common with each other.

import { button, html, styleSheet } from "../shared/dom.js";
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

  // What is known.
  #known = false;
  /** @type {Map<string, KeyRow>} by id */
  #rows = new Map();
  #changes = 0; // grows with each key made, rotated or revoked here
  #made = ""; // id of the key that was made here and whose secret is still shown
  /** @type {Problem | null} */
  #problem = null;

  // What is going on.
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
  #root = this.attachShadow({ mode: "open" });

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [SHEET];
    this.#root.append(this.#card);
  }

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const load = () => void this.#load();
    // Whoever comes back to the tab may have used a key meanwhile, or be signed in as somebody else.
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

  // ---- looking

  /** Reads the keys: at first, on return to the tab, on retry, and when it is not known what came of a change. */
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

  /** Lists the keys as they are, whatever is changed meanwhile. @param {AbortSignal} signal */
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

  // ---- keeping

  /** Everything about whoever was signed in, a secret that is still shown included. */
  #forget() {
    this.#known = false;
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#making.close();
  }

  /** @param {Key[]} keys all there are, newest first */
  #show(keys) {
    this.#known = true;
    const ids = new Set(keys.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#remove(id);
    let before = this.#list.firstElementChild;
    for (const key of keys) {
      const row = this.#rows.get(key.id);
      row?.show(key);
      // What stands in its place already is not moved, so that the keyboard's place stays where it is.
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
      this.#live.textContent = `${row.key.name} is gone: it has ended or was revoked elsewhere.`;
    }
    row?.element.remove();
    this.#rows.delete(id);
    if (this.#made === id) this.#making.close();
  }

  // ---- asking

  /**
   * Opens a form that changes something.
   * @param {Place} place
   * @param {HTMLElement} back the button that led here
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
        return signal.aborted ? null : this.#unchanged(asProblem(error));
      }
    };
    this.#live.textContent = "";
    place.open(form(question, send, () => place.close(back)));
  }

  /** @param {Problem} problem @returns what the form has to explain */
  #unchanged(problem) {
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
    this.#ask(this.#making, this.#make, toMake(), async (body, signal) => {
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
   * Shows a secret until the viewer is done with it.
   * @param {Place} place
   * @param {HTMLElement} back where the keyboard's place is then
   * @param {NewKey} key
   */
  #reveal(place, back, key) {
    this.#live.textContent = "";
    place.open(secret(key, () => place.close(back)));
  }

  // ---- showing

  #render() {
    const problem = this.#problem;
    /** @type {ViewState | null} */
    let told = problem?.kind ?? null;
    if (!told && !this.#known) told = "loading";
    if (!told && !this.#rows.size) told = "empty";
    this.#card.dataset.state = this.#known ? "ready" : (told ?? "");
    this.#card.dataset.banner = this.#known && problem ? problem.kind : "";
    this.#card.ariaBusy = String(told === "loading");
    this.#make.hidden = !this.#known;

    const [usual, words] = WORDS[told ?? "loading"];
    const title = told === "error" && this.#known ? "This may be out of date" : usual;
    const text = problem?.message || words;
    this.#notice.show(told, [title, text], this.getAttribute("sign-in-url"));
    this.#notice.element.hidden = !told;
  }
}

if (!customElements.get("outcome-keys")) customElements.define("outcome-keys", OutcomeKeys);
