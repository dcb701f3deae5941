import { button, dotted, drawing, html, icon } from "../shared/dom.js";
import { exactTime, localDay } from "../shared/time.js";
import { Place } from "./place.js";
import { BY, bounds, hasExpired, KEY, lastUsed } from "./words.js";

/** @import {AgentNames} from "../shared/agents.js" */
/** @import {Key} from "./api.js" */

const PROHIBITED = "M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0zM5.6 5.6l12.8 12.8";

/** @param {string} instant @param {string} words */
const time = (instant, words) => html("time", { datetime: instant, title: exactTime.format(new Date(instant)) }, words);
/** @param {string} instant */
const day = (instant) => time(instant, localDay.format(new Date(instant)));

const number = new Intl.NumberFormat();

/** A key in the list, with buttons to pause or resume, rotate and revoke it. */
export class KeyRow {
  #text = html("div", { class: "what" });

  /**
   * @param {Key} key
   * @param {AgentNames} agents
   * @param {(row: KeyRow) => void} pause or resume
   * @param {(row: KeyRow) => void} rotate
   * @param {(row: KeyRow) => void} revoke
   */
  constructor(key, agents, pause, rotate, revoke) {
    this.key = key;
    this.agents = agents;
    this.pause = button("", () => pause(this));
    this.rotate = button("Rotate", () => rotate(this), { "aria-label": `Rotate ${key.name}` });
    this.revoke = button("Revoke", () => revoke(this), { "aria-label": `Revoke ${key.name}`, class: "danger" });
    this.revoke.prepend(drawing(PROHIBITED));
    this.place = new Place(this.pause, this.rotate, this.revoke);
    const { buttons, panel } = this.place;
    this.element = html("li", {}, html("div", { class: "key" }, icon(KEY), this.#text, buttons), panel);
    this.show(key);
  }

  /** @param {Key} key */
  show(key) {
    this.key = key;
    const { created_at: made, rotated_at: rotated, last_used_at: used, expires_at: end, paused_at: paused } = key;
    const { max_per_day: most, recorded_today: done } = key;
    const verb = paused ? "Resume" : "Pause";
    this.pause.textContent = verb;
    this.pause.setAttribute("aria-label", `${verb} ${key.name}`);
    const facts = dotted(
      html("span", {}, "Made ", day(made), BY.get(key.made_by ?? "") ?? null),
      paused ? html("span", { class: "over" }, "Paused ", day(paused)) : null,
      rotated ? html("span", {}, "Rotated ", day(rotated), BY.get(key.rotated_by ?? "") ?? null) : null,
      html("span", {}, used ? "Last used " : "Never used", used ? time(used, lastUsed(used)) : null),
      end && !hasExpired(key) ? html("span", {}, "Until ", day(end)) : null,
      end && hasExpired(key) ? html("span", { class: "over" }, "Expired ", day(end)) : null,
    );
    this.#text.replaceChildren(
      html("strong", { dir: "auto" }, key.name),
      html("span", { class: "meta" }, ...dotted(...bounds(key, this.agents))),
      html("span", { class: "meta" }, ...facts),
      ...(most && done != null
        ? [
            html(
              "span",
              { class: "meta" },
              html("progress", { value: done, max: most, "aria-hidden": "true" }),
              ` about ${number.format(done)} of ${number.format(most)} today`,
            ),
          ]
        : []),
      html("code", {}, `oc_${key.id}_…`),
    );
  }
}

/** The viewer's keys, newest first. */
export class KeyList {
  element = html("ol", { class: "rows", role: "list" });
  /** @type {Map<string, KeyRow>} by id */
  #rows = new Map();

  /**
   * @param {AgentNames} agents
   * @param {(row: KeyRow) => void} pause or resume
   * @param {(row: KeyRow) => void} rotate
   * @param {(row: KeyRow) => void} revoke
   * @param {(row: KeyRow) => void} lost called before a row is removed because its key no longer exists
   * @param {(row: KeyRow) => void} replaced called when a key has a newer secret than the row's
   */
  constructor(agents, pause, rotate, revoke, lost, replaced) {
    this.#create = (/** @type {Key} */ key) => new KeyRow(key, agents, pause, rotate, revoke);
    this.#lost = lost;
    this.#replaced = replaced;
  }
  #create;
  #lost;
  #replaced;

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
      // A list that was read a little late does not hide a secret that can be copied only now.
      if (row && (key.rotated_at ?? "") > (row.key.rotated_at ?? "")) this.#replaced(row);
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
