import { asProblem, isAmbiguous, isProblem, Problem } from "../shared/request.js";
import { isRetryable } from "./api.js";
import { failure, newKey, refusal, UNDO_MS } from "./correcting.js";
import { whole } from "./format.js";
import { difference } from "./queue.js";

/** @import {Claim} from "./queue.js" */
/**
 * The owner's verdict on an outcome as she saw it. key: a retry has the same idempotency key, so it counts once.
 * @typedef {{id: string, type: "confirm" | "dispute", ifVersion: number, idempotencyKey: string, reason?: string}} Judged
 * @typedef {"open" | "waiting" | "sending" | "saved" | "failed" | "changed" | "gone"} State waiting: it can be undone.
 *   changed: the outcome was corrected elsewhere, so the owner has to look again. gone: nothing is left to decide
 * @typedef {{outcome: Claim, state: State, judged: Judged | null, said: string, canRetry?: boolean, mayBeSaved?: boolean}} Item said: what
 *   happened, in words. mayBeSaved: the answer was lost
 * @typedef {{status: string, error?: string, details?: {field: string, message: string}[], version?: number,
 *   outcome_status?: string, retryable?: boolean}} Result of one correction of a bulk
 */
/**
 * post: sends a bulk of corrections, also if the page is closed meanwhile. read: returns an outcome, or null if it is
 * gone. changed: called with the ids of items to render again. saved: called with outcomes that have a new version.
 * @typedef {{post: (body: Record<string, unknown>) => Promise<{results: Result[]}>, read: (id: string) => Promise<Claim | null>,
 *   changed: (ids: string[]) => void, saved: (outcomes: Claim[]) => void, failed: (problem: Problem) => void}} Host
 */

export const MOST = 100; // the API's maximum for a bulk
const MOST_BYTES = 60_000; // browsers send 64 KiB after a page is closed
const REST_MS = 1_000; // between two requests, so that the verdicts of a fast viewer are sent together
const READERS = 4; // outcomes that are read at the same time
/** The statuses in which an outcome can have a verdict. */
const FROM = { confirm: ["recorded", "disputed"], dispute: ["recorded", "confirmed"] };
const NOT_FOUND = "This outcome no longer exists or is not yours.";

/** Return the body of a bulk. A reason that all disputes share is sent once. @param {Judged[]} judged */
export function bodyOf(judged) {
  const [{ reason }] = judged;
  if (!reason || judged.some((one) => one.reason !== reason)) return { corrections: judged };
  return { reason, corrections: judged.map(({ reason: _, ...one }) => one) };
}

/** @param {Judged[]} judged */
const bytesOf = (judged) => (judged.length ? new TextEncoder().encode(JSON.stringify(bodyOf(judged))).length : 0);

/** Return the status and version that a verdict gives its outcome. @param {Judged} judged */
const madeBy = ({ type, ifVersion }) => ({
  status: type === "confirm" ? "confirmed" : "disputed",
  version: ifVersion + 1,
});

/** @param {Claim} outcome @param {Item} item */
const isNewer = (outcome, item) => (outcome.version ?? 0) > (item.outcome.version ?? 0);

/**
 * The outcomes of the review queue with the owner's verdicts. A verdict waits UNDO_MS, in which she can undo it, before it
 * is sent. At most MOST verdicts wait or are being sent, of fewer than MOST_BYTES, so that one request can send all that
 * wait even while the page closes.
 */
export class Verdicts {
  /** @type {Map<string, Item>} by id */
  items = new Map();
  /** @type {Set<Promise<void>>} */
  #sending = new Set();
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  /** @type {Item[]} whose verdict has waited UNDO_MS */
  #due = [];
  #isResting = false; // whether the last request was sent less than REST_MS ago

  /** @param {Host} host */
  constructor(host) {
    this.#host = host;
  }
  #host;

  /** @param {State} state */
  #in = (state) => [...this.items.values()].filter((item) => item.state === state);

