import { asProblem } from "../shared/request.js";
import { compare } from "./merge.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api, Outcome, OutcomePage} from "./api.js" */

const PAGE = 50; // the most the API returns at once
const MOST_PAGES = 4; // if more is new, reading the list again is cheaper than catching up
// An outcome's time is fixed before it is written, so an older outcome may become visible after a newer one.
// Each poll therefore starts this long before the newest known outcome.
const OVERLAP_MS = 60_000;
const LONGEST_BACKOFF_S = 300;
// A timer's delay is a signed 32-bit number; browsers treat a longer one as 0 (HTML, "Timers").
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Return the seconds until the next poll: exponential backoff with 25 % jitter, at most five minutes, at least Retry-After.
 * @param {number} every seconds without a failure
 * @param {number} failures in a row
 * @param {number} retryAfter seconds
 */
export function backoff(every, failures, retryAfter) {
  const backedOff = failures ? every * 2 ** failures * (0.75 + Math.random() / 2) : every;
  return Math.max(retryAfter, Math.min(backedOff, Math.max(every, LONGEST_BACKOFF_S)));
}

/**
 * The element that a watcher works for. interval: seconds between polls. retryAfter: the same as the server asks for, or 0.
 * read: does the work of a poll and calls catchUp. render: called when a poll starts or ends. found: gets outcomes and, as
 * fresh, those never seen before; isNews: one of them, or its version, is new. skipped: more is new than was read.
 * forget: the outcomes of another user follow.
 * @typedef {{isHidden: () => boolean, interval: () => number, retryAfter: () => number, read: (signal: AbortSignal) => Promise<void>,
 *   render: () => void, found: (outcomes: Outcome[], fresh: Outcome[], isNews: boolean) => void, skipped: () => void, forget: () => void}} Host
 */

/**
 * Polls for outcomes, with backoff after failures, and reports which are new. It does not depend on filters or the DOM.
 */
export class Watcher {
  /** @type {Problem | null} of the last poll */
  problem = null;
  isPolling = false;
  isWatching = false; // the first page is loaded
  /** @type {Outcome | null} */
  newest = null;
  #floor = ""; // created_at of the oldest outcome of the first page: catching up stops there
  /** @type {Map<string, number | undefined>} version by id */
  #seen = new Map();
  #failures = 0;
  /** @type {AbortSignal | null} */
  #life = null;
  /** @type {AbortController | null} */
  #polling = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #startedAt = 0; // of the last poll, by performance.now()

  /** @param {Api} api @param {Host} host */
  constructor(api, host) {
    this.#api = api;
    this.#host = host;
  }
  #api;
  #host;

  /** Start polling. @param {AbortSignal} life ends it */
  start(life) {
    this.#life = life;
    life.addEventListener("abort", () => this.pause());
    void this.poll();
  }

  /** Poll now and schedule the next poll. */
  async poll() {
    this.pause();
    if (!this.#life || this.#life.aborted) return;
    this.#polling = new AbortController();
    const { signal } = this.#polling;
    this.isPolling = true;
    this.#startedAt = performance.now();
    this.#host.render();
    try {
      await this.#host.read(signal);
      if (signal.aborted) return;
      this.#failures = 0;
      this.problem = null;
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      this.fail(error);
    }
    this.isPolling = false;
    this.#host.render();
    this.#schedule();
  }

  /** Abort a running poll and cancel the scheduled one. */
  pause() {
    clearTimeout(this.#timer);
    this.#polling?.abort();
    this.isPolling = false;
  }

  /** @param {unknown} error */
  fail(error) {
    this.problem = asProblem(error);
    if (this.problem.kind === "signed-out") this.#host.forget();
  }

  forget() {
    this.isWatching = false;
    this.newest = null;
    this.#floor = "";
    this.#seen.clear();
  }

  /** @param {Outcome} outcome */
  markSeen({ id, version }) {
    this.#seen.set(id, version);
  }

  #schedule() {
    // A hidden tab polls when it is shown again. So does a signed-out one: the viewer may have signed in elsewhere.
    if (this.#host.isHidden() || this.problem?.kind === "signed-out" || this.problem?.kind === "unset") return;
    const retryAfter = this.#host.retryAfter();
    const seconds = backoff(retryAfter || this.#host.interval(), this.#failures, this.problem?.retryAfter ?? 0);
    // The interval is the time between the starts of two polls, but a slow server always gets a pause of half of it.
    const took = this.problem || retryAfter ? 0 : Math.min(performance.now() - this.#startedAt, seconds * 500);
    this.#timer = setTimeout(() => void this.poll(), Math.min(seconds * 1000 - took, LONGEST_TIMER_MS));
  }

  /**
   * Read new outcomes. On the first poll, or if outcomes were missed, read the latest page instead.
   * @param {AbortSignal} signal
   * @returns {Promise<OutcomePage | null>} the latest page, or null
   */
  async catchUp(signal) {
    if (this.isWatching && (await this.#readNew(signal))) return null;
    const latest = await this.#api.list({}, signal);
    if (this.isWatching) {
      if (!(await this.#isSameUser(signal))) {
        this.#host.forget();
        return this.catchUp(signal); // the page may still be of the first user
      }
      this.#host.skipped();
    }
    this.isWatching = true;
    this.newest = latest.outcomes[0] ?? null;
    this.#floor = latest.next_cursor ? (latest.outcomes.at(-1)?.created_at ?? "") : "";
    latest.outcomes.forEach(this.markSeen, this);
    return latest;
  }

  /** Whether the newest known outcome still exists: outcomes never disappear for their user. @param {AbortSignal} signal */
  async #isSameUser(signal) {
    const { id, created_at } = this.newest ?? {};
    if (!created_at) return false;
    const to = new Date(Date.parse(created_at) + 1).toISOString();
    const { outcomes } = await this.#api.list({ from: created_at, to, limit: PAGE }, signal);
    return outcomes.some((outcome) => outcome.id === id);
  }

  /**
   * Read outcomes recorded since the newest known outcome, with an overlap.
   * @returns false for a gap: too much is new, or the newest known outcome is missing because another user signed in
   * @param {AbortSignal} signal
   */
  async #readNew(signal) {
    const { newest } = this;
    const since = newest && new Date(Date.parse(newest.created_at) - OVERLAP_MS).toISOString();
    const from = since && since < this.#floor ? this.#floor : since;
    /** @type {Outcome[]} */
    const found = [];
    /** @type {string | null | undefined} */
    let cursor = null;
    for (let pages = 0; pages === 0 || cursor; pages += 1) {
      if (pages === MOST_PAGES) return false;
      const page = await this.#api.list({ from, cursor: cursor ?? null, limit: PAGE }, signal);
      found.push(...page.outcomes);
      cursor = page.next_cursor;
    }
    if (newest && !found.some(({ id }) => id === newest.id)) return false;
    const { fresh, isNews } = compare(found, this.#seen);
    found.forEach(this.markSeen, this);
    if (fresh.length) this.newest = found[0];
    this.#host.found(found, fresh, isNews);
    return true;
  }
}
