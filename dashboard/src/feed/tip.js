import { build, html } from "../shared/dom.js";

/** The figures of the bar that the viewer points at or has moved the focus to, shown above the chart. */
export class Tip {
  #element = html("div", { class: "tip", hidden: true, "aria-hidden": "true" });

  /** @param {HTMLElement} plot @param {(index: number) => [value: string, label: string]} about what to say of a bar */
  constructor(plot, about) {
    this.#plot = plot;
    this.#about = about;
    const show = (/** @type {PointerEvent} */ event) => this.show(event);
    const hide = () => this.#hide();
    build(plot, { pointermove: show, pointerdown: show, pointerleave: hide, focusout: hide }, [this.#element]);
  }
  #plot;
  #about;

  get #bars() {
    return [...this.#plot.querySelectorAll(".bar")];
  }

  /** @param {PointerEvent | FocusEvent} event over a bar, or on its button */
  show(event) {
    const plot = this.#plot;
    const bars = this.#bars;
    const { left, width } = plot.getBoundingClientRect();
    let index = [...plot.querySelectorAll("button")].findIndex((button) => button.matches(":focus-visible"));
    if ("clientX" in event) {
      const pointed = Math.floor(((event.clientX - left) / width) * bars.length);
      // While this code was loaded, a mouse may have left. A finger hovers nowhere.
      const hasLeft = event.pointerType === "mouse" && !plot.matches(":hover");
      index = hasLeft ? -1 : Math.min(bars.length - 1, Math.max(0, pointed));
    }
    if (index < 0) return;
    for (const [at, bar] of bars.entries()) bar.classList.toggle("pointed", at === index);
    const [value, label] = this.#about(index);
    const tip = this.#element;
    tip.replaceChildren(html("b", {}, value), html("span", {}, label));
    tip.hidden = false;
    const half = tip.offsetWidth / 2;
    tip.style.insetInlineStart = "auto";
    tip.style.left = `${Math.min(width - half, Math.max(half, ((index + 0.5) / bars.length) * width))}px`;
  }

  #hide() {
    this.#element.hidden = true;
    for (const bar of this.#bars) bar.classList.remove("pointed");
  }
}
