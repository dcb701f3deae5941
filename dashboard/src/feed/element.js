/**
 * <value-delivered endpoint="/api/outcomes">: a live feed of the outcomes of a user's agents.
 * custom-elements.json and README.md describe its attributes and theme.
 */

import BASE from "../shared/styles.css";
import STYLES from "./styles.css";
// Styles come first: gzip only looks back 32 kB, and scripts have more in common with each other.

import { AgentNames } from "../shared/agents.js";
import { attachShadow, button, define, html, reapply, styleSheet, unseen } from "../shared/dom.js";
import { Notice } from "../shared/notice.js";
import { Problem } from "../shared/request.js";
import { makeFormats } from "../shared/time.js";
import { partsOf, withState } from "./address.js";
import { Api } from "./api.js";
import { Attention } from "./attention.js";
import { refreshTimes } from "./changes.js";
import { Choice } from "./choice.js";
import { Documents } from "./documents.js";
import { whole } from "./format.js";
import { followZones, Later, loadMore } from "./later.js";
import { LinkedOutcome } from "./linked.js";
import { Rows } from "./rows.js";
import { Totals } from "./totals.js";
import { Watcher } from "./watcher.js";
import { dateIn } from "./zone.js";

/** @import {ViewState} from "../shared/request.js" */
/** @import {Outcome} from "./api.js" */
/** @import {RowContext} from "./row.js" */

const REFRESH_TIMES_MS = 30_000;
const PHONE_PX = 544; // a card that is narrower folds the shares; styles.css has the same width, 34rem
const HOLD_MS = 1500; // the first frame waits no longer for all of its answers

const SHEET = styleSheet(BASE + STYLES);

/** @type {Record<ViewState, [title: string, text: string]>} */
const WORDS = {
  loading: ["Loading what your agents delivered", ""],
  empty: ["Nothing delivered yet", "What your agents finish appears here."],
  "signed-out": ["You are signed out", "Sign in to see what your agents delivered."],
  offline: ["You are offline", "The feed resumes when you are online."],
  error: ["The feed could not be loaded", "Retrying automatically."],
  unset: ["No endpoint", "Set its endpoint."],
};

/**
 * Return the words of a state.
 * @param {ViewState} state
 * @param {Problem | null} problem
 * @param {ViewState} [banner] equal to `state` if the feed stays visible below the words
 * @returns {[title: string, text: string]}
 */
function wordsOf(state, problem, banner) {
  const [title, text] = WORDS[state];
  return [
    banner === "error" ? "This may be out of date" : title,
    problem?.message ? `${problem.message} ${text}` : text,
  ];
}

const DELIVERED = "M12 3v12M7 10l5 5 5-5M4 17v3h16v-3";

class ValueDelivered extends HTMLElement {
  static observedAttributes = [
    "endpoint",
    "period",
    "refresh",
    "sign-in-url",
    "agent-names",
    "url-state",
    "cost-endpoint",
    "owner",
    "api-url",
    "keys-url",
  ];

  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  /** @type {Promise<unknown> | null} settled when the first frame may be shown */
  #held = null;
  #isOther = false; // whether the days of another time zone are to be shown, all at once like the first frame
  #agents = new AgentNames();

