/**
 * <value-delivered endpoint="/api/outcomes">: what a user's agents have delivered, as a live feed.
 *
 *   <script type="module" src="/value-delivered.js"></script>
 *   <value-delivered endpoint="/api/outcomes"></value-delivered>
 *
 * Attributes
 *   endpoint     where outcomes are listed; totals are read from `<endpoint>/summary`, files from `<endpoint>/export`,
 *                one outcome and its history from `<endpoint>/<id>`, and what its owner says of it goes to `<endpoint>/<id>/corrections`. Required.
 *   period       what is shown at first: the last 7, 30 (default), 90 or 365 days, or days like 2026-04-01..2026-04-30.
 *   refresh      seconds from one look for new outcomes to the next, at least 1; default 15.
 *   sign-in-url  where a signed-out viewer is sent; without it they are only told.
 *   agent-names  names of agents by id, as JSON: {"7": "Ava"}. The property agentName, (id) => name, goes before it.
 *   url-state    keeps period and filters in the fragment of the page's address, as #period=90&type=deal_closed&agent=7,
 *                and gives each outcome a link, #outcome=<id>.
 *   cost-endpoint  answers what the agents cost, {"cost_usd": 410.5, "by_agent": [{"agent_id": 7, "cost_usd": 100}]},
 *                given from, to, timezone and, where one agent is chosen, agentId.
 *
 * Looks: see "Theme" at the top of the styles below, and README.md beside this file.
 */

import { button, html, unseen } from "../shared/dom.js";
import { Notice } from "../shared/notice.js";
import { decimal, isNumber, minus } from "../shared/numbers.js";
import { asProblem, Problem, unclear } from "../shared/request.js";
import { BASE } from "../shared/styles.js";
import { ago, localDay } from "../shared/time.js";
import { TYPES, typeName } from "../shared/types.js";
import { ask, isOutcome } from "./api.js";
import { buckets, chart, figures } from "./chart.js";
import { Download } from "./download.js";
import { amount, asOf, cents, headline, isoDay, outcomes, times, whole } from "./format.js";
import { AGENT_ICON, typeIcon } from "./icons.js";
import { midnight, PERIODS, span } from "./period.js";
import { Row } from "./row.js";
import { change, mostAgents, split, standingSums } from "./shares.js";
import { STYLES } from "./styles.js";

/** @import {Lack} from "../shared/request.js" */
/** @import {Cost, History, Outcome, OutcomePage, Summary} from "./api.js" */
/** @import {House} from "./history.js" */

const MOST_DAYS = 92; // above, a bar is a week
const MOST_WEEKS_DAYS = 732; // above, a bar is a month
const COST_MS = 60_000; // how long a cost is taken for the latest
const PAGE = 20;
const CATCH_UP_PAGE = 50; // the most the API returns at once
const CATCH_UP_PAGES = 4; // further behind than this, starting over is cheaper than catching up
const SPARSE_PAGES = 5; // a filtered page may be short or empty and still have a cursor
// An outcome's time is fixed before it is written, so one may become visible a little after a younger one:
// each look goes back this far beyond the newest known outcome.
const OVERLAP_MS = 60_000;

