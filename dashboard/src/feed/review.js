// The feed's third file: the review queue and its styles, loaded when the viewer opens it.
import { announce, button, hasFocus, html, styleSheet } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { asProblem } from "../shared/request.js";
import { ago, SPANS } from "../shared/time.js";
import { LARGEST_PAGE } from "./api.js";
import { readClaims, readHistory, readRules } from "./claims.js";
import { newKey, refusal } from "./correcting.js";
import { dollars, whole } from "./format.js";
import { typeAmended } from "./marks.js";
import { passes } from "./merge.js";
import { post } from "./post.js";
import { disputeOf, hints, inOrder, isNeverCounted, isNewToReview, isToReview, worthOf } from "./queue.js";
import STYLES from "./review.css";
import { ReviewBar } from "./review-bar.js";
import { ReviewList } from "./review-list.js";
import { ReviewRow } from "./review-row.js";
import { MOST, Verdicts } from "./verdicts.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api, History as OneHistory, Outcome, Sum} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {More} from "./later.js" */
/** @typedef {Pick<More, "History" | "facts">} Parts of the second file */
/** @import {Claim, Definition} from "./queue.js" */
/** @import {RowContext} from "./row.js" */
/** @import {State} from "./verdicts.js" */
/**
 * What the queue needs of the feed. view: "" for the queue, "disputes" for the disputes, null: closed. show: chooses one.
 * known: the sum of what is to review, by the summary.
 * @typedef {{api: Api, choice: Choice, context: RowContext, view: string | null, show: (view: string | null) => void,
 *   known: () => Sum | null}} Feed
 */

const STEP = 2000; // outcomes that are loaded at a time
const DECIDED = ["counted", "not_counted", "no_rule"]; // what counts or not without the owner's word, since the list was read
const ENDED = ["recorded", "confirmed", "void"]; // the statuses of an outcome after a dispute
const MOST_HISTORIES = 100; // outcomes whose corrections are looked up
const READERS = 4; // histories that are read at the same time
const RECHECK_MS = 60_000;
const MOST_RECHECKED = 200; // a longer queue is read again only when the viewer asks
const STORED = "value-delivered-keys"; // in localStorage: "off"
const KEYS = [
  ["j k", "next, previous"],
  ["x", "select, as Space does; with Shift: all between"],
  ["c", "confirm what is selected, or the outlined one"],
  ["d", "dispute what is selected, or the outlined one"],
  ["u", "undo the last verdict before it is saved, within five seconds"],
  ["?", "show or hide this"],
  ["Esc", "close the queue"],
];

const DISPUTE = KEYS.findIndex(([key]) => key === "d");
const DAY_S = 86_400;

/** Return since when a dispute waits: "since 3 days", and within a day "since just now". @param {string} instant */
function sinceWhen(instant) {
  const seconds = (Date.now() - Date.parse(instant)) / 1000;
  const [unit, length] = SPANS.find(([, span]) => seconds >= span) ?? ["day", DAY_S];
  if (seconds < DAY_S) return `: disputed ${ago(instant, SPANS, "just now")}`;
  const days = new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "long" });
  return ` since ${days.format(Math.floor(seconds / length))}`;
}

/** @param {number} count */
const disputes = (count) => `${whole.format(count)} dispute${count === 1 ? "" : "s"}`;

/** @param {NonNullable<ReturnType<typeof disputeOf>>} dispute */
function disputeInWords({ state, since, reason }) {
  const why = reason ? `: ${reason}` : "";
  const words = {
    waits: `waits for the platform${sinceWhen(since)}`,
    amended: `amended${why}`,
    upheld: `the platform stands by it${why}`,
    confirmed: "you confirmed it",
    void: `declared void${why}`,
  };
  return words[state];
}

