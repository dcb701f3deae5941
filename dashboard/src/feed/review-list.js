import { build, html } from "../shared/dom.js";

/** @import {ReviewRow} from "./review-row.js" */

/** The rows of the review queue, of which one's controls can be reached by Tab, and which of them are selected. */
export class ReviewList {
  /** @type {Map<string, ReviewRow>} by id, in the order that is shown */
  rows = new Map();
  /** @type {Set<string>} */
  selected = new Set();
  /** @type {ReviewRow | null} */
  current = null;
  /** @type {ReviewRow | null} the row from which Shift selects */
  #anchor = null;
  #isShift = false; // whether Shift was held when the pointer or a key was pressed

  /** @param {string} label id of the heading @param {() => void} selected called when the selection has changed */
  constructor(label, selected) {
    this.#notify = selected;
    this.element = html("ol", { class: "claims", role: "list", "aria-labelledby": label });
    build(
      this.element,
      {
        pointerdown: (/** @type {PointerEvent} */ event) => this.hold(event),
        change: (/** @type {Event} */ event) => this.#check(event),
        focusin: (/** @type {FocusEvent} */ event) => this.#move(this.#rowOf(event)),
      },
      [],
    );
  }
  #notify;

  /** Note whether Shift is held. @param {{shiftKey: boolean}} event */
  hold({ shiftKey }) {
    this.#isShift = shiftKey;
  }

  /** @param {Event} event @returns {ReviewRow | null} */
  #rowOf({ target }) {
    const element = /** @type {Element} */ (target).closest("li[data-state]");
    return this.all.find((row) => row.element === element) ?? null;
  }

  get all() {
    return [...this.rows.values()];
  }

  get open() {
    return this.all.filter(({ isOpen }) => isOpen);
  }

  /** The ids of the selected rows, in the order that is shown. */
  get chosen() {
    return this.open.flatMap(({ id }) => (this.selected.has(id) ? id : []));
  }

  /** @param {ReviewRow[]} rows */
  show(rows) {
    const before = this.all;
    this.rows = new Map(rows.map((row) => [row.id, row]));
    for (const id of this.selected) if (!this.rows.has(id)) this.selected.delete(id);
    for (const row of before) if (this.rows.get(row.id) !== row) row.element.remove();
    // Move no row that is in its place already, because it would lose the focus.
    let place = this.element.firstElementChild;
    for (const { element } of rows)
      if (element === place) place = place.nextElementSibling;
      else this.element.insertBefore(element, place);
    this.#anchor = null;
    if (!this.current || !this.rows.has(this.current.id)) this.#move(this.open[0] ?? rows[0] ?? null);
  }

  /** @param {ReviewRow | null} row */
  #move(row) {
    if (row === this.current) return;
    if (this.current) this.current.isCurrent = false;
    if (row) row.isCurrent = true;
    this.current = row;
  }

  /** Move the focus to a control of a row, by default to its checkbox. @param {ReviewRow} row @param {string} [control] */
  focus(row, control = "") {
    this.#move(row);
    row.control(control).focus();
  }

  /** Return the next open row after one, else the last open one before it. @param {ReviewRow | null} row */
  nextOpen(row) {
    const { all } = this;
    const at = row ? all.indexOf(row) : -1;
    const isOpen = (/** @type {ReviewRow} */ one) => one.isOpen;
    return all.slice(at + 1).find(isOpen) ?? all.slice(0, Math.max(0, at)).findLast(isOpen);
  }

  /**
   * Move the focus by some rows. With Shift, select all rows from the anchor to the reached one.
   * @param {number} by
   * @param {boolean} isExtending
   * @param {ReviewRow[]} among
   */
  step(by, isExtending, among = this.open) {
    const { all, current } = this;
    const at = current ? all.indexOf(current) : -1;
    const isBeyond = (/** @type {ReviewRow} */ row) => (all.indexOf(row) - at) * by > 0;
    const to = by > 0 ? among.find(isBeyond) : among.findLast(isBeyond);
    if (isExtending && current) {
      this.#anchor ??= current;
      this.#select(this.#between(this.#anchor, to ?? current), true);
    }
    if (to) this.focus(to);
    else if (current) this.focus(current);
  }

  /** Select the current row, or take it out of the selection. @param {boolean} isExtending */
  toggle(isExtending) {
    const row = this.current;
    if (!row?.isOpen) return;
    if (isExtending && this.#anchor) this.#select(this.#between(this.#anchor, row), true);
    else this.#select([row], !this.selected.has(row.id));
    this.#anchor = row;
  }

  /** @param {Event} event */
  #check(event) {
    const row = this.#rowOf(event);
    if (!row || event.target !== row.check) return;
    this.#move(row);
    row.check.checked = this.selected.has(row.id); // `toggle` decides
    this.toggle(this.#isShift);
  }

  /** @param {ReviewRow} from @param {ReviewRow} to */
  #between(from, to) {
    const [start, end] = [from, to].map((row) => this.all.indexOf(row)).sort((a, b) => a - b);
    return this.all.slice(start, end + 1);
  }

  /** @param {ReviewRow[]} rows @param {boolean} isSelected */
  #select(rows, isSelected) {
    for (const row of rows)
      if (row.isOpen && isSelected) this.selected.add(row.id);
      else this.selected.delete(row.id);
    for (const row of rows) row.isSelected = this.selected.has(row.id);
    this.#notify();
  }

  /** @param {ReviewRow} row */
  deselect(row) {
    this.selected.delete(row.id);
    row.isSelected = false;
  }

  /** @param {boolean} isSelected */
  selectAll(isSelected) {
    this.#select(this.all, isSelected);
  }
}
