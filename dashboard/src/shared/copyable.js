import { button, html } from "./dom.js";

/** A text that the viewer can copy. It is only the value of the textarea: no markup or attribute contains it. */
export class Copyable {
  #text = html("textarea", { readonly: true, spellcheck: "false" });
  #status = html("p", { class: "help", role: "status" });
  #label = "";
  button = button("Copy", () => void this.#copy());
  element = html("div", { class: "copyable" }, this.#text, this.button, this.#status);

  /** @param {string} label @param {string} text */
  show(label, text) {
    this.#label = label;
    this.#text.ariaLabel = label;
    this.#text.rows = text.split("\n").length;
    this.#text.value = text;
    this.#status.textContent = "";
  }

  async #copy() {
    this.#status.textContent = ""; // so that a second copy is announced too
    let words = `Copied: ${this.#label}.`;
    try {
      await navigator.clipboard.writeText(this.#text.value);
    } catch {
      this.#text.focus();
      this.#text.select();
      words = "This page may not use the clipboard. The text is selected: copy it by keyboard or menu.";
    }
    this.#status.textContent = words;
  }
}
