import { html } from "../shared/dom.js";
import { loader } from "../shared/load.js";
import { followZone } from "../shared/time.js";

/** @import {Problem} from "../shared/request.js" */

const load = /* @__PURE__ */ loader("value-delivered-more.js", () => import("./more.js"));
const loadThird = /* @__PURE__ */ loader("value-delivered-review.js", () => import("./review.js"));

/** @type {Set<{followZone: () => void}>} */
const files = new Set();

/** Let the formats of all loaded files follow the viewer's time zone. Return whether it has changed. */
export function followZones() {
  for (const file of files) file.followZone();
  return followZone();
}

/**
 * Add the styles of a loaded file to the shadow root of an element.
 * @template {{sheet: CSSStyleSheet, followZone: () => void}} File
 * @param {File} file
 * @param {Element} within
 */
function adopted(file, within) {
  files.add(file);
  const sheets = /** @type {ShadowRoot} */ (within.getRootNode()).adoptedStyleSheets;
  if (!sheets.includes(file.sheet)) sheets.push(file.sheet);
  return file;
}

/**
 * Load the second file (more.js), and add its styles to the shadow root of an element. Throws a Problem if loading fails.
 * @param {Element} within
 */
export const loadMore = async (within) => adopted(await load(), within);

/** Load the review queue (review.js) in the same way, and what it needs of the second file. @param {Element} within */
export async function loadReview(within) {
  const [{ History, facts }, { Review }] = [await loadMore(within), adopted(await loadThird(), within)];
  return { History, facts, Review };
}

/** @typedef {typeof import("./more.js")} More */

/**
 * A part of the feed that is in another file, which is loaded when the part is shown for the first time.
 * @template [File=More]
 */
export class Later {
  element;
  /** @type {{render: () => void} | null} */
  #content = null;

  /**
   * @param {string} name class of its element
   * @param {(file: File, element: HTMLElement) => {render: () => void}} create fills the element; render: updates it
   * @param {(within: Element) => Promise<File>} load by default the second file
   */
  constructor(name, create, load = /** @type {any} */ (loadMore)) {
    this.element = html("div", { class: name, hidden: true });
    this.#create = create;
    this.#load = load;
  }
  #create;
  #load;

  /** Forget what the part shows about a user. */
  forget() {
    this.element.hidden = true;
    this.element.replaceChildren();
    this.#content = null;
  }

  /** @param {unknown} isShown */
  async render(isShown) {
    this.element.hidden = !isShown;
    if (!isShown) return;
    try {
      // Once it is loaded, render at once: a viewer may type as soon as the element is shown.
      if (!this.#content) {
        const file = await this.#load(this.element);
        if (!this.#content) this.element.replaceChildren();
        this.#content ??= this.#create(file, this.element);
      }
      this.#content.render();
    } catch (problem) {
      const { message } = /** @type {Problem} */ (problem);
      this.element.replaceChildren(html("p", { class: "fault", role: "alert" }, message));
    }
  }
}
