import { buttons, html } from "../shared/dom.js";

/** Buttons that are replaced by a panel while it is open: a form, or a secret to copy. */
export class Place {
  panel = html("div", { class: "panel", hidden: true });

  /** @param {HTMLElement[]} children */
  constructor(...children) {
    this.buttons = buttons(...children);
  }

  /** Open the panel and focus its first field, or its title. @param {HTMLElement} content */
  open(content) {
    this.panel.replaceChildren(content);
    this.panel.hidden = false;
    this.buttons.hidden = true;
    const first = content.querySelector("input, select") ?? content.querySelector("h3");
    /** @type {HTMLElement} */ (first).focus();
  }

  /** @param {HTMLElement} [next] gets the focus */
  close(next) {
    this.panel.replaceChildren();
    this.panel.hidden = true;
    this.buttons.hidden = false;
    next?.focus();
  }
}
