import { button, html, moveFocus } from "../shared/dom.js";
import { whole } from "./format.js";
import { orderOf, passes, placeOf } from "./merge.js";
import { Row } from "./row.js";

/** @import {Api, Outcome, OutcomePage} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {RowContext} from "./row.js" */
/** @import {Watcher} from "./watcher.js" */

/**
 * The list of outcomes, with pagination, search and arrow keys. Its order and its period go by when outcomes happened,
 * but new outcomes are found by when they were recorded: a late one is inserted in its place.
 */
export class Rows {
  /** @type {Map<string, Row>} by id */
  #rows = new Map();
  /** @type {string[]} sort keys of the rows, in their order */
  #orders = [];
  #shown = 0; // number of rows that match the search
  #scope = ""; // identifies the selection of the rows; empty: they have to be read again
  #isOpenKept = false; // whether unfolded rows stay when the list is read again
  #end = ""; // sort key of the last outcome of the last page; empty: all are loaded
  /** @type {string | null} */
  #cursor = null;
  /** @type {AbortController | null} */
  #loading = null;

  list = html("ol", { class: "rows", role: "list" });
  search = html("input", {
    type: "search",
    "aria-label": "Search what is loaded",
    placeholder: "Search what is loaded",
    input: () => {
      this.filter();
      this.#changed();
    },
  });
  #found = html("p", { class: "help", role: "status" });
  #listed = html("p", { class: "paper help" });
  #none = html("p", { class: "caption none-found" });
  #more = button("", () => void this.#loadMore(), { class: "more" });
  elements = [this.#found, this.list, this.#listed, this.#none, this.#more];

  /**
   * @param {Api} api
   * @param {Choice} choice
   * @param {Watcher} watcher
   * @param {RowContext} context
   * @param {() => void} changed
   */
  constructor(api, choice, watcher, context, changed) {
    this.#api = api;
    this.#choice = choice;
    this.#watcher = watcher;
    this.#context = context;
    this.#changed = changed;
  }
  #api;
  #choice;
  #watcher;
  #context;
  #changed;

  /**
   * Read the list again if necessary: the day may have changed, too.
   * @param {OutcomePage | null} latest outcomes that were recorded last, if they were just read
   * @param {AbortSignal} signal
   * @param early what readFirst returned, if it was called before `latest` was read
   */
  async read(latest, signal, early = /** @type {ReturnType<Rows["readFirst"]> | null} */ (null)) {
    if (!this.isDue) return;
    let first = await early;
    const { scope } = this.#choice;
    // Both answers may be of two users, and the first may have changed the selection.
    const isSame = first?.scope === scope && first.page.outcomes[0]?.user_id === this.#watcher.newest?.user_id;
    if (!first || !isSame) first = { scope, page: await this.#readPage(signal) };
    const { page } = first;
    this.#clear(this.#isOpenKept);
    this.#scope = scope;
    this.#isOpenKept = true;
    this.#addPage(page);
    if (latest) this.add(latest.outcomes); // late ones are in the page only a moment after they were recorded
  }

  /**
   * Read the first page while the watcher reads what was recorded last. Return it with the scope of its selection, or
   * null if that failed.
   * @param {AbortSignal} signal
   */
  readFirst(signal) {
    const { scope } = this.#choice;
    return this.#readPage(signal).then(
      (page) => ({ scope, page }),
      () => null,
    );
  }

  /** @param {AbortSignal} signal */
  #readPage(signal, cursor = /** @type {string | null} */ (null)) {
    return this.#api.page({ ...this.#choice.query, time: "occurred" }, cursor, signal);
  }

  /** Whether the list has to be read. */
  get isDue() {
    return this.#scope !== this.#choice.scope;
  }

  /** Make the next poll read another list. The old rows stay until then. */
  invalidate() {
    this.skip();
    this.#isOpenKept = false;
  }

  /** Make the next poll read the list again, because more outcomes are new than were read. Unfolded rows stay. */
  skip() {
    this.cancel();
    this.#scope = "";
  }

  forget() {
    this.invalidate();
    this.#clear();
    this.search.value = "";
  }

