import { announce, button, html, moveFocus } from "../shared/dom.js";
import { decimal, plus } from "../shared/numbers.js";
import { asProblem } from "../shared/request.js";
import { LARGEST_PAGE, PAGE, STATUSES } from "./api.js";
import { dollars, whole } from "./format.js";
import { Later, loadMore } from "./later.js";
import { orderOf, passes, placeOf } from "./merge.js";
import { Row } from "./row.js";

/** @import {Api, Outcome, OutcomePage} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {Filter} from "./merge.js" */
/** @import {RowContext} from "./row.js" */
/** @import {Search} from "./search.js" */
/** @import {Watcher} from "./watcher.js" */
/** @import {Exact} from "../shared/numbers.js" */

const CHUNK = 20; // rows; styles.css contains their height
const PATIENCE_MS = 1000; // a list waits no longer for the summary that may say that it is empty

/**
 * Whether the first page of a list is also that of the same days in another time zone.
 * @param {{page: OutcomePage, query: Filter}} first
 * @param {Filter} filter with other ends of the period
 */
const isSame = ({ page, query }, filter) =>
  page.outcomes.every((outcome) => passes(outcome, filter)) &&
  (page.next_cursor || query.from <= filter.from) &&
  (query.to >= filter.to || query.to > new Date().toISOString()); // nothing has happened since

/**
 * A list of rows, latest first. The rows are grouped in chunks, so that the browser does less work in each frame: it
 * decides only for each chunk, not for each row, whether the chunk is near enough to the viewport to be laid out.
 */
class OrderedRows {
  list = html("div", { class: "rows", role: "list" });
  /** @type {Map<string, Row>} by id */
  #rows = new Map();
  /** @type {Row[]} */
  #ordered = [];

  get size() {
    return this.#rows.size;
  }

  /** @param {string} id */
  get(id) {
    return this.#rows.get(id);
  }

  [Symbol.iterator]() {
    return this.#rows.values();
  }

  /** In words, what the loaded outcomes are worth. Void and disputed ones do not count. */
  get worth() {
    let sum = /** @type {Exact} */ (0);
    for (const row of this)
      if (STATUSES.indexOf(/** @type {string} */ (row.status)) < 2) sum = plus(sum, row.outcome.value_usd ?? 0); // counted
    return `${dollars.format(decimal(sum))} in the latest ${this.size}`;
  }

  /** @param {Row} row */
  insert(row) {
    const place = placeOf(row.order, this.#ordered);
    const previous = this.#ordered[place - 1]?.element;
    const chunk = previous?.parentElement ?? this.list.firstElementChild;
    // A row that belongs between two rows of a full chunk is added to this chunk: chunks are not split.
    if (chunk && (chunk.childElementCount < CHUNK || previous?.nextSibling))
      chunk.insertBefore(row.element, previous ? previous.nextSibling : chunk.firstChild);
    else
      this.list.insertBefore(
        html("ol", { role: "none" }, row.element),
        previous ? /** @type {Element} */ (chunk).nextSibling : chunk,
      );
    this.#ordered.splice(place, 0, row);
    this.#rows.set(row.outcome.id, row);
  }

  /** @param {Row} row */
  remove(row) {
    const chunk = row.element.parentElement;
    row.element.remove();
    if (!chunk?.hasChildNodes()) chunk?.remove();
    this.#ordered.splice(this.#ordered.indexOf(row), 1);
    this.#rows.delete(row.outcome.id);
  }
}

/**
 * The list of outcomes, with pagination, search and arrow keys. It is ordered and filtered by the time when outcomes
 * happened, but new outcomes are found by the time when they were recorded. An outcome that is recorded late is
 * inserted in its place.
 */
export class Rows {
  #rows = new OrderedRows();
  #shown = 0; // number of rows that match the search
  #scope = ""; // identifies the selection of the rows; empty: they have to be read again
  #selection = ""; // the selection of the rows, also if they have to be read again
  #end = ""; // sort key of the last outcome of the last page; empty: all are loaded
  /** @type {string | null} */
  #cursor = null;
  /** @type {AbortController | null} */
  #loading = null;
  #corrected = /** @type {Map<string, Outcome>} */ (new Map()); // by id: new versions of outcomes, see `correct`