/** The review queue, and the list of disputes. */
export class Review {
  /** @type {Map<string, string[]>} by id */
  #hints = new Map();
  /** @type {Map<string, string>} who else amended the type of outcomes, in words, by id */
  #amended = new Map();
  /** @type {Map<string, {words: string, version?: number}>} what became of disputes up to a version, by id */
  #disputes = new Map();
  #shown = ""; // identifies view and selection of the list
  #isFocusDue = true; // whether the first row gets the focus once it is loaded
  #isHidden = false; // whether it was opened before the feed is shown, when nothing in it can have the focus
  /** @type {string | null} of the next older outcomes */
  #cursor = null;
  /** @type {Definition[]} */
  #rules = [];
  /** @type {Map<string, Claim>} what hints compare with: also what counts already and the latest that are confirmed */
  #compared = new Map();
  /** @type {AbortController | null} */
  #loading = null;
  #progress = ""; // what is being loaded, or why it is not
  #isFailed = false;
  /** @type {string[][]} the ids of the verdicts that can be undone, and of the last one */
  #given = [];
  #reviewed = 0; // outcomes that were reviewed, and are not in the list any more
  #newer = new Set(); // ids of outcomes that were found since the list was read
  #number = 0; // makes the ids of elements unique
  #life = new AbortController(); // aborted for another user
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #hinting;
  #checkedAt = 0; // by performance.now(): when the list was read