  #api = new Api(() => new URL(this.getAttribute("endpoint") ?? "", document.baseURI).href);
  /** @type {RowContext} */
  #context = {
    api: this.#api,
    agent: (id) => this.#agents.name(id),
    keyNames: new Map(),
    listed: () => this.#rows.outcomes,
    day: (at) => dateIn(this.#choice.zone, at),
    link: (id) =>
      this.hasAttribute("url-state") && this.#api.has("corrections")
        ? withState(location.href, { outcome: id, review: null })
        : null,
    changed: (...outcomes) => {
      // Update all three: an outcome of the list may also be in the queue, and be the one that the address links to.
      for (const outcome of outcomes) {
        this.#rows.correct(outcome);
        this.#linked.update(outcome);
        this.#watcher.markSeen(outcome);
      }
      this.#attention.found(outcomes);
      this.#totals.sums.expire();
      return this.#watcher.poll();
    },
    folded: (id) => {
      this.#rows.place(id);
      this.#render();
    },
    signedOut: (problem) => {
      this.#watcher.fail(problem);
      this.#render();
    },
  };
  #choice = new Choice(
    this.#api,
    () => {
      this.#rows.skip();
      this.#writeAddress();
      void this.#watcher.poll();
    },
    this.#context.agent,
  );
  // The watcher ignores filters, so that totals also notice outcomes that the list hides.
  #watcher = new Watcher(this.#api, {
    isHidden: () => document.hidden,
    interval: () => Math.max(1, Number(this.getAttribute("refresh")) || 15),
    retryAfter: () => this.#totals.retryAfter,
    read: (signal) => this.#readAll(signal),
    render: () => this.#render(),
    found: (found, fresh, isCorrected) => this.#show(found, fresh, isCorrected),
    skipped: () => {
      this.#rows.skip();
      this.#totals.sums.invalidate();
    },
    forget: () => this.#forget(),
  });
  #totals = new Totals(
    this.#api,
    this.#choice,
    this.#context.agent,
    () => this.getAttribute("cost-endpoint"),
    (isOther) => {
      this.#rename(); // rows show the days of the time zone
      if (isOther && this.#rows.isUnread) return; // this poll reads them
      this.#isOther = isOther;
      void this.#watcher.poll();
    },
  );
  #rows = new Rows(this.#api, this.#choice, this.#watcher, this.#totals, this.#context, () => this.#render());
  #linked = new LinkedOutcome(this.#api, this.#context, () => this.#writeAddress());
  #attention = new Attention(this.#api, this.#choice, this.#totals, this.#context, () => {
    this.#writeAddress();
    this.#render();
  });
  #documents = new Documents(this, {
    ...this.#context,
    choice: this.#choice,
    totals: this.#totals,
    rows: this.#rows,
    watcher: this.#watcher,
  });

  #heading = html("h2", { id: "heading", tabindex: -1 }, "Value Delivered");
  #notice = new Notice(DELIVERED, this.#heading, () => void this.#watcher.poll());
  #how = new Later("how", (more, element) => new more.HowToRecord(element, this.#api, this));
  #latest = html("span");
  #live = unseen();
  #card = html(
    "div",
    {
      class: "card",
      focusin: async (/** @type {FocusEvent} */ { target }) => {
        const more = await loadMore(this.#card).catch(() => null); // the next focus tries again
        this.#keepFocus ??= more?.keepFocus(this.#root, target);
      },
    },
    button("Skip to the outcomes", () => this.#rows.focus(), { class: "skip" }),
    html("header", {}, this.#heading, ...this.#choice.elements),
    this.#documents.paper,
    html("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 13 }, () => html("i", {}))),
    this.#attention.element,
    html(
      "div",
      { class: "stage" },
      html(
        "div",
        { class: "body" },
        this.#totals.element,
        html(
          "section",
          { class: "feed", "aria-labelledby": "latest", keydown: (event) => this.#rows.moveFocus(event) },
          this.#linked.element,
          html(
            "div",
            { class: "top" },
            html("h3", { id: "latest", tabindex: -1 }, this.#latest, this.#totals.claimed[2]),
            this.#rows.search,
            this.#documents.element,
          ),
          ...this.#rows.elements,
        ),
      ),
      this.#notice.element,
    ),
    this.#how.element,
    this.#live,
  );
  #root = attachShadow(this, SHEET, this.#card);
  /** @type {(() => void) | undefined} returns the focus after the element was moved; loaded when it gets the focus for the first time */
  #keepFocus;

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const poll = () => void this.#watcher.poll();
    const wake = () => this.#watcher.wake();
    const pauseOrPoll = () => (document.hidden ? this.#watcher.pause() : poll());
    const refresh = () => document.hidden || refreshTimes(this.#card, this.#choice.zone);
    for (const react of [pauseOrPoll, wake, refresh]) document.addEventListener("visibilitychange", react, { signal });
    for (const sign of ["pointermove", "pointerdown", "keydown", "focus"]) addEventListener(sign, wake, { signal });
    for (const change of ["online", "offline"]) addEventListener(change, poll, { signal });
    const unfold = () => {
      refresh();
      this.#documents.render();
      this.#totals.fold(false);
    };
    addEventListener("beforeprint", unfold, { signal });
    addEventListener("hashchange", () => this.#readAddress() && poll(), { signal });
    const clock = setInterval(refresh, REFRESH_TIMES_MS);
    signal.onabort = () => clearInterval(clock);
    this.#totals.fold(this.clientWidth > 0 && this.clientWidth < PHONE_PX);
    this.#attention.start(signal);
    this.#readAddress();
    reapply(this, "agentName");
    this.#watcher.start(signal);
    this.#keepFocus?.();
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = null;
    this.#rows.cancel();
    this.#documents.forget();
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "period") {
      this.#choice.period = after;
      if (this.#life) this.#writeAddress();
    }
    if (name === "agent-names") this.#agents.parse(after);
    if (name === "endpoint") this.#forget();
    if (name === "url-state") this.#readAddress();
    this.#rename(); // also without costs, or with links
    void this.#watcher.poll();
  }

  // ---- reading

  /**
   * Read rows and totals. If one of them fails, the other is still shown; the error is thrown afterwards.
   * @param {AbortSignal} signal
   */
  async #readAll(signal) {
    if (!this.getAttribute("endpoint")) throw new Problem("unset");
    if (followZones()) this.#rename();
    /** @type {unknown[]} */
    const failures = [];
    /** @param {unknown} failure */
    const failed = (failure) => void failures.push(failure);
    // When the page opens or the selection has changed, totals are read at the same time as the rows. Otherwise they are
    // read after the rows, so that the summary counts every row that was found. A summary does not name its user. If
    // another user signs in between the reads, the rows show this, now or in the next poll, and all is read again.
    const isFirst = !this.#watcher.isWatching;
    const { signal: life } = /** @type {AbortController} */ (this.#life);
    const totals = isFirst || this.#totals.isOther ? this.#totals.read(signal).catch(failed) : null;
    const cost = isFirst ? this.#totals.expectCost(life) : null;
    const latest = this.#watcher.catchUp(signal);
    const early = isFirst ? this.#rows.readFirst(signal, totals) : null;
    const listed = latest
      .then((page) => this.#rows.read(page, signal, totals, early))
      .then(() => this.#render(), failed);
    const link = listed.then(() => this.#linked.isDue && !failures.length && this.#linked.read(signal).catch(failed));
    if (isFirst) makeFormats(); // while the answers are on their way
    if (isFirst || this.#isOther) void this.#hold(Promise.all([link, totals, cost]), signal);
    const followed = link.then((isRead) => (isRead ? this.#follow() : undefined));
    await listed;
    await totals;
    signal.throwIfAborted(); // the next poll, for example for the days of the rule, has sent its own requests
    const [page, first] = await Promise.all([latest, early]).catch(() => [null, null]);
    if (isFirst && page) this.#totals.meet(page, first?.page);
    const isDone = totals && (failures.length || this.#totals.retryAfter);
    if (this.#watcher.isWatching && !isDone) await this.#totals.read(signal).catch(failed);
    await followed;
    // If totals arrive later, they push the linked outcome down, so scroll to it again.
    const focused = this.#root.activeElement;
    if (this.#linked.element.contains(focused)) focused?.scrollIntoView({ block: "nearest" });
    // Read the cost even after a failure: it comes from another server, and its errors do not concern the feed.
    if (this.#watcher.isWatching) void this.#totals.readCost(life);
    if (failures.length) throw failures[0];
  }

  /**
   * Show nothing before all first answers are there, so that none moves what another shows. After HOLD_MS, show what is
   * there.
   * @param {Promise<unknown>} arrival
   * @param {AbortSignal} signal
   */
  async #hold(arrival, signal) {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(HOLD_MS)]);
    const held = Promise.race([arrival, new Promise((end) => (patience.onabort = end))]);
    this.#held = held;
    this.#isOther = false;
    this.#render();
    await held;
    if (this.#held !== held) return;
    this.#held = null;
    this.#render();
  }

  /** Show the outcome that the address links to. */
  async #follow() {
    await this.#held;
    this.#render();
    this.#linked.open();
  }

  /** @param {Outcome[]} found @param {Outcome[]} fresh @param {boolean} isCorrected */
  #show(found, fresh, isCorrected) {
    this.#totals.add(fresh);
    if (isCorrected) this.#totals.sums.correct();
    this.#attention.found(found, fresh);
    for (const outcome of found) this.#linked.update(outcome);
    const added = this.#rows.addNew(found);
    if (added) this.#live.textContent = `${whole.format(added)} new outcome${added === 1 ? "" : "s"}`;
  }

  /** Forget everything about the user who was signed in. */
  #forget() {
    const { problem } = this.#watcher;
    if (problem) problem.message ||= this.#attention.lost;
    this.#context.keyNames.clear();
    const parts = [
      this.#attention,
      this.#documents,
      this.#watcher,
      this.#rows,
      this.#totals,
      this.#linked,
      this.#choice,
      this.#how,
    ];
    for (const part of parts) part.forget();
  }

  // ---- the page's address, with url-state

  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const address = withState(location.href, {
      ...this.#choice.state,
      ...this.#attention.state,
      outcome: this.#linked.id,
    });
    if (address !== location.href) history.replaceState(history.state, "", address);
  }

  /** @returns whether the address selects other outcomes than those shown */
  #readAddress() {
    if (!this.hasAttribute("url-state")) return false;
    const kept = new URLSearchParams(partsOf(location.hash).query);
    const isOther = this.#choice.restore(kept);
    if (isOther) this.#rows.skip();
    const isMoved = this.#attention.restore(kept);
    return this.#linked.restore(kept) || isOther || isMoved;
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
    for (const part of [this.#choice, this.#rows, this.#linked, this.#totals, this.#attention]) part.redraw();
  }

  // ---- rendering

  /** @returns {ViewState | "ready"} */
  get #state() {
    const { problem, isWatching, newest } = this.#watcher;
    if (problem && (problem.kind === "signed-out" || !isWatching)) return problem.kind;
    if (!isWatching || this.#held) return "loading";
    return newest || this.#rows.list.hasChildNodes() || this.#linked.id ? "ready" : "empty";
  }

  #render() {
    const { problem, isPolling } = this.#watcher;
    const state = this.#state;
    // Keep showing a feed that was loaded before; show the error as a banner.
    const banner = state === "ready" || state === "empty" ? problem?.kind : undefined;
    const noticed = banner ?? (state === "ready" ? null : state);
    Object.assign(this.#card.dataset, { state, banner: banner ?? "" });
    this.#card.ariaBusy = String(state === "loading");

    const { isLast, name } = this.#choice.span;
    const latest = this.#api.has("totals") ? "Latest outcomes" : this.#rows.worth;
    this.#latest.textContent = isLast ? latest : `Happened ${name}`;
    this.#documents.render();
    this.#choice.render();
    this.#totals.render(isPolling, problem?.kind === "offline" ? this.#watcher.readAt : null);
    this.#rows.render();
    void this.#attention.render(state === "signed-out");

    void this.#how.render(state === "empty");
    this.#notice.show(noticed, wordsOf(noticed ?? "loading", problem, banner), this.getAttribute("sign-in-url"));
  }
}

define("value-delivered", ValueDelivered);