  /** Whether leaving the page would lose a verdict: one that was sent in vain, or that cannot be sent while offline. */
  get isUnsaved() {
    return this.unsaved > 0 || (!navigator.onLine && this.#in("waiting").length > 0);
  }

  /** The number of verdicts that were not saved, and may be tried again. */
  get unsaved() {
    return this.#in("failed").filter(({ canRetry }) => canRetry).length;
  }

  /** Which verdicts are lost if they are forgotten now, in words. */
  get lost() {
    const failed = this.#in("failed").filter(({ canRetry }) => canRetry);
    const lost = [...failed, ...this.#in("waiting"), ...this.#in("sending")];
    const [one, were] = lost.length === 1 ? ["verdict", "was"] : ["verdicts", "were"];
    const not = lost.some(({ mayBeSaved }) => mayBeSaved) ? "may not have been" : `${were} not`;
    return lost.length ? `${whole.format(lost.length)} ${one} ${not} saved.` : "";
  }

  /** Whether the owner may give this verdict on an outcome now. @param {Item | undefined} item @param {Judged["type"]} type */
  static may(item, type) {
    return (
      !!item && ["open", "failed", "changed"].includes(item.state) && FROM[type].includes(item.outcome.status ?? "")
    );
  }

  /**
   * Give a verdict on the first MOST of these outcomes that can have it. Return the ids of those that now wait.
   * @param {Judged["type"]} type
   * @param {string[]} ids
   * @param {string} reason
   */
  async give(type, ids, reason = "") {
    const judge = () =>
      ids
        .flatMap((id) => this.items.get(id) ?? [])
        .filter((item) => Verdicts.may(item, type))
        .slice(0, MOST)
        .map((item) => ({ item, judged: this.#judged(item, type, reason) }));
    let chosen = judge();
    while (!this.#hasRoom(chosen.map(({ judged }) => judged))) {
      await this.sendNow();
      chosen = judge(); // some may have changed meanwhile
    }
    const taken = chosen.map(({ judged }) => judged.id);
    if (!taken.length) return taken;
    for (const { item, judged } of chosen) Object.assign(item, { state: "waiting", judged, said: "" });
    this.#later(UNDO_MS, () => {
      this.#due.push(...chosen.flatMap(({ item, judged }) => (item.judged === judged ? item : [])));
      if (!this.#isResting) this.#sendDue();
    });
    this.#host.changed(taken);
    return taken;
  }

  /** @param {number} milliseconds @param {() => void} act */
  #later(milliseconds, act) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, milliseconds);
    this.#timers.add(timer);
  }

  /** Send what has waited long enough, and then what becomes due in the next REST_MS together. */
  #sendDue() {
    const due = this.#due.splice(0);
    this.#isResting = due.length > 0;
    if (!this.#isResting) return;
    void this.#send(due);
    this.#later(REST_MS, () => this.#sendDue());
  }

  #stop() {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#due = [];
    this.#isResting = false;
  }

  /** @param {Item} item @param {Judged["type"]} type @param {string} reason @returns {Judged} */
  #judged({ outcome: { id, version = 0 } }, type, reason) {
    return { id, type, ifVersion: version, idempotencyKey: newKey(), ...(reason && { reason }) };
  }

  /** @param {Judged[]} more */
  #hasRoom(more) {
    const pending = [...this.#in("waiting"), ...this.#in("sending")].flatMap(({ judged }) => judged ?? []);
    const all = [...pending, ...more];
    return !pending.length || (all.length <= MOST && bytesOf(all) < MOST_BYTES);
  }

  /** Take verdicts back that were not sent yet. @param {string[]} ids @returns the ids of those */
  undo(ids) {
    const back = ids.filter((id) => this.items.get(id)?.state === "waiting");
    for (const id of back) Object.assign(this.#item(id), { state: "open", judged: null });
    this.#host.changed(back);
    return back;
  }

  /** @param {string} id */
  #item = (id) => /** @type {Item} */ (this.items.get(id));

  /** Send all verdicts that wait, in one request, and wait until all that were sent are answered. */
  async sendNow() {
    this.#stop();
    void this.#send(this.#in("waiting"));
    await Promise.all(this.#sending);
  }

  /** Send failed verdicts again. @param {string[]} ids */
  async retry(ids) {
    const isFailed = (/** @type {Item} */ item) => item?.state === "failed" && item.canRetry;
    const failed = ids.map(this.#item).filter(isFailed);
    for (let start = 0; start < failed.length; start += MOST) {
      let some = failed.slice(start, start + MOST);
      while (!this.#hasRoom(some.flatMap(({ judged }) => judged ?? []))) await this.sendNow();
      some = some.filter(isFailed); // some may have changed meanwhile
      for (const item of some) Object.assign(item, { state: "waiting", said: "" });
      await this.#send(some);
    }
  }

  /** Try again that of which the answer was lost. */
  retryLost() {
    return this.retry(this.#in("failed").flatMap(({ mayBeSaved, outcome }) => (mayBeSaved ? outcome.id : [])));
  }

  /** Send the verdicts of those items that wait. @param {Item[]} all */
  async #send(all) {
    const items = all.filter(({ state }) => state === "waiting");
    if (!items.length) return;
    for (const item of items) item.state = "sending";
    this.#host.changed(items.map(({ outcome }) => outcome.id));
    const sent = this.#deliver(items);
    this.#sending.add(sent);
    await sent;
    this.#sending.delete(sent);
  }

  /** @param {Item[]} items */
  async #deliver(items) {
    const judged = items.map((item) => /** @type {Judged} */ (item.judged));
    /** @type {Claim[]} */
    const saved = [];
    /** @type {Item[]} */
    const stale = [];
    try {
      const { results } = await this.#host.post(bodyOf(judged));
      if (!Array.isArray(results) || results.length !== items.length) throw new TypeError();
      results.forEach((result, index) => {
        const item = items[index];
        if (result.status === "corrected" || result.status === "replayed") {
          const outcome = { ...item.outcome, ...madeBy(judged[index]) };
          Object.assign(item, { outcome, state: "saved", said: "" });
          // A replay tells what the outcome is now: it may have been corrected since.
          if (result.version === outcome.version) saved.push(outcome);
          else stale.push(item);
        } else {
          this.#refuse(item, result);
          if (["stale", "not_possible"].includes(result.status)) stale.push(item);
        }
      });
    } catch (error) {
      const problem = asProblem(error);
      for (const item of items) this.#fail(item, problem, isRetryable(problem));
      if (problem.kind === "signed-out" && this.items.size) this.#host.failed(problem); // else it is known already
    }
    if (saved.length) this.#host.saved(saved);
    this.#host.changed(judged.map(({ id }) => id));
    await this.reread(stale.map(({ outcome }) => outcome.id));
  }

  /** @param {Item} item @param {Result} result that says why it is not saved */
  #refuse(item, { status, error = "", details = [], retryable = false }) {
    if (status === "not_found") return Object.assign(item, { state: "gone", said: NOT_FOUND });
    const problem = new Problem("error", `The server answered “${error}”.`);
    const isUnclear = retryable && !["Busy", "Conflict"].includes(error);
    Object.assign(problem, { status: isUnclear ? 500 : retryable ? 503 : 400, reason: error, details });
    this.#fail(item, problem, retryable);
  }

  /** @param {Item} item @param {Problem} problem @param {boolean} canRetry */
  #fail(item, problem, canRetry) {
    const said = failure(problem, item.mayBeSaved);
    Object.assign(item, { state: "failed", said, canRetry, mayBeSaved: item.mayBeSaved || isAmbiguous(problem) });
  }

  /** Read outcomes again that were changed elsewhere, and show what they are now. @param {string[]} ids */
  async reread(ids) {
    const left = [...ids];
    const read = async () => {
      for (let id = left.shift(); id; id = left.shift()) {
        const item = this.items.get(id);
        if (!item) continue; // forgotten meanwhile, for example for another user
        const read = await this.#host.read(id).catch(asProblem);
        // A verdict that was sent meanwhile has an answer of its own.
        if (this.items.get(id) !== item || item.state === "sending") continue;
        if (isProblem(read)) {
          if (item.state === "saved") continue;
          const why = `it was changed meanwhile. ${refusal(read)}`;
          if (item.judged) Object.assign(item, { state: "failed", said: `Not saved: ${why}`, canRetry: true });
          else Object.assign(item, { state: "changed", said: `I${why.slice(1)}` });
        } else if (!read) Object.assign(item, { state: "gone", said: NOT_FOUND });
        else if (item.state !== "saved" || isNewer(read, item)) {
          this.#renew(item, read);
          this.#host.saved([item.outcome]);
        }
        this.#host.changed([id]);
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
  }

  /** Whether a known version counts for something else now: the rule was changed, or a month was closed. @param {Claim} outcome */
  isOtherCount({ id, version, counts }) {
    const known = this.items.get(id)?.outcome;
    return !!counts && known?.version === version && JSON.stringify(known?.counts) !== JSON.stringify(counts);
  }

  /**
   * Show newer versions of outcomes that were seen elsewhere. A verdict on an older version is not sent.
   * @param {Claim[]} outcomes
   */
  update(...outcomes) {
    const uncounted = [];
    for (const outcome of outcomes) {
      const item = this.items.get(outcome.id);
      if (!item || item.state === "sending") continue;
      if (this.isOtherCount(outcome)) {
        item.outcome = { ...item.outcome, counts: outcome.counts };
        this.#host.changed([outcome.id]);
      }
      if (!isNewer(outcome, item)) continue;
      // What the old version counted for is not shown beside the new version.
      if (item.outcome.counts && !outcome.counts) uncounted.push(outcome.id);
      else {
        this.#renew(item, outcome);
        this.#host.changed([outcome.id]);
      }
    }
    void this.reread(uncounted);
  }

  /** @param {Item} item @param {Claim} outcome */
  #renew(item, outcome) {
    const { outcome: before, judged, state, mayBeSaved } = item;
    const made = judged && mayBeSaved && madeBy(judged);
    if (made && outcome.version === made.version && outcome.status === made.status)
      // the verdict whose answer was lost
      return Object.assign(item, { outcome: { ...before, ...made }, state: "saved", said: "" });
    const isSame = outcome.version === before.version;
    const unsaved = judged && state !== "saved" ? "Not saved. " : "";
    const status = outcome.status ?? "";
    const isOther = status !== "recorded" && status !== before.status;
    // A verdict that was not saved may be another than the new status, so that she can still give it.
    const isDecided = isOther && !(unsaved && judged && FROM[judged.type].includes(status));
    const was = difference(outcome, before);
    const became = status === "void" ? "declared void" : status;
    const ended = before.status === "disputed" && status === "recorded" ? ", and is no longer disputed" : "";
    const what = isOther ? `It was ${became} meanwhile.` : `It was changed meanwhile${ended}${was && `: ${was}`}.`;
    const words = isDecided ? what : `${what} Please look at it again.`;
    const isUnclear = made && (outcome.version ?? 0) > made.version; // it may have been saved, and changed since
    const said = isSame ? item.said : (isUnclear ? "" : unsaved) + words; // the same version: the server says why it refuses
    const counts = outcome.counts ?? (isSame ? before.counts : undefined);
    const next = { outcome: { ...outcome, counts }, state: isDecided ? "gone" : "changed", judged: null };
    Object.assign(item, next, { said, canRetry: false, mayBeSaved: false });
  }

  /** Forget everything, for another user. */
  forget() {
    this.#stop();
    this.items.clear();
  }
}
