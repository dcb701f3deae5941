import { html } from "../shared/dom.js";
import { loader } from "../shared/load.js";

/** @import {Problem} from "../shared/request.js" */

const load = loader("value-delivered-more.js", () => import("./more.js"));

/**
 * Load the second file (more.js), and add its styles to the shadow root of an element. Throws a Problem if loading fails.
 * @param {Element} within
 */
export async function loadMore(within) {
  const more = await load();
  const sheets = /** @type {ShadowRoot} */ (within.getRootNode()).adoptedStyleSheets;
  if (!sheets.includes(more.sheet)) sheets.push(more.sheet);
  return more;
}

/** @typedef {typeof import("./more.js")} More */

/** A part of the feed that is in the second file, which is loaded when the part is shown for the first time. */
export class Later {
  element;
  /** @type {{render: () => void} | null} */
  #content = null;

  /**
   * @param {string} name class of its element
   * @param {(more: More, element: Element) => {render: () => void}} create fills the element; render: updates it
   */
  constructor(name, create) {
    this.element = html("div", { class: name, hidden: true });
    this.#create = create;
  }
  #create;

  /** Forget what the part shows about a user. */
  forget() {
    this.element.hidden = true;
    this.element.replaceChildren();
    this.#content = null;
  }

  /** @param {boolean} isShown */
  async render(isShown) {
    this.element.hidden = !isShown;
    if (!isShown) return;
    try {
      // Once it is loaded, render at once: a viewer may type as soon as the element is shown.
      if (!this.#content) {
        const more = await loadMore(this.element);
        if (!this.#content) this.element.replaceChildren();
        this.#content ??= this.#create(more, this.element);
      }
      this.#content.render();
    } catch (problem) {
      const { message } = /** @type {Problem} */ (problem);
      this.element.replaceChildren(html("p", { class: "fault", role: "alert" }, message));
    }
  }
}