  list = this.#rows.list;
  /** @type {Search | null} loaded when the viewer searches */
  #search = null;
  #fault = ""; // why the search could not be loaded
  search = html("input", { type: "search", "aria-label": "Search", placeholder: "Search" });
  #found = html("p", { class: "help", role: "status" });
  #listed = html("p", { class: "paper help" });
  #none = html("p", { class: "caption none-found" });
  #wayOut = new Later("way-out", (more, element) => new more.WayOut(element, this.#api, this.#choice));
  #more = button("", () => this.#loadMore(), { class: "more" });
  #failed = html("p", { class: "fault", role: "alert" });
  elements = [this.#found, this.list, this.#listed, this.#none, this.#wayOut.element, this.#more, this.#failed];

  /**
   * @param {Api} api
   * @param {Choice} choice
   * @param {Watcher} watcher
   * @param {{listed: number | null, isEmpty: boolean}} totals
   * @param {RowContext} context
   * @param {() => void} changed
   */
  constructor(api, choice, watcher, totals, context, changed) {
    this.#api = api;
    this.#choice = choice;
    this.#watcher = watcher;
    this.#totals = totals;
    this.#context = context;
    this.#changed = changed;
    this.search.addEventListener("input", () => void this.#searchFor());
  }
  #api;
  #choice;
  #watcher;
  #totals;
  #context;
  #changed;

  /**
   * Read the list if it is due, for example because the selection or the day has changed.
   * @param {OutcomePage | null} latest outcomes that were recorded last, if they were just read
   * @param {AbortSignal} signal
   * @param {Promise<unknown> | null} totals
   * @param {ReturnType<Rows["readFirst"]> | null} early its result, if it was called before `latest` was read
   */
  async read(latest, signal, totals, early) {
    if (this.#fault) void this.#searchFor();
    if (!this.isDue) return;
    const first = await early;
    const isEmpty = first ? first.isEmpty : await this.#isEmpty(totals);
    signal.throwIfAborted(); // the selection may have changed
    const { scope, query } = this.#choice;
    // Read the first page again if another user has signed in meanwhile, or if the ends of the period have changed: the
    // first answer says which capabilities are on, and without some of them the period does not limit the list.
    const isUsers = first?.page.outcomes[0]?.user_id === this.#watcher.newest?.user_id;
    const isCurrent = isUsers && first && isSame(first, query);
    const none = /** @type {OutcomePage} */ ({ outcomes: [] });
    const wanted = this.#selection === this.#choice.selection ? this.#rows.size : 0; // no loaded row is lost
    let page = isCurrent ? first.page : isEmpty ? none : await this.#readPage(signal, null, wanted);
    const { outcomes } = page;
    // A list that became shorter meanwhile would lose the place to which the viewer has scrolled.
    while (page.next_cursor && page.outcomes.length && outcomes.length < wanted) {
      page = await this.#readPage(signal, page.next_cursor, wanted - outcomes.length);
      outcomes.push(...page.outcomes);
    }
    this.#clear(
      ({ pending, isOpen, outcome }) =>
        pending || outcomes.some(({ id }) => id === outcome.id) || (isOpen && passes(outcome, query)),
    );
    this.#scope = scope;
    this.#selection = this.#choice.selection;
    this.#addPage({ ...page, outcomes });
    if (latest) this.add(latest.outcomes); // the page may lack these: its index is eventually consistent
    void this.#loadPages(); // continue a search
  }

  /**
   * Read the first page while the watcher reads the newest outcomes and the summary, which says whose days are shown.
   * Return the page and for what it was read, or null if that failed.
   * @param {AbortSignal} signal
   * @param {Promise<unknown> | null} totals
   */
  async readFirst(signal, totals) {
    const { query } = this.#choice;
    const empty = this.#isEmpty(totals);
    const page = await this.#readPage(signal, null, 0, empty).catch(() => null);
    const isEmpty = await empty;
    return page && { query, page, isEmpty };
  }

  /**
   * Whether, according to the summary, no outcome is listed: the pages of such a list may be thousands, each without an
   * outcome.
   * @param {Promise<unknown> | null} [totals] fulfilled when the summary is read, if it is being read
   */
  async #isEmpty(totals) {
    if (totals) await Promise.race([totals, new Promise((end) => (AbortSignal.timeout(PATIENCE_MS).onabort = end))]);
    return this.#totals.isEmpty;
  }

  /** @param {AbortSignal} signal @param {string | null} cursor @param {number} wanted rows */
  #readPage(signal, cursor, wanted, isEmpty = this.#isEmpty()) {
    const limit = wanted > PAGE ? LARGEST_PAGE : PAGE;
    return this.#api.page({ ...this.#choice.query, time: "occurred", limit }, cursor, signal, isEmpty);
  }