/** @type {Record<Lack, [title: string, text: string]>} */
const WORDS = {
  loading: ["Loading what your agents delivered", "One moment."],
  empty: [
    "Nothing delivered yet",
    "When an agent closes a deal, finishes a negotiation or publishes something, it appears here by itself.",
  ],
  "signed-out": ["You are signed out", "Sign in to see what your agents delivered."],
  offline: ["You are offline", "The feed comes back by itself as soon as you are connected again."],
  error: ["The feed could not be loaded", "It is tried again by itself."],
  unset: ["No endpoint", 'Give this element its attribute endpoint, for example endpoint="/api/outcomes".'],
};
const DELIVERED = "M12 3v12M7 10l5 5 5-5M4 17v3h16v-3";
const ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/; // a ULID; all else below the endpoint is another route
// A timer's delay is a signed 32-bit number; browsers take a longer one for none at all (HTML, "Timers").
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const LONGEST_BACKOFF_S = 300;

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

  // What is known. The feed is watched without its filters, so that totals also follow outcomes they hide.
  #watching = false;
  /** @type {Outcome | null} the youngest outcome seen */
  #newest = null;
  #floor = ""; // created_at of the oldest outcome seen at first: catching up never goes below it
  /** @type {Map<string, number | undefined>} version by id */
  #seen = new Map();
  /** @type {Map<string, Row>} by id, the filtered feed as shown */
  #rows = new Map();
  #rowsDue = true;
  /** @type {string | null} */
  #cursor = null;
  #period = "30";
  #usual = "30"; // the period that the page chose
  /** @type {Summary | null} */
  #summary = null;
  #summarized = ""; // the #scope that it is of
  /** @type {Cost | null} */
  #cost = null;
  #costed = ""; // what it was asked for
  #costAt = 0;
  /** @type {string | null} id of the outcome that the page's address leads to */
  #linked = null;
  /** @type {Row | null} */
  #linkedRow = null;
  #linkDue = false;
  /** @type {Record<string, unknown>} */
  #names = {};
  /** @type {((id: number) => string | null | undefined) | null} */
  #named = null;
  #news = 0; // grows with whatever makes the totals shown no longer true
  #summed = ""; // the #sum that is shown
  #patience = 0; // seconds until the totals are asked for again, while the server says that it still adds up
  /** @type {Problem | null} */
  #problem = null;
  #failures = 0;

  // What is going on.
  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  /** @type {AbortController | null} */
  #refreshing = null;
  /** @type {AbortController | null} */
  #fetchingMore = null;
  #timer = 0;
  #began = 0; // when the last look did, by performance.now()
  #busy = false;

  #download = new Download(
    () => this.#file,
    (problem) => this.#house.signedOut(problem),
  );

  #heading = html("h2", { id: "heading", tabindex: -1 }, "Value Delivered");
  #notice = new Notice(DELIVERED, this.#heading, () => void this.#refresh());
  #root = this.attachShadow({ mode: "open" });
  #ui = this.#build();

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [BASE, STYLES];
    this.#root.append(this.#ui.card);
  }

  /** Makes what is in the card, once; #render and #showSummary then only change it. */
  #build() {
    /**
     * @param {string} value
     * @param {string} text
     */
    const option = (value, text) => html("option", { value }, text);
    const periods = [...PERIODS].map(([period, words]) =>
      button(words, () => this.#choosePeriod(period), { value: period }),
    );
    const custom = button("Custom", () => this.#askRange(), { "aria-expanded": "false" });
    const first = html("input", { type: "date", required: true });
    const last = html("input", { type: "date", required: true });
    const rangeFault = html("p", { class: "fault", role: "alert" });
    const range = html(
      "form",
      {
        class: "range",
        hidden: true,
        novalidate: true,
        submit: (/** @type {SubmitEvent} */ event) => this.#chooseRange(event),
        keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#closeRange(),
      },
      html("label", {}, "From ", first),
      html("label", {}, "To ", last),
      html("button", {}, "Show"),
      rangeFault,
    );
    const total = html("p", { class: "total" });
    const caption = html("p", { class: "caption" });
    const adding = html("p", { class: "help", role: "status" });
    const standing = html("p", { class: "standing" });
    const changes = html("p", { class: "change" });
    const place = html("div", {});
    const table = html("div", { class: "scroll", role: "region", "aria-label": "Daily figures", tabindex: 0 });
    const figuresOf = html("summary");
    const daily = html("details", { class: "daily" }, figuresOf, table);
    const types = html("ul", { class: "split", role: "list" });
    const agents = html("ul", { class: "split", role: "list" });
    const byAgent = html("div", {}, html("h3", {}, "By agent"), agents);
    const parts = html("div", { class: "parts" }, html("div", {}, html("h3", {}, "By type"), types), byAgent);
    const type = html(
      "select",
      { "aria-label": "Filter by type", change: () => this.#filterChanged() },
      option("", "All types"),
      ...[...TYPES.keys()].map((type) => option(type, typeName(type))),
    );
    const agent = html(
      "select",
      { "aria-label": "Filter by agent", change: () => this.#filterChanged() },
      option("", "All agents"),
    );
    const rows = html("ol", { class: "rows", role: "list" });
    const search = html("input", {
      type: "search",
      "aria-label": "Search what is loaded",
      placeholder: "Search what is loaded",
      input: () => {
        this.#search();
        this.#render();
      },
    });
    const found = html("p", { class: "help", role: "status" });
    const linkedRows = html("ol", { class: "rows", role: "list" });
    const unlinked = html("p", { class: "caption", tabindex: -1 });
    const unlink = button("Close", () => this.#unlink());
    const link = html(
      "div",
      { class: "link", hidden: true },
      html("div", { class: "top" }, html("h3", {}, "Linked outcome"), unlink),
      linkedRows,
      unlinked,
    );
    /** @type {HTMLElement[]} */
    const [cost, net, ratio] = ["cost", "net", "ratio"].map((name) => html("dd", { class: name }));
    const balance = html(
      "dl",
      { class: "balance", hidden: true },
      html("div", {}, html("dt", {}, "Cost"), cost),
      html("div", {}, html("dt", {}, "Net"), net),
      html("div", {}, html("dt", {}, "Ratio"), ratio),
    );
    const statement = html("p", { class: "paper help" });
    const listed = html("p", { class: "paper help" });
    const none = html("p", { class: "caption none-found" });
    const more = button("", () => this.#more(), { class: "more" });
    const latest = html("h3", { id: "latest" });
    const heading = this.#heading;
    const live = unseen("", { role: "status" });
    const card = html(
      "div",
      { class: "card" },
      html(
        "header",
        {},
        heading,
        html("div", { class: "periods", role: "group", "aria-label": "Period" }, ...periods, custom),
        range,
        html("div", { class: "filters" }, type, agent),
      ),
      html("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 5 }, () => html("i", {}))),
      this.#notice.element,
      html(
        "div",
        { class: "body" },
        html(
          "section",
          { class: "summary", "aria-labelledby": "heading" },
          total,
          caption,
          statement,
          adding,
          changes,
          standing,
          balance,
          place,
          daily,
          parts,
        ),
        html(
          "section",
          {
            class: "feed",
            "aria-labelledby": "latest",
            keydown: (/** @type {KeyboardEvent} */ event) => this.#walk(event),
          },
          link,
          html("div", { class: "top" }, latest, search, this.#download.element),
          found,
          rows,
          listed,
          none,
          more,
        ),
      ),
      live,
    );
    return {
      card,
      heading,
      periods,
      custom,
      range,
      first,
      last,
      rangeFault,
      total,
      caption,
      adding,
      changes,
      standing,
      place,
      table,
      figuresOf,
      daily,
      parts,
      types,
      byAgent,
      agents,
      type,
      agent,
      latest,
      search,
      found,
      link,
      linkedRows,
      unlinked,
      balance,
      cost,
      net,
      ratio,
      statement,
      listed,
      rows,
      none,
      more,
      live,
    };
  }

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const look = () => void this.#refresh();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : look()), { signal });
    addEventListener("online", look, { signal });
    addEventListener("offline", look, { signal });
    addEventListener("hashchange", () => this.#readAddress() && look(), { signal });
    const clock = setInterval(() => {
      if (!document.hidden) this.#tellTime();
    }, 30_000);
    signal.addEventListener("abort", () => clearInterval(clock));
    this.#readAddress();
    // Set before the browser knew this element, it hides what is behind it.
    if (Object.hasOwn(this, "agentName")) {
      const named = this.agentName;
      Reflect.deleteProperty(this, "agentName");
      this.agentName = named;
    }
    look();
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = null;
    this.#rest();
    this.#download.stop();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "period") {
      this.#usual = after && span(after) ? after : "30";
      this.#period = this.#usual;
    }
    if (name === "agent-names") this.#readNames(after);
    if (name === "endpoint") this.#forget();
    if (this.#life) void this.#refresh();
  }

  // ---- looking

  /** The one way anything is read, but for "load more": at first, at each look, on retry, on return to the tab. */
  async #refresh() {
    this.#rest();
    if (!this.#life) return;
    this.#refreshing = new AbortController();
    const signal = AbortSignal.any([this.#refreshing.signal, this.#life.signal]);
    this.#busy = true;
    this.#began = performance.now();
    this.#render();
    try {
      if (!this.getAttribute("endpoint")) throw new Problem("unset");
      await this.#readAll(signal);
      if (signal.aborted) return;
      this.#failures = 0;
      this.#problem = null;
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      this.#failed(error);
    }
    this.#busy = false;
    this.#render();
    this.#schedule();
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#problem = asProblem(error);
    if (this.#problem.kind === "signed-out") this.#forget();
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#refreshing?.abort();
    this.#busy = false;
  }

  #schedule() {
    // A hidden tab looks when it is shown again; so does a signed-out one, which may return from signing in elsewhere.
    if (document.hidden || this.#problem?.kind === "signed-out" || this.#problem?.kind === "unset") return;
    const asked = Math.max(1, Number(this.getAttribute("refresh")) || 15);
    const every = this.#patience || asked;
    const backedOff = this.#failures ? every * 2 ** this.#failures * (0.75 + Math.random() / 2) : every;
    const seconds = Math.max(this.#problem?.retryAfter ?? 0, Math.min(backedOff, Math.max(every, LONGEST_BACKOFF_S)));
    // From one look to the next, not from the end of one; but a server that is slow has half of that time in peace.
    const took = this.#problem || this.#patience ? 0 : Math.min(performance.now() - this.#began, seconds * 500);
    this.#timer = setTimeout(() => void this.#refresh(), Math.min(seconds * 1000 - took, LONGEST_TIMER_MS));
  }

  /**
   * Reads rows and totals; what arrives is shown even when the other fails, which is then raised.
   * @param {AbortSignal} signal
   */
  async #readAll(signal) {
    /** @type {unknown[]} */
    const failures = [];
    /** @param {unknown} failure */
    const failed = (failure) => void failures.push(failure);
    const feed = this.#readFeed(signal).then(() => this.#render(), failed);
    // The totals do not say whose they are. Those that go with the first rows are read after them: should the account
    // change in between, the next look finds the rows to be another's, and reads both afresh.
    const early = this.#watching;
    if (early) await this.#readSummary(signal).catch(failed);
    await feed;
    const isAnswered = failures.length || (early && this.#patience);
    const link = this.#linkDue && !failures.length ? this.#follow(signal).catch(failed) : null;
    if (this.#watching && !isAnswered) await this.#readSummary(signal).catch(failed);
    await link;
    // It stands below the totals, which move it when they come later.
    const place = this.#root.activeElement;
    if (link && this.#ui.link.contains(place)) place?.scrollIntoView({ block: "nearest" });
    // Also after a failure, for it is another server's. What is wrong there is no matter of the feed's.
    if (this.#watching) void this.#readCost();
    if (failures.length) throw failures[0];
  }

  /**
   * @param {string} path below the endpoint
   * @param {Record<string, string | number | null>} query what is null or empty is left out
   */
  #url(path, query) {
    const url = new URL(this.getAttribute("endpoint") ?? "", document.baseURI);
    url.pathname = url.pathname.replace(/\/$/, "") + path;
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, String(value));
    return url;
  }

  /**
   * @param {Record<string, string | number | null>} query
   * @param {AbortSignal} signal
   */
  async #list(query, signal) {
    /** @type {OutcomePage} */
    const page = await ask(this.#url("", { limit: PAGE, include: "ledger", ...query }), signal);
    if (!page.outcomes.every(isOutcome)) throw unclear();
    return page;
  }

  /**
   * Pages of the filtered feed from `start` on, until one brings something, the end, or SPARSE_PAGES.
   * @param {string | null} start
   * @param {AbortSignal} signal
   */
  async #pageOfFeed(start, signal) {
    let cursor = start;
    for (let pages = 1; ; pages += 1) {
      const page = await this.#list({ ...this.#filter, cursor }, signal);
      if (page.outcomes.length || !page.next_cursor || pages === SPARSE_PAGES) return page;
      cursor = page.next_cursor;
    }
  }

  /** @param {AbortSignal} signal */
  async #readFeed(signal) {
    let latest = null;
    if (!this.#watching || !(await this.#catchUp(signal))) {
      latest = await this.#list({}, signal);
      if (this.#watching) this.#forget();
      this.#watching = true;
      this.#newest = latest.outcomes[0] ?? null;
      this.#floor = latest.next_cursor ? (latest.outcomes.at(-1)?.created_at ?? "") : "";
      for (const { id, version } of latest.outcomes) this.#seen.set(id, version);
    }
    if (!this.#rowsDue) return;
    const page = latest && !this.#filtered ? latest : await this.#pageOfFeed(null, signal);
    this.#clearRows();
    this.#rowsDue = false;
    this.#add(page.outcomes);
    this.#cursor = page.next_cursor ?? null;
  }

  /**
   * Reads what was recorded since the newest known outcome, and a little before it.
   * @returns false when that cannot be joined to what is shown: too much is new, or the newest known outcome is not
   * there, so these are another account's outcomes.
   * @param {AbortSignal} signal
   */
  async #catchUp(signal) {
    const newest = this.#newest;
    const since = newest && new Date(Date.parse(newest.created_at) - OVERLAP_MS).toISOString();
    const from = since && since < this.#floor ? this.#floor : since;
    /** @type {Outcome[]} */
    const found = [];
    /** @type {string | null | undefined} */
    let cursor = null;
    for (let pages = 0; pages === 0 || cursor; pages += 1) {
      if (pages === CATCH_UP_PAGES) return false;
      const page = await this.#list({ from, cursor: cursor ?? null, limit: CATCH_UP_PAGE }, signal);
      found.push(...page.outcomes);
      cursor = page.next_cursor;
    }
    if (newest && !found.some(({ id }) => id === newest.id)) return false;

    const fresh = found.filter(({ id }) => !this.#seen.has(id));
    const moved = found.some(({ id, version }) => this.#seen.get(id) !== version);
    for (const one of found) {
      this.#seen.set(one.id, one.version);
      this.#rows.get(one.id)?.show(one);
    }
    if (moved || fresh.length) this.#news += 1;
    if (!fresh.length) return true;
    this.#newest = found[0];
    if (this.#rowsDue) return true;
    const { outcomeType, agentId, from: first, to } = this.#filter;
    /** @param {Outcome} outcome */
    const passes = ({ outcome_type, agent_id, created_at }) =>
      (!outcomeType || outcome_type === outcomeType) &&
      (!agentId || agent_id === Number(agentId)) &&
      (!first || (first <= created_at && created_at < to));
    const shown = this.#add(fresh.filter(passes));
    for (const { element } of shown) element.classList.add("new");
    const words = shown.length === 1 ? "new outcome" : "new outcomes";
    if (shown.length) this.#ui.live.textContent = `${whole.format(shown.length)} ${words}`;
    return true;
  }

  /** What figures have to be of: the period, the viewer's day, and the filter. */
  get #scope() {
    const { type, agent } = this.#ui;
    return `${this.#period} ${midnight(0).toISOString()} ${type.value} ${agent.value}`;
  }

  /** What the totals have to be of: that, and the outcomes known. */
  get #sum() {
    return `${this.#scope} ${this.#news}`;
  }

  /** @param {AbortSignal} signal */
  async #readSummary(signal) {
    const sum = this.#sum;
    if (sum === this.#summed) {
      this.#patience = 0; // of others, which nobody wants any more
      return;
    }
    const { from, to, days } = this.#span;
    const byWeek = days > MOST_WEEKS_DAYS ? "month" : "week";
    const query = {
      from: from.toISOString(),
      to: to.toISOString(),
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      by: days > MOST_DAYS ? byWeek : null,
      compare: "previous",
      outcomeType: this.#ui.type.value,
      agentId: this.#ui.agent.value,
    };
    /** @type {Summary} */
    const summary = await ask(this.#url("/summary", query), signal)
      .catch((problem) => {
        // A browser may know a time zone that the server's list does not.
        if (problem.reason !== "Invalid timezone") throw problem;
        return ask(this.#url("/summary", { ...query, timezone: "UTC" }), signal);
      })
      .catch((problem) => {
        if (signal.aborted) throw problem;
        this.#patience = problem.reason === "Still adding up" ? problem.retryAfter || 1 : 0;
        if (!this.#patience) throw problem;
      });
    if (!summary) return;
    this.#patience = 0;
    if (!Array.isArray(buckets(summary)[1]) || !Array.isArray(summary.by_type)) throw unclear();
    if (sum !== this.#sum) return; // of an account, a day or a filter that is no longer shown
    this.#summary = summary;
    this.#summarized = this.#scope;
    this.#showSummary();
    this.#summed = sum;
  }

  /** Reads what it cost, unless that is known well enough. What cannot be known is null; with the next look it is tried again. */
  async #readCost() {
    const endpoint = this.getAttribute("cost-endpoint");
    const costed = `${endpoint} ${this.#scope}`;
    if (!this.#life || (costed === this.#costed && Date.now() - this.#costAt < COST_MS)) return;
    if (costed !== this.#costed) this.#cost = null;
    this.#costed = costed;
    this.#costAt = Date.now();
    // An agent's cost is not of one type of outcome.
    if (endpoint && !this.#ui.type.value) {
      const { from, to } = this.#span;
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      const url = new URL(endpoint, document.baseURI);
      const query = {
        from: from.toISOString(),
        to: to.toISOString(),
        timezone: timeZone,
        agentId: this.#ui.agent.value,
      };
      for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
      /** @type {Cost | null} */
      const cost = await ask(url, this.#life.signal).catch(() => null);
      if (costed !== this.#costed) return;
      this.#cost = cost && isNumber(cost.cost_usd) ? cost : null;
      if (!cost) this.#costAt = 0;
    }
    this.#showCost();
  }

  /** Shows the outcome that the page's address leads to, whether it is among the latest or not. @param {AbortSignal} signal */
  async #follow(signal) {
    const { link, linkedRows, unlinked } = this.#ui;
    linkedRows.replaceChildren();
    this.#linkedRow = null;
    link.hidden = this.#linked === null;
    unlinked.textContent = "";
    const id = this.#linked;
    if (id !== null) {
      /** @type {Partial<History>} */
      const { outcome } = ID.test(id)
        ? await ask(this.#url(`/${id}`, {}), signal).catch((problem) => {
            if (problem.kind !== "error" || problem.status < 400 || problem.status >= 429) throw problem;
            return {};
          })
        : {};
      if (id !== this.#linked) return;
      if (outcome?.id === id && isOutcome(outcome)) {
        this.#linkedRow = new Row(outcome, this.#house);
        linkedRows.append(this.#linkedRow.element);
      } else unlinked.textContent = "This outcome is not there, or is not yours.";
    }
    this.#linkDue = false;
    this.#render();
    if (this.#linkedRow) this.#linkedRow.open();
    else unlinked.focus();
  }

  async #more() {
    if (!this.#life || this.#fetchingMore || !this.#cursor) return;
    this.#fetchingMore = new AbortController();
    const signal = AbortSignal.any([this.#fetchingMore.signal, this.#life.signal]);
    this.#render();
    try {
      const page = await this.#pageOfFeed(this.#cursor, signal);
      const added = this.#add(page.outcomes);
      this.#cursor = page.next_cursor ?? null;
      this.#problem = null;
      // The button goes away with the last page: the keyboard's place moves on to what it brought.
      if (!this.#cursor && this.#root.activeElement === this.#ui.more) added[0]?.summary.focus();
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(error);
    }
    this.#fetchingMore = null;
    this.#render();
  }

  // ---- choosing

  /** Which outcomes are listed: of a period that is over, only what was recorded in it. */
  get #filter() {
    const { from, to, isLast } = this.#span;
    const [first, end] = isLast ? ["", ""] : [from, to].map((instant) => instant.toISOString());
    return { outcomeType: this.#ui.type.value, agentId: this.#ui.agent.value, from: first, to: end };
  }

  /** What can be downloaded: all that was recorded in the period, not only what is listed already. */
  get #file() {
    const { from, to, isLast } = this.#span;
    const { outcomeType, agentId } = this.#filter;
    const until = isLast ? null : to.toISOString();
    return {
      url: this.#url("/export", { format: "csv", outcomeType, agentId, from: from.toISOString(), to: until }),
      from,
      to: isLast ? new Date() : to,
      name: `outcomes_${isoDay.format(from)}_${isoDay.format(midnight(-1, to))}.csv`,
    };
  }

  get #filtered() {
    return Object.values(this.#filter).some(Boolean);
  }

  /** What is shown of time. */
  get #span() {
    return /** @type {NonNullable<ReturnType<typeof span>>} */ (span(this.#period));
  }

  /** @param {string} period */
  #choosePeriod(period) {
    const isListed = this.#span.isLast && PERIODS.has(period);
    this.#period = period;
    this.#closeRange();
    if (isListed) {
      this.#writeAddress();
      void this.#refresh();
    } else this.#filterChanged();
  }

  /** Asks for the first and the last day, at first those that are shown. */
  #askRange() {
    const { range, custom, first, last } = this.#ui;
    if (!range.hidden) return this.#closeRange();
    const { from, to } = this.#span;
    first.value = isoDay.format(from);
    last.value = isoDay.format(midnight(-1, to));
    range.hidden = false;
    custom.ariaExpanded = "true";
    first.focus();
  }

  #closeRange() {
    const { range, custom, rangeFault } = this.#ui;
    if (range.hidden) return;
    const hadFocus = range.matches(":focus-within");
    range.hidden = true;
    rangeFault.textContent = "";
    custom.ariaExpanded = "false";
    if (hadFocus) custom.focus();
  }

  /** @param {SubmitEvent} event */
  #chooseRange(event) {
    event.preventDefault();
    const { first, last, rangeFault } = this.#ui;
    const period = `${first.value}..${last.value}`;
    let fault = "";
    if (!first.value || !last.value) fault = "Give the first and the last day.";
    else if (first.value > last.value) fault = "The last day is before the first.";
    else if (!span(period)) fault = "At most ten years.";
    rangeFault.textContent = fault;
    if (!fault) this.#choosePeriod(period);
  }

  #filterChanged() {
    this.#fetchingMore?.abort();
    this.#fetchingMore = null;
    this.#rowsDue = true;
    this.#writeAddress();
    void this.#refresh();
  }

  // ---- the page's address, if it may be used

  /** Keeps what is chosen in the fragment, and whatever else is there. */
  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const address = new URL(location.href);
    const kept = new URLSearchParams(address.hash.slice(1));
    const chosen = {
      period: this.#period === this.#usual ? "" : this.#period,
      type: this.#ui.type.value,
      agent: this.#ui.agent.value,
      outcome: this.#linked,
    };
    for (const [name, value] of Object.entries(chosen)) {
      if (value) kept.set(name, value);
      else kept.delete(name);
    }
    address.hash = String(kept);
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  /** @returns whether it says something else than what is chosen */
  #readAddress() {
    if (!this.hasAttribute("url-state")) return false;
    const { type, agent } = this.#ui;
    const before = this.#sum;
    const kept = new URLSearchParams(location.hash.slice(1));
    const period = kept.get("period") ?? "";
    this.#period = span(period) ? period : this.#usual;
    type.value = kept.get("type") ?? "";
    type.selectedIndex = Math.max(0, type.selectedIndex);
    const id = Number(kept.get("agent"));
    if (Number.isSafeInteger(id) && id > 0) this.#offerAgent(id);
    agent.value = id > 0 ? String(id) : "";
    agent.selectedIndex = Math.max(0, agent.selectedIndex);
    const isOther = before !== this.#sum;
    if (isOther) this.#rowsDue = true;
    const linked = kept.get("outcome") || null;
    if (linked !== this.#linked) this.#linkDue = true;
    this.#linked = linked;
    return isOther || this.#linkDue;
  }

  #unlink() {
    this.#linked = null;
    this.#linkedRow = null;
    this.#ui.link.hidden = true;
    this.#writeAddress();
    this.#ui.heading.focus();
  }

  // ---- finding one's way in the rows

  /** Hides rows that do not say what is searched for. */
  #search() {
    const words = this.#ui.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of this.#rows.values()) {
      row.element.hidden = words.length > 0 && !row.says(words);
      if (!row.element.hidden) shown += 1;
    }
    this.#ui.found.textContent =
      words.length && this.#rows.size ? `${whole.format(shown)} of ${outcomes(this.#rows.size)} that are loaded` : "";
  }

  /** Goes from row to row by the arrows, Home and End. @param {KeyboardEvent} event */
  #walk(event) {
    const rows = [...this.#ui.rows.querySelectorAll("summary")].filter((row) => row.checkVisibility());
    const at = rows.indexOf(/** @type {HTMLElement} */ (event.target));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    rows[to]?.focus();
  }

  // ---- names of agents

  get agentName() {
    return this.#named;
  }

  set agentName(named) {
    this.#named = named;
    this.#rename();
  }

  /** @param {string | null} text */
  #readNames(text) {
    try {
      this.#names = JSON.parse(text ?? "{}") ?? {};
    } catch {
      this.#names = {};
    }
    this.#rename();
  }

  #rename() {
    for (const option of [...this.#ui.agent.options].slice(1)) option.text = this.#house.agent(Number(option.value));
    for (const row of this.#rows.values()) row.redraw();
    this.#linkedRow?.redraw();
    this.#search();
    if (this.#summed === this.#sum) this.#showSummary();
  }

  // ---- keeping

  /**
   * What a row has of the feed that it is in.
   * @type {House}
   */
  #house = {
    url: (path) => this.#url(path, {}),
    agent: (id) => (id === null ? "No agent" : String(this.#named?.(id) || this.#names[id] || `Agent ${id}`)),
    link: (id) => {
      if (!this.hasAttribute("url-state")) return null;
      const kept = new URLSearchParams(location.hash.slice(1));
      kept.set("outcome", id);
      const address = new URL(location.href);
      address.hash = String(kept);
      return address.href;
    },
    moved: (outcome) => {
      const { id, version } = outcome;
      // It may be in two places.
      this.#rows.get(id)?.show(outcome);
      if (id === this.#linked) this.#linkedRow?.show(outcome);
      this.#seen.set(id, version);
      this.#news += 1;
      void this.#refresh();
    },
    signedOut: (problem) => {
      this.#failed(problem);
      this.#render();
      this.#ui.heading.focus();
    },
  };

  /** Everything about whoever was signed in. */
  #forget() {
    this.#download.stop();
    this.#watching = false;
    this.#newest = null;
    this.#floor = "";
    this.#seen.clear();
    this.#clearRows();
    this.#rowsDue = true;
    this.#news += 1;
    this.#patience = 0;
    this.#summed = "";
    this.#summary = null;
    this.#summarized = "";
    this.#cost = null;
    this.#costed = "";
    this.#linkedRow = null;
    this.#linkDue = this.#linked !== null;
    this.#ui.search.value = "";
    this.#ui.link.hidden = true;
    this.#ui.linkedRows.replaceChildren();
    const { total, caption, changes, standing, place, table, types, agents, parts, daily, agent } = this.#ui;
    for (const element of [total, caption, changes, standing, place, table, types, agents]) element.replaceChildren();
    daily.hidden = true;
    parts.hidden = true;
    for (const option of [...agent.options].slice(1)) if (!option.selected) option.remove();
  }

  #clearRows() {
    this.#fetchingMore?.abort();
    this.#fetchingMore = null;
    this.#rows.clear();
    this.#ui.rows.replaceChildren();
    this.#cursor = null;
  }

  /**
   * Puts outcomes that are not shown yet in their places, newest first.
   * @param {Outcome[]} found
   * @returns their rows
   */
  #add(found) {
    /** @type {Row[]} */
    const added = [];
    for (const outcome of found) {
      if (this.#rows.has(outcome.id)) continue;
      const order = `${outcome.created_at}#${outcome.id}`; // the order of the API
      const row = new Row(outcome, this.#house);
      const { element } = row;
      // New ones belong near the top and further pages at the end, so this looks at few rows.
      const later = /** @type {HTMLLIElement[]} */ ([...this.#ui.rows.children]);
      /** @param {HTMLLIElement} other */
      const older = (other) => String(other.dataset.order) < order;
      const next = later.slice(-1).some(older) ? later.find(older) : null;
      element.dataset.order = order;
      this.#ui.rows.insertBefore(element, next ?? null);
      this.#rows.set(outcome.id, row);
      this.#offerAgent(outcome.agent_id);
      added.push(row);
    }
    this.#search();
    return added;
  }

  /** @param {number | null} id */
  #offerAgent(id) {
    const { agent } = this.#ui;
    if (id === null) return;
    const others = [...agent.options].slice(1);
    if (others.some((option) => option.value === String(id))) return;
    agent.insertBefore(
      html("option", { value: id }, this.#house.agent(id)),
      others.find((option) => Number(option.value) > id) ?? null,
    );
  }

  // ---- showing

  #showSummary() {
    const summary = /** @type {Summary} */ (this.#summary);
    const { total, caption, changes, standing, place, table, figuresOf, daily, parts, types } = this.#ui;
    const { statement, type, agent } = this.#ui;
    const { from, to, name, before, isLast } = this.#span;
    const [unit, bars] = buckets(summary);
    total.replaceChildren(headline(summary.value_usd));
    const chosen = [type, agent].flatMap((select) => (select.value ? [select.selectedOptions[0].text] : []));
    caption.textContent = [`${outcomes(summary.count)}${isLast ? " in " : ", "}${name}`, ...chosen].join(" · ");
    changes.replaceChildren(...change(summary, before));
    standing.replaceChildren(...standingSums(summary));
    const valued = bars.some((bar) => Number(decimal(bar.value_usd)) !== 0);
    place.replaceChildren(...(valued ? [chart(bars, unit, name)] : []));
    table.replaceChildren(figures(bars, unit));
    table.ariaLabel = unit.figures;
    figuresOf.textContent = unit.figures;
    daily.hidden = summary.count === 0;
    parts.hidden = summary.by_type.length === 0;
    types.replaceChildren(...split(summary.by_type, ({ outcome_type: of }) => [typeName(of), typeIcon(of)]));
    statement.textContent = `${localDay.formatRange(from, midnight(-1, to))} · as of ${asOf.format(new Date())}`;
    for (const { agent_id: id } of summary.by_agent ?? []) this.#offerAgent(id);
    this.#showCost();
  }

  /** Shows what it cost, also by agent, beside what was delivered. */
  #showCost() {
    const { byAgent, agents, balance, cost, net, ratio } = this.#ui;
    const summary = this.#summarized === this.#scope ? this.#summary : null;
    const spent = this.#cost?.cost_usd ?? null;
    balance.hidden = !this.hasAttribute("cost-endpoint");
    cost.replaceChildren(amount(spent));
    net.replaceChildren(amount(summary && spent !== null ? minus(summary.value_usd, spent) : null));
    const over = summary && spent !== null ? Number(decimal(summary.value_usd)) / Number(decimal(spent)) : Number.NaN;
    ratio.replaceChildren(Number.isFinite(over) ? `${times.format(over)}×` : amount(null));
    if (!summary) return;
    const byAgents = summary.by_agent ?? [];
    const isByAgents = byAgents.some(({ agent_id }) => agent_id !== null);
    byAgent.hidden = !isByAgents;
    const costs = new Map(this.#cost?.by_agent?.map((one) => [one.agent_id, one.cost_usd]));
    const shares = split(isByAgents ? mostAgents(byAgents, summary.other_agents) : [], (part) => {
      if ("agents" in part) return [`${whole.format(part.agents)} other agents`, AGENT_ICON];
      const its = costs.get(part.agent_id);
      return [
        this.#house.agent(part.agent_id),
        AGENT_ICON,
        isNumber(its) ? ` · cost ${cents.format(decimal(its))}` : "",
      ];
    });
    agents.replaceChildren(...shares);
  }

  #tellTime() {
    for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (this.#ui.card.querySelectorAll("time.ago")))
      time.textContent = ago(time.dateTime);
  }

  /** @returns {Lack | "ready"} */
  get #state() {
    if (this.#problem && (this.#problem.kind === "signed-out" || !this.#watching)) return this.#problem.kind;
    if (!this.#watching) return "loading";
    return this.#newest || this.#linked ? "ready" : "empty";
  }

  #render() {
    const { custom, changes, latest, statement, listed, found } = this.#ui;
    const { card, periods, rows, none, more, total, caption, adding, standing, place } = this.#ui;
    const state = this.#state;
    // Beside a feed that could be read before, what is wrong now is a banner.
    const banner = state === "ready" || state === "empty" ? this.#problem?.kind : undefined;
    const told = banner ?? (state === "ready" ? null : state);

    card.dataset.state = state;
    card.dataset.banner = banner ?? "";
    card.ariaBusy = String(state === "loading");
    for (const one of periods) one.ariaPressed = String(one.value === this.#period);
    custom.ariaPressed = String(!PERIODS.has(this.#period));
    const { isLast, name } = this.#span;
    latest.textContent = isLast ? "Latest outcomes" : `Recorded ${name}`;
    this.#download.button.title = `What was recorded${isLast ? " in" : ""} ${name}, as CSV`;
    this.#tellTime();

    if (!this.#summed) {
      total.replaceChildren("–");
      if (this.#patience) caption.textContent = "";
      else caption.textContent = this.#busy ? "Adding up…" : "Totals are not available right now.";
      standing.replaceChildren();
      changes.replaceChildren();
      statement.textContent = "";
      this.#showCost();
    }
    const words = this.#patience ? "Still adding up…" : "";
    if (adding.textContent !== words) adding.textContent = words;
    place.classList.toggle("awaited", !this.#summed && (this.#busy || this.#patience > 0));
    rows.ariaBusy = String(this.#rowsDue);
    none.hidden = [...this.#rows.values()].some(({ element }) => !element.hidden);
    if (found.textContent) none.textContent = "Nothing that is loaded says so.";
    else if (this.#rowsDue) none.textContent = this.#busy ? "Looking…" : "Not loaded yet.";
    else if (this.#cursor) none.textContent = "No match among the latest outcomes.";
    else if (this.#span.isLast || this.#ui.type.value || this.#ui.agent.value)
      none.textContent = "No outcome matches this filter.";
    else none.textContent = "Nothing was recorded in this time.";
    more.hidden = !this.#cursor;
    listed.textContent = this.#cursor ? "There are more than those that are listed." : "";
    more.textContent = this.#fetchingMore ? "Loading…" : this.#rows.size ? "Load more" : "Look further back";
    more.ariaDisabled = String(Boolean(this.#fetchingMore));

    let [title, text] = WORDS[told ?? "loading"];
    if (this.#problem?.message) text = `${this.#problem.message} ${text}`;
    if (banner === "error") title = "This may be out of date";
    this.#notice.show(told, [title, text], this.getAttribute("sign-in-url"));
  }
}

if (!customElements.get("value-delivered")) customElements.define("value-delivered", ValueDelivered);
