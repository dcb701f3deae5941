import { button, html, moveFocus, svg } from "../shared/dom.js";
import { decimal, isNumber } from "../shared/numbers.js";
import { cents, compact, dayAndMonth, fullDay, isoDay, monthAndYear, outcomes } from "./format.js";
import { loadMore } from "./later.js";
import { barPeriod, midnight } from "./period.js";

/** @import {Day, Summary} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {Tip} from "./tip.js" */

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

/** Return the value of a bar, and by a rule what counts and what waits. @param {Day} day */
export const barValues = ({ value_usd, counted_usd, waiting_usd }) =>
  isNumber(counted_usd) && isNumber(waiting_usd)
    ? [Number(decimal(counted_usd)), Number(decimal(waiting_usd))]
    : [Number(decimal(value_usd))];

/** Return the value of a bar, or what counts and what waits, in words. @param {Day} day */
function words(day) {
  const [counted, waiting] = [day.counted_usd ?? day.value_usd, day.waiting_usd ?? 0].map((value) =>
    cents.format(decimal(value)),
  );
  const [, waits] = barValues(day);
  return waits === undefined ? counted : `${counted} counts${waits ? `, ${waiting} will count` : ""}`;
}

/**
 * The time span of a bar. short: the date's format within one year. long:
 * its format across years, and in the table.
 * @typedef {{name: string, adverb: string, short: Intl.DateTimeFormat, long: Intl.DateTimeFormat}} Unit
 */
/** @type {Record<"day" | "week" | "month", Unit>} */
const UNITS = {
  day: { name: "day", adverb: "Daily", short: dayAndMonth, long: fullDay },
  week: { name: "week", adverb: "Weekly", short: dayAndMonth, long: fullDay },
  month: { name: "month", adverb: "Monthly", short: monthAndYear, long: monthAndYear },
};

/**
 * Draw a bar for each day, week or month, and a button over it that selects its days. Arrow keys move between these buttons.
 * The heights of bars are computed with doubles. Amounts in text are exact.
 * @param {Day[]} byDay
 * @param {Unit} unit
 * @param {Choice} choice
 */
export function chart(byDay, unit, choice) {
  const { to, name, isRunning, today } = choice.span;
  const running = isRunning ? byDay.findLastIndex(({ date }) => date <= isoDay.format(today)) : -1;
  const values = byDay.map((day) => barValues(day)[0]);
  const all = byDay.map((day) => barValues(day).reduce((sum, value) => sum + value));
  const ticks = axisTicks(Math.min(0, ...values, ...all), Math.max(0, ...values, ...all));
  const top = ticks[0];
  const bottom = /** @type {number} */ (ticks.at(-1));
  /** @param {number} value */
  const y = (value) => ((top - value) / (top - bottom)) * 100;
  const step = 100 / byDay.length;
  const width = Math.min(0.72 * step, WIDEST_BAR);
  const hasRule = barValues(byDay[0]).length > 1;
  const end = /** @type {Day} */ (byDay.at(-1));
  const axis = [...new Set([byDay[0], byDay[byDay.length >> 1], end])];
  const hasYears = byDay[0].date.slice(0, 4) !== end.date.slice(0, 4);
  /** @param {Day} day */
  const soFar = (day) => (day === byDay[running] ? ", so far" : "");
  /** @param {Day} day */
  const date = (day) => (hasYears ? unit.long : unit.short).format(Date.parse(day.date)) + soFar(day);
  /** @param {Day} day */
  const label = (day) => (unit === UNITS.week ? "week of " : "") + date(day);
  const best = all.indexOf(Math.max(...all));
  const most = `The highest was ${words(byDay[best])} on ${label(byDay[best])}. `;

  /** @param {number} value @param {number} index @param {string} kind */
  const bar = (value, index, kind) => {
    const height = Math.abs(y(value) - y(0));
    return svg("rect", {
      class: `${kind}${value ? "" : " zero"}${index === running ? " running" : ""}`,
      x: `${(index + 0.5) * step - width / 2}%`,
      width: `${width}%`,
      y: `${Math.min(y(value), y(0))}%`,
      height: value ? `${height}%` : "2",
      transform: value ? null : "translate(0 -2)",
      rx: 2,
    });
  };
  const bars = values.map((value, index) => bar(value, index, "bar"));
  // What waits is drawn behind what counts, and ends above it.
  const waiting = all.map((value, index) => (value === values[index] ? null : bar(value, index, "waits")));
  /** @param {number} index @returns {[value: string, label: string]} */
  const about = (index) => [words(byDay[index]), `${label(byDay[index])} · ${outcomes(byDay[index].count)}`];
  /** @type {Tip | null} */
  let tip = null;
  const point = async (/** @type {PointerEvent | FocusEvent} */ event) => {
    const more = await loadMore(plot).catch(() => null);
    if (!more) return; // the table has the figures, too
    tip ??= new more.Tip(plot, about);
    tip.show(event);
  };
  const lastDay = isoDay.format(midnight(-1, to));
  const buttons = byDay.map((day, index) => {
    const value = barPeriod(byDay, index, lastDay);
    return button("", () => choice.drillDown(value), {
      value,
      tabindex: day === end ? 0 : -1,
      "aria-label": `${label(day)}: ${words(day)}, ${outcomes(day.count)}`,
      "aria-pressed": choice.isPeriod(value) ? "true" : null,
    });
  });
  const plot = html(
    "div",
    { class: "plot", pointerenter: point, focusin: point },
    svg(
      "svg",
      {
        role: "img",
        "aria-label": `Value per ${unit.name} over ${name}. ${all[best] > 0 ? most : ""}The table has all figures.`,
      },
      svg(
        "pattern",
        { id: "hatch", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        svg("path", { d: "M0 0V5" }),
      ),
      ...ticks.map((value) =>
        svg("line", { class: "grid", x1: 0, x2: "100%", y1: `${y(value)}%`, y2: `${y(value)}%` }),
      ),
      ...waiting,
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
  );
  const prices = ticks.map((value) => html("span", {}, compact.format(value)));
  const days = axis.map((day) => {
    const name = html("span", {}, date(day));
    name.style.left = `${(byDay.indexOf(day) + 0.5) * step}%`; // of the middle one, below its bar
    return name;
  });
  const scale = html("div", { class: "scale", "aria-hidden": "true" }, ...prices);
  const dates = html("div", { class: "dates", "aria-hidden": "true" }, ...days);
  /** @type {[kind: string, words: string, isShown: unknown][]} */
  const legend = [
    ["bar", " counts ", hasRule],
    ["waits", " will count ", hasRule],
    ["hatch", " so far", all[running]],
  ];
  const tones = legend.flatMap(([kind, words, isShown]) => (isShown ? [html("i", { class: kind }), words] : []));
  return html(
    "figure",
    { class: "chart" },
    scale,
    plot,
    dates,
    tones.length ? html("p", { class: "help legend" }, ...tones) : null,
  );
}

/** Return the bars of a summary and their unit. @param {Summary} summary @returns {[Unit, Day[]]} */
export function buckets({ by_day, by_week, by_month }) {
  if (by_month) return [UNITS.month, by_month];
  return by_week ? [UNITS.week, by_week] : [UNITS.day, /** @type {Day[]} */ (by_day)];
}
