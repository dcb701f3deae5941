import { html } from "../shared/dom.js";
import { placeOf } from "./merge.js";

/** @import {Row} from "./row.js" */

/** Rows in a list, latest first. */
export class OrderedRows {
  list = html("ol", { class: "rows", role: "list" });
  /** @type {Map<string, Row>} by id */
  #rows = new Map();
  /** @type {string[]} sort keys of the rows, in their order */
  #orders = [];

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

  /** @param {Row} row */
  insert(row) {
    const place = placeOf(row.order, this.#orders);
    // Looking up a child by its index is slow if there are many rows. Most new rows are appended, which avoids it.
    this.list.insertBefore(row.element, place < this.size ? this.list.children[place] : null);
    this.#orders.splice(place, 0, row.order);
    this.#rows.set(row.outcome.id, row);
  }

  /** @param {Row} row */
  remove(row) {
    row.element.remove();
    this.#orders.splice(this.#orders.indexOf(row.order), 1);
    this.#rows.delete(row.outcome.id);
  }
}
