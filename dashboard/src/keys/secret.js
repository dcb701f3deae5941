import { button, html } from "../shared/dom.js";

/** @import {NewKey} from "./api.js" */

/** A secret, to be copied while it is shown. @param {NewKey} key @param {() => void} done */
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
      copied.textContent = "Your browser does not let this page copy. The key is marked: copy it by keyboard or menu.";
    }
  };
  return html(
    "div",
    { class: "secret" },
    html("h3", { tabindex: -1 }, "Copy the key of ", html("bdi", {}, name), " now"),
    html(
      "p",
      {},
      "It is shown this once and can never be looked up again. Hand it to that agent alone, and treat it as a password.",
    ),
    text,
    html("div", { class: "buttons" }, button("Copy", copy, { class: "main" }), button("Done", done), copied),
  );
}
