import { button, html, icon } from "./dom.js";

/** @import {ViewState} from "./request.js" */

const WARNING = "M12 4L2.5 20h19zM12 10v4M12 17h.01";
/** @type {Partial<Record<ViewState, string>>} */
const ICONS = {
  "signed-out": "M10 4H5v16h5M15 8l4 4-4 4M9 12h10",
  offline: "M3 3l18 18M5 12a10 10 0 0 1 4-2.5M15 9.5a10 10 0 0 1 4 2.5M8.5 15.5a5 5 0 0 1 7 0M12 19h.01",
  error: WARNING,
  unset: WARNING,
};

/** Says why there is nothing to show, or what is wrong with it, and offers what can be done. */
export class Notice {
  #text = html("p", { role: "status" });
  element = html("div", { class: "notice" }, this.#text);

  /**
   * @param {string} emptyIcon
   * @param {HTMLElement} heading where the keyboard's place is when there is nothing to press any more
   * @param {() => void} retry
   */
  constructor(emptyIcon, heading, retry) {
    this.#icons = { ...ICONS, empty: emptyIcon };
    this.#heading = heading;
    this.#retry = retry;
  }
  #icons;
  #heading;
  #retry;

  /**
   * Rewritten only when there is something else to say, so that it is announced once and keeps the keyboard's place.
   * @param {ViewState | null} lack
   * @param {[title: string, text: string]} words
   * @param {string | null} signInUrl
   */
  show(lack, [title, text], signInUrl) {
    const { element } = this;
    const signIn = lack === "signed-out" && signInUrl;
    const key = `${lack} ${title} ${text} ${signIn}`;
    if (element.dataset.key === key) return;
    element.dataset.key = key;
    const hadFocus = element.matches(":focus-within");
    const ways = [];
    if (signIn) ways.push(html("a", { href: signIn }, "Sign in"));
    if (lack === "signed-out" || lack === "offline" || lack === "error")
      ways.push(button(signIn ? "Check again" : "Try again", this.#retry));
    this.#text.replaceChildren(...(lack ? [html("strong", {}, title), " ", html("span", {}, text)] : []));
    const path = lack && this.#icons[lack];
    element.replaceChildren(...(path ? [icon(path)] : []), this.#text, ...ways);
    if (hadFocus) (ways[0] ?? this.#heading).focus();
  }
}
