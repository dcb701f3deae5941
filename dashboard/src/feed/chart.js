import { html, svg } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { inWords } from "../shared/words.js";
import { axisTicks } from "./axis.js";
import { amount, cents, compact, dayAndMonth, fullDay, monthAndYear, outcomes, whole } from "./format.js";

/** @import {Day, Summary} from "./api.js" */

/** @param {Day} day */
const dayOf = (day) => Date.parse(day.date);

/**
 * The time span of a bar. of: prefix of its first day. short: formats that day on the axis. years: on an axis from one
 * year to another. long: in the table.
 * @typedef {{name: string, figures: string, of: string, short: Intl.DateTimeFormat, years: Intl.DateTimeFormat,
 *   long: Intl.DateTimeFormat}} Unit
 */
/** @type {Record<"day" | "week" | "month", Unit>} */
const UNITS = {
  day: { name: "day", figures: "Daily figures", of: "", short: dayAndMonth, years: dayAndMonth, long: fullDay },
  week: {
    name: "week",
    figures: "Weekly figures",
    of: "week of ",
    short: dayAndMonth,
    years: monthAndYear,
    long: fullDay,
  },
  month: {
    name: "month",
    figures: "Monthly figures",
    of: "",
    short: monthAndYear,
    years: monthAndYear,
    long: monthAndYear,
  },
};

/**
 * Draw a bar for each day, week or month. Only pixels are doubles; every printed figure is exact.
 * @param {Day[]} byDay
 * @param {Unit} unit
 * @param {string} period name of the period
 */
export function chart(byDay, unit, period) {
  const values = byDay.map((day) => Number(decimal(day.value_usd)));
  const ticks = axisTicks(Math.min(0, ...values), Math.max(0, ...values));
  const top = ticks[0];
  const bottom = ticks[ticks.length - 1];
  /** @param {number} value */
  const y = (value) => ((top - value) / (top - bottom)) * 100;
  const step = 100 / byDay.length;
  const axis = [byDay[0], byDay[byDay.length >> 1], byDay[byDay.length - 1]];
  const [first, , last] = axis.map((day) => day.date.slice(0, 4));
  const hasYears = first !== last;
  /** @param {Day} day */
  const label = (day) => unit.of + (hasYears ? unit.long : unit.short).format(dayOf(day));
  const best = values.indexOf(Math.max(...values));
  const most = `The highest was ${cents.format(decimal(byDay[best].value_usd))} on ${label(byDay[best])}. `;

  const bars = values.map((value, index) => {
    const height = Math.abs(y(value) - y(0));
    return svg("rect", {
      class: value ? "bar" : "bar zero",
      x: `${(index + 0.14) * step}%`,
      width: `${0.72 * step}%`,
      y: `${Math.min(y(value), y(0))}%`,
      height: value ? `${height}%` : "2",
      transform: value ? null : "translate(0 -2)",
      rx: 2,
    });
  });
  const tip = html("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  /** @param {PointerEvent} event */
  const point = (event) => {
    const box = plot.getBoundingClientRect();
    const pointed = Math.floor(((event.clientX - box.left) / box.width) * byDay.length);
    const index = Math.min(byDay.length - 1, Math.max(0, pointed));
    for (const [at, bar] of bars.entries()) bar.classList.toggle("pointed", at === index);
    const day = byDay[index];
    tip.replaceChildren(
      html("b", {}, cents.format(decimal(day.value_usd))),
      html("span", {}, `${label(day)} · ${outcomes(day.count)}`),
    );
    tip.hidden = false;
    const half = tip.offsetWidth / 2;
    tip.style.insetInlineStart = "auto";
    tip.style.left = `${Math.min(box.width - half, Math.max(half, ((index + 0.5) / byDay.length) * box.width))}px`;
  };
  const leave = () => {
    tip.hidden = true;
    for (const bar of bars) bar.classList.remove("pointed");
  };
  const plot = html(
    "div",
    { class: "plot", pointermove: point, pointerdown: point, pointerleave: leave },
    svg(
      "svg",
      {
        role: "img",
        "aria-label": `Value per ${unit.name} over ${period}. ${values[best] > 0 ? most : ""}The table below has all figures.`,
      },
      ...ticks.map((value) =>
        svg("line", { class: "grid", x1: 0, x2: "100%", y1: `${y(value)}%`, y2: `${y(value)}%` }),
      ),
      ...bars,
    ),
    tip,
  );
  const prices = ticks.map((value) => html("span", {}, compact.format(value)));
  const days = axis.map((day) => html("span", {}, (hasYears ? unit.years : unit.short).format(dayOf(day))));
  const scale = html("div", { class: "scale", "aria-hidden": "true" }, ...prices);
  const dates = html("div", { class: "dates", "aria-hidden": "true" }, ...days);
  return html("figure", { class: "chart" }, scale, plot, dates);
}

/** @param {Day[]} byDay @param {Unit} unit */
export function figures(byDay, unit) {
  const titles = [inWords(unit.name), "Outcomes", "Value"].map((title) => html("th", { scope: "col" }, title));
  const rows = byDay.toReversed().map((day) => {
    const start = html("th", { scope: "row" }, unit.long.format(dayOf(day)));
    return html("tr", {}, start, html("td", {}, whole.format(day.count)), html("td", {}, amount(day.value_usd)));
  });
  return html("table", {}, html("thead", {}, html("tr", {}, ...titles)), html("tbody", {}, ...rows));
}

/** Return the bars of a summary and their unit. @param {Summary} summary @returns {[Unit, Day[]]} */
export function buckets({ by_day, by_week, by_month }) {
  if (by_month) return [UNITS.month, by_month];
  return by_week ? [UNITS.week, by_week] : [UNITS.day, /** @type {Day[]} */ (by_day)];
}