  #verdicts = new Verdicts({
    post: (body) => post(this.#feed.api.url("/corrections"), { body, key: newKey(), keepalive: true }),
    read: async (id) => (await readHistory(this.#feed.api, id))?.outcome ?? null,
    changed: (ids) => this.#changed(ids),
    saved: (outcomes) => this.#feed.context.changed(...outcomes),
    failed: (problem) => this.#feed.context.signedOut(problem),
  });

  #heading = html("h3", { id: "review", tabindex: -1 });
  #tabs = ["", "disputes"].map((view) => button(view ? "Disputes" : "To review", () => this.#feed.show(view)));
  #caption = html("p", { class: "caption" });
  #loaded = html("p", { class: "help", role: "status" });
  #again = button("", () => void this.#reload());
  #all = html("input", { type: "checkbox", change: () => this.#list.selectAll(this.#all.checked) });
  #order = html(
    "select",
    { "aria-label": "Order", change: () => this.#sort() },
    html("option", { value: "greatest" }, "Largest first"),
    html("option", { value: "soonest" }, "Counts soonest first"),
  );
  #hide = button("", () => this.#hideSaved());
  #switch = html("input", { type: "checkbox", role: "switch", change: () => this.#store() });
  #tell = button("?", () => this.#toggleHelp(), { "aria-label": "Shortcuts", "aria-expanded": "false" });
  #help = html(
    "dl",
    { class: "keys", hidden: true },
    ...KEYS.map(([key, words]) => html("div", {}, html("dt", {}, key), html("dd", {}, words))),
  );
  #list = new ReviewList("review", () => this.#draw());
  #older = button("", () => void this.#load(this.#cursor), { class: "more" });
  #bar = new ReviewBar({
    confirm: () => void this.#give("confirm", this.#list.chosen),
    dispute: () => this.#askWhy(this.#list.chosen),
    undo: () => this.#undo(this.#last),
    retry: () => void this.#verdicts.retry([...this.#verdicts.items.keys()]),
    closed: () => this.#focusCurrent(),
  });

  /** @param {Element} element @param {Feed} feed @param {Parts} more */
  constructor(element, feed, more) {
    this.#feed = feed;
    this.#more = more;
    try {
      this.#switch.checked = localStorage.getItem(STORED) !== "off";
    } catch {
      this.#switch.checked = true; // the viewer may forbid storage
    }
    this.#list.element.addEventListener("click", (event) => this.#click(event));
    element.append(
      html(
        "section",
        {
          "aria-labelledby": "review",
          keydown: (/** @type {KeyboardEvent} */ event) => this.#press(event),
        },
        html(
          "div",
          { class: "top" },
          this.#heading,
          html("div", { class: "periods", role: "group", "aria-label": "List" }, ...this.#tabs),
          button("Close", () => this.#feed.show(null)),
        ),
        this.#caption,
        html(
          "div",
          { class: "buttons tools" },
          html("label", {}, this.#all, "Select all"),
          this.#order,
          html("label", { class: "end" }, this.#switch, "Shortcuts"),
          this.#tell,
        ),
        this.#help,
        html("div", { class: "buttons loaded" }, this.#loaded, this.#again, this.#hide),
        this.#list.element,
        this.#older,
        this.#bar.element,
      ),
    );
  }
  #feed;
  #more;

  /** Send what waits when the page may end, and ask before it ends with what is not saved. @param {AbortSignal} page */
  listen(page) {
    const life = AbortSignal.any([page, this.#life.signal]);
    const send = () => void this.sendNow();
    document.addEventListener("visibilitychange", () => (document.hidden ? send() : this.#recheckSoon()), {
      signal: life,
    });
    addEventListener("offline", send, { signal: life });
    const resume = () => {
      void this.#verdicts.retryLost();
      if (this.#isFailed) void this.#reload();
    };
    addEventListener("online", resume, { signal: life });
    const guard = (/** @type {Event} */ event) => this.#verdicts.isUnsaved && event.preventDefault();
    addEventListener("beforeunload", guard, { signal: life });
    life.addEventListener("abort", send);
  }

  /** Send all verdicts that wait, in one request. */
  sendNow() {
    return this.#verdicts.sendNow();
  }

  /** How many verdicts were not saved. */
  get unsaved() {
    return this.#verdicts.unsaved;
  }

  /** Which verdicts are lost if the queue is forgotten now, in words. */
  get lost() {
    return this.#verdicts.lost;
  }

  /** Render all rows again, after agents were renamed or the time zone has changed. */
  redraw() {
    for (const row of this.#list.all) {
      row.drawn = "";
      this.#drawRow(row);
    }
  }

  forget() {
    this.#verdicts.forget();
    this.#life.abort();
    this.#clear();
    this.#shown = "";
  }

  // ---- loading

  get #isQueue() {
    return this.#feed.view !== "disputes";
  }

  get #scope() {
    return `${this.#feed.view} ${this.#feed.choice.scope}`;
  }

  /** Read the list that was closed again, and move the focus to it once it is loaded. */
  open() {
    if (!this.#loading) void this.#reload();
    this.#expectFocus();
  }

  #expectFocus() {
    this.#isFocusDue = true;
    this.#heading.focus();
    this.#isHidden = !hasFocus(this.#heading);
    this.#giveFocus();
  }

  /** Show the chosen list. Called with each rendering of the feed. */
  render() {
    if (this.#shown !== this.#scope) void this.#reload();
    else void this.#recheck();
    this.#draw();
    if (this.#isHidden) this.#expectFocus();
  }

  async #reload() {
    const isSame = this.#shown === this.#scope;
    if (!isSame) this.#reviewed = 0;
    this.#shown = this.#scope;
    this.#bar.close();
    this.#clear();
    const loading = this.#begin();
    await this.sendNow(); // so that the list lacks what was judged
    const { items } = this.#verdicts;
    for (const [id, { state }] of items) {
      if (["sending", "failed"].includes(state)) continue;
      items.delete(id);
      if (isSame && state === "saved") this.#reviewed += 1;
    }
    if (loading.signal.aborted) return;
    await this.#load(null);
  }

  #clear() {
    this.#loading?.abort();
    const hadFocus = hasFocus(this.#list.element) || hasFocus(this.#again);
    this.#list.show([]);
    if (hadFocus) this.#expectFocus();
    this.#disputes.clear();
    this.#amended.clear();
    this.#newer.clear();
    this.#given = [];
    this.#cursor = null;
  }

  #begin() {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.#isFailed = false;
    this.#progress = "Loading…";
    this.#draw();
    return loading;
  }

  /** Load the latest outcomes, or those after a cursor. @param {string | null} cursor */
  async #load(cursor) {
    const loading = this.#begin();
    const { signal } = loading;
    const { api, choice } = this.#feed;
    const known = this.#feed.known();
    const loaded = (/** @type {number} */ count) => {
      const of = this.#isQueue && known && known.count > count ? ` of ${whole.format(known.count)}` : "";
      this.#progress = `Loading ${whole.format(count)}${of}…`;
      this.#draw();
    };
    try {
      this.#rules = await readRules(api, signal);
      const statuses = [this.#isQueue ? "recorded" : "disputed"];
      const isFirst = this.#isQueue && !cursor;
      const confirmed = isFirst ? readClaims(api, choice.query, ["confirmed"], { most: LARGEST_PAGE, signal }) : null;
      const [read, judged] = await Promise.all([
        readClaims(api, choice.query, statuses, { cursor, most: STEP, signal, loaded }),
        confirmed?.catch(() => null),
      ]);
      if (signal.aborted) return;
      if (isFirst) this.#compared.clear();
      for (const one of [...(judged?.claims ?? []), ...read.claims]) this.#compared.set(one.id, one);
      this.#cursor = read.cursor;
      this.#checkedAt = performance.now();
      this.#add(this.#isQueue ? read.claims.filter((one) => isToReview(one, this.#rules.length > 0)) : read.claims);
      if (!this.#isQueue) await this.#readDisputes(signal);
      else if (this.#rules.length) await this.#readAmended(read.claims, signal);
      this.#progress = "";
    } catch (error) {
      if (signal.aborted) return;
      const problem = asProblem(error);
      if (problem.kind === "signed-out") return this.#feed.context.signedOut(problem);
      this.#progress = `This could not be loaded. ${refusal(problem)}`;
      this.#isFailed = true;
    }
    this.#loading = null;
    const wasAtEnd = hasFocus(this.#older);
    this.#draw();
    if (wasAtEnd && this.#older.hidden) this.#focusCurrent();
    this.#giveFocus();
  }

  /** Append outcomes to the list. @param {Claim[]} claims */
  #add(claims) {
    const { items } = this.#verdicts;
    for (const outcome of claims) {
      this.#newer.delete(outcome.id);
      const state = outcome.status === "void" ? "gone" : "open";
      if (items.has(outcome.id)) this.#verdicts.update(outcome);
      else items.set(outcome.id, { outcome, state, judged: null, said: "" });
    }
    const { all, rows } = this.#list;
    const fresh = claims.filter(({ id }) => !rows.has(id));
    const ordered = this.#isQueue ? inOrder(fresh, this.#by) : fresh;
    const added = ordered.flatMap(({ id }) => {
      const item = items.get(id);
      this.#number += 1;
      return item ? new ReviewRow(item, this.#number, this.#feed.context, this.#more) : [];
    });
    const shown = [...all, ...added];
    this.#list.show(shown);
    this.#hint();
    for (const row of shown) this.#drawRow(row);
    this.#giveFocus();
  }

  /** Compare and draw all that is listed again, once for all outcomes that are gone at the same time. */
  #hintSoon() {
    clearTimeout(this.#hinting);
    this.#hinting = setTimeout(() => {
      this.#hint();
      for (const row of this.#list.all) this.#drawRow(row);
    });
  }

  /** Compare all that is listed again. */
  #hint() {
    if (!this.#isQueue) return;
    for (const { id, item } of this.#list.all) this.#compared.set(id, item.outcome);
    this.#hints = hints([...this.#compared.values()], this.#rules);
  }

  /** Read what became of disputes: of those that are open, and of outcomes that were disputed before. @param {AbortSignal} signal */
  async #readDisputes(signal) {
    const { api, choice } = this.#feed;
    const open = this.#list.all.map(({ item }) => item.outcome);
    const { claims } = await readClaims(api, choice.query, ENDED, { most: STEP, signal });
    const ended = claims.filter(({ version = 0 }) => version > 1); // a dispute, and what ended it
    const among = [...open.slice(0, MOST_HISTORIES), ...ended.slice(0, MOST_HISTORIES)];
    await this.#readHistories(among, signal, (one, { outcome, corrections }) => {
      const dispute = disputeOf(outcome, corrections);
      if (dispute) this.#disputes.set(one.id, { words: disputeInWords(dispute), version: outcome.version });
      return dispute !== null;
    });
  }

  /** Find what has a type that an agent amended, because what counts depends on it. @param {Claim[]} claims @param {AbortSignal} signal */
  async #readAmended(claims, signal) {
    const among = claims.filter(({ id, version }) => version && this.#list.rows.has(id)).slice(0, MOST_HISTORIES);
    await this.#readHistories(among, signal, ({ id }, { corrections }) => {
      const words = corrections.map(typeAmended).findLast(Boolean) ?? "";
      if (words) this.#amended.set(id, words);
      return words !== "";
    });
  }

  /**
   * Read the histories of outcomes, and show those of which there is something to say.
   * @param {Claim[]} left
   * @param {AbortSignal} signal
   * @param {(one: Claim, history: OneHistory) => boolean} note
   */
  async #readHistories(left, signal, note) {
    const read = async () => {
      for (let one = left.shift(); one; one = left.shift()) {
        const history = await readHistory(this.#feed.api, one.id, signal);
        if (!history || !note(one, history)) continue;
        this.#verdicts.update(history.outcome); // it may be newer than the list
        const row = this.#list.rows.get(one.id);
        if (row) this.#drawRow(row);
        else this.#add([history.outcome]);
      }
    };
    await Promise.all(Array.from({ length: READERS }, read));
  }

  #recheckSoon() {
    this.#checkedAt = Number.NEGATIVE_INFINITY;
  }

  /** Look from time to time for what was changed elsewhere. */
  async #recheck() {
    const { all } = this.#list;
    const isDue = performance.now() - this.#checkedAt > RECHECK_MS && all.length <= MOST_RECHECKED;
    if (!isDue || this.#loading || this.#feed.view === null) return;
    this.#checkedAt = performance.now();
    const { api, choice } = this.#feed;
    const shown = this.#shown;
    const signal = AbortSignal.timeout(RECHECK_MS);
    const most = MOST_RECHECKED + 1;
    const status = this.#isQueue ? "recorded" : "disputed";
    const read = await readClaims(api, choice.query, [status], { most, signal }).catch(() => null);
    if (!read || shown !== this.#shown) return;
    const now = new Set(read.claims.map(({ id }) => id));
    if (read.claims.some((one) => this.#verdicts.isOtherCount(one))) {
      // The rule was changed, or a month was closed.
      this.#rules = await readRules(api, signal).catch(() => this.#rules);
      if (shown !== this.#shown) return;
      this.#hint();
    }
    this.found(read.claims);
    const due = read.claims.filter((one) => !this.#isQueue || isToReview(one, this.#rules.length > 0));
    if (!this.#cursor) this.#note(due); // such as what was confirmed, and is amended since
    const gone = all.filter(({ id, isOpen, item }) => isOpen && item.outcome.status === status && !now.has(id));
    if (!read.cursor) await this.#verdicts.reread(gone.map(({ id }) => id));
  }

  /** Take in outcomes that were read elsewhere. @param {Claim[]} outcomes */
  found(outcomes) {
    this.#verdicts.update(...outcomes);
    this.#draw();
  }

  /** Note outcomes that were recorded meanwhile. @param {Outcome[]} outcomes */
  recorded(outcomes) {
    if (this.#isQueue) this.#note(outcomes.filter((one) => isNewToReview(one, this.#rules)));
  }

  /** Offer to show what is to review, unless it is listed. @param {Claim[]} claims */
  #note(claims) {
    const query = { ...this.#feed.choice.query, status: "" };
    for (const one of claims) if (!this.#list.rows.has(one.id) && passes(one, query)) this.#newer.add(one.id);
    this.#draw();
  }

  /** @returns {"greatest" | "soonest"} */
  get #by() {
    return this.#order.value === "soonest" ? "soonest" : "greatest";
  }

  #sort() {
    const claims = inOrder(
      this.#list.all.map(({ item }) => item.outcome),
      this.#by,
    );
    this.#list.show(claims.flatMap(({ id }) => this.#list.rows.get(id) ?? []));
  }

  #hideSaved() {
    const { all } = this.#list;
    const left = all.filter(({ item }) => item.state !== "saved");
    for (const { id, item } of all) if (item.state === "saved") this.#verdicts.items.delete(id);
    this.#reviewed += all.length - left.length;
    this.#list.show(left);
    this.#draw();
    this.#focusCurrent();
  }

  // ---- verdicts

  /** @param {"confirm" | "dispute"} type @param {string[]} ids @param {{reason?: string, control?: string}} [how] */
  async #give(type, ids, { reason, control } = {}) {
    if (!ids.length) return announce(this.#loaded, "Select outcomes first.");
    const hadFocus = hasFocus(this.#list.element) || hasFocus(this.#heading);
    const taken = await this.#verdicts.give(type, ids, reason);
    if (!taken.length) return;
    this.#given = [...this.#given.filter((ids) => ids.some((id) => this.#isIn("waiting", id))), taken];
    for (const id of taken) this.#list.selected.delete(id);
    const { current } = this.#list;
    if (hadFocus && !current?.isOpen) this.#focusCurrent(control);
    this.#draw();
  }

  /** Move the focus to the current row or, if it is decided, to the next open one. @param {string} [control] */
  #focusCurrent(control) {
    const { current } = this.#list;
    const row = current?.isOpen ? current : (this.#list.nextOpen(current) ?? null);
    if (row) this.#list.focus(row, control);
    else this.#heading.focus();
  }

  /** @param {string[]} ids */
  #askWhy(ids) {
    const some = ids.filter((id) => Verdicts.may(this.#verdicts.items.get(id), "dispute")).slice(0, MOST);
    const version = (/** @type {string} */ id) => this.#verdicts.items.get(id)?.outcome.version;
    const seen = new Map(some.map((id) => [id, version(id)]));
    const same = () => some.filter((id) => seen.get(id) === version(id));
    if (some.length) this.#bar.ask(some.length, (reason) => void this.#give("dispute", same(), { reason }));
    else announce(this.#loaded, ids.length ? "You disputed this already." : "Select outcomes first.");
  }

  /** @param {string[]} ids */
  #undo(ids) {
    const back = this.#verdicts.undo(ids);
    // A later change of these refuses nothing.
    this.#given = this.#given.map((some) => some.filter((id) => !back.includes(id))).filter(({ length }) => length);
    const row = this.#list.rows.get(back[0]);
    if (row) this.#list.focus(row);
  }

  /** @param {MouseEvent} event */
  #click({ target }) {
    const pressed = /** @type {Element} */ (target).closest("button");
    const row = this.#list.all.find(({ element }) => element.contains(pressed));
    if (!pressed || !row) return;
    const { id } = row;
    const { value } = pressed;
    if (value === "confirm") void this.#give("confirm", [id], { control: value });
    if (value === "dispute") this.#askWhy([id]);
    if (value === "undo") this.#undo([id]);
    if (value === "retry") void this.#verdicts.retry([id]);
  }

  // ---- keys

  /** @param {KeyboardEvent} event */
  #press(event) {
    const { key, target, shiftKey, repeat } = event;
    this.#list.hold(event);
    const field = /** @type {Element} */ (target);
    if (event.altKey || event.ctrlKey || event.metaKey || field.matches("select, form *")) return;
    const inList = this.#list.element.contains(field);
    const current = this.#list.current;
    const chosen = this.#list.chosen.length || !current ? this.#list.chosen : [current.id];
    /** @type {Record<string, () => unknown>} */
    const arrows = {
      ArrowDown: () => this.#list.step(1, shiftKey, this.#list.all),
      ArrowUp: () => this.#list.step(-1, shiftKey, this.#list.all),
    };
    /** @type {Record<string, () => unknown>} */
    const keys = {
      j: () => this.#list.step(1, shiftKey),
      k: () => this.#list.step(-1, shiftKey),
      x: () => this.#list.toggle(shiftKey),
      c: () => this.#give("confirm", chosen),
      d: () => this.#askWhy(chosen),
      u: () => this.#undo(this.#last),
      "?": () => this.#toggleHelp(),
      escape: () => this.#feed.show(null),
    };
    const act = (inList && arrows[key]) || (this.#switch.checked && keys[key.toLowerCase()]);
    if (!act) return;
    event.preventDefault();
    if (!repeat || "jk".includes(key.toLowerCase()) || arrows[key]) void act(); // a key that is held judges once
  }

  #store() {
    try {
      localStorage.setItem(STORED, this.#switch.checked ? "on" : "off");
    } catch {} // the switch still holds until the page is closed
  }

  #toggleHelp() {
    this.#help.hidden = !this.#help.hidden;
    this.#tell.ariaExpanded = String(!this.#help.hidden);
    const { activeElement } = /** @type {ShadowRoot} */ (this.#help.getRootNode());
    (this.#help.hidden ? activeElement : this.#help)?.scrollIntoView({ block: "nearest" });
  }

  // ---- rendering

  #giveFocus() {
    const { current } = this.#list;
    if (!this.#isFocusDue || !current || !hasFocus(this.#heading)) return;
    this.#isFocusDue = false;
    this.#list.focus(current);
  }

  /** @param {string[]} ids */
  #changed(ids) {
    if (ids.some((id) => this.#isIn("gone", id))) this.#hintSoon(); // what is void is no original of duplicates
    for (const id of ids) {
      const row = this.#list.rows.get(id);
      if (!row) continue;
      if (!row.isOpen || row.item.state === "changed") this.#list.deselect(row); // a verdict is on what was seen
      this.#drawRow(row);
    }
    this.#draw();
  }

  /** @param {ReviewRow} row */
  #drawRow(row) {
    const focused = row.controls.find(hasFocus);
    const { words, version } = this.#disputes.get(row.id) ?? {};
    const { outcome } = row.item;
    let dispute = (version === outcome.version && words) || "";
    if (dispute && isNeverCounted(outcome, this.#rules)) dispute += " · your rule never counts this type";
    row.render([...(this.#hints.get(row.id) ?? []), this.#amended.get(row.id) ?? []].flat(), dispute);
    if (focused?.checkVisibility({ visibilityProperty: true }) === false) row.check.focus();
  }

  /** The ids of the last verdict. */
  get #last() {
    return this.#given.at(-1) ?? [];
  }

  /** @param {State} state @param {string} id */
  #isIn = (state, id) => this.#verdicts.items.get(id)?.state === state;

  /** What became of the last verdict, in words. */
  get #lastSaid() {
    const items = this.#last.flatMap((id) => this.#verdicts.items.get(id) ?? []);
    const count = (/** @type {string[]} */ ...states) => items.filter(({ state }) => states.includes(state)).length;
    const [waiting, sending, saved] = [count("waiting"), count("sending"), count("saved")];
    const lost = count("failed", "changed", "gone");
    const { judged } = items.find((item) => item.judged) ?? {}; // one that was changed elsewhere has none
    const verdict = judged?.type === "dispute" ? "disputed" : "confirmed";
    const said = [];
    if (waiting) said.push(`${whole.format(waiting)} ${verdict}, saved in five seconds.`);
    if (sending) said.push(`Saving ${whole.format(sending)}…`);
    if (saved) said.push(`${whole.format(saved)} saved.`);
    if (lost) said.push(`${whole.format(lost)} not saved: see the list.`);
    return { said: said.join(" "), canUndo: waiting > 0, unsaved: this.#verdicts.unsaved };
  }

  #draw() {
    const { all, open, chosen } = this.#list;
    const isQueue = this.#isQueue;
    this.#heading.textContent = isQueue ? "To review" : "Disputes";
    this.#tabs.forEach((tab, index) => {
      tab.ariaPressed = String(isQueue === !index);
    });
    const known = isQueue && this.#cursor ? this.#feed.known() : null;
    const decided = all.filter(({ isOpen, item }) => !isOpen && (isQueue || item.judged)); // no dispute that has ended before
    const judged = this.#reviewed + decided.length;
    const left = open.map(({ item }) => item.outcome).filter(({ counts }) => !DECIDED.includes(counts?.state ?? ""));
    const older = known ? known.count - left.length : 0;
    const worth = dollars.format(decimal(worthOf(left)));
    const { query, span } = this.#feed.choice;
    const count = isQueue ? `${whole.format(left.length)} to review · ${worth}` : disputes(all.length);
    const reviewed = judged ? ` · ${whole.format(judged)} reviewed` : "";
    const caption = [all.length ? count + reviewed : "", query.from ? span.name : ""];
    this.#caption.textContent = caption.filter(Boolean).join(" · ");
    let said = this.#progress;
    if (!said && !(isQueue ? left : all).length) said = isQueue ? "Nothing is left to review." : "No disputes.";
    announce(this.#loaded, said);
    this.#again.hidden = !this.#isFailed && !this.#newer.size;
    this.#again.textContent = this.#isFailed ? "Try again" : `Show ${whole.format(this.#newer.size)} new`;
    this.#all.checked = open.length > 0 && chosen.length === open.length;
    this.#all.indeterminate = chosen.length > 0 && chosen.length < open.length;
    this.#order.hidden = !isQueue || !this.#rules.length;
    const saved = all.filter(({ item }) => item.state === "saved").length;
    this.#hide.hidden = !saved;
    this.#hide.textContent = `Hide ${whole.format(saved)} saved`;
    this.#older.hidden = !this.#cursor;
    this.#older.textContent = older > 0 ? `and ${whole.format(older)} older` : "and older ones";
    const items = chosen.flatMap((id) => this.#verdicts.items.get(id) ?? []);
    const may = /** @type {const} */ (["confirm", "dispute"]).map((type) =>
      items.some((one) => Verdicts.may(one, type)),
    );
    const canDispute = isQueue || open.some(({ item }) => Verdicts.may(item, "dispute"));
    this.#help.children[DISPUTE].toggleAttribute("hidden", !canDispute);
    const selected = { count: items.length, worth: worthOf(items.map(({ outcome }) => outcome)), may, canDispute };
    if (this.#bar.render(selected, this.#lastSaid)) this.#focusCurrent();
  }
}

export { followZone } from "../shared/time.js";
export const build = BUILD;
export const sheet = styleSheet(STYLES);
