import { html } from "../shared/dom.js";
import { KeyRow } from "./row.js";

/** @import {AgentNames} from "../shared/agents.js" */
/** @import {Key} from "./api.js" */

/** The viewer's keys, newest first. */
export class KeyList {
  element = html("ol", { class: "rows", role: "list" });
  /** @type {Map<string, KeyRow>} by id */
  #rows = new Map();

  /**
   * @param {AgentNames} agents
   * @param {(row: KeyRow) => void} rotate
   * @param {(row: KeyRow) => void} revoke
   * @param {(row: KeyRow) => void} lost called before a row is removed because its key no longer exists
   */
  constructor(agents, rotate, revoke, lost) {
    this.#create = (/** @type {Key} */ key) => new KeyRow(key, agents, rotate, revoke);
    this.#lost = lost;
  }
  #create;
  #lost;

  get size() {
    return this.#rows.size;
  }

  get keys() {
    return [...this.#rows.values()].map(({ key }) => key);
  }

  clear() {
    this.#rows.clear();
    this.element.replaceChildren();
  }

  /** @param {Key[]} keys newest first */
  show(keys) {
    const ids = new Set(keys.map(({ id }) => id));
    for (const row of this.#rows.values()) {
      if (ids.has(row.key.id)) continue;
      this.#lost(row);
      this.remove(row.key.id);
    }
    let before = this.element.firstElementChild;
    for (const key of keys) {
      const row = this.#rows.get(key.id);
      row?.show(key);
      // Do not move a row that is already in its place: moving it would remove the focus.
      if (row && row.element === before) before = before.nextElementSibling;
      else this.element.insertBefore((row ?? this.#add(key)).element, before);
    }
  }

  /** Add a new key, unless it is already shown. @param {Key} key */
  prepend(key) {
    this.element.prepend((this.#rows.get(key.id) ?? this.#add(key)).element);
  }

  /** @param {Key} key */
  #add(key) {
    const row = this.#create(key);
    this.#rows.set(key.id, row);
    return row;
  }

  /** @param {string} id */
  remove(id) {
    this.#rows.get(id)?.element.remove();
    this.#rows.delete(id);
  }

  /** Show the rows again, after agents were renamed. */
  redraw() {
    for (const row of this.#rows.values()) row.show(row.key);
  }
}
