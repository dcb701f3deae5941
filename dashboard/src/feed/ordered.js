import { html } from "../shared/dom.js";
import { decimal, plus } from "../shared/numbers.js";
import { STATUSES } from "./api.js";
import { dollars } from "./format.js";
import { placeOf } from "./merge.js";

/** @import {Exact} from "../shared/numbers.js" */
/** @import {Row} from "./row.js" */

const CHUNK = 20; // rows; styles.css contains their height

/**
 * A list of rows, latest first. The rows are grouped in chunks, so that the browser does less work in each frame: it
 * decides only for each chunk, not for each row, whether the chunk is near enough to the viewport to be laid out.
 */
export class OrderedRows {
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