  #clear(isOpenKept = false) {
    this.cancel();
    for (const row of this.#rows.values())
      if (!isOpenKept || !row.isOpen || !passes(row.outcome, this.#choice.query)) this.#remove(row);
    this.#shown = 0;
    this.#cursor = null;
    this.#end = "";
  }

  /** @param {Row} row */
  #remove(row) {
    row.element.remove();
    this.#orders.splice(this.#orders.indexOf(row.order), 1);
    this.#rows.delete(row.outcome.id);
  }

  cancel() {
    this.#loading?.abort();
    this.#loading = null;
  }

  /** @param {Outcome} outcome */
  update(outcome) {
    const row = this.#rows.get(outcome.id);
    if (!row?.update(outcome) || row.isOpen || this.isDue) return; // an unfolded row stays where the viewer reads it
    if (orderOf(row.outcome) === row.order && passes(row.outcome, this.#choice.query)) return;
    this.#remove(row);
    this.add([row.outcome]);
  }

  /** Add outcomes and mark them as new. @param {Outcome[]} found @returns how many were not listed */
  addNew(found) {
    const added = this.add(found);
    for (const { element } of added) element.classList.add("new");
    return added.length;
  }

  /**
   * Update outcomes that are listed. Insert the others that pass the filter, unless they follow with the next pages.
   * @param {Outcome[]} found
   * @returns the new rows
   */
  add(found) {
    for (const outcome of found) this.update(outcome);
    const { query } = this.#choice;
    const isNext = (/** @type {Outcome} */ outcome) => this.#cursor && orderOf(outcome) < this.#end;
    return this.isDue ? [] : this.#add(found.filter((outcome) => passes(outcome, query) && !isNext(outcome)));
  }

  /** @param {OutcomePage} page */
  #addPage({ outcomes, next_cursor }) {
    this.#cursor = next_cursor ?? null;
    const last = outcomes.at(-1);
    if (last) this.#end = orderOf(last);
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
      if (this.#rows.has(outcome.id)) {
        this.update(outcome);
        continue;
      }
      const order = orderOf(outcome);
      const row = new Row(outcome, order, this.#context);
      const place = placeOf(order, this.#orders);
      // Looking up a child by its index is slow if there are many rows. Most new rows are appended, which avoids it.
      this.list.insertBefore(row.element, place < this.#orders.length ? this.list.children[place] : null);
      this.#orders.splice(place, 0, order);
      this.#rows.set(outcome.id, row);
      this.#choice.offer(outcome);
      added.push(row);
    }
    this.filter(added);
    return added;
  }

  async #loadMore() {
    if (this.#loading || !this.#cursor) return;
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.#changed();
    try {
      const added = this.#addPage(await this.#readPage(signal, this.#cursor));
      this.#watcher.problem = null;
      // The button disappears with the last page: move the focus to the first new row.
      if (!this.#cursor && this.#more.matches(":focus")) added[0]?.summary.focus();
    } catch (error) {
      if (signal.aborted) return;
      this.#watcher.fail(error);
    }
    this.#loading = null;
    this.#changed();
  }

  /** Hide the rows that do not match the search. */
  filter(rows = /** @type {Iterable<Row>} */ (this.#rows.values())) {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.element.hidden = !row.matchesAll(words);
    const { size } = this.#rows;
    this.#shown = words.length ? this.list.querySelectorAll(":scope > :not([hidden])").length : size;
    this.#found.textContent =
      words.length && size ? `${whole.format(this.#shown)} of ${whole.format(size)} loaded match` : "";
  }

  /** Render all rows again after agents were renamed. */
  redraw() {
    for (const row of this.#rows.values()) row.redraw();
    this.filter();
  }

  /** Move the focus between rows by arrow keys, Home and End. @param {KeyboardEvent} event */
  moveFocus(event) {
    const rows = [...this.list.querySelectorAll("summary")].filter((row) => row.checkVisibility());
    moveFocus(event, rows);
  }

  render() {
    const { outcomeType, agentId, status, from } = this.#choice.query;
    this.list.ariaBusy = String(this.isDue);
    this.#none.hidden = this.#shown > 0;
    let none = "No outcome matches this filter.";
    if (this.#found.textContent) none = "No match among the loaded outcomes.";
    else if (this.isDue) none = this.#watcher.isPolling ? "Loading…" : "Not loaded yet.";
    else if (this.#cursor) none = "No match among the latest outcomes.";
    else if (from && !outcomeType && !agentId && !status) none = "No outcome happened in this period.";
    this.#none.textContent = none;
    this.#listed.textContent = this.#cursor ? "More outcomes exist than are listed here." : "";
    this.#more.hidden = !this.#cursor;
    this.#more.textContent = this.#rows.size ? "Load more" : "Look further back";
    if (this.#loading) this.#more.textContent = "Loading…";
    this.#more.ariaDisabled = String(Boolean(this.#loading));
  }
}
