import { button, html, moveFocus } from "../shared/dom.js";
import { whole } from "./format.js";
import { orderOf, passes, placeOf } from "./merge.js";
import { Row } from "./row.js";

/** @import {Api, Outcome, OutcomePage} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {RowContext} from "./row.js" */
/** @import {Watcher} from "./watcher.js" */

/** The list of outcomes, with pagination, search and arrow keys. */
export class Rows {
  /** @type {Map<string, Row>} by id */
  #rows = new Map();
  /** @type {string[]} sort keys of the rows, in their order */
  #orders = [];
  #shown = 0; // number of rows that match the search
  #isGap = false; // between the rows and what is new
  isDue = true; // the list has to be read again
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
   * Read the list again if necessary.
   * @param {OutcomePage | null} latest unfiltered first page, if it was just read
   * @param {AbortSignal} signal
   */
  async read(latest, signal) {
    if (!this.isDue) return;
    const isFiltered = Object.values(this.#choice.filter).some(Boolean);
    const page = latest && !isFiltered ? latest : await this.#readPage(signal);
    this.#clear(this.#isGap);
    this.isDue = this.#isGap = false;
    this.#addPage(page);
  }

  /** @param {AbortSignal} signal */
  #readPage(signal, cursor = /** @type {string | null} */ (null)) {
    return this.#api.page(this.#choice.filter, cursor, signal);
  }

  /** Make the next poll read the list again. The old rows stay until then. */
  invalidate() {
    this.cancel();
    this.isDue = true;
  }

  /** Make the next poll read the list again, because more outcomes are new than were read. Unfolded rows stay. */
  skip() {
    this.invalidate();
    this.#isGap = true;
  }

  forget() {
    this.#clear();
    this.isDue = true;
    this.search.value = "";
  }

  #clear(isOpenKept = false) {
    this.cancel();
    for (const [id, { isOpen, outcome, element }] of this.#rows) {
      if (isOpenKept && isOpen && passes(outcome, this.#choice.filter)) continue;
      element.remove();
      this.#rows.delete(id);
    }
    this.#orders = [...this.#rows.values()]
      .map(({ outcome }) => orderOf(outcome))
      .sort()
      .reverse();
    this.#shown = 0;
    this.#cursor = null;
  }

  cancel() {
    this.#loading?.abort();
    this.#loading = null;
  }

  /** @param {Outcome} outcome */
  update(outcome) {
    this.#rows.get(outcome.id)?.update(outcome);
  }

  /** Add the new outcomes that pass the filter. @param {Outcome[]} fresh @returns how many */
  addNew(fresh) {
    if (this.isDue) return 0;
    const { filter } = this.#choice;
    const added = this.#add(fresh.filter((outcome) => passes(outcome, filter)));
    for (const { element } of added) element.classList.add("new");
    return added.length;
  }

  /** @param {OutcomePage} page */
  #addPage({ outcomes, next_cursor }) {
    this.#cursor = next_cursor ?? null;
    return this.#add(outcomes);
  }

  /**
   * Insert outcomes that are not listed yet, newest first. Update the others.
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
      const row = new Row(outcome, this.#context);
      const order = orderOf(outcome);
      const place = placeOf(order, this.#orders);
      row.element.dataset.order = order;
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
    const { outcomeType, agentId, from } = this.#choice.filter;
    this.list.ariaBusy = String(this.isDue);
    this.#none.hidden = this.#shown > 0;
    let none = "No outcome matches this filter.";
    if (this.#found.textContent) none = "No match among the loaded outcomes.";
    else if (this.isDue) none = this.#watcher.isPolling ? "Loading…" : "Not loaded yet.";
    else if (this.#cursor) none = "No match among the latest outcomes.";
    else if (from && !outcomeType && !agentId) none = "Nothing was recorded in this period.";
    this.#none.textContent = none;
    this.#listed.textContent = this.#cursor ? "More outcomes exist than are listed here." : "";
    this.#more.hidden = !this.#cursor;
    this.#more.textContent = this.#rows.size ? "Load more" : "Look further back";
    if (this.#loading) this.#more.textContent = "Loading…";
    this.#more.ariaDisabled = String(Boolean(this.#loading));
  }
}
