import { button, buttons, html } from "../shared/dom.js";

/** @import {NewKey} from "./api.js" */

/** A new secret, with a button to copy it. @param {NewKey} key @param {() => void} done */
export function secret({ key, name }, done) {
  const label = `The key of ${name}`;
  const text = html("textarea", { readonly: true, rows: 1, spellcheck: "false", "aria-label": label });
  text.value = key;
  const copied = html("p", { class: "help", role: "status" });
  const copy = async () => {
    text.select();
    try {
      await navigator.clipboard.writeText(key);
      copied.textContent = "Copied.";
    } catch {
      copied.textContent = "This page may not use the clipboard. The key is selected: copy it by keyboard or menu.";
    }
  };
  return html(
    "div",
    { class: "secret" },
    html("h3", { tabindex: -1 }, "Copy the key of ", html("bdi", {}, name), " now"),
    html(
      "p",
      {},
      "It is shown only once and cannot be retrieved later. Give it to this agent only, and treat it like a password.",
    ),
    text,
    buttons(button("Copy", copy, { class: "main" }), button("Done", done), copied),
  );
}
