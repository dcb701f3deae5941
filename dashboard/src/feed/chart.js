import { button, html, moveFocus, svg } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { cents, compact, dayAndMonth, fullDay, isoDay, monthAndYear, outcomes } from "./format.js";
import { barPeriod, midnight } from "./period.js";

/** @import {Day, Summary} from "./api.js" */
/** @import {Choice} from "./choice.js" */

/**
 * Return the ticks of an axis that contains all values: at most six ticks, highest first. One of them is 0. The
 * distance between ticks is 1, 2, 2.5 or 5 times a power of ten.
 * @param {number} lowest the lowest value, at most 0
 * @param {number} highest the highest value, at least 0
 */
export function axisTicks(lowest, highest) {
  const power = 10 ** Math.floor(Math.log10((highest - lowest) / 5));
  for (const factor of [1, 2, 2.5, 5, 10, 20]) {
    const step = factor * power;
    // Subtract a little because of rounding errors: a quotient of 5 may be computed as 5.000000000000001.
    const [above, below] = [highest, -lowest].map((value) => Math.ceil(value / step - 1e-9));
    if (above + below <= 5) return Array.from({ length: above + below + 1 }, (_, index) => (above - index) * step);
  }
  return [0];
}

const WIDEST_BAR = 10; // percent of the chart

/** @param {Day} day */
const dayOf = (day) => Date.parse(day.date);

/**
 * The time span of a bar. of: the text before the date of its first day. short: the date's format on an axis within
 * one year. years: its format on an axis across years. long: its format in the table, and in labels across years.
 * @typedef {{name: string, adverb: string, of: string, short: Intl.DateTimeFormat, years: Intl.DateTimeFormat,
 *   long: Intl.DateTimeFormat}} Unit
 */
/** @type {Record<"day" | "week" | "month", Unit>} */
const UNITS = {
  day: { name: "day", adverb: "Daily", of: "", short: dayAndMonth, years: dayAndMonth, long: fullDay },
  week: { name: "week", adverb: "Weekly", of: "week of ", short: dayAndMonth, years: monthAndYear, long: fullDay },
  month: { name: "month", adverb: "Monthly", of: "", short: monthAndYear, years: monthAndYear, long: monthAndYear },
};

/**
 * Draw a bar for each day, week or month, and a button over it that selects its days. Arrow keys move between these buttons.
 * The heights of bars are computed with doubles. Amounts in text are exact.
 * @param {Day[]} byDay
 * @param {Unit} unit
 * @param {Choice} choice
 */
export function chart(byDay, unit, choice) {
  const { to, name } = choice.span;
  const values = byDay.map((day) => Number(decimal(day.value_usd)));
  const ticks = axisTicks(Math.min(0, ...values), Math.max(0, ...values));
  const top = ticks[0];
  const bottom = ticks[ticks.length - 1];
  /** @param {number} value */
  const y = (value) => ((top - value) / (top - bottom)) * 100;
  const step = 100 / byDay.length;
  const width = Math.min(0.72 * step, WIDEST_BAR);
  const axis = [...new Set([byDay[0], byDay[byDay.length >> 1], byDay[byDay.length - 1]])];
  const [first, last] = [axis[0], axis[axis.length - 1]].map((day) => day.date.slice(0, 4));
  const hasYears = first !== last;
  /** @param {Day} day */
  const label = (day) => unit.of + (hasYears ? unit.long : unit.short).format(dayOf(day));
  const best = values.indexOf(Math.max(...values));
  const most = `The highest was ${cents.format(decimal(byDay[best].value_usd))} on ${label(byDay[best])}. `;

  const bars = values.map((value, index) => {
    const height = Math.abs(y(value) - y(0));
    return svg("rect", {
      class: value ? "bar" : "bar zero",
      x: `${(index + 0.5) * step - width / 2}%`,
      width: `${width}%`,
      y: `${Math.min(y(value), y(0))}%`,
      height: value ? `${height}%` : "2",
      transform: value ? null : "translate(0 -2)",
      rx: 2,
    });
  });
  const tip = html("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  /** @param {number} index */
  const point = (index) => {
    for (const [at, bar] of bars.entries()) bar.classList.toggle("pointed", at === index);
    const day = byDay[index];
    tip.replaceChildren(
      html("b", {}, cents.format(decimal(day.value_usd))),
      html("span", {}, `${label(day)} · ${outcomes(day.count)}`),
    );
    tip.hidden = false;
    const [half, width] = [tip.offsetWidth / 2, plot.offsetWidth];
    tip.style.insetInlineStart = "auto";
    tip.style.left = `${Math.min(width - half, Math.max(half, ((index + 0.5) / byDay.length) * width))}px`;
  };
  const leave = () => {
    tip.hidden = true;
    for (const bar of bars) bar.classList.remove("pointed");
  };
  const end = isoDay.format(midnight(-1, to));
  const buttons = byDay.map((day, index) => {
    const value = barPeriod(byDay, index, end);
    return button("", () => choice.drillDown(value), {
      value,
      tabindex: index === byDay.length - 1 ? 0 : -1,
      "aria-label": `${label(day)}: ${cents.format(decimal(day.value_usd))}, ${outcomes(day.count)}`,
      "aria-pressed": choice.isPeriod(value) ? "true" : null,
      focus: (/** @type {FocusEvent} */ { target }) =>
        /** @type {Element} */ (target).matches(":focus-visible") && point(index),
      blur: leave,
    });
  });
  /** @param {PointerEvent} event */
  const follow = ({ clientX }) => {
    const { left, width } = plot.getBoundingClientRect();
    const pointed = Math.floor(((clientX - left) / width) * byDay.length);
    point(Math.min(byDay.length - 1, Math.max(0, pointed)));
  };
  const plot = html(
    "div",
    { class: "plot", pointermove: follow, pointerdown: follow, pointerleave: leave },
    svg(
      "svg",
      {
        role: "img",
        "aria-label": `Value per ${unit.name} over ${name}. ${values[best] > 0 ? most : ""}The table below has all figures.`,
      },
      ...ticks.map((value) =>
        svg("line", { class: "grid", x1: 0, x2: "100%", y1: `${y(value)}%`, y2: `${y(value)}%` }),
      ),
      ...bars,
    ),
    html(
      "div",
      {
        class: "bars",
        role: "toolbar",
        "aria-label": `Select a ${unit.name}`,
        keydown: (/** @type {KeyboardEvent} */ event) => moveFocus(event, buttons),
        focusin: (/** @type {FocusEvent} */ event) => {
          for (const one of buttons) one.tabIndex = one === event.target ? 0 : -1;
        },
      },
      ...buttons,
    ),
    tip,
  );
  const prices = ticks.map((value) => html("span", {}, compact.format(value)));
  const days = axis.map((day) => html("span", {}, (hasYears ? unit.years : unit.short).format(dayOf(day))));
  const scale = html("div", { class: "scale", "aria-hidden": "true" }, ...prices);
  const dates = html("div", { class: "dates", "aria-hidden": "true" }, ...days);
  return html("figure", { class: "chart" }, scale, plot, dates);
}

/** Return the bars of a summary and their unit. @param {Summary} summary @returns {[Unit, Day[]]} */
export function buckets({ by_day, by_week, by_month }) {
  if (by_month) return [UNITS.month, by_month];
  return by_week ? [UNITS.week, by_week] : [UNITS.day, /** @type {Day[]} */ (by_day)];
}
