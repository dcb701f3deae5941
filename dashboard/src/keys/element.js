/**
 * <outcome-keys endpoint="/api/keys">: make, pause, rotate and revoke the keys of a user's agents. A secret is shown once, when a
 * key is made or rotated, and forgotten when the viewer is done.
 */

import COPYABLE from "../shared/copyable.css";
import BASE from "../shared/styles.css";
import STYLES from "./styles.css";
// Styles come first, because gzip only looks back 32 kB, and scripts have more in common with each other than with
// styles.

import { AgentNames } from "../shared/agents.js";
import { attachShadow, button, define, html, reapply, styleSheet } from "../shared/dom.js";
import { loader } from "../shared/load.js";
import { Notice } from "../shared/notice.js";
import { asProblem, invalidResponse, isAmbiguous, Problem } from "../shared/request.js";
import { call, isKey, secretOf } from "./api.js";
import { KeyList } from "./list.js";
import { Place } from "./place.js";
import { KEY, WORDS } from "./words.js";

/** @import {ViewState} from "../shared/request.js" */
/** @import {Key, NewKey} from "./api.js" */
/** @import {Question} from "./form.js" */
/** @import {KeyRow} from "./list.js" */
/** @typedef {typeof import("./more.js")} More */

const loadMore = loader("outcome-keys-more.js", () => import("./more.js"));
const SHEET = styleSheet(BASE + COPYABLE + STYLES);

class OutcomeKeys extends HTMLElement {
  static observedAttributes = ["endpoint", "sign-in-url", "agent-names", "api-url", "mcp-url"];

  #agents = new AgentNames();
  #known = false; // whether the list is loaded
  #changes = 0; // counts keys made, paused, resumed, rotated or revoked here
  #made = ""; // id of the new key whose secret is still shown
  /** @type {Problem | null} */
  #problem = null;
  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  /** @type {AbortController | null} */
  #loading = null;
  #user = new AbortController(); // aborted when the user signs out, or the endpoint changes