  /** Whether the list is about to be read for the first time, or after the selection has changed. */
  get isUnread() {
    return !this.#scope;
  }

  /** Whether the list has to be read. */
  get isDue() {
    return this.#scope !== this.#choice.scope;
  }

  get worth() {
    return this.#rows.worth;
  }

  get outcomes() {
    return [...this.#rows].map(({ outcome }) => outcome);
  }

  /** Make the next poll read the list again. The old rows stay until then, and unfolded ones that pass the filter after it. */
  skip() {
    this.cancel();
    this.#scope = "";
  }

  forget() {
    this.skip();
    this.#clear(() => false);
    this.#wayOut.forget();
    this.#corrected.clear();
    this.search.value = "";
  }

  /** @param {(row: Row) => unknown} isKept */
  #clear(isKept) {
    this.cancel();
    for (const row of this.#rows) if (!isKept(row)) this.#rows.remove(row);
    this.#shown = 0;
    this.#cursor = null;
    this.#end = "";
  }

  cancel() {
    this.#loading?.abort();
    this.#loading = null;
    this.#failed.textContent = "";
  }

  /** Show a new version of an outcome, even if an answer with the old version arrives later. @param {Outcome} outcome */
  correct(outcome) {
    this.#corrected.set(outcome.id, outcome);
    this.update(outcome);
    this.place(outcome.id); // also if its row has this version already
  }

  /** @param {Outcome} outcome */
  update(outcome) {
    if (this.#rows.get(outcome.id)?.update(outcome)) this.place(outcome.id);
  }

  /** Move a row to its place, or take it out if it does not pass the filter any more, but not while it is unfolded. @param {string} id */
  place(id) {
    const row = this.#rows.get(id);
    if (!row || row.isOpen || row.pending || this.isDue) return;
    if (orderOf(row.outcome) === row.order && passes(row.outcome, this.#choice.query)) return this.filter([row]);
    this.#rows.remove(row);
    this.add([row.outcome]);
  }

  /** Add outcomes and mark them as new. @param {Outcome[]} found @returns how many were not listed */
  addNew(found) {
    // Keep what the viewer points at in its place, so that a click hits what it aimed at.
    const aimed = this.list.querySelector("li:is(:hover, :focus-within)");
    const before = aimed?.getBoundingClientRect().top ?? 0;
    const added = this.add(found);
    for (const { element } of added) element.classList.add("new");
    if (aimed?.isConnected) scrollBy({ top: aimed.getBoundingClientRect().top - before, behavior: "instant" });
    return added.length;
  }

  /**
   * Update outcomes that are listed. Insert the others that pass the filter, except outcomes that belong to pages that
   * are not loaded yet.
   * @param {Outcome[]} found
   * @returns the new rows
   */
  add(found) {
    for (const outcome of found) this.update(outcome);
    const { query } = this.#choice;
    const end = this.#cursor ? this.#end : "";
    return this.isDue ? [] : this.#add(found.filter((outcome) => passes(outcome, query) && orderOf(outcome) >= end));
  }

  /** @param {OutcomePage} page */
  #addPage({ outcomes, next_cursor }) {
    this.#cursor = next_cursor ?? null;
    if (outcomes.length) this.#end = orderOf(outcomes[outcomes.length - 1]);
    return this.#add(outcomes);
  }

  /**
   * Insert outcomes that are not listed yet, latest first. Update the others.
   * @param {Outcome[]} found
   * @returns the new rows
   */
  #add(found) {
    /** @type {Row[]} */
    const added = [];
    for (const outcome of found) {
      if (this.#rows.get(outcome.id)) this.update(outcome);
      else {
        const row = new Row(outcome, orderOf(outcome), this.#context);
        this.#rows.insert(row);
        this.#choice.offer(outcome);
        added.push(row);
      }
    }
    this.filter(added);
    for (const { outcome } of added) this.update(this.#corrected.get(outcome.id) ?? outcome);
    return added;
  }

  async #searchFor() {
    this.#fault = "";
    try {
      this.#search ??= new (await loadMore(this.list)).Search();
    } catch (problem) {
      this.#fault = `Not loaded yet. ${/** @type {Error} */ (problem).message}`;
    }
    this.filter();
    void this.#loadPages();
    this.#changed();
  }

  #loadMore() {
    if (this.#loading) return;
    this.#search?.extend(this.#rows.size);
    void this.#loadPages(this.#rows.size + 1);
  }

  /**
   * Load pages until the list has this many rows and all rows that a search needs, or until no page is left.
   * @param {number} wanted
   */
  async #loadPages(wanted = 0) {
    if (this.#loading) return; // the running call also loads the rows that the search needs
    const loading = new AbortController();
    const { signal } = loading;
    this.cancel(); // forgets the last error
    this.#loading = loading;
    try {
      for (;;) {
        const missing = Math.max(wanted, this.#search?.rows ?? 0) - this.#rows.size;
        if (!this.#cursor || missing <= 0) break;
        this.#changed();
        const page = await this.#readPage(signal, this.#cursor, missing);
        const added = this.#addPage(page);
        // The button disappears with the last page: move the focus to the first new row.
        if (!this.#cursor && this.#more.matches(":focus"))
          added.find(({ element }) => !element.hidden)?.summary.focus();
        if (!page.outcomes.length) break; // after SPARSE_PAGES empty pages, only the button continues
      }
    } catch (error) {
      // Say so at the button, and not as the last poll's problem, which the next poll replaces. Signed out and offline
      // have no message: they are states of the feed.
      const problem = asProblem(error);
      if (signal.aborted) return;
      if (problem.message) this.#failed.textContent = problem.message;
      else this.#watcher.fail(problem);
    }
    if (this.#loading !== loading) return; // this call was canceled
    this.#loading = null;
    this.#changed();
  }

  /** Hide the rows that do not match the search. */
  filter(rows = /** @type {Iterable<Row>} */ (this.#rows)) {
    const search = this.#search;
    if (search) search.text = this.search.value;
    for (const row of rows) {
      row.element.hidden = search?.matches(row) === false;
      search?.mark(row, !row.element.hidden);
    }
    this.#shown = search?.isOn ? this.list.querySelectorAll(":scope > * > :not([hidden])").length : this.#rows.size;
  }

  /** Render all rows again after agents were renamed. */
  redraw() {
    for (const row of this.#rows) row.redraw();
    this.filter();
  }

  /** Move the focus to the first row, or to the search if no row is shown. */
  focus() {
    const [first = this.search] = this.#visible;
    first.focus();
  }

  get #visible() {
    return [...this.list.querySelectorAll("summary")].filter((row) => row.checkVisibility());
  }

  /** Move the focus between rows by arrow keys, Home and End. @param {KeyboardEvent} event */
  moveFocus(event) {
    moveFocus(event, this.#visible);
  }

  render() {
    if (!this.#rows.size && this.#totals.isEmpty) this.#cursor = null; // the other pages are empty, too
    const search = this.#rows.size && this.#search?.isOn ? this.#search : null;
    const isLoading = this.#loading !== null;
    this.#found.ariaBusy = String(isLoading); // screen readers announce only the result
    const { listed } = this.#totals;
    const total = this.#cursor ? listed : this.#rows.size;
    announce(this.#found, search?.result(this.#shown, this.#rows.size, total) ?? this.#fault);
    this.list.ariaBusy = String(this.isDue);
    // If the rows of another selection could not be read, do not show the former ones beside it.
    const isOther = this.#selection !== this.#choice.selection && !this.#watcher.isPolling;
    this.list.hidden = isOther;
    this.#none.hidden = this.#shown > 0 && !isOther;
    void this.#wayOut.render(!this.#shown && !search && !this.isDue && !this.#cursor);
    let none = "No outcome matches this filter.";
    if (search) none = search.none(this.#cursor !== null);
    else if (this.isDue) none = this.#watcher.isPolling ? "Loading…" : "Not loaded yet.";
    else if (this.#cursor) none = "No match among the latest outcomes.";
    else if (!this.#choice.isFiltered) none = "No outcome happened in this period.";
    this.#none.textContent = none;
    this.#listed.textContent = this.#cursor
      ? `${this.#rows.size} of ${listed === null ? "many" : whole.format(listed)} outcomes are listed here.`
      : "";
    this.#more.hidden = !this.#cursor || isOther;
    let more = this.#rows.size ? "Load more" : "Look further back";
    if (isLoading) more = "Loading…";
    this.#more.textContent = search?.more(isLoading) ?? more;
    this.#more.ariaDisabled = String(isLoading);
  }
}
