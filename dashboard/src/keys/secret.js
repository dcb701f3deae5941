import { Copyable } from "../shared/copyable.js";
import { button, buttons, html } from "../shared/dom.js";

/** @import {NewKey} from "./api.js" */
/** @import {Snippet} from "./paste.js" */

const PASTE = "Paste it where your agent runs";

/** Buttons that choose one of several texts to copy. @param {Snippet[]} snippets */
function choices(snippets) {
  const about = html("p", { class: "help" });
  const shown = new Copyable();
  const choose = (/** @type {number} */ index) => {
    const { place, about: words, text } = snippets[index];
    about.textContent = words;
    shown.show(place, text);
    shown.button.ariaLabel = `Copy for ${place}`;
    for (const [other, one] of all.entries()) one.ariaPressed = String(other === index);
  };
  const all = snippets.map(({ place }, index) => button(place, () => choose(index)));
  choose(0);
  return [
    html("h4", {}, PASTE),
    html("div", { class: "buttons places", role: "group", "aria-label": PASTE }, ...all),
    about,
    shown.element,
  ];
}

/**
 * Show a new secret to copy, and texts that contain it, to paste where the agent reads it.
 * @param {NewKey} key
 * @param {Promise<Snippet[]>} snippets
 * @param {() => void} done
 */
export function secret({ key, name }, snippets, done) {
  const whole = new Copyable();
  whole.show(`The key of ${name}`, key);
  whole.button.className = "main";
  const places = html("div", { class: "paste" });
  void snippets.then((all) => places.append(...choices(all)));
  return html(
    "div",
    { class: "secret" },
    html("h3", { tabindex: -1 }, "Copy the key of ", html("bdi", {}, name), " now"),
    html(
      "p",
      {},
      "It is shown only once and cannot be retrieved later. Give it to this agent only, and treat it like a password.",
    ),
    whole.element,
    places,
    buttons(button("Done", done)),
  );
}
