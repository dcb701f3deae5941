import { asProblem } from "../shared/request.js";
import { LARGEST_PAGE } from "./api.js";
import { compare } from "./merge.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api, Outcome, OutcomePage} from "./api.js" */
/** @import {Seen} from "./merge.js" */

const FIRST_PAGE = 10; // few outcomes: they arrive at the same time as the first page of the list
const MOST_PAGES = 4; // beyond this, reading the list again is cheaper than catching up
// An outcome's time is fixed before it is written, so an older outcome may become visible after a newer one. Each poll
// therefore starts this long before the newest known outcome.
const LATE_MS = 2000;
// Once per OVERLAP_MS, a poll reads a longer overlap, to find outcomes that became visible late. The overlap begins
// OVERLAP_MS before the outcome that was the newest when the previous long overlap was read.
const OVERLAP_MS = 60_000;
// A gap begins when a poll cannot read all new outcomes. Polls then read only one page for this long, because more
// pages would probably miss outcomes again.
const GAP_MS = 60_000;
const QUIET_MS = 600_000; // after this long without changes or activity of the viewer, polls are QUIET_S apart
const QUIET_S = 60;
// Once per WHOLE_MS, a poll makes the feed read its list and totals again: outcomes of any age may have been corrected.
const WHOLE_MS = 600_000;
const LONGEST_BACKOFF_S = 300;
// A timer's delay is a signed 32-bit number; browsers treat a longer one as 0 (HTML, "Timers").
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Return the seconds until the next poll: exponential backoff with 25 % jitter, at most five minutes, at least Retry-After.
 * @param {number} every the seconds between polls that succeed
 * @param {number} failures the number of polls that failed since the last success
 * @param {number} retryAfter the seconds that the server asks to wait
 */
export function backoff(every, failures, retryAfter) {
  const backedOff = failures ? every * 2 ** failures * (0.75 + Math.random() / 2) : every;
  return Math.max(retryAfter, Math.min(backedOff, Math.max(every, LONGEST_BACKOFF_S)));
}

/** @param {string} instant @param {number} milliseconds */
const before = (instant, milliseconds) => new Date(Date.parse(instant) - milliseconds).toISOString();

/**
 * The element that a watcher works for. interval: seconds between polls. retryAfter: the seconds that the server asks
 * to wait, or 0. read: does the work of a poll and calls catchUp. render: called when a poll starts or ends. found:
 * called with all outcomes that a poll has read. `fresh` are those that were never seen before. `isCorrected` says
 * whether a known outcome has a new version. skipped: called if a poll could not read all new outcomes, and once per WHOLE_MS. forget: called
 * if the user has signed out or changed.
 * @typedef {{isHidden: () => boolean, interval: () => number, retryAfter: () => number, read: (signal: AbortSignal) => Promise<void>,
 *   render: () => void, found: (outcomes: Outcome[], fresh: Outcome[], isCorrected: boolean) => void, skipped: () => void, forget: () => void}} Host
 */

/**
 * Polls for outcomes, with backoff after failures, and reports new outcomes. It does not depend on filters or the DOM.
 */
export class Watcher {
  /** @type {Problem | null} of the last poll */
  problem = null;
  isPolling = false;
  readAt = 0; // time when the last poll succeeded, in milliseconds since 1970
  isWatching = false; // the first page is loaded
  /** @type {Outcome | null} */
  newest = null;
  #floor = ""; // created_at of the oldest outcome of the first page: catching up stops there
  /** @type {Map<string, Seen>} by id, as far as a poll may read them again */
  #seen = new Map();
  #failures = 0;
  /** @type {AbortSignal | null} */
  #life = null;
  /** @type {AbortController | null} */
  #polling = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  // By performance.now():
  #startedAt = 0; // time of the last poll
  #wholeAt = 0; // time of the last poll after which list and totals were read again
  #overlapAt = 0; // time of the last poll with an overlap
  #gapAt = Number.NEGATIVE_INFINITY; // time when the last gap began
  #activeAt = 0; // time of the last change or activity of the viewer
  #overlapFrom = ""; // created_at of the newest outcome at #overlapAt

  /** @param {Api} api @param {Host} host */
  constructor(api, host) {
    this.#api = api;
    this.#host = host;
  }
  #api;
  #host;

  /** Start polling. @param {AbortSignal} life ends the polling when it is aborted */
  start(life) {
    this.#life = life;
    this.#activeAt = this.#wholeAt = performance.now();
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
    try {
      const read = this.#host.read(signal); // send its requests first: rendering takes long
      this.#host.render();
      await read;
      if (signal.aborted) return;
      this.#failures = 0;
      this.problem = null;
      this.readAt = Date.now();
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      this.fail(error);
    }
    this.isPolling = false;
    this.#host.render();
    this.#schedule();
  }

  /** Note that the viewer is active. If the feed was quiet, poll now. */
  wake() {
    const wasQuiet = this.#isQuiet;
    this.#activeAt = performance.now();
    if (wasQuiet && !this.isPolling) void this.poll();
  }

