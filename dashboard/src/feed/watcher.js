import { asProblem } from "../shared/request.js";
import { compare } from "./merge.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api, Outcome, OutcomePage} from "./api.js" */

const PAGE = 50; // the most the API returns at once
const MOST_PAGES = 4; // further behind than this, starting over is cheaper than catching up
// An outcome's time is fixed before it is written, so one may become visible a little after a younger one:
// each poll goes back this far beyond the newest known outcome.
const OVERLAP_MS = 60_000;
const LONGEST_BACKOFF_S = 300;
// A timer's delay is a signed 32-bit number; browsers take a longer one for none at all (HTML, "Timers").
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Seconds to wait: twice as long with each failure, give or take a quarter, up to five minutes, and as long as the server asks.
 * @param {number} every seconds without a failure
 * @param {number} failures in a row
 * @param {number} retryAfter seconds
 */
export function backoff(every, failures, retryAfter) {
  const backedOff = failures ? every * 2 ** failures * (0.75 + Math.random() / 2) : every;
  return Math.max(retryAfter, Math.min(backedOff, Math.max(every, LONGEST_BACKOFF_S)));
}

/**
 * What the watcher asks of whom it watches for. interval: seconds from one poll to the next. retryAfter: seconds until
 * then as the server has it, 0 when it does not say. read: all that a poll is for, catchUp included. render: a poll began, or ended.
 * found: outcomes, and those of them that were never seen; isNews: or a version of one was not. forget: these are another account's.
 * @typedef {{isHidden: () => boolean, interval: () => number, retryAfter: () => number, read: (signal: AbortSignal) => Promise<void>,
 *   render: () => void, found: (outcomes: Outcome[], fresh: Outcome[], isNews: boolean) => void, forget: () => void}} Host
 */

/** Polls for outcomes again and again, less often after failures, and knows which of them are new. Without filters or DOM. */
export class Watcher {
  /** @type {Problem | null} of the last poll */
  problem = null;
  isPolling = false;
  isWatching = false; // the first page is known
  /** @type {Outcome | null} the youngest outcome seen */
  newest = null;
  #floor = ""; // created_at of the oldest outcome seen at first: catching up never goes below it
  /** @type {Map<string, number | undefined>} version by id */
  #seen = new Map();
  #failures = 0;
  /** @type {AbortSignal | null} */
  #life = null;
  /** @type {AbortController | null} */
  #polling = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #began = 0; // when the last poll did, by performance.now()

  /** @param {Api} api @param {Host} host */
  constructor(api, host) {
    this.#api = api;
    this.#host = host;
  }
  #api;
  #host;

  /** Polls from now on. @param {AbortSignal} life until it is aborted */
  start(life) {
    this.#life = life;
    life.addEventListener("abort", () => this.pause());
    void this.poll();
  }

  /** Polls now, and then after a while. */
  async poll() {
    this.pause();
    if (!this.#life || this.#life.aborted) return;
    this.#polling = new AbortController();
    const { signal } = this.#polling;
    this.isPolling = true;
    this.#began = performance.now();
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

  /** Ends a poll that is under way, and has none to come. */
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

  /** Knows nothing any more. */
  forget() {
    this.isWatching = false;
    this.newest = null;
    this.#floor = "";
    this.#seen.clear();
  }

  /** Takes a version for seen. @param {Outcome} outcome */
  markSeen({ id, version }) {
    this.#seen.set(id, version);
  }

  #schedule() {
    // A hidden tab polls when it is shown again; so does a signed-out one, which may return from signing in elsewhere.
    if (this.#host.isHidden() || this.problem?.kind === "signed-out" || this.problem?.kind === "unset") return;
    const retryAfter = this.#host.retryAfter();
    const seconds = backoff(retryAfter || this.#host.interval(), this.#failures, this.problem?.retryAfter ?? 0);
    // From one poll to the next, not from the end of one; but a server that is slow has half of that time in peace.
    const took = this.problem || retryAfter ? 0 : Math.min(performance.now() - this.#began, seconds * 500);
    this.#timer = setTimeout(() => void this.poll(), Math.min(seconds * 1000 - took, LONGEST_TIMER_MS));
  }

  /**
   * Reads what is new; all that is latest when nothing is known, or what is known cannot be joined to it.
   * @param {AbortSignal} signal
   * @returns {Promise<OutcomePage | null>} the latest page, if it was read
   */
  async catchUp(signal) {
    if (this.isWatching && (await this.#readNew(signal))) return null;
    const latest = await this.#api.list({}, signal);
    if (this.isWatching) this.#host.forget();
    this.isWatching = true;
    this.newest = latest.outcomes[0] ?? null;
    this.#floor = latest.next_cursor ? (latest.outcomes.at(-1)?.created_at ?? "") : "";
    latest.outcomes.forEach(this.markSeen, this);
    return latest;
  }

  /**
   * Reads what was recorded since the newest known outcome, and a little before it.
   * @returns false when that cannot be joined to what is known: too much is new, or the newest known outcome is not
   * there, so these are another account's outcomes.
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