  #heading = html("h2", { id: "heading", tabindex: -1 }, "Agent keys");
  #notice = new Notice(KEY, this.#heading, () => void this.#load());
  #make = button("New key", () => this.#askForNew(), { class: "main" });
  #making = new Place(this.#make);
  #live = html("p", { class: "help live", role: "status" });
  #list = new KeyList(
    this.#agents,
    (row) => void this.#pauseOrResume(row),
    (row) => this.#askToRotate(row),
    (row) => this.#askToRevoke(row),
    (row) => this.#lost(row),
    (row) => this.#replaced(row),
  );
  #card = html(
    "section",
    { class: "card", "aria-labelledby": "heading" },
    html("header", {}, this.#heading, this.#making.buttons),
    this.#live,
    this.#making.panel,
    this.#notice.element,
    this.#list.element,
  );
  #root = attachShadow(this, SHEET, this.#card);

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const load = () => void this.#load();
    // Read the keys when the tab is shown again: a key may have been used, or another user may have signed in.
    document.addEventListener("visibilitychange", () => document.hidden || load(), { signal });
    addEventListener("online", load, { signal });
    reapply(this, "agentName");
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
    if (name === "agent-names") {
      this.#agents.parse(after);
      this.#list.redraw();
    }
    if (this.#life) void this.#load();
  }

  get agentName() {
    return this.#agents.named;
  }

  set agentName(named) {
    this.#agents.named = named;
    this.#list.redraw();
  }

  // ---- loading

  /** Read the keys: when the page shows the element, on retry, and if it is unknown whether a change took effect. */
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
      const [known] = this.#list.keys;
      if (known && keys.some(({ user_id }) => user_id !== known.user_id)) this.#forget(); // another user has signed in
      if (this.#known && !known) this.#live.textContent = ""; // it may name the last key of another user
      this.#known = true;
      this.#list.show(keys);
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

  /** Forget everything about the user who was signed in, including a secret that is still shown. */
  #forget() {
    this.#user.abort();
    this.#user = new AbortController();
    this.#known = false;
    this.#live.textContent = "";
    const hadFocus = this.#root.activeElement !== null;
    this.#list.clear();
    this.#making.close();
    if (hadFocus && !this.#root.activeElement) this.#heading.focus();
  }

  /** Say that a key is gone, without its name, because another user may have signed in. @param {KeyRow} row */
  #lost({ key, element }) {
    this.#live.textContent = "";
    if (element.contains(this.#root.activeElement)) {
      this.#heading.focus();
      this.#live.textContent = "The key no longer exists: it expired or was revoked elsewhere.";
    }
    if (this.#made === key.id) this.#making.close();
  }

  /** Hide a secret that a rotation elsewhere has ended, or ends soon. @param {KeyRow} row */
  #replaced({ key, place }) {
    for (const one of [place, ...(this.#made === key.id ? [this.#making] : [])]) {
      if (!one.panel.querySelector(".secret")) continue;
      one.close(one.panel.contains(this.#root.activeElement) ? this.#heading : undefined);
      this.#live.textContent = `${key.name} was rotated: the secret that was shown here has stopped working, or will.`;
    }
  }

  // ---- changes

  /**
   * Open a form and make the change when it is submitted.
   * @param {Place} place
   * @param {HTMLElement} back gets the focus when the form is closed
   * @param {(more: More) => Question} question
   * @param {(body: Record<string, unknown>, signal: AbortSignal, more: More) => Promise<void>} change
   */
  async #ask(place, back, question, change) {
    this.#live.textContent = "";
    const more = await loadMore().catch((error) => {
      this.#live.textContent = asProblem(error).message;
    });
    // Open no form if the viewer was signed out, or the element was removed, in the meantime.
    if (!more || !this.#known || !this.#life) return;
    const asked = question(more);
    const send = async (/** @type {Record<string, unknown>} */ body) => {
      if (!this.#life) return null;
      const signal = AbortSignal.any([this.#life.signal, this.#user.signal]);
      try {
        await change(body, signal, more);
        this.#changes += 1;
        return null;
      } catch (error) {
        if (signal.aborted) this.#live.textContent = asked.unsure; // the user signed out, or the element was moved
        return signal.aborted ? null : this.#changeFailed(asProblem(error));
      }
    };
    place.open(more.form(asked, send, () => place.close(back)));
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
    /** @param {More} more */
    const question = ({ toMake, typesOf }) => toMake(typesOf(this.#url()), this.#agents, this.#list.keys);
    void this.#ask(this.#making, this.#make, question, async (body, signal, more) => {
      const key = await secretOf(call("POST", this.#url(), signal, body));
      this.#list.prepend(key);
      this.#reveal(this.#making, this.#make, key, more);
      this.#made = key.id;
      this.#render();
    });
  }

  /** Pause or resume a key without a question, because the same button undoes it. @param {KeyRow} row */
  async #pauseOrResume(row) {
    if (!this.#life) return;
    const signal = AbortSignal.any([this.#life.signal, this.#user.signal]);
    const { id, name, paused_at: paused } = row.key;
    try {
      const key = await call("POST", this.#url(id, paused ? "resume" : "pause"), signal, {});
      if (!isKey(key)) throw invalidResponse();
      this.#changes += 1;
      row.show(key);
      this.#live.textContent = `${name} is ${key.paused_at ? "paused" : "no longer paused"}.`;
    } catch (error) {
      if (signal.aborted) return;
      const problem = this.#changeFailed(asProblem(error));
      if (problem)
        this.#live.textContent =
          problem.message || "You are offline: once you are not, the list shows whether the key is paused.";
    }
  }

  /** @param {KeyRow} row */
  #askToRotate(row) {
    void this.#ask(
      row.place,
      row.rotate,
      ({ toRotate }) => toRotate(row.key),
      async (body, signal, more) => {
        const key = await secretOf(call("POST", this.#url(row.key.id, "rotate"), signal, body));
        row.show(key);
        if (this.#made === key.id) this.#making.close(); // its first secret
        this.#reveal(row.place, row.rotate, key, more);
      },
    );
  }

  /** @param {KeyRow} row */
  #askToRevoke(row) {
    const { id, name } = row.key;
    void this.#ask(
      row.place,
      row.revoke,
      ({ toRevoke }) => toRevoke(row.key),
      async (_body, signal) => {
        const { ok } = await call("DELETE", this.#url(id), signal);
        if (!ok) throw invalidResponse();
        this.#heading.focus();
        this.#list.remove(id);
        if (this.#made === id) this.#making.close();
        this.#live.textContent = `${name} is revoked.`;
        this.#render();
      },
    );
  }

  /**
   * Show a secret until the viewer is done with it.
   * @param {Place} place
   * @param {HTMLElement} back gets the focus afterwards
   * @param {NewKey} key
   * @param {More} more
   */
  #reveal(place, back, key, { secret, whatToPaste }) {
    this.#live.textContent = "";
    const [apiUrl, mcpUrl] = ["api-url", "mcp-url"].map((name) => this.getAttribute(name));
    place.open(secret(key, whatToPaste(key, this.#url(), apiUrl, mcpUrl), () => place.close(back)));
  }

  // ---- rendering

  #render() {
    const problem = this.#problem;
    /** @type {ViewState | null} */
    let noticed = problem?.kind ?? null;
    if (!noticed && !this.#known) noticed = "loading";
    if (!noticed && !this.#list.size) noticed = "empty";
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
