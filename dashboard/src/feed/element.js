/**
 * <value-delivered endpoint="/api/outcomes">: what a user's agents have delivered, as a live feed.
 * Its attributes and looks: dashboard/custom-elements.json and README.md.
 */

import BASE from "../shared/styles.css";
import STYLES from "./styles.css";
// Styles go first: gzip looks back for 32 kB, and scripts have more in common with each other.

import { html, styleSheet, unseen } from "../shared/dom.js";
import { Notice } from "../shared/notice.js";
import { Problem } from "../shared/request.js";
import { withState } from "./address.js";
import { AgentNames } from "./agents.js";
import { Api } from "./api.js";
import { tellTime } from "./changes.js";
import { Choice } from "./choice.js";
import { Download } from "./download.js";
import { whole } from "./format.js";
import { LinkedOutcome } from "./linked.js";
import { Rows } from "./rows.js";
import { Totals } from "./totals.js";
import { Watcher } from "./watcher.js";
import { DELIVERED, WORDS } from "./words.js";

/** @import {ViewState} from "../shared/request.js" */
/** @import {Outcome} from "./api.js" */
/** @import {RowContext} from "./row.js" */

const TIME_MS = 30_000; // from one "3 minutes ago" to the next

const SHEET = styleSheet(BASE + STYLES);

class ValueDelivered extends HTMLElement {
  static observedAttributes = [
    "endpoint",
    "period",
    "refresh",
    "sign-in-url",
    "agent-names",
    "url-state",
    "cost-endpoint",
  ];

  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  #agents = new AgentNames();

