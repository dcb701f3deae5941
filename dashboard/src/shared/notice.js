import { button, html, icon } from "./dom.js";

/** @import {ViewState} from "./request.js" */

const WARNING = "M12 4L2.5 20h19zM12 10v4M12 17h.01";

/** A message about the state of an element, with what the viewer can do: sign in or try again. */
export class Notice {
  #text = html("p", { role: "status" });
  element = html("div", { class: "notice" }, this.#text);

  /**
   * @param {string} emptyIcon
   * @param {HTMLElement} heading takes the focus when the focused button goes away
   * @param {() => void} retry
   */
  constructor(emptyIcon, heading, retry) {
    this.#emptyIcon = emptyIcon;
    this.#heading = heading;
    this.#retry = retry;
  }
  #emptyIcon;
  #heading;
  #retry;

  /**
   * Show a message. An unchanged message is not rewritten, so that it is announced only once and keeps the focus.
   * @param {ViewState | null} state null: nothing to say
   * @param {[title: string, text: string]} words
   * @param {string | null} signInUrl
   */
  show(state, [title, text], signInUrl) {
    const { element } = this;
    const signIn = state === "signed-out" && signInUrl;
    const key = `${state} ${title} ${text} ${signIn}`;
    if (element.dataset.key === key) return;
    element.dataset.key = key;
    const hadFocus = element.matches(":focus-within");
    const actions = [];
    if (signIn) actions.push(html("a", { href: signIn }, "Sign in"));
    if (state === "signed-out" || state === "offline" || state === "error")
      actions.push(button(signIn ? "Check again" : "Try again", this.#retry));
    this.#text.replaceChildren(...(state ? [html("strong", {}, title), " ", html("span", {}, text)] : []));
    const isIdle = !state || state === "loading";
    const path = state === "empty" ? this.#emptyIcon : WARNING;
    element.replaceChildren(...(isIdle ? [] : [icon(path)]), this.#text, ...actions);
    if (hadFocus) (actions[0] ?? this.#heading).focus();
  }
}
