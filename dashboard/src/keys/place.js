import { html } from "../shared/dom.js";

/** A place for a panel: a form, or a secret to copy. While there is one, the buttons that lead to it are away. */
export class Place {
  panel = html("div", { class: "panel", hidden: true });

  /** @param {HTMLElement[]} buttons */
  constructor(...buttons) {
    this.buttons = html("div", { class: "buttons" }, ...buttons);
  }

  /** Shows it, and goes to its first question, or its title. @param {HTMLElement} content */
  open(content) {
    this.panel.replaceChildren(content);
    this.panel.hidden = false;
    this.buttons.hidden = true;
    const first = content.querySelector("input, select") ?? content.querySelector("h3");
    /** @type {HTMLElement} */ (first).focus();
  }

  /** @param {HTMLElement} [next] where the keyboard's place is then */
  close(next) {
    this.panel.replaceChildren();
    this.panel.hidden = true;
    this.buttons.hidden = false;
    next?.focus();
  }
}