  /** @type {RowContext} */
  #context = {
    url: (path) => this.#api.url(path),
    agent: (id) => this.#agents.name(id),
    isCorrected: () => this.#api.has("corrections"),
    link: (id) =>
      this.hasAttribute("url-state") && this.#context.isCorrected() ? withState(location.href, { outcome: id }) : null,
    moved: (outcome) => {
      // It may be in two places.
      this.#rows.update(outcome);
      this.#linked.update(outcome);
      this.#watcher.markSeen(outcome);
      this.#totals.invalidate();
      void this.#watcher.poll();
    },
    signedOut: (problem) => {
      this.#watcher.fail(problem);
      this.#render();
      this.#heading.focus();
    },
  };
  #api = new Api(() => new URL(this.getAttribute("endpoint") ?? "", document.baseURI).href);
  #choice = new Choice((isOtherList) => {
    if (isOtherList) this.#rows.invalidate();
    this.#writeAddress();
    void this.#watcher.poll();
  }, this.#context.agent);
  // The feed is watched without its filters, so that totals also follow outcomes they hide.
  #watcher = new Watcher(this.#api, {
    isHidden: () => document.hidden,
    interval: () => Math.max(1, Number(this.getAttribute("refresh")) || 15),
    retryAfter: () => this.#totals.retryAfter,
    read: (signal) => this.#readAll(signal),
    render: () => this.#render(),
    found: (found, fresh, isNews) => this.#show(found, fresh, isNews),
    forget: () => this.#forget(),
  });
  #totals = new Totals(this.#api, this.#choice, this.#context.agent, () => this.getAttribute("cost-endpoint"));
  #rows = new Rows(this.#api, this.#choice, this.#watcher, this.#context, () => this.#render());
  #linked = new LinkedOutcome(this.#api, this.#context, () => {
    this.#writeAddress();
    this.#heading.focus();
  });
  #download = new Download(this.#api, this.#choice, this.#context.signedOut);

  #heading = html("h2", { id: "heading", tabindex: -1 }, "Value Delivered");
  #notice = new Notice(DELIVERED, this.#heading, () => void this.#watcher.poll());
  #latest = html("h3", { id: "latest" });
  #live = unseen("", { role: "status" });
  #card = html(
    "div",
    { class: "card" },
    html("header", {}, this.#heading, ...this.#choice.elements),
    html("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 5 }, () => html("i", {}))),
    this.#notice.element,
    html(
      "div",
      { class: "body" },
      this.#totals.element,
      html(
        "section",
        { class: "feed", "aria-labelledby": "latest", keydown: (event) => this.#rows.walk(event) },
        this.#linked.element,
        html("div", { class: "top" }, this.#latest, this.#rows.search, this.#download.element),
        ...this.#rows.elements,
      ),
    ),
    this.#live,
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
    const poll = () => void this.#watcher.poll();
    const comeOrGo = () => (document.hidden ? this.#watcher.pause() : poll());
    document.addEventListener("visibilitychange", comeOrGo, { signal });
    addEventListener("online", poll, { signal });
    addEventListener("offline", poll, { signal });
    addEventListener("hashchange", () => this.#readAddress() && poll(), { signal });
    const clock = setInterval(() => document.hidden || tellTime(this.#card), TIME_MS);
    signal.addEventListener("abort", () => clearInterval(clock));
    this.#readAddress();
    // Set before the browser knew this element, it hides what is behind it.
    if (Object.hasOwn(this, "agentName")) {
      const named = this.agentName;
      Reflect.deleteProperty(this, "agentName");
      this.agentName = named;
    }
    this.#watcher.start(signal);
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = null;
    this.#rows.cancel();
    this.#download.forget();
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "period") this.#choice.period = after;
    if (name === "agent-names") {
      this.#agents.parse(after);
      this.#rename();
    }
    if (name === "endpoint") this.#forget();
    void this.#watcher.poll();
  }

  // ---- reading

  /**
   * Reads rows and totals; what arrives is shown even when the other fails, which is then raised.
   * @param {AbortSignal} signal
   */
  async #readAll(signal) {
    if (!this.getAttribute("endpoint")) throw new Problem("unset");
    /** @type {unknown[]} */
    const failures = [];
    /** @param {unknown} failure */
    const failed = (failure) => void failures.push(failure);
    const feed = this.#readRows(signal).then(() => this.#render(), failed);
    // The totals do not say whose they are. Those that go with the first rows are read after them: should the account
    // change in between, the next poll finds the rows to be another's, and reads both afresh.
    const early = this.#watcher.isWatching;
    if (early) await this.#totals.read(signal).catch(failed);
    await feed;
    const isAnswered = failures.length || (early && this.#totals.retryAfter);
    const link = this.#linked.isDue && !failures.length ? this.#follow(signal).catch(failed) : null;
    if (this.#watcher.isWatching && !isAnswered) await this.#totals.read(signal).catch(failed);
    await link;
    // It stands below the totals, which move it when they come later.
    const place = this.#root.activeElement;
    if (link && this.#linked.element.contains(place)) place?.scrollIntoView({ block: "nearest" });
    // Also after a failure, for it is another server's. What is wrong there is no matter of the feed's.
    if (this.#watcher.isWatching && this.#life) void this.#totals.readCost(this.#life.signal);
    if (failures.length) throw failures[0];
  }

  /** @param {AbortSignal} signal */
  async #readRows(signal) {
    await this.#rows.read(await this.#watcher.catchUp(signal), signal);
  }

  /** @param {AbortSignal} signal */
  async #follow(signal) {
    if (!(await this.#linked.read(signal))) return;
    this.#render();
    this.#linked.open();
  }

  /** @param {Outcome[]} found @param {Outcome[]} fresh @param {boolean} isNews */
  #show(found, fresh, isNews) {
    for (const outcome of found) this.#rows.update(outcome);
    if (isNews) this.#totals.invalidate();
    const added = this.#rows.addNew(fresh);
    if (added) this.#live.textContent = `${whole.format(added)} ${added === 1 ? "new outcome" : "new outcomes"}`;
  }

  /** Everything about whoever was signed in. */
  #forget() {
    for (const part of [this.#download, this.#watcher, this.#rows, this.#totals, this.#linked, this.#choice])
      part.forget();
  }

  // ---- the page's address, if it may be used

  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const address = withState(location.href, { ...this.#choice.state, outcome: this.#linked.id });
    if (address !== location.href) history.replaceState(history.state, "", address);
  }

  /** @returns whether it says something else than what is chosen */
  #readAddress() {
    if (!this.hasAttribute("url-state")) return false;
    const kept = new URLSearchParams(location.hash.slice(1));
    const isOther = this.#choice.restore(kept);
    if (isOther) this.#rows.isDue = true;
    return this.#linked.restore(kept) || isOther;
  }

  // ---- names of agents

  get agentName() {
    return this.#agents.named;
  }

  set agentName(named) {
    this.#agents.named = named;
    this.#rename();
  }

  #rename() {
    for (const part of [this.#choice, this.#rows, this.#linked, this.#totals]) part.redraw();
  }

  // ---- showing

  /** @returns {ViewState | "ready"} */
  get #state() {
    const { problem, isWatching, newest } = this.#watcher;
    if (problem && (problem.kind === "signed-out" || !isWatching)) return problem.kind;
    if (!isWatching) return "loading";
    return newest || this.#linked.id ? "ready" : "empty";
  }

  #render() {
    const { problem, isPolling } = this.#watcher;
    const state = this.#state;
    // Beside a feed that could be read before, what is wrong now is a banner.
    const banner = state === "ready" || state === "empty" ? problem?.kind : undefined;
    const told = banner ?? (state === "ready" ? null : state);
    this.#card.dataset.state = state;
    this.#card.dataset.banner = banner ?? "";
    this.#card.ariaBusy = String(state === "loading");

    const { isLast, name } = this.#choice.span;
    this.#latest.textContent = isLast ? "Latest outcomes" : `Recorded ${name}`;
    this.#download.render();
    this.#choice.render(this.#api.has("totals") || this.#api.has("export"));
    this.#totals.render(isPolling);
    this.#rows.render();
    tellTime(this.#card);

    let [title, text] = WORDS[told ?? "loading"];
    if (problem?.message) text = `${problem.message} ${text}`;
    if (banner === "error") title = "This may be out of date";
    this.#notice.show(told, [title, text], this.getAttribute("sign-in-url"));
  }
}

if (!customElements.get("value-delivered")) customElements.define("value-delivered", ValueDelivered);