  get #isQuiet() {
    return performance.now() - this.#activeAt > QUIET_MS;
  }

  get #isBehind() {
    return performance.now() - this.#gapAt < GAP_MS;
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
  markSeen({ id, version, created_at }) {
    this.#seen.set(id, { version, created_at });
  }

  #schedule() {
    // A hidden or signed-out tab polls when it is shown again: the viewer may have signed in elsewhere.
    if (this.#host.isHidden() || this.problem?.kind === "signed-out" || this.problem?.kind === "unset") return;
    const retryAfter = this.#host.retryAfter();
    const interval = Math.max(this.#host.interval(), this.#isQuiet ? QUIET_S : 0);
    const seconds = backoff(retryAfter || interval, this.#failures, this.problem?.retryAfter ?? 0);
    // The interval is the time between the starts of two polls. But after a slow poll, wait at least half an interval.
    const took = this.problem || retryAfter ? 0 : Math.min(performance.now() - this.#startedAt, seconds * 500);
    this.#timer = setTimeout(() => void this.poll(), Math.min(seconds * 1000 - took, LONGEST_TIMER_MS));
  }

  /**
   * Read new outcomes. On the first poll, or if not all new outcomes can be read, return the latest page instead.
   * @param {AbortSignal} signal
   * @returns {Promise<OutcomePage | null>} the latest page, or null
   */
  async catchUp(signal) {
    const latest = this.isWatching ? await this.#readNew(signal) : await this.#api.list({ limit: FIRST_PAGE }, signal);
    if (!latest) return null;
    if (this.isWatching) {
      if (!(await this.#isSameUser(signal))) {
        this.#host.forget();
        return this.catchUp(signal); // the latest page may belong to the previous user
      }
      this.#activeAt = performance.now();
      if (!this.#isBehind) this.#gapAt = this.#activeAt;
      this.#host.skipped();
    }
    this.isWatching = true;
    this.newest = latest.outcomes[0] ?? null;
    this.#floor = latest.next_cursor ? (latest.outcomes.at(-1)?.created_at ?? "") : "";
    latest.outcomes.forEach(this.markSeen, this);
    this.#endOverlap();
    return latest;
  }

  #endOverlap() {
    this.#overlapAt = performance.now();
    this.#overlapFrom = this.newest?.created_at ?? "";
    if (!this.newest) return;
    const oldest = before(this.#overlapFrom, OVERLAP_MS);
    for (const [id, { created_at }] of this.#seen) if (created_at < oldest) this.#seen.delete(id);
  }

  /** Whether the newest known outcome is still listed. If not, another user has signed in. @param {AbortSignal} signal */
  async #isSameUser(signal) {
    const { id, created_at } = this.newest ?? {};
    if (!created_at) return false;
    const to = new Date(Date.parse(created_at) + 1).toISOString();
    const { outcomes } = await this.#api.list({ from: created_at, to, limit: LARGEST_PAGE }, signal);
    return outcomes.some((outcome) => outcome.id === id);
  }

  /**
   * Read the outcomes that were recorded since the newest known outcome, with an overlap. Return null if all of them
   * were read. Return the latest page if too many are new, or if the newest known outcome is missing because another
   * user has signed in.
   * @param {AbortSignal} signal
   * @returns {Promise<OutcomePage | null>}
   */
  async #readNew(signal) {
    const { newest } = this;
    const now = performance.now();
    const hasOverlap = now - this.#overlapAt >= OVERLAP_MS;
    let from = null;
    if (newest) {
      const [since, milliseconds] = hasOverlap ? [this.#overlapFrom, OVERLAP_MS] : ["", LATE_MS];
      from = before(since || newest.created_at, milliseconds);
    }
    if (from && from < this.#floor) from = this.#floor;
    /** @type {OutcomePage[]} */
    const pages = [];
    const most = this.#isBehind ? 1 : MOST_PAGES;
    do
      pages.push(
        await this.#api.list({ from, cursor: pages.at(-1)?.next_cursor ?? null, limit: LARGEST_PAGE }, signal),
      );
    while (pages.at(-1)?.next_cursor && pages.length < most);
    const found = pages.flatMap(({ outcomes }) => outcomes);
    const isComplete = newest ? found.some(({ id }) => id === newest.id) : !pages.at(-1)?.next_cursor;
    if (!isComplete) return pages[0];
    const { fresh, isCorrected } = compare(found, this.#seen);
    found.forEach(this.markSeen, this);
    if (fresh.length) this.newest = found[0];
    if (fresh.length || isCorrected) this.#activeAt = now;
    if (hasOverlap) this.#endOverlap();
    this.#host.found(found, fresh, isCorrected);
    if (now - this.#wholeAt > WHOLE_MS) {
      this.#wholeAt = now;
      this.#host.skipped(); // only now: what is new is announced
    }
    return null;
  }
}
