// No text field gets the focus by itself: on a phone, this would open the keyboard.
const CONTROLS = "a, button, summary, [type=checkbox], [tabindex]";
const GROUPS = "li, .notice, section";

/** Return what makes a control the same as one that was rendered before. @param {Element} control */
const identity = (control) => {
  const { localName, value, textContent } = /** @type {HTMLButtonElement} */ (control);
  const row = /** @type {HTMLElement | null} */ (control.closest("[data-id]"));
  return [localName, row?.dataset.id, value || (localName === "button" && textContent)].join();
};

/**
 * Whenever a rendering removes or hides the control that has the focus, move the focus to the same control if it was rendered
 * again, else to the next control of the same row or section, else to the first one, such as its heading, else to the
 * element's heading. Return a function that gives the focus back after the element was moved.
 * @param {ShadowRoot} root
 * @param {EventTarget | null} first the control that got the focus before this was loaded
 */
export function keepFocus(root, first) {
  let focused = /** @type {HTMLElement | null} */ (first);
  const place = document.createRange(); // a live range: it stays where the control was
  place.setStart(/** @type {Element} */ (root.firstElementChild), 0);
  const isFree = () => !document.activeElement || document.activeElement === document.body;

  const find = () => {
    const wanted = identity(/** @type {Element} */ (focused));
    const isSame = (/** @type {Element} */ one) => one.checkVisibility() && identity(one) === wanted;
    let group = /** @type {Element} */ (place.startContainer).closest(GROUPS);
    for (; group; group = group.parentElement?.closest(GROUPS) ?? null) {
      const shown = [...group.querySelectorAll(CONTROLS)].filter((one) => one.checkVisibility());
      const after = shown.filter((one) => place.comparePoint(one, 0) >= 0);
      const found = [...after, ...shown].find(isSame) ?? after[0] ?? shown[0];
      if (found) return found;
    }
    return [...root.querySelectorAll(CONTROLS)].find(isSame) ?? root.querySelector("h2");
  };

  const check = () => {
    const active = /** @type {HTMLElement | null} */ (root.activeElement);
    if (active?.checkVisibility()) {
      focused = active;
      place.setStart(active, 0);
      return;
    }
    const isLost = focused && !focused.checkVisibility() && (active || isFree());
    const next = isLost ? find() : null;
    focused = null; // the viewer has left
    /** @type {HTMLElement | null} */ (next)?.focus({ preventScroll: true });
  };

  root.addEventListener("focusin", check);
  root.addEventListener("focusout", () => queueMicrotask(check));
  new MutationObserver(check).observe(root, { subtree: true, childList: true, attributes: true });
  check();
  return () => void (isFree() && focused?.focus({ preventScroll: true }));
}
