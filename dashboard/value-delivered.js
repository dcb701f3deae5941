/**
 * <value-delivered endpoint="/api/outcomes">: what a user's agents have delivered, as a live feed.
 *
 *   <script type="module" src="/value-delivered.js"></script>
 *   <value-delivered endpoint="/api/outcomes"></value-delivered>
 *
 * Attributes
 *   endpoint     where outcomes are listed; totals are read from `<endpoint>/summary`, files from `<endpoint>/export`,
 *                one outcome and its history from `<endpoint>/<id>`, and what its owner says of it goes to `<endpoint>/<id>/corrections`. Required.
 *   period       what is shown at first: the last 7, 30 (default), 90 or 365 days, or days like 2026-04-01..2026-04-30.
 *   refresh      seconds from one look for new outcomes to the next, at least 1; default 15.
 *   sign-in-url  where a signed-out viewer is sent; without it they are only told.
 *   agent-names  names of agents by id, as JSON: {"7": "Ava"}. The property agentName, (id) => name, goes before it.
 *   url-state    keeps period and filters in the fragment of the page's address, as #period=90&type=deal_closed&agent=7,
 *                and gives each outcome a link, #outcome=<id>.
 *   cost-endpoint  answers what the agents cost, {"cost_usd": 410.5, "by_agent": [{"agent_id": 7, "cost_usd": 100}]},
 *                given from, to, timezone and, where one agent is chosen, agentId.
 *
 * Looks: see "Theme" at the top of the styles below, and README.md beside this file.
 */

/**
 * What the API answers. Numbers are read by parseExactly.
 * @typedef {number | {rawJSON: string}} Exact
 * @typedef {{id: string, agent_id: number | null, outcome_type: string, title: string, description: string | null,
 *   value_usd: Exact | null, metadata: Record<string, unknown> | null, created_at: string,
 *   status?: string, occurred_at?: string, recorded_by?: string | null, version?: number}} Outcome
 *   the last four since there are corrections
 * @typedef {{before: unknown, after: unknown} | {omitted: true}} Change
 * @typedef {{id: string, type: string, reason: string | null, by: string | null, created_at: string,
 *   changes?: Record<string, Change>}} Correction
 * @typedef {{outcome: Outcome, corrections: Correction[]}} History
 * @typedef {{outcomes: Outcome[], next_cursor?: string | null}} OutcomePage
 * @typedef {{count: number, value_usd: Exact}} Sum
 * @typedef {Sum & {date: string}} Day
 * @typedef {Sum & {outcome_type: string}} TypeSum
 * @typedef {Sum & {agent_id: number | null}} AgentSum
 * @typedef {Sum & {agents: number}} OtherAgents
 * @typedef {Sum & {by_day?: Day[], by_week?: Day[], by_month?: Day[], by_type: TypeSum[], by_agent?: AgentSum[],
 *   other_agents?: OtherAgents, confirmed?: Sum, disputed?: Sum, previous?: Sum}} Summary previous: of the same length of time before
 */

/**
 * What the page's own cost-endpoint answers.
 * @typedef {{cost_usd: Exact | null, by_agent?: {agent_id: number | null, cost_usd: Exact}[]}} Cost
 */

/** The last so many days, by what their button says. */
const PERIODS = new Map([
  ["7", "7 days"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "Year"],
]);
const LONGEST_PERIOD_YEARS = 10; // what the API sums up at once
const MOST_DAYS = 92; // above, a bar is a week
const MOST_WEEKS_DAYS = 732; // above, a bar is a month
const MOST_AGENTS = 6;
const COST_MS = 60_000; // how long a cost is taken for the latest
const PAGE = 20;
const CATCH_UP_PAGE = 50; // the most the API returns at once
const CATCH_UP_PAGES = 4; // further behind than this, starting over is cheaper than catching up
const SPARSE_PAGES = 5; // a filtered page may be short or empty and still have a cursor
// An outcome's time is fixed before it is written, so one may become visible a little after a younger one:
// each look goes back this far beyond the newest known outcome.
const OVERLAP_MS = 60_000;
const TIMEOUT_MS = 20_000;
const LONGEST_BACKOFF_S = 300;
const PART_TIMEOUT_MS = 120_000; // of some megabytes
const PART_TRIES = 4;
const LONGEST_REASON = 500;
const ID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/; // a ULID; all else below the endpoint is another route
// A timer's delay is a signed 32-bit number; browsers take a longer one for none at all (HTML, "Timers").
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Name and icon of a type. A Map, for a name that came over the wire may be one that every object has. */
const TYPES = new Map([
  ["deal_closed", ["Deal closed", "M4 8h16v11H4zM9 8V5h6v3M4 13h16"]],
  ["negotiation_complete", ["Negotiation complete", "M4 4h11v8H9l-3 3v-3H4zM18 9h2v8h-2v3l-3-3h-5"]],
  ["amplification_complete", ["Amplification complete", "M4 17l5-5 4 4 7-8M15 7h5v5"]],
  [
    "broadcast_complete",
    [
      "Broadcast complete",
      "M12 12h.01M8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.7 18.3a9 9 0 0 1 0-12.6M18.3 5.7a9 9 0 0 1 0 12.6",
    ],
  ],
  ["task_complete", ["Task complete", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M8 12l3 3 5-6"]],
  ["content_published", ["Content published", "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6"]],
]);
const AGENT_ICON = "M12 3v3M6 6h12v11H6zM9.5 11h.01M14.5 11h.01M9 17v3M15 17v3";
const OTHER_ICON = "M12 4l2.4 5.2 5.6.6-4.2 3.8 1.2 5.6-5-2.9-5 2.9 1.2-5.6L4 9.8l5.6-.6z";

/**
 * The words for a type; one this file does not know yet is shown by its own name.
 * @param {string} type
 */
const typeName = (type) => TYPES.get(type)?.[0] ?? type.replaceAll("_", " ");

// ---------------------------------------------------------------- the API

/** @typedef {{body: Record<string, unknown>, key: string}} Post key: by which a retry is known */

/** Why nothing could be read or said; the message is for the viewer. */
class Problem extends Error {
  /** HTTP, 0 without an answer */
  status = 0;
  /** `error` of the API's answer */
  reason = "";
  /** @type {{field: string, message: string}[]} */
  details = [];

  /**
   * @param {Lack} kind
   * @param {number} retryAfter seconds
   */
  constructor(kind, message = "", retryAfter = 0) {
    super(message);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

// Newer than the types that the type checker brings.
const { rawJSON } = /** @type {{rawJSON?: (text: string) => {rawJSON: string}}} */ (JSON);

/**
 * Numbers that a double cannot hold keep their own text (`value_usd` has up to 38 digits), where the engine gives a
 * reviver the source (ECMAScript "JSON.parse source text access"); elsewhere they are the nearest double.
 * @param {string} text
 */
function parseExactly(text) {
  /** @type {(key: string, value: unknown, context?: {source: string}) => unknown} */
  const exactly = (_key, value, context) =>
    typeof value === "number" && rawJSON && context && context.source !== String(value)
      ? rawJSON(context.source)
      : value;
  return JSON.parse(text, exactly);
}

/**
 * The decimal text of a number, as Intl formats it without loss.
 * @param {Exact} number
 */
const decimal = (number) =>
  /** @type {Intl.StringNumericLiteral} */ (typeof number === "number" ? String(number) : number.rawJSON);

/** @param {unknown} value @returns {value is Exact} */
const isNumber = (value) =>
  typeof value === "number" || (typeof value === "object" && value !== null && Object.hasOwn(value, "rawJSON"));

/**
 * The difference of two numbers, exactly.
 * @param {Exact} from
 * @param {Exact} less
 * @returns {Exact}
 */
function minus(from, less) {
  const [a, b] = [from, less].map((number) => {
    const [digits, exponent = "0"] = decimal(number).toLowerCase().split("e");
    const [integer, fraction = ""] = digits.split(".");
    return { value: BigInt(integer + fraction), places: fraction.length - Number(exponent) };
  });
  const places = Math.max(0, a.places, b.places);
  const [x, y] = [a, b].map((one) => one.value * 10n ** BigInt(places - one.places));
  const text = String(x > y ? x - y : y - x).padStart(places + 1, "0");
  const point = text.length - places;
  const fraction = places ? `.${text.slice(point)}` : "";
  return { rawJSON: (x < y ? "-" : "") + text.slice(0, point) + fraction };
}

/**
 * Gets JSON, or posts some, and raises a Problem when none is answered; whatever fetch raises when `signal` is aborted.
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {Post} [post]
 */
async function ask(url, signal, post) {
  const { text, problem } = await call(url, signal, { post });
  try {
    const body = parseExactly(text);
    if (!problem) return body;
    problem.reason = body?.error;
    if (Array.isArray(body?.details)) problem.details = body.details;
  } catch {
    const unread = problem ?? new Problem("error");
    unread.message = "The server’s answer could not be read.";
    throw unread;
  }
  throw problem;
}

/**
 * Makes one call, as ask does, of whatever it answers with. problem: that it is no success.
 * @param {URL} url
 * @param {AbortSignal} [signal]
 * @param {{post?: Post, accept?: string, timeout?: number}} [how]
 */
async function call(url, signal, { post, accept = "application/json", timeout = TIMEOUT_MS } = {}) {
  /** @type {Response} */
  let response;
  let text = "";
  try {
    response = await fetch(url, {
      credentials: "include",
      cache: "no-store",
      method: post ? "POST" : "GET",
      headers: {
        accept,
        ...(post && { "content-type": "application/json", "idempotency-key": post.key }),
      },
      body: post ? JSON.stringify(post.body) : null,
      signal: AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    if (!navigator.onLine) throw new Problem("offline");
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    throw new Problem("error", slow ? "The server took too long to answer." : "The server could not be reached.");
  }
  if (response.status === 401) throw new Problem("signed-out");
  const { status, headers } = response;
  const problem = response.ok
    ? null
    : new Problem("error", `The server answered ${status}.`, Number(headers.get("retry-after")) || 0);
  if (problem) problem.status = status;
  return { text, problem, cursor: headers.get("next-cursor") };
}

// ---------------------------------------------------------------- words and figures, as the viewer writes them

/** @type {Intl.NumberFormatOptions} */
const usd = { style: "currency", currency: "USD", signDisplay: "negative" };
const cents = new Intl.NumberFormat(undefined, usd);
const everyDigit = new Intl.NumberFormat(undefined, { ...usd, maximumFractionDigits: 100 });
const compact = new Intl.NumberFormat(undefined, { ...usd, notation: "compact", maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat();
const exactTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const dayAndMonth = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });
const fullDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const localDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const monthAndYear = new Intl.DateTimeFormat(undefined, { month: "short", year: "numeric", timeZone: "UTC" });
const isoDay = new Intl.DateTimeFormat("sv-SE"); // as date inputs have it
const asOf = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const times = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", signDisplay: "exceptZero" });
const elapsed = new Intl.RelativeTimeFormat(undefined, { numeric: "always" });
const now = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(0, "second");
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const SPANS = [
  ["year", 31_557_600],
  ["month", 2_629_800],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** @param {string} instant */
function ago(instant) {
  const seconds = (Date.now() - Date.parse(instant)) / 1000; // negative when this clock is slow: that is "now"
  const span = SPANS.find(([, length]) => seconds >= length);
  return span ? elapsed.format(-Math.floor(seconds / span[1]), span[0]) : now;
}

/** @param {number} count */
const outcomes = (count) => `${whole.format(count)} ${count === 1 ? "outcome" : "outcomes"}`;

/**
 * Local midnight, `offset` days from `day`: days are the viewer's, also where clocks change.
 * @param {number} offset
 */
const midnight = (offset, day = new Date()) => new Date(day.getFullYear(), day.getMonth(), day.getDate() + offset);

/**
 * The local days of a period, and how it is called: "the last 30 days", and what was before it "the 30 days before".
 * Null when it is no period.
 * @param {string} period "30" for the last days, or "2026-04-01..2026-04-30" for all from one to the other
 */
function span(period) {
  const [first, last] = period.split("..");
  if (PERIODS.has(period)) {
    const days = Number(first);
    const name = days === 365 ? "year" : `${days} days`;
    return {
      from: midnight(1 - days),
      to: midnight(1),
      days,
      isLast: true,
      name: `the last ${name}`,
      before: `the ${name} before`,
    };
  }
  const [from, end] = [first, last].map((day) => new Date(`${day}T00:00`)); // without an offset it is local
  if (!/^\d{4}-\d\d-\d\d\.\.\d{4}-\d\d-\d\d$/.test(period) || !(from <= end)) return null;
  const to = midnight(1, end);
  const days = Math.round((to.getTime() - from.getTime()) / 86_400_000);
  const latest = new Date(from);
  latest.setFullYear(from.getFullYear() + LONGEST_PERIOD_YEARS);
  if (latest.getDate() !== from.getDate()) latest.setDate(0); // from 29 February to 28
  if (to > latest) return null;
  const before = days === 1 ? "the day before" : `the ${whole.format(days)} days before`;
  return { from, to, days, isLast: false, name: localDay.formatRange(from, end), before };
}

// ---------------------------------------------------------------- elements: data only ever becomes text nodes and attributes

/**
 * @typedef {Record<string, string | number | boolean | null | ((event: any) => void)>} Attributes functions are listeners
 * @typedef {Element | string | null} Child
 */

/**
 * Gives an element its attributes, listeners and children.
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
const html = (tag, attributes = {}, ...children) => furnish(document.createElement(tag), attributes, children);

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
const svg = (tag, attributes, ...children) =>
  furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** @param {string} path */
const icon = (path) => svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: path }));

/**
 * @param {string} text
 * @param {Attributes} attributes
 */
const unseen = (text, attributes = {}) => html("span", { class: "unseen", ...attributes }, text);

/**
 * How a figure that is shown to the cent is read by machines and, when there is more to it than cents, on hover.
 * @param {Exact} value
 */
function figure(value) {
  const text = decimal(value);
  const exact = everyDigit.format(text);
  const attributes = { value: text, title: exact === cents.format(text) ? null : exact };
  return { text, attributes };
}

/** @param {Exact | null} value */
function amount(value) {
  if (value === null)
    return html("span", { class: "amount none" }, html("span", { "aria-hidden": "true" }, "–"), unseen("no value"));
  const { text, attributes } = figure(value);
  return html("data", { class: "amount", ...attributes }, cents.format(text));
}

/**
 * The headline: the same figure, its cents set smaller.
 * @param {Exact} value
 */
function headline(value) {
  const { text, attributes } = figure(value);
  const parts = cents
    .formatToParts(text)
    .map(({ type, value: part }) => (type === "decimal" || type === "fraction" ? html("small", {}, part) : part));
  return html("data", attributes, ...parts);
}

/**
 * Text, or JSON, with links where a whole text of it is the address of a page.
 * @param {string} text
 */
const linked = (text) =>
  text
    .split(/((?<=^|")https?:\/\/[^\s"\\]+(?=$|"))/i)
    .map((part, at) =>
      at % 2 && URL.canParse(part)
        ? html("a", { href: part, target: "_blank", rel: "noopener", dir: "auto" }, part)
        : part,
    );

/**
 * JSON: in one line what fits into one.
 * @param {unknown} value
 */
function readable(value) {
  const line = JSON.stringify(value);
  return line.length > 60 ? JSON.stringify(value, null, 2) : line;
}

/**
 * Ticks of an axis that reaches from `lowest` (at most 0) to `highest` (at least 0) and little further: at most six, highest
 * first, 0 among them, evenly 1, 2, 2.5 or 5 times a power of ten apart.
 * @param {number} lowest
 * @param {number} highest
 */
function axisTicks(lowest, highest) {
  const power = 10 ** Math.floor(Math.log10((highest - lowest) / 5));
  for (const factor of [1, 2, 2.5, 5, 10, 20]) {
    const step = factor * power;
    // A little less, for 0.3 / 0.1 is three.
    const [above, below] = [highest, -lowest].map((value) => Math.ceil(value / step - 1e-9));
    if (above + below <= 5) return Array.from({ length: above + below + 1 }, (_, index) => (above - index) * step);
  }
  return [0];
}

/** @param {Day} day */
const dayOf = (day) => Date.parse(day.date);

/**
 * What the bars and rows of a summary are.
 * @typedef {{name: string, title: string, figures: string, of: string, short: Intl.DateTimeFormat,
 *   long: Intl.DateTimeFormat}} Unit
 * of: what stands before its first day. short: that day on the axis. long: in the table
 */
/** @type {Record<"day" | "week" | "month", Unit>} */
const UNITS = {
  day: { name: "day", title: "Day", figures: "Daily figures", of: "", short: dayAndMonth, long: fullDay },
  week: { name: "week", title: "Week", figures: "Weekly figures", of: "week of ", short: dayAndMonth, long: fullDay },
  month: { name: "month", title: "Month", figures: "Monthly figures", of: "", short: monthAndYear, long: monthAndYear },
};

/**
 * A bar a day, week or month. Pixels may be doubles; every figure a person can read is exact.
 * @param {Day[]} byDay
 * @param {Unit} unit
 * @param {string} period its name
 */
function chart(byDay, unit, period) {
  const values = byDay.map((day) => Number(decimal(day.value_usd)));
  const ticks = axisTicks(Math.min(0, ...values), Math.max(0, ...values));
  const top = ticks[0];
  const bottom = ticks[ticks.length - 1];
  /** @param {number} value */
  const y = (value) => ((top - value) / (top - bottom)) * 100;
  const step = 100 / byDay.length;
  const axis = [byDay[0], byDay[byDay.length >> 1], byDay[byDay.length - 1]];
  /** @param {Day} day */
  const label = (day) => unit.of + unit.short.format(dayOf(day));
  const best = values.indexOf(Math.max(...values));
  const most = `The most was ${cents.format(decimal(byDay[best].value_usd))} on ${label(byDay[best])}. `;

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
        "aria-label": `Value per ${unit.name} over ${period}. ${values[best] > 0 ? most : ""}All figures are in the table that follows.`,
      },
      ...ticks.map((value) =>
        svg("line", { class: "grid", x1: 0, x2: "100%", y1: `${y(value)}%`, y2: `${y(value)}%` }),
      ),
      ...bars,
    ),
    tip,
  );
  return html(
    "figure",
    { class: "chart" },
    html(
      "div",
      { class: "scale", "aria-hidden": "true" },
      ...ticks.map((value) => html("span", {}, compact.format(value))),
    ),
    plot,
    html(
      "div",
      { class: "dates", "aria-hidden": "true" },
      ...axis.map((day) => html("span", {}, unit.short.format(dayOf(day)))),
    ),
  );
}

/**
 * @param {Day[]} byDay
 * @param {Unit} unit
 */
function figures(byDay, unit) {
  return html(
    "table",
    {},
    html(
      "thead",
      {},
      html(
        "tr",
        {},
        html("th", { scope: "col" }, unit.title),
        html("th", { scope: "col" }, "Outcomes"),
        html("th", { scope: "col" }, "Value"),
      ),
    ),
    html(
      "tbody",
      {},
      ...byDay
        .toReversed()
        .map((day) =>
          html(
            "tr",
            {},
            html("th", { scope: "row" }, unit.long.format(dayOf(day))),
            html("td", {}, whole.format(day.count)),
            html("td", {}, amount(day.value_usd)),
          ),
        ),
    ),
  );
}

/**
 * The agents of most value, and what all others come to together.
 * @param {AgentSum[]} agents
 * @param {OtherAgents} [others] that the API does not tell apart
 * @returns {(AgentSum | OtherAgents)[]}
 */
function mostAgents(agents, others) {
  // One more is shown as well as said.
  if (!others && agents.length <= MOST_AGENTS + 1) return agents;
  const together = { ...(others ?? { agents: 0, count: 0, value_usd: /** @type {Exact} */ (0) }) };
  for (const { count, value_usd } of agents.slice(MOST_AGENTS)) {
    together.agents += 1;
    together.count += count;
    together.value_usd = minus(together.value_usd, minus(0, value_usd));
  }
  return [...agents.slice(0, MOST_AGENTS), together];
}

/**
 * The share of each type or agent: of the value, or of the count when nothing had a value. Largest first, all other agents last.
 * @template {Sum} Part
 * @param {Part[]} parts
 * @param {(part: Part) => [name: string, icon: string, more?: string]} words
 */
function split(parts, words) {
  /** @param {Sum} part */
  const worth = (part) => Number(decimal(part.value_usd));
  const valued = parts.some((part) => worth(part) > 0);
  /** @param {Sum} part */
  const size = (part) => (valued ? worth(part) : part.count);
  const largest = Math.max(...parts.map(size));
  return parts
    .toSorted((a, b) => Number("agents" in a) - Number("agents" in b) || size(b) - size(a))
    .map((part) => {
      const share = html("i", {});
      share.style.inlineSize = `${Math.max(0, size(part) / largest) * 100}%`;
      const [name, path, more = ""] = words(part);
      return html(
        "li",
        {},
        html("span", { class: "icon" }, icon(path)),
        html("span", { class: "name", dir: "auto" }, name),
        amount(part.value_usd),
        html("span", { class: "share", "aria-hidden": "true" }, share),
        html("span", { class: "count" }, outcomes(part.count) + more),
      );
    });
}

/**
 * How a sum compares with what was before it; nothing where that is not known, or no share can be told.
 * @param {Summary} summary
 * @param {string} before
 * @returns {(string | Element)[]}
 */
function change({ value_usd, previous }, before) {
  if (!previous) return [];
  const [is, was] = [value_usd, previous.value_usd].map((value) => Number(decimal(value)));
  if (was > 0) return [html("b", {}, percent.format((is - was) / was)), ` against ${before}`];
  return is || was ? [amount(previous.value_usd), ` in ${before}`] : [];
}

// ---------------------------------------------------------------- what is said when there is no feed to show

/** @typedef {"loading" | "empty" | "signed-out" | "offline" | "error" | "unset"} Lack why there is no feed to show */

/** @type {Record<Lack, [title: string, text: string]>} */
const WORDS = {
  loading: ["Loading what your agents delivered", "One moment."],
  empty: [
    "Nothing delivered yet",
    "When an agent closes a deal, finishes a negotiation or publishes something, it appears here by itself.",
  ],
  "signed-out": ["You are signed out", "Sign in to see what your agents delivered."],
  offline: ["You are offline", "The feed comes back by itself as soon as you are connected again."],
  error: ["The feed could not be loaded", "It is tried again by itself."],
  unset: ["No endpoint", 'Give this element its attribute endpoint, for example endpoint="/api/outcomes".'],
};
const WARNING = "M12 4L2.5 20h19zM12 10v4M12 17h.01";
/** @type {Partial<Record<Lack, string>>} */
const STATE_ICONS = {
  empty: "M12 3v12M7 10l5 5 5-5M4 17v3h16v-3",
  "signed-out": "M10 4H5v16h5M15 8l4 4-4 4M9 12h10",
  offline: "M3 3l18 18M5 12a10 10 0 0 1 4-2.5M15 9.5a10 10 0 0 1 4 2.5M8.5 15.5a5 5 0 0 1 7 0M12 19h.01",
  error: WARNING,
  unset: WARNING,
};
const unclear = () => new Problem("error", "The server’s answer could not be understood.");

// ---------------------------------------------------------------- one outcome, its history and its owner's word

/**
 * What a row has of the feed that it is in. agent: the name of one. link: an address of the page that shows an outcome,
 * if there may be any. moved: it stands elsewhere, or says something else, than was known.
 * @typedef {{url: (path: string) => URL, agent: (id: number | null) => string, link: (id: string) => string | null,
 *   moved: (outcome: Outcome) => void, signedOut: (problem: Problem) => void}} House
 * @typedef {{type: "confirm" | "dispute", reason: string, key: string}} Word what its owner says of it
 */

/** @type {Map<string, string>} */
const STANDINGS = new Map([
  ["confirmed", "Confirmed"],
  ["disputed", "Disputed"],
  ["void", "Void"],
]);
/** @type {Map<string, string>} */
const DEEDS = new Map([
  ["amend", "Amended"],
  ["void", "Declared void"],
  ["confirm", "Confirmed"],
  ["dispute", "Disputed"],
  ["uphold", "Dispute dismissed"],
]);
/** @type {Map<string, [label: string, words: (value: any) => string]>} */
const FIELDS = new Map([
  ["outcome_type", ["Type", typeName]],
  ["title", ["Title", String]],
  ["description", ["Description", String]],
  ["value_usd", ["Value", (/** @type {Exact} */ value) => everyDigit.format(decimal(value))]],
  ["agent_id", ["Agent", String]],
  ["occurred_at", ["Happened", (/** @type {string} */ value) => exactTime.format(new Date(value))]],
]);

/** @param {Outcome} one */
const isOutcome = (one) =>
  [one.id, one.title, one.outcome_type].every((text) => typeof text === "string") &&
  Date.parse(one.created_at) &&
  (one.status === undefined || Date.parse(one.occurred_at ?? ""));

/** @param {string | null} by */
function whose(by) {
  if (by === "session") return " by you";
  if (by === "key") return " by the platform";
  return by?.startsWith("key:") ? ` by an agent’s key (${by.slice("key:".length)})` : "";
}

/**
 * @param {string} instant
 * @param {string} words
 * @param {Attributes} attributes
 */
const time = (instant, words, attributes = {}) =>
  html("time", { datetime: instant, title: exactTime.format(new Date(instant)), ...attributes }, words);
/** @param {string} instant */
const timeAgo = (instant) =>
  time(instant, ago(instant), { class: "ago", "data-day": localDay.format(new Date(instant)) });

/** @param {string | Element} term @param {Child[]} description */
const fact = (term, ...description) =>
  html("div", {}, html("dt", { dir: "auto" }, term), html("dd", { dir: "auto" }, ...description));

/**
 * What an amendment changed, each as a term and its value before and after. Of metadata, the entries that differ.
 * @param {Record<string, Change>} changes
 * @param {House} house
 */
function changed(changes, house) {
  /** @type {[name: string, before: string | null, after: string | null][]} */
  const found = [];
  const order = [...FIELDS.keys(), ...Object.keys(changes)];
  for (const name of Object.keys(changes).toSorted((a, b) => order.indexOf(a) - order.indexOf(b))) {
    const change = changes[name];
    const [label, usual] = FIELDS.get(name) ?? [name, readable];
    /** @type {(value: any) => string} */
    const words = name === "agent_id" ? house.agent : usual;
    if ("omitted" in change) found.push([label, null, "changed; too long to be listed here"]);
    else if (name === "metadata") {
      const [before, after] = [change.before, change.after].map((one) => new Map(Object.entries(one ?? {})));
      for (const key of new Set([...before.keys(), ...after.keys()])) {
        const [was, is] = [before, after].map((one) => (one.has(key) ? readable(one.get(key)) : "–"));
        if (was !== is) found.push([key, was, is]);
      }
    } else {
      const [was, is] = [change.before, change.after].map((one) => (one === null ? "–" : words(one)));
      found.push([label, was, is]);
    }
  }
  return html(
    "dl",
    {},
    ...found.map(([name, was, is]) =>
      was === null
        ? fact(name, is)
        : fact(name, html("del", { dir: "auto" }, was), " → ", html("ins", { dir: "auto" }, is)),
    ),
  );
}

/** Why the owner's word was not taken, for the owner. @param {Problem} problem */
function refusal(problem) {
  const { status, reason, details } = problem;
  if (problem.kind === "offline") return "You are offline.";
  if (status === 404) return "This outcome is not there any more, or is not yours.";
  if (reason === "Conflict") return "Others are correcting it at this very moment.";
  if (reason === "Not possible")
    return `Not possible: ${details[0]?.message ?? "this outcome cannot be corrected any more"}.`;
  if (status === 403) return "Not allowed: whoever recorded an outcome cannot confirm it.";
  if (status === 400 && details[0]) return `The ${details[0].field} ${details[0].message}.`;
  return problem.message;
}

/** Whether it may be otherwise the next time. @param {Problem} problem */
const mayPass = ({ status, reason }) => status < 400 || status >= 429 || reason === "Conflict";
/** Whether it may have been saved all the same. @param {Problem} problem */
const isUnsure = ({ status }) => status < 400 || (status >= 500 && status !== 503);

class Row {
  element = html("li");
  summary = html("summary");

  /** @type {Outcome} as the server had it last */
  #outcome;
  #house;
  #unfolds;
  #headed = ""; // version and standing that the summary shows
  #told = -1; // version of what is told below the summary
  /** @type {Correction[] | null} */
  #past = null;
  /** @type {Problem | null} why the history could not be read */
  #unread = null;
  /** @type {AbortController | null} */
  #reading = null;
  /** @type {Word | null} shown as if it were taken already */
  #said = null;
  /** @type {{word: Word, problem: Problem} | null} what was not taken, and why */
  #untaken = null;

  #facts = html("div");
  #word = html("div", { class: "word" });
  #says = html("p", { class: "help", role: "status" });
  #fault = html("p", { class: "fault", role: "alert" });
  #again = html("button", { type: "button", click: () => this.#untaken && this.#say(this.#untaken.word) }, "Try again");
  #right = html("button", { type: "button", click: () => this.#confirm() }, "This is right");
  #wrong = html(
    "button",
    { type: "button", class: "no", "aria-expanded": "false", click: () => this.#askWhy() },
    "This is not right",
  );
  #reason = html("textarea", { rows: 2, required: true });
  #reasonFault = html("p", { class: "fault" });
  #form = html(
    "form",
    {
      hidden: true,
      novalidate: true,
      submit: (/** @type {SubmitEvent} */ event) => this.#dispute(event),
      keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#closeForm(),
    },
    html("label", {}, "What is not right?", this.#reason),
    this.#reasonFault,
    html(
      "div",
      { class: "buttons" },
      html("button", {}, "Send"),
      html("button", { type: "button", click: () => this.#closeForm() }, "Cancel"),
    ),
  );
  #history = html("div", { class: "past" });

  /**
   * @param {Outcome} outcome
   * @param {House} house
   */
  constructor(outcome, house) {
    this.#outcome = outcome;
    this.#house = house;
    const details = html("div", { class: "details" }, this.#facts);
    if (outcome.status !== undefined) {
      this.#reasonFault.id = `fault-${outcome.id}`;
      furnish(this.#reason, { "aria-describedby": this.#reasonFault.id }, []);
      this.#word.append(
        html("div", { class: "buttons", role: "group", "aria-label": "Is this right?" }, this.#right, this.#wrong),
        this.#form,
        this.#says,
        html("div", { class: "buttons untaken" }, this.#fault, this.#again),
      );
      details.append(this.#word, this.#history);
    }
    this.#unfolds = html("details", { toggle: () => this.#unfolded() }, this.summary, details);
    this.element.append(this.#unfolds);
    this.#draw();
  }

  /**
   * Shows what the server says of the outcome, unless something newer is known.
   * @param {Outcome} outcome
   */
  show(outcome) {
    if ((outcome.version ?? 0) <= (this.#outcome.version ?? 0)) return;
    this.#outcome = outcome;
    this.#draw();
    if (this.#unfolds.open) void this.#read();
  }

  /** Unfolds it, and goes there. */
  open() {
    this.#unfolds.open = true;
    this.summary.focus();
  }

  /** Whether it says each of these words, in lower case, anywhere. @param {string[]} words */
  says(words) {
    const { id, outcome_type, title, agent_id, description, metadata } = this.#outcome;
    const said = [
      title,
      description,
      typeName(outcome_type),
      this.#house.agent(agent_id),
      id,
      JSON.stringify(metadata),
    ];
    const text = said.join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  }

  /** Shows it anew, for agents may have other names. */
  redraw() {
    this.#headed = "";
    this.#draw();
  }

  #unfolded() {
    if (!this.#unfolds.open) return;
    this.#draw();
    if (this.#outcome.status !== undefined) void this.#read();
  }

  /** Reads the history, and with it how the outcome stands. */
  async #read() {
    this.#reading?.abort();
    const reading = new AbortController();
    this.#reading = reading;
    this.#unread = null;
    this.#drawHistory();
    const { id, version } = this.#outcome;
    try {
      /** @type {History} */
      const { outcome, corrections } = await ask(this.#house.url(`/${encodeURIComponent(id)}`), reading.signal);
      const isCorrection = (/** @type {Correction} */ one) =>
        typeof one.type === "string" && Date.parse(one.created_at);
      if (outcome.id !== id || !isOutcome(outcome) || !corrections.every(isCorrection)) throw unclear();
      this.#past = corrections;
      this.#outcome = outcome;
      if (outcome.version !== version) this.#house.moved(outcome);
    } catch (error) {
      if (reading.signal.aborted) return;
      this.#unread = error instanceof Problem ? error : unclear();
    }
    this.#reading = null;
    if (this.#unread?.kind === "signed-out") this.#house.signedOut(this.#unread);
    this.#draw();
  }

  // ---- the owner's word

  #confirm() {
    if (this.#said || this.#status === "confirmed") return;
    this.#closeForm();
    void this.#say({ type: "confirm", reason: "", key: newKey() });
  }

  #askWhy() {
    if (this.#said || this.#status === "disputed") return;
    this.#form.hidden = false;
    this.#wrong.ariaExpanded = "true";
    this.#reason.focus();
  }

  #closeForm() {
    if (this.#form.hidden) return;
    const hadFocus = this.#form.matches(":focus-within");
    this.#form.hidden = true;
    this.#wrong.ariaExpanded = "false";
    if (hadFocus) this.#wrong.focus();
  }

  /** @param {SubmitEvent} event */
  #dispute(event) {
    event.preventDefault();
    const reason = this.#reason.value.trim();
    const length = [...reason].length; // as the API counts
    let fault = "";
    if (!length) fault = "Say what is not right.";
    else if (length > LONGEST_REASON)
      fault = `At most ${whole.format(LONGEST_REASON)} characters; these are ${whole.format(length)}.`;
    this.#reasonFault.textContent = fault;
    this.#reason.ariaInvalid = fault ? "true" : null;
    if (fault) this.#reason.focus();
    if (fault || this.#said) return;
    this.#closeForm();
    void this.#say({ type: "dispute", reason, key: newKey() });
  }

  /**
   * Shows the word as taken, sends it, and takes it back when it was not.
   * @param {Word} word sent again with its key, which counts once
   */
  async #say(word) {
    const { type, reason, key } = word;
    this.#said = word;
    this.#untaken = null;
    if (this.#again.matches(":focus")) (type === "confirm" ? this.#right : this.#wrong).focus();
    this.#draw();
    try {
      const url = this.#house.url(`/${encodeURIComponent(this.#outcome.id)}/corrections`);
      const { id, outcome } = await ask(url, undefined, { key, body: { type, ...(reason && { reason }) } });
      if (outcome.id !== this.#outcome.id || !isOutcome(outcome)) throw unclear();
      if (outcome.version >= (this.#outcome.version ?? 0)) this.#outcome = outcome;
      const entry = { id, type, reason: reason || null, by: "session", created_at: new Date().toISOString() };
      if (this.#past && !this.#past.some((one) => one.id === id)) this.#past = [...this.#past, entry];
      if (type === "dispute") this.#reason.value = "";
      this.#said = null;
      this.#house.moved(outcome);
    } catch (error) {
      const problem = error instanceof Problem ? error : unclear();
      this.#said = null;
      if (problem.kind === "signed-out") return this.#house.signedOut(problem);
      this.#untaken = { word, problem };
    }
    this.#draw();
    // What was not possible was so for something that is not shown yet.
    const status = this.#untaken?.problem.status ?? 200;
    if (this.#unfolds.open && [200, 403, 409].includes(status)) void this.#read();
  }

  // ---- showing

  /** Where it stands, the owner's word taken for granted while it is on its way. */
  get #status() {
    if (this.#said) return this.#said.type === "confirm" ? "confirmed" : "disputed";
    return this.#outcome.status;
  }

  get #amendedSinceDispute() {
    const past = this.#past ?? [];
    return past.slice(past.findLastIndex(({ type }) => type === "dispute") + 1).some(({ type }) => type === "amend");
  }

  #draw() {
    const { id, outcome_type, title, agent_id, created_at, occurred_at, value_usd, description } = this.#outcome;
    const { metadata, recorded_by, version } = this.#outcome;
    const status = this.#status;
    const [name, path] = TYPES.get(outcome_type) ?? [typeName(outcome_type), OTHER_ICON];
    const tag = status && status !== "recorded" ? (STANDINGS.get(status) ?? status) : null;
    const happened = occurred_at && occurred_at !== created_at ? occurred_at : null;
    // What differs by less than a day is told where every time is exact.
    const onAnotherDay =
      happened && localDay.format(new Date(happened)) !== localDay.format(new Date(created_at)) ? happened : null;
    this.element.dataset.standing = status ?? "";
    // What is shown already stays: somebody may be marking it with the mouse.
    const headed = `${version} ${status}`;
    if (this.#headed !== headed) {
      this.#headed = headed;
      const pieces = [
        tag && html("span", { class: "tag" }, tag),
        html("span", { dir: "auto" }, name),
        html("span", { dir: "auto", title: agent_id && `Agent ${agent_id}` }, this.#house.agent(agent_id)),
        timeAgo(created_at),
        onAnotherDay && html("span", {}, "happened on ", time(onAnotherDay, localDay.format(new Date(onAnotherDay)))),
      ].filter((piece) => piece !== null);
      this.summary.replaceChildren(
        html("span", { class: "icon" }, icon(path)),
        html(
          "span",
          { class: "what" },
          html("strong", { dir: "auto" }, title),
          html("span", { class: "meta" }, ...pieces.flatMap((piece, at) => (at ? [" · ", piece] : [piece]))),
        ),
        amount(value_usd),
      );
    }
    // Only once unfolded: metadata may be 64 KiB a row.
    if (!this.#unfolds.open) return;
    this.#drawWord(status, recorded_by ?? null);
    this.#drawHistory();
    if (this.#told === (version ?? 0)) return;
    this.#told = version ?? 0;
    const facts = Object.entries(metadata ?? {}).map(([key, value]) =>
      fact(key, ...linked(typeof value === "string" ? value : readable(value))),
    );
    if (happened) facts.push(fact("Happened", exactTime.format(new Date(happened))));
    facts.push(fact("Recorded", exactTime.format(new Date(created_at))), fact("Outcome", id));
    const link = this.#house.link(id);
    if (link) facts.push(fact("Link", html("a", { href: link }, "To this outcome")));
    this.#facts.replaceChildren(
      ...(description ? [html("p", { class: "description", dir: "auto" }, description)] : []),
      html("dl", {}, ...facts),
    );
  }

  /**
   * @param {string | undefined} status
   * @param {string | null} by
   */
  #drawWord(status, by) {
    const mayConfirm = by !== null && by !== "session";
    const over = status === "void";
    let words = "";
    if (this.#said) words = "Saving…";
    else if (over) words = "It was declared void, for good, and does not count.";
    else if (status === "disputed" && this.#amendedSinceDispute)
      words = "It was amended since you said that this is not right. It does not count until you say that it is.";
    else if (status === "disputed") words = "You said that this is not right. It does not count while that stands.";
    else if (status === "confirmed") words = "You said that this is right.";
    else if (by === "session") words = "You recorded this yourself, so it is not yours to confirm.";
    else if (!mayConfirm) words = "It is not known what recorded this, so it cannot be confirmed.";
    if (this.#says.textContent !== words) this.#says.textContent = words;
    if (over) this.#closeForm();
    this.#right.hidden = over || !mayConfirm;
    this.#wrong.hidden = over;
    this.#right.ariaPressed = String(status === "confirmed");
    this.#wrong.ariaPressed = String(status === "disputed");
    for (const button of [this.#right, this.#wrong]) button.ariaDisabled = this.#said ? "true" : null;

    const problem = this.#untaken?.problem;
    let fault = problem ? `Not saved. ${refusal(problem)}` : "";
    if (problem && isUnsure(problem))
      fault = `It may not have been saved. ${refusal(problem)} Trying again counts once.`;
    if (this.#fault.textContent !== fault) this.#fault.textContent = fault;
    this.#again.hidden = !problem || !mayPass(problem);
  }

  #drawHistory() {
    /** @type {Child[]} */
    const parts = [html("h4", {}, "History")];
    const { recorded_by, created_at } = this.#outcome;
    if (this.#past) {
      const entries = [
        html("li", {}, `Recorded${whose(recorded_by ?? null)} · `, timeAgo(created_at)),
        ...this.#past.map((one) =>
          html(
            "li",
            {},
            `${DEEDS.get(one.type) ?? one.type}${whose(one.by)} · `,
            timeAgo(one.created_at),
            one.reason ? html("q", { dir: "auto" }, one.reason) : null,
            one.changes ? changed(one.changes, this.#house) : null,
          ),
        ),
      ];
      parts.push(html("ol", { role: "list" }, ...entries));
    }
    if (this.#unread) {
      const { kind, status, message } = this.#unread;
      const why = kind === "offline" || status === 404 ? refusal(this.#unread) : message;
      const again = html("button", { type: "button", click: () => void this.#read() }, "Try again");
      parts.push(
        html(
          "div",
          { class: "buttons" },
          html("p", { class: "fault", role: "alert" }, `It could not be read. ${why}`),
          again,
        ),
      );
    } else if (this.#reading && !this.#past) parts.push(html("p", { class: "help", role: "status" }, "Loading…"));
    const hadFocus = this.#history.matches(":focus-within");
    this.#history.replaceChildren(...parts.filter((part) => part !== null));
    if (hadFocus) (this.#history.querySelector("button") ?? this.summary).focus();
  }
}

/** A key that nobody chose before. crypto.randomUUID is for secure contexts only. */
const newKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/**
 * The days, weeks or months of a summary.
 * @param {Summary} summary
 * @returns {[Unit, Day[]]}
 */
function buckets({ by_day, by_week, by_month }) {
  if (by_month) return [UNITS.month, by_month];
  return by_week ? [UNITS.week, by_week] : [UNITS.day, /** @type {Day[]} */ (by_day)];
}

/**
 * What of the value its owner has spoken about; nothing where there is none, or a server of before.
 * @param {Summary} summary
 */
function standingSums({ confirmed, disputed }) {
  /** @type {[Sum | undefined, string][]} */
  const sums = [
    [confirmed, "confirmed"],
    [disputed, "disputed"],
  ];
  return sums.flatMap(([sum, words], at) => {
    if (!sum?.count) return [];
    return [at && sums[0][0]?.count ? " · " : "", amount(sum.value_usd), ` ${words}`];
  });
}

// ---------------------------------------------------------------- a file

/** @param {number} seconds @param {AbortSignal} signal */
const pause = (seconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

/** Reads a period's outcomes as one file, part by part, shows how far that is, and can be ended. */
class Download {
  button = html(
    "button",
    { type: "button", click: (/** @type {MouseEvent} */ event) => this.#press(event) },
    "Download",
  );
  #bar = html("progress", { hidden: true, "aria-label": "Downloaded" });
  #fault = html("p", { class: "fault", role: "alert" });
  element = html("div", { class: "download" }, this.#fault, this.#bar, this.button);
  /** @type {AbortController | null} */
  #running = null;

  /**
   * @param {() => {url: URL, from: Date, to: Date, name: string}} wanted of now
   * @param {(problem: Problem) => void} signedOut
   */
  constructor(wanted, signedOut) {
    this.#wanted = wanted;
    this.#signedOut = signedOut;
  }
  #wanted;
  #signedOut;

  stop() {
    this.#running?.abort();
    this.#running = null;
    this.#bar.hidden = true;
    this.button.textContent = "Download";
  }

  /** @param {MouseEvent} event */
  #press(event) {
    if (event.detail > 1) return; // of a double click
    if (this.#running) this.stop();
    else void this.#run();
  }

  async #run() {
    const running = new AbortController();
    const { url, from, to, name } = this.#wanted();
    this.#running = running;
    this.#bar.hidden = false;
    this.#bar.removeAttribute("value");
    this.#fault.textContent = "";
    this.button.textContent = "Cancel";
    /** @type {BlobPart[]} */
    const parts = ["\ufeff"]; // by which spreadsheets know UTF-8
    let owner;
    try {
      /** @type {string | null} */
      let cursor = null;
      do {
        if (cursor) url.searchParams.set("cursor", cursor);
        const part = await this.#read(url, running.signal);
        const id = /^\w+,(\d+),/m.exec(part.text)?.[1]; // none in a part that is empty
        owner ??= id;
        if (id && id !== owner) throw new Problem("error", "Somebody else has signed in meanwhile.");
        parts.push(new Blob([part.text]));
        cursor = part.cursor;
        // The newest come first, so the last line says how far it is.
        const reached = Date.parse(/([^,]+),[^,]+,\w+,[^,]*\r\n$/.exec(part.text.slice(-300))?.[1] ?? "");
        if (reached) this.#bar.value = (to.getTime() - reached) / (to.getTime() - from.getTime());
      } while (cursor);
      const file = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
      html("a", { href: file, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(file), 60_000); // no event says when it was read
    } catch (error) {
      if (running.signal.aborted) return;
      const problem = error instanceof Problem ? error : unclear();
      if (problem.kind === "signed-out") this.#signedOut(problem);
      else this.#fault.textContent = `Not downloaded. ${problem.message || "You are offline."}`;
    }
    this.stop();
  }

  /** @param {URL} url @param {AbortSignal} signal */
  async #read(url, signal) {
    for (let tries = 1; ; tries += 1) {
      try {
        const part = await call(url, signal, { accept: "text/csv", timeout: PART_TIMEOUT_MS });
        if (part.problem) throw part.problem;
        return part;
      } catch (error) {
        const isFinal = tries === PART_TRIES || !(error instanceof Problem) || error.kind !== "error";
        if (isFinal || !mayPass(error)) throw error;
        await pause(Math.max(error.retryAfter, 2 ** tries / 4), signal);
      }
    }
  }
}

// ---------------------------------------------------------------- the element

class ValueDelivered extends HTMLElement {
  static observedAttributes = [
    "endpoint",
    "period",
    "refresh",
    "sign-in-url",
    "agent-names",
    "url-state",
    "cost-endpoint",
  ];

  // What is known. The feed is watched without its filters, so that totals also follow outcomes they hide.
  #watching = false;
  /** @type {Outcome | null} the youngest outcome seen */
  #newest = null;
  #floor = ""; // created_at of the oldest outcome seen at first: catching up never goes below it
  /** @type {Map<string, number | undefined>} version by id */
  #seen = new Map();
  /** @type {Map<string, Row>} by id, the filtered feed as shown */
  #rows = new Map();
  #rowsDue = true;
  /** @type {string | null} */
  #cursor = null;
  #period = "30";
  #usual = "30"; // the period that the page chose
  /** @type {Summary | null} */
  #summary = null;
  #summarized = ""; // the #scope that it is of
  /** @type {Cost | null} */
  #cost = null;
  #costed = ""; // what it was asked for
  #costAt = 0;
  /** @type {string | null} id of the outcome that the page's address leads to */
  #linked = null;
  /** @type {Row | null} */
  #linkedRow = null;
  #linkDue = false;
  /** @type {Record<string, unknown>} */
  #names = {};
  /** @type {((id: number) => string | null | undefined) | null} */
  #named = null;
  #news = 0; // grows with whatever makes the totals shown no longer true
  #summed = ""; // the #sum that is shown
  #patience = 0; // seconds until the totals are asked for again, while the server says that it still adds up
  /** @type {Problem | null} */
  #problem = null;
  #failures = 0;

  // What is going on.
  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  /** @type {AbortController | null} */
  #refreshing = null;
  /** @type {AbortController | null} */
  #fetchingMore = null;
  #timer = 0;
  #began = 0; // when the last look did, by performance.now()
  #busy = false;

  #download = new Download(
    () => this.#file,
    (problem) => this.#house.signedOut(problem),
  );

  #root = this.attachShadow({ mode: "open" });
  #ui = this.#build();

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [STYLES];
    this.#root.append(this.#ui.card);
  }

  /** Makes what is in the card, once; #render and #showSummary then only change it. */
  #build() {
    /**
     * @param {string} value
     * @param {string} text
     */
    const option = (value, text) => html("option", { value }, text);
    const periods = [...PERIODS].map(([period, words]) =>
      html("button", { type: "button", value: period, click: () => this.#choosePeriod(period) }, words),
    );
    const custom = html(
      "button",
      { type: "button", "aria-expanded": "false", click: () => this.#askRange() },
      "Custom",
    );
    const first = html("input", { type: "date", required: true });
    const last = html("input", { type: "date", required: true });
    const rangeFault = html("p", { class: "fault", role: "alert" });
    const range = html(
      "form",
      {
        class: "range",
        hidden: true,
        novalidate: true,
        submit: (/** @type {SubmitEvent} */ event) => this.#chooseRange(event),
        keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && this.#closeRange(),
      },
      html("label", {}, "From ", first),
      html("label", {}, "To ", last),
      html("button", {}, "Show"),
      rangeFault,
    );
    const total = html("p", { class: "total" });
    const caption = html("p", { class: "caption" });
    const adding = html("p", { class: "help", role: "status" });
    const standing = html("p", { class: "standing" });
    const changes = html("p", { class: "change" });
    const place = html("div", {});
    const table = html("div", { class: "scroll", role: "region", "aria-label": "Daily figures", tabindex: 0 });
    const figuresOf = html("summary");
    const daily = html("details", { class: "daily" }, figuresOf, table);
    const types = html("ul", { class: "split", role: "list" });
    const agents = html("ul", { class: "split", role: "list" });
    const byAgent = html("div", {}, html("h3", {}, "By agent"), agents);
    const parts = html("div", { class: "parts" }, html("div", {}, html("h3", {}, "By type"), types), byAgent);
    const type = html(
      "select",
      { "aria-label": "Filter by type", change: () => this.#filterChanged() },
      option("", "All types"),
      ...[...TYPES.keys()].map((type) => option(type, typeName(type))),
    );
    const agent = html(
      "select",
      { "aria-label": "Filter by agent", change: () => this.#filterChanged() },
      option("", "All agents"),
    );
    const rows = html("ol", { class: "rows", role: "list" });
    const search = html("input", {
      type: "search",
      "aria-label": "Search what is loaded",
      placeholder: "Search what is loaded",
      input: () => {
        this.#search();
        this.#render();
      },
    });
    const found = html("p", { class: "help", role: "status" });
    const linkedRows = html("ol", { class: "rows", role: "list" });
    const unlinked = html("p", { class: "caption", tabindex: -1 });
    const unlink = html("button", { type: "button", click: () => this.#unlink() }, "Close");
    const link = html(
      "div",
      { class: "link", hidden: true },
      html("div", { class: "top" }, html("h3", {}, "Linked outcome"), unlink),
      linkedRows,
      unlinked,
    );
    /** @type {HTMLElement[]} */
    const [cost, net, ratio] = ["cost", "net", "ratio"].map((name) => html("dd", { class: name }));
    const balance = html(
      "dl",
      { class: "balance", hidden: true },
      html("div", {}, html("dt", {}, "Cost"), cost),
      html("div", {}, html("dt", {}, "Net"), net),
      html("div", {}, html("dt", {}, "Ratio"), ratio),
    );
    const statement = html("p", { class: "paper help" });
    const listed = html("p", { class: "paper help" });
    const none = html("p", { class: "caption none-found" });
    const more = html("button", { type: "button", class: "more", click: () => this.#more() });
    const says = html("p", { role: "status" });
    const notice = html("div", { class: "notice" }, says);
    const latest = html("h3", { id: "latest" });
    const heading = html("h2", { id: "heading", tabindex: -1 }, "Value Delivered");
    const live = unseen("", { role: "status" });
    const card = html(
      "div",
      { class: "card" },
      html(
        "header",
        {},
        heading,
        html("div", { class: "periods", role: "group", "aria-label": "Period" }, ...periods, custom),
        range,
        html("div", { class: "filters" }, type, agent),
      ),
      html("div", { class: "skeleton", "aria-hidden": "true" }, ...Array.from({ length: 5 }, () => html("i", {}))),
      notice,
      html(
        "div",
        { class: "body" },
        html(
          "section",
          { class: "summary", "aria-labelledby": "heading" },
          total,
          caption,
          statement,
          adding,
          changes,
          standing,
          balance,
          place,
          daily,
          parts,
        ),
        html(
          "section",
          {
            class: "feed",
            "aria-labelledby": "latest",
            keydown: (/** @type {KeyboardEvent} */ event) => this.#walk(event),
          },
          link,
          html("div", { class: "top" }, latest, search, this.#download.element),
          found,
          rows,
          listed,
          none,
          more,
        ),
      ),
      live,
    );
    return {
      card,
      heading,
      periods,
      custom,
      range,
      first,
      last,
      rangeFault,
      notice,
      says,
      total,
      caption,
      adding,
      changes,
      standing,
      place,
      table,
      figuresOf,
      daily,
      parts,
      types,
      byAgent,
      agents,
      type,
      agent,
      latest,
      search,
      found,
      link,
      linkedRows,
      unlinked,
      balance,
      cost,
      net,
      ratio,
      statement,
      listed,
      rows,
      none,
      more,
      live,
    };
  }

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const look = () => void this.#refresh();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#rest() : look()), { signal });
    addEventListener("online", look, { signal });
    addEventListener("offline", look, { signal });
    addEventListener("hashchange", () => this.#readAddress() && look(), { signal });
    const clock = setInterval(() => {
      if (!document.hidden) this.#tellTime();
    }, 30_000);
    signal.addEventListener("abort", () => clearInterval(clock));
    this.#readAddress();
    // Set before the browser knew this element, it hides what is behind it.
    if (Object.hasOwn(this, "agentName")) {
      const named = this.agentName;
      Reflect.deleteProperty(this, "agentName");
      this.agentName = named;
    }
    look();
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = null;
    this.#rest();
    this.#download.stop();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "period") {
      this.#usual = after && span(after) ? after : "30";
      this.#period = this.#usual;
    }
    if (name === "agent-names") this.#readNames(after);
    if (name === "endpoint") this.#forget();
    if (this.#life) void this.#refresh();
  }

  // ---- looking

  /** The one way anything is read, but for "load more": at first, at each look, on retry, on return to the tab. */
  async #refresh() {
    this.#rest();
    if (!this.#life) return;
    this.#refreshing = new AbortController();
    const signal = AbortSignal.any([this.#refreshing.signal, this.#life.signal]);
    this.#busy = true;
    this.#began = performance.now();
    this.#render();
    try {
      if (!this.getAttribute("endpoint")) throw new Problem("unset");
      await this.#readAll(signal);
      if (signal.aborted) return;
      this.#failures = 0;
      this.#problem = null;
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      this.#failed(error);
    }
    this.#busy = false;
    this.#render();
    this.#schedule();
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#problem = error instanceof Problem ? error : unclear();
    if (this.#problem.kind === "signed-out") this.#forget();
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#refreshing?.abort();
    this.#busy = false;
  }

  #schedule() {
    // A hidden tab looks when it is shown again; so does a signed-out one, which may return from signing in elsewhere.
    if (document.hidden || this.#problem?.kind === "signed-out" || this.#problem?.kind === "unset") return;
    const asked = Math.max(1, Number(this.getAttribute("refresh")) || 15);
    const every = this.#patience || asked;
    const backedOff = this.#failures ? every * 2 ** this.#failures * (0.75 + Math.random() / 2) : every;
    const seconds = Math.max(this.#problem?.retryAfter ?? 0, Math.min(backedOff, Math.max(every, LONGEST_BACKOFF_S)));
    // From one look to the next, not from the end of one; but a server that is slow has half of that time in peace.
    const took = this.#problem || this.#patience ? 0 : Math.min(performance.now() - this.#began, seconds * 500);
    this.#timer = setTimeout(() => void this.#refresh(), Math.min(seconds * 1000 - took, LONGEST_TIMER_MS));
  }

  /**
   * Reads rows and totals; what arrives is shown even when the other fails, which is then raised.
   * @param {AbortSignal} signal
   */
  async #readAll(signal) {
    /** @type {unknown[]} */
    const failures = [];
    /** @param {unknown} failure */
    const failed = (failure) => void failures.push(failure);
    const feed = this.#readFeed(signal).then(() => this.#render(), failed);
    // The totals do not say whose they are. Those that go with the first rows are read after them: should the account
    // change in between, the next look finds the rows to be another's, and reads both afresh.
    const early = this.#watching;
    if (early) await this.#readSummary(signal).catch(failed);
    await feed;
    const isAnswered = failures.length || (early && this.#patience);
    const link = this.#linkDue && !failures.length ? this.#follow(signal).catch(failed) : null;
    if (this.#watching && !isAnswered) await this.#readSummary(signal).catch(failed);
    await link;
    // It stands below the totals, which move it when they come later.
    const place = this.#root.activeElement;
    if (link && this.#ui.link.contains(place)) place?.scrollIntoView({ block: "nearest" });
    // Also after a failure, for it is another server's. What is wrong there is no matter of the feed's.
    if (this.#watching) void this.#readCost();
    if (failures.length) throw failures[0];
  }

  /**
   * @param {string} path below the endpoint
   * @param {Record<string, string | number | null>} query what is null or empty is left out
   */
  #url(path, query) {
    const url = new URL(this.getAttribute("endpoint") ?? "", document.baseURI);
    url.pathname = url.pathname.replace(/\/$/, "") + path;
    for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, String(value));
    return url;
  }

  /**
   * @param {Record<string, string | number | null>} query
   * @param {AbortSignal} signal
   */
  async #list(query, signal) {
    /** @type {OutcomePage} */
    const page = await ask(this.#url("", { limit: PAGE, include: "ledger", ...query }), signal);
    if (!page.outcomes.every(isOutcome)) throw unclear();
    return page;
  }

  /**
   * Pages of the filtered feed from `start` on, until one brings something, the end, or SPARSE_PAGES.
   * @param {string | null} start
   * @param {AbortSignal} signal
   */
  async #pageOfFeed(start, signal) {
    let cursor = start;
    for (let pages = 1; ; pages += 1) {
      const page = await this.#list({ ...this.#filter, cursor }, signal);
      if (page.outcomes.length || !page.next_cursor || pages === SPARSE_PAGES) return page;
      cursor = page.next_cursor;
    }
  }

  /** @param {AbortSignal} signal */
  async #readFeed(signal) {
    let latest = null;
    if (!this.#watching || !(await this.#catchUp(signal))) {
      latest = await this.#list({}, signal);
      if (this.#watching) this.#forget();
      this.#watching = true;
      this.#newest = latest.outcomes[0] ?? null;
      this.#floor = latest.next_cursor ? (latest.outcomes.at(-1)?.created_at ?? "") : "";
      for (const { id, version } of latest.outcomes) this.#seen.set(id, version);
    }
    if (!this.#rowsDue) return;
    const page = latest && !this.#filtered ? latest : await this.#pageOfFeed(null, signal);
    this.#clearRows();
    this.#rowsDue = false;
    this.#add(page.outcomes);
    this.#cursor = page.next_cursor ?? null;
  }

  /**
   * Reads what was recorded since the newest known outcome, and a little before it.
   * @returns false when that cannot be joined to what is shown: too much is new, or the newest known outcome is not
   * there, so these are another account's outcomes.
   * @param {AbortSignal} signal
   */
  async #catchUp(signal) {
    const newest = this.#newest;
    const since = newest && new Date(Date.parse(newest.created_at) - OVERLAP_MS).toISOString();
    const from = since && since < this.#floor ? this.#floor : since;
    /** @type {Outcome[]} */
    const found = [];
    /** @type {string | null | undefined} */
    let cursor = null;
    for (let pages = 0; pages === 0 || cursor; pages += 1) {
      if (pages === CATCH_UP_PAGES) return false;
      const page = await this.#list({ from, cursor: cursor ?? null, limit: CATCH_UP_PAGE }, signal);
      found.push(...page.outcomes);
      cursor = page.next_cursor;
    }
    if (newest && !found.some(({ id }) => id === newest.id)) return false;

    const fresh = found.filter(({ id }) => !this.#seen.has(id));
    const moved = found.some(({ id, version }) => this.#seen.get(id) !== version);
    for (const one of found) {
      this.#seen.set(one.id, one.version);
      this.#rows.get(one.id)?.show(one);
    }
    if (moved || fresh.length) this.#news += 1;
    if (!fresh.length) return true;
    this.#newest = found[0];
    if (this.#rowsDue) return true;
    const { outcomeType, agentId, from: first, to } = this.#filter;
    /** @param {Outcome} outcome */
    const passes = ({ outcome_type, agent_id, created_at }) =>
      (!outcomeType || outcome_type === outcomeType) &&
      (!agentId || agent_id === Number(agentId)) &&
      (!first || (first <= created_at && created_at < to));
    const shown = this.#add(fresh.filter(passes));
    for (const { element } of shown) element.classList.add("new");
    const words = shown.length === 1 ? "new outcome" : "new outcomes";
    if (shown.length) this.#ui.live.textContent = `${whole.format(shown.length)} ${words}`;
    return true;
  }

  /** What figures have to be of: the period, the viewer's day, and the filter. */
  get #scope() {
    const { type, agent } = this.#ui;
    return `${this.#period} ${midnight(0).toISOString()} ${type.value} ${agent.value}`;
  }

  /** What the totals have to be of: that, and the outcomes known. */
  get #sum() {
    return `${this.#scope} ${this.#news}`;
  }

  /** @param {AbortSignal} signal */
  async #readSummary(signal) {
    const sum = this.#sum;
    if (sum === this.#summed) {
      this.#patience = 0; // of others, which nobody wants any more
      return;
    }
    const { from, to, days } = this.#span;
    const byWeek = days > MOST_WEEKS_DAYS ? "month" : "week";
    const query = {
      from: from.toISOString(),
      to: to.toISOString(),
      timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      by: days > MOST_DAYS ? byWeek : null,
      compare: "previous",
      outcomeType: this.#ui.type.value,
      agentId: this.#ui.agent.value,
    };
    /** @type {Summary} */
    const summary = await ask(this.#url("/summary", query), signal)
      .catch((problem) => {
        // A browser may know a time zone that the server's list does not.
        if (problem.reason !== "Invalid timezone") throw problem;
        return ask(this.#url("/summary", { ...query, timezone: "UTC" }), signal);
      })
      .catch((problem) => {
        if (signal.aborted) throw problem;
        this.#patience = problem.reason === "Still adding up" ? problem.retryAfter || 1 : 0;
        if (!this.#patience) throw problem;
      });
    if (!summary) return;
    this.#patience = 0;
    if (!Array.isArray(buckets(summary)[1]) || !Array.isArray(summary.by_type)) throw unclear();
    if (sum !== this.#sum) return; // of an account, a day or a filter that is no longer shown
    this.#summary = summary;
    this.#summarized = this.#scope;
    this.#showSummary();
    this.#summed = sum;
  }

  /** Reads what it cost, unless that is known well enough. What cannot be known is null; with the next look it is tried again. */
  async #readCost() {
    const endpoint = this.getAttribute("cost-endpoint");
    const costed = `${endpoint} ${this.#scope}`;
    if (!this.#life || (costed === this.#costed && Date.now() - this.#costAt < COST_MS)) return;
    if (costed !== this.#costed) this.#cost = null;
    this.#costed = costed;
    this.#costAt = Date.now();
    // An agent's cost is not of one type of outcome.
    if (endpoint && !this.#ui.type.value) {
      const { from, to } = this.#span;
      const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
      const url = new URL(endpoint, document.baseURI);
      const query = {
        from: from.toISOString(),
        to: to.toISOString(),
        timezone: timeZone,
        agentId: this.#ui.agent.value,
      };
      for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
      /** @type {Cost | null} */
      const cost = await ask(url, this.#life.signal).catch(() => null);
      if (costed !== this.#costed) return;
      this.#cost = cost && isNumber(cost.cost_usd) ? cost : null;
      if (!cost) this.#costAt = 0;
    }
    this.#showCost();
  }

  /** Shows the outcome that the page's address leads to, whether it is among the latest or not. @param {AbortSignal} signal */
  async #follow(signal) {
    const { link, linkedRows, unlinked } = this.#ui;
    linkedRows.replaceChildren();
    this.#linkedRow = null;
    link.hidden = this.#linked === null;
    unlinked.textContent = "";
    const id = this.#linked;
    if (id !== null) {
      /** @type {Partial<History>} */
      const { outcome } = ID.test(id)
        ? await ask(this.#url(`/${id}`, {}), signal).catch((problem) => {
            if (problem.kind !== "error" || problem.status < 400 || problem.status >= 429) throw problem;
            return {};
          })
        : {};
      if (id !== this.#linked) return;
      if (outcome?.id === id && isOutcome(outcome)) {
        this.#linkedRow = new Row(outcome, this.#house);
        linkedRows.append(this.#linkedRow.element);
      } else unlinked.textContent = "This outcome is not there, or is not yours.";
    }
    this.#linkDue = false;
    this.#render();
    if (this.#linkedRow) this.#linkedRow.open();
    else unlinked.focus();
  }

  async #more() {
    if (!this.#life || this.#fetchingMore || !this.#cursor) return;
    this.#fetchingMore = new AbortController();
    const signal = AbortSignal.any([this.#fetchingMore.signal, this.#life.signal]);
    this.#render();
    try {
      const page = await this.#pageOfFeed(this.#cursor, signal);
      const added = this.#add(page.outcomes);
      this.#cursor = page.next_cursor ?? null;
      this.#problem = null;
      // The button goes away with the last page: the keyboard's place moves on to what it brought.
      if (!this.#cursor && this.#root.activeElement === this.#ui.more) added[0]?.summary.focus();
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(error);
    }
    this.#fetchingMore = null;
    this.#render();
  }

  // ---- choosing

  /** Which outcomes are listed: of a period that is over, only what was recorded in it. */
  get #filter() {
    const { from, to, isLast } = this.#span;
    const [first, end] = isLast ? ["", ""] : [from, to].map((instant) => instant.toISOString());
    return { outcomeType: this.#ui.type.value, agentId: this.#ui.agent.value, from: first, to: end };
  }

  /** What can be downloaded: all that was recorded in the period, not only what is listed already. */
  get #file() {
    const { from, to, isLast } = this.#span;
    const { outcomeType, agentId } = this.#filter;
    const until = isLast ? null : to.toISOString();
    return {
      url: this.#url("/export", { format: "csv", outcomeType, agentId, from: from.toISOString(), to: until }),
      from,
      to: isLast ? new Date() : to,
      name: `outcomes_${isoDay.format(from)}_${isoDay.format(midnight(-1, to))}.csv`,
    };
  }

  get #filtered() {
    return Object.values(this.#filter).some(Boolean);
  }

  /** What is shown of time. */
  get #span() {
    return /** @type {NonNullable<ReturnType<typeof span>>} */ (span(this.#period));
  }

  /** @param {string} period */
  #choosePeriod(period) {
    const isListed = this.#span.isLast && PERIODS.has(period);
    this.#period = period;
    this.#closeRange();
    if (isListed) {
      this.#writeAddress();
      void this.#refresh();
    } else this.#filterChanged();
  }

  /** Asks for the first and the last day, at first those that are shown. */
  #askRange() {
    const { range, custom, first, last } = this.#ui;
    if (!range.hidden) return this.#closeRange();
    const { from, to } = this.#span;
    first.value = isoDay.format(from);
    last.value = isoDay.format(midnight(-1, to));
    range.hidden = false;
    custom.ariaExpanded = "true";
    first.focus();
  }

  #closeRange() {
    const { range, custom, rangeFault } = this.#ui;
    if (range.hidden) return;
    const hadFocus = range.matches(":focus-within");
    range.hidden = true;
    rangeFault.textContent = "";
    custom.ariaExpanded = "false";
    if (hadFocus) custom.focus();
  }

  /** @param {SubmitEvent} event */
  #chooseRange(event) {
    event.preventDefault();
    const { first, last, rangeFault } = this.#ui;
    const period = `${first.value}..${last.value}`;
    let fault = "";
    if (!first.value || !last.value) fault = "Give the first and the last day.";
    else if (first.value > last.value) fault = "The last day is before the first.";
    else if (!span(period)) fault = "At most ten years.";
    rangeFault.textContent = fault;
    if (!fault) this.#choosePeriod(period);
  }

  #filterChanged() {
    this.#fetchingMore?.abort();
    this.#fetchingMore = null;
    this.#rowsDue = true;
    this.#writeAddress();
    void this.#refresh();
  }

  // ---- the page's address, if it may be used

  /** Keeps what is chosen in the fragment, and whatever else is there. */
  #writeAddress() {
    if (!this.hasAttribute("url-state")) return;
    const address = new URL(location.href);
    const kept = new URLSearchParams(address.hash.slice(1));
    const chosen = {
      period: this.#period === this.#usual ? "" : this.#period,
      type: this.#ui.type.value,
      agent: this.#ui.agent.value,
      outcome: this.#linked,
    };
    for (const [name, value] of Object.entries(chosen)) {
      if (value) kept.set(name, value);
      else kept.delete(name);
    }
    address.hash = String(kept);
    if (address.href !== location.href) history.replaceState(history.state, "", address);
  }

  /** @returns whether it says something else than what is chosen */
  #readAddress() {
    if (!this.hasAttribute("url-state")) return false;
    const { type, agent } = this.#ui;
    const before = this.#sum;
    const kept = new URLSearchParams(location.hash.slice(1));
    const period = kept.get("period") ?? "";
    this.#period = span(period) ? period : this.#usual;
    type.value = kept.get("type") ?? "";
    type.selectedIndex = Math.max(0, type.selectedIndex);
    const id = Number(kept.get("agent"));
    if (Number.isSafeInteger(id) && id > 0) this.#offerAgent(id);
    agent.value = id > 0 ? String(id) : "";
    agent.selectedIndex = Math.max(0, agent.selectedIndex);
    const isOther = before !== this.#sum;
    if (isOther) this.#rowsDue = true;
    const linked = kept.get("outcome") || null;
    if (linked !== this.#linked) this.#linkDue = true;
    this.#linked = linked;
    return isOther || this.#linkDue;
  }

  #unlink() {
    this.#linked = null;
    this.#linkedRow = null;
    this.#ui.link.hidden = true;
    this.#writeAddress();
    this.#ui.heading.focus();
  }

  // ---- finding one's way in the rows

  /** Hides rows that do not say what is searched for. */
  #search() {
    const words = this.#ui.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of this.#rows.values()) {
      row.element.hidden = words.length > 0 && !row.says(words);
      if (!row.element.hidden) shown += 1;
    }
    this.#ui.found.textContent =
      words.length && this.#rows.size ? `${whole.format(shown)} of ${outcomes(this.#rows.size)} that are loaded` : "";
  }

  /** Goes from row to row by the arrows, Home and End. @param {KeyboardEvent} event */
  #walk(event) {
    const rows = [...this.#ui.rows.querySelectorAll("summary")].filter((row) => row.checkVisibility());
    const at = rows.indexOf(/** @type {HTMLElement} */ (event.target));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    rows[to]?.focus();
  }

  // ---- names of agents

  get agentName() {
    return this.#named;
  }

  set agentName(named) {
    this.#named = named;
    this.#rename();
  }

  /** @param {string | null} text */
  #readNames(text) {
    try {
      this.#names = JSON.parse(text ?? "{}") ?? {};
    } catch {
      this.#names = {};
    }
    this.#rename();
  }

  #rename() {
    for (const option of [...this.#ui.agent.options].slice(1)) option.text = this.#house.agent(Number(option.value));
    for (const row of this.#rows.values()) row.redraw();
    this.#linkedRow?.redraw();
    this.#search();
    if (this.#summed === this.#sum) this.#showSummary();
  }

  // ---- keeping

  /**
   * What a row has of the feed that it is in.
   * @type {House}
   */
  #house = {
    url: (path) => this.#url(path, {}),
    agent: (id) => (id === null ? "No agent" : String(this.#named?.(id) || this.#names[id] || `Agent ${id}`)),
    link: (id) => {
      if (!this.hasAttribute("url-state")) return null;
      const kept = new URLSearchParams(location.hash.slice(1));
      kept.set("outcome", id);
      const address = new URL(location.href);
      address.hash = String(kept);
      return address.href;
    },
    moved: (outcome) => {
      const { id, version } = outcome;
      // It may be in two places.
      this.#rows.get(id)?.show(outcome);
      if (id === this.#linked) this.#linkedRow?.show(outcome);
      this.#seen.set(id, version);
      this.#news += 1;
      void this.#refresh();
    },
    signedOut: (problem) => {
      this.#failed(problem);
      this.#render();
      this.#ui.heading.focus();
    },
  };

  /** Everything about whoever was signed in. */
  #forget() {
    this.#download.stop();
    this.#watching = false;
    this.#newest = null;
    this.#floor = "";
    this.#seen.clear();
    this.#clearRows();
    this.#rowsDue = true;
    this.#news += 1;
    this.#patience = 0;
    this.#summed = "";
    this.#summary = null;
    this.#summarized = "";
    this.#cost = null;
    this.#costed = "";
    this.#linkedRow = null;
    this.#linkDue = this.#linked !== null;
    this.#ui.search.value = "";
    this.#ui.link.hidden = true;
    this.#ui.linkedRows.replaceChildren();
    const { total, caption, changes, standing, place, table, types, agents, parts, daily, agent } = this.#ui;
    for (const element of [total, caption, changes, standing, place, table, types, agents]) element.replaceChildren();
    daily.hidden = true;
    parts.hidden = true;
    for (const option of [...agent.options].slice(1)) if (!option.selected) option.remove();
  }

  #clearRows() {
    this.#fetchingMore?.abort();
    this.#fetchingMore = null;
    this.#rows.clear();
    this.#ui.rows.replaceChildren();
    this.#cursor = null;
  }

  /**
   * Puts outcomes that are not shown yet in their places, newest first.
   * @param {Outcome[]} found
   * @returns their rows
   */
  #add(found) {
    /** @type {Row[]} */
    const added = [];
    for (const outcome of found) {
      if (this.#rows.has(outcome.id)) continue;
      const order = `${outcome.created_at}#${outcome.id}`; // the order of the API
      const row = new Row(outcome, this.#house);
      const { element } = row;
      // New ones belong near the top and further pages at the end, so this looks at few rows.
      const later = /** @type {HTMLLIElement[]} */ ([...this.#ui.rows.children]);
      /** @param {HTMLLIElement} other */
      const older = (other) => String(other.dataset.order) < order;
      const next = later.slice(-1).some(older) ? later.find(older) : null;
      element.dataset.order = order;
      this.#ui.rows.insertBefore(element, next ?? null);
      this.#rows.set(outcome.id, row);
      this.#offerAgent(outcome.agent_id);
      added.push(row);
    }
    this.#search();
    return added;
  }

  /** @param {number | null} id */
  #offerAgent(id) {
    const { agent } = this.#ui;
    if (id === null) return;
    const others = [...agent.options].slice(1);
    if (others.some((option) => option.value === String(id))) return;
    agent.insertBefore(
      html("option", { value: id }, this.#house.agent(id)),
      others.find((option) => Number(option.value) > id) ?? null,
    );
  }

  // ---- showing

  #showSummary() {
    const summary = /** @type {Summary} */ (this.#summary);
    const { total, caption, changes, standing, place, table, figuresOf, daily, parts, types } = this.#ui;
    const { statement, type, agent } = this.#ui;
    const { from, to, name, before, isLast } = this.#span;
    const [unit, bars] = buckets(summary);
    total.replaceChildren(headline(summary.value_usd));
    const chosen = [type, agent].flatMap((select) => (select.value ? [select.selectedOptions[0].text] : []));
    caption.textContent = [`${outcomes(summary.count)}${isLast ? " in " : ", "}${name}`, ...chosen].join(" · ");
    changes.replaceChildren(...change(summary, before));
    standing.replaceChildren(...standingSums(summary));
    const valued = bars.some((bar) => Number(decimal(bar.value_usd)) !== 0);
    place.replaceChildren(...(valued ? [chart(bars, unit, name)] : []));
    table.replaceChildren(figures(bars, unit));
    table.ariaLabel = unit.figures;
    figuresOf.textContent = unit.figures;
    daily.hidden = summary.count === 0;
    parts.hidden = summary.by_type.length === 0;
    types.replaceChildren(
      ...split(summary.by_type, ({ outcome_type: of }) => [typeName(of), TYPES.get(of)?.[1] ?? OTHER_ICON]),
    );
    statement.textContent = `${localDay.formatRange(from, midnight(-1, to))} · as of ${asOf.format(new Date())}`;
    for (const { agent_id: id } of summary.by_agent ?? []) this.#offerAgent(id);
    this.#showCost();
  }

  /** Shows what it cost, also by agent, beside what was delivered. */
  #showCost() {
    const { byAgent, agents, balance, cost, net, ratio } = this.#ui;
    const summary = this.#summarized === this.#scope ? this.#summary : null;
    const spent = this.#cost?.cost_usd ?? null;
    balance.hidden = !this.hasAttribute("cost-endpoint");
    cost.replaceChildren(amount(spent));
    net.replaceChildren(amount(summary && spent !== null ? minus(summary.value_usd, spent) : null));
    const over = summary && spent !== null ? Number(decimal(summary.value_usd)) / Number(decimal(spent)) : Number.NaN;
    ratio.replaceChildren(Number.isFinite(over) ? `${times.format(over)}×` : amount(null));
    if (!summary) return;
    const byAgents = summary.by_agent ?? [];
    const isByAgents = byAgents.some(({ agent_id }) => agent_id !== null);
    byAgent.hidden = !isByAgents;
    const costs = new Map(this.#cost?.by_agent?.map((one) => [one.agent_id, one.cost_usd]));
    const shares = split(isByAgents ? mostAgents(byAgents, summary.other_agents) : [], (part) => {
      if ("agents" in part) return [`${whole.format(part.agents)} other agents`, AGENT_ICON];
      const its = costs.get(part.agent_id);
      return [
        this.#house.agent(part.agent_id),
        AGENT_ICON,
        isNumber(its) ? ` · cost ${cents.format(decimal(its))}` : "",
      ];
    });
    agents.replaceChildren(...shares);
  }

  #tellTime() {
    for (const time of /** @type {NodeListOf<HTMLTimeElement>} */ (this.#ui.card.querySelectorAll("time.ago")))
      time.textContent = ago(time.dateTime);
  }

  /** @returns {Lack | "ready"} */
  get #state() {
    if (this.#problem && (this.#problem.kind === "signed-out" || !this.#watching)) return this.#problem.kind;
    if (!this.#watching) return "loading";
    return this.#newest || this.#linked ? "ready" : "empty";
  }

  #render() {
    const { custom, changes, latest, statement, listed, found } = this.#ui;
    const { card, notice, says, periods, rows, none, more, total, caption, adding, standing, place, heading } =
      this.#ui;
    const state = this.#state;
    // Beside a feed that could be read before, what is wrong now is a banner.
    const banner = state === "ready" || state === "empty" ? this.#problem?.kind : undefined;
    const told = banner ?? (state === "ready" ? null : state);

    card.dataset.state = state;
    card.dataset.banner = banner ?? "";
    card.ariaBusy = String(state === "loading");
    for (const button of periods) button.ariaPressed = String(button.value === this.#period);
    custom.ariaPressed = String(!PERIODS.has(this.#period));
    const { isLast, name } = this.#span;
    latest.textContent = isLast ? "Latest outcomes" : `Recorded ${name}`;
    this.#download.button.title = `What was recorded${isLast ? " in" : ""} ${name}, as CSV`;
    this.#tellTime();

    if (!this.#summed) {
      total.replaceChildren("–");
      if (this.#patience) caption.textContent = "";
      else caption.textContent = this.#busy ? "Adding up…" : "Totals are not available right now.";
      standing.replaceChildren();
      changes.replaceChildren();
      statement.textContent = "";
      this.#showCost();
    }
    const words = this.#patience ? "Still adding up…" : "";
    if (adding.textContent !== words) adding.textContent = words;
    place.classList.toggle("awaited", !this.#summed && (this.#busy || this.#patience > 0));
    rows.ariaBusy = String(this.#rowsDue);
    none.hidden = [...this.#rows.values()].some(({ element }) => !element.hidden);
    if (found.textContent) none.textContent = "Nothing that is loaded says so.";
    else if (this.#rowsDue) none.textContent = this.#busy ? "Looking…" : "Not loaded yet.";
    else if (this.#cursor) none.textContent = "No match among the latest outcomes.";
    else if (this.#span.isLast || this.#ui.type.value || this.#ui.agent.value)
      none.textContent = "No outcome matches this filter.";
    else none.textContent = "Nothing was recorded in this time.";
    more.hidden = !this.#cursor;
    listed.textContent = this.#cursor ? "There are more than those that are listed." : "";
    more.textContent = this.#fetchingMore ? "Loading…" : this.#rows.size ? "Load more" : "Look further back";
    more.ariaDisabled = String(Boolean(this.#fetchingMore));

    // Rewritten only when there is something else to say, so that it is announced once and keeps the keyboard's place.
    const signIn = told === "signed-out" && this.getAttribute("sign-in-url");
    const key = `${told} ${banner && "banner"} ${this.#problem?.message ?? ""} ${signIn}`;
    if (notice.dataset.key === key) return;
    notice.dataset.key = key;
    const hadFocus = notice.contains(this.#root.activeElement);
    says.replaceChildren(...(told ? this.#words(told, banner) : []));
    notice.replaceChildren(says);
    const path = told && STATE_ICONS[told];
    if (path) notice.prepend(html("span", { class: "icon" }, icon(path)));
    const ways = [];
    if (signIn) ways.push(html("a", { href: signIn }, "Sign in"));
    if (told === "signed-out" || told === "offline" || told === "error") {
      const words = signIn ? "Check again" : "Try again";
      ways.push(html("button", { type: "button", click: () => void this.#refresh() }, words));
    }
    notice.append(...ways);
    if (hadFocus) (ways[0] ?? heading).focus();
  }

  /**
   * @param {Lack} told
   * @param {Lack | undefined} banner
   */
  #words(told, banner) {
    let [title, text] = WORDS[told];
    if (this.#problem?.message) text = `${this.#problem.message} ${text}`;
    if (banner === "error") title = "This may be out of date";
    return [html("strong", {}, title), " ", html("span", {}, text)];
  }
}

// ---------------------------------------------------------------- styles

const STYLES = new CSSStyleSheet();
STYLES.replaceSync(`
:host {
  display: block; container-type: inline-size; contain-intrinsic-inline-size: 44rem;
  /* Follows the viewer's preference; a page with one look says value-delivered { color-scheme: light } */
  color-scheme: light dark;

  /* Theme: a page sets --value-delivered-*; what it does not set is this. */
  --accent: var(--value-delivered-accent, light-dark(#0a7558, #4fd3a4));
  --text: var(--value-delivered-text, light-dark(#12171d, #eceff3));
  --muted: var(--value-delivered-muted, light-dark(#59636f, #9ba6b3));
  --surface: var(--value-delivered-surface, light-dark(#ffffff, #14191f));
  --line: var(--value-delivered-line, light-dark(#e4e8ec, #2a323b));
  --danger: var(--value-delivered-danger, light-dark(#b3261e, #ff9c92));
  --radius: var(--value-delivered-radius, 16px);
  --tint: color-mix(in oklab, var(--accent) 11%, var(--surface));
  font-family: var(--value-delivered-font, inherit);
}
:host([hidden]) { display: none }
* { box-sizing: border-box; margin: 0; padding: 0 }
[hidden] { display: none !important }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }

.card {
  position: relative; overflow: clip; padding: 2rem; border: 1px solid var(--line); border-radius: var(--radius);
  background: var(--surface); color: var(--text); font-size: .9375rem; line-height: 1.5; text-align: start;
  overflow-wrap: anywhere;
}
h2 { font-size: .9375rem; font-weight: 600; outline: 0 }
h3 { font-size: 1.0625rem; font-weight: 600; letter-spacing: -.01em }
small { font: inherit }
ul, ol { list-style: none }
svg { fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round }
.caption, .change, .standing, .meta, .count, dt, .dates, .scale, th { color: var(--muted) }
.amount, table, .scale { font-variant-numeric: tabular-nums }
.amount { font-weight: 600; white-space: nowrap }
.none { color: var(--muted); font-weight: 400 }

button, select, input, textarea { font: inherit; color: inherit; border: 1px solid var(--line); border-radius: 999px; background: var(--surface) }
button, select { cursor: pointer }
button { padding: .375rem 1rem; font-weight: 500 }
button:hover, select:hover { border-color: color-mix(in oklab, var(--muted) 60%, var(--line)) }
button[aria-disabled=true] { color: var(--muted); cursor: default }
a { color: var(--accent); font-weight: 600; text-underline-offset: .2em }
:is(button, select, input, textarea, summary, a, .scroll):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }

header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .75rem }
.periods { display: flex; padding: 3px; border-radius: 999px; background: color-mix(in oklab, var(--muted) 12%, var(--surface)) }
.periods button { padding: .25rem .875rem; white-space: nowrap; border-color: transparent; background: none; font-size: .8125rem; color: color-mix(in oklab, var(--muted) 60%, var(--text)) }
.range { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem; inline-size: 100%; max-inline-size: none; margin: 0 }
.range label { display: flex; align-items: center; gap: .5rem } .range :is(input, button) { padding-block: .25rem; font-size: .8125rem; font-weight: 400 }
.range .fault:empty { display: none }
.periods [aria-pressed=true] { background: light-dark(var(--surface), color-mix(in oklab, var(--muted) 32%, var(--surface))); color: var(--text); box-shadow: 0 1px 2px #0003 }

.total { margin-block-start: 1.25rem; font-size: clamp(2.25rem, 8cqi, 3.5rem); font-weight: 650; line-height: 1.1; letter-spacing: -.035em }
.total small { font-size: .6em; letter-spacing: -.02em; color: var(--muted) }
.total + .caption { margin-block-start: .25rem }

.chart { display: grid; grid-template: 10rem auto / 1fr auto; gap: .5rem .75rem; margin-block-start: 1.75rem }
.awaited { min-block-size: 13.375rem } /* the chart's, so that the rows stay where they are */
.scale { grid-area: 1 / 2; display: flex; flex-direction: column; justify-content: space-between; margin-block: -.75em; font-size: .75rem; text-align: end }
.plot { grid-area: 1 / 1; position: relative; direction: ltr; touch-action: pan-y }
.plot svg { display: block; inline-size: 100%; block-size: 100%; overflow: visible }
.grid { stroke: var(--line); stroke-width: 1; shape-rendering: crispEdges }
.bar { fill: var(--accent); stroke: none; transition: opacity .15s }
.zero { fill: color-mix(in oklab, var(--muted) 45%, var(--surface)) }
.plot:hover .bar:not(.pointed) { opacity: .45 }
.dates { grid-area: 2 / 1; display: flex; justify-content: space-between; font-size: .75rem; direction: ltr }
.tip {
  position: absolute; inset-block-end: calc(100% - 1.25rem); z-index: 1; translate: -50%; display: grid; padding: .375rem .75rem; pointer-events: none;
  border-radius: .5rem; background: var(--text); color: var(--surface); font-size: .75rem; line-height: 1.4; white-space: nowrap;
}

summary { cursor: pointer; list-style: none; border-radius: .5rem }
summary::-webkit-details-marker { display: none }
.daily { margin-block-start: .5rem; font-size: .8125rem }
.daily > summary { inline-size: fit-content; color: var(--muted); text-decoration: underline; text-decoration-color: var(--line); text-underline-offset: .25em }
.daily > summary:hover { color: var(--text) }
.scroll { max-block-size: 16rem; overflow: auto; margin-block-start: .75rem; border: 1px solid var(--line); border-radius: .75rem }
table { inline-size: 100%; border-collapse: collapse }
th, td { padding: .375rem .875rem; text-align: end; font-weight: 400 }
th:first-child { text-align: start }
thead th { position: sticky; inset-block-start: 0; background: var(--surface); border-block-end: 1px solid var(--line) }

.parts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: 1.75rem 2.5rem; margin-block-start: 1.75rem; padding-block-start: 1.75rem; border-block-start: 1px solid var(--line) }
.split { display: grid; gap: .75rem; margin-block-start: 1rem }
.split li { display: grid; grid-template-columns: auto 1fr auto; align-items: center; gap: .25rem .5rem; font-size: .875rem }
.split .icon { color: var(--muted); line-height: 0 }
.split svg { inline-size: 1.125rem }
.share { grid-column: 1 / -1; block-size: 4px; border-radius: 4px; background: color-mix(in oklab, var(--muted) 16%, var(--surface)); overflow: hidden }
.share i { display: block; block-size: 100%; border-radius: 4px; background: var(--accent) }
.count { grid-column: 1 / -1; font-size: .8125rem }

.feed { margin-block-start: 2rem; padding-block-start: 1.75rem; border-block-start: 1px solid var(--line) }
.top, .filters { display: flex; flex-wrap: wrap; gap: .5rem }
.top { align-items: center; margin-block-end: .75rem } .top h3 { margin-inline-end: auto }
.download { display: flex; align-items: center; gap: .75rem } .download button { font-size: .8125rem; white-space: nowrap } .download .fault:empty { margin-inline-end: -.75rem }
progress { inline-size: 6rem; accent-color: var(--accent) }
input { padding: .3125rem .75rem }
.filters { inline-size: 100% }
select { max-inline-size: 100%; padding: .3125rem .75rem; font-size: .8125rem; field-sizing: content }
.rows > li + li { border-block-start: 1px solid var(--line) }
.rows summary { display: grid; grid-template-columns: auto 1fr auto auto; align-items: center; gap: .875rem; margin-inline: -.75rem; padding: .875rem .75rem }
.rows summary::after { content: ""; inline-size: .4375rem; aspect-ratio: 1; border: solid var(--muted); border-width: 0 1.5px 1.5px 0; rotate: 45deg; translate: 0 -2px; transition: rotate .15s }
.rows [open] > summary::after { rotate: 225deg; translate: 0 1px }
.rows summary:hover { background: color-mix(in oklab, var(--muted) 7%, var(--surface)) }
.rows .icon, .notice .icon { display: grid; place-items: center; inline-size: 2.375rem; aspect-ratio: 1; border-radius: .75rem; background: var(--tint); color: var(--accent) }
.rows .icon svg { inline-size: 1.25rem }
.what { min-inline-size: 0 }
strong { font-weight: 600 }
.what strong { display: block; font-weight: 500; text-align: match-parent; line-height: 1.4 }
.meta { font-size: .8125rem } .meta > * { display: inline-block }
.details { margin-inline-start: 3.25rem; padding-block: .25rem 1.25rem; font-size: .875rem }
.description { margin-block-end: .75rem; white-space: pre-wrap; max-inline-size: 65ch }
dl { display: grid; gap: .25rem; font-size: .8125rem }
dl > div { display: grid; grid-template-columns: 9rem 1fr; gap: 1rem }
dd { white-space: pre-wrap }
:is([data-standing=disputed], [data-standing=void]) summary :is(.amount, strong) { color: var(--muted) }
[data-standing=void] summary :is(.amount, strong) { text-decoration: line-through }
.tag { font-weight: 600 } [data-standing=confirmed] .tag { color: var(--accent) } [data-standing=disputed] .tag, .fault { color: var(--danger) }
.word, .past { margin-block-start: 1.25rem }
.buttons { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; margin-block-start: .75rem }
.word button, .past button { font-size: .8125rem }
.word [aria-pressed=true] { border-color: var(--accent); background: var(--tint) }
.word .no[aria-pressed=true] { border-color: var(--danger); background: color-mix(in oklab, var(--danger) 10%, var(--surface)) }
.help { color: var(--muted); font-size: .8125rem }
form { margin-block-start: .75rem; max-inline-size: 34rem } label { font-size: .8125rem; font-weight: 600 }
textarea { display: block; inline-size: 100%; margin-block: .25rem; padding: .5rem .75rem; border-color: color-mix(in oklab, var(--muted) 75%, var(--surface)); border-radius: .5rem; resize: vertical }
.fault { font-size: .8125rem; font-weight: 500 }
h4 { font-size: .8125rem; font-weight: 600 }
.past ol { display: grid; gap: .625rem; margin-block-start: .5rem; padding-inline-start: .875rem; border-inline-start: 2px solid var(--line); font-size: .8125rem }
.past time, .past dt { color: var(--muted) }
.past q { display: block; white-space: pre-wrap }
.past dl { margin-block-start: .25rem }
.word .help { margin-block-start: .5rem }
.untaken:has(.fault:empty) { margin: 0 }
del { color: var(--muted) } ins { text-decoration: none }
.new { animation: arrive 2.5s ease-out }
@keyframes arrive { from { background: var(--tint) } }
.link { margin-block-end: 2rem }
.top input { flex: 0 1 15rem; min-inline-size: 0; padding: .3125rem .75rem; font-size: .8125rem }
.balance { grid-auto-flow: column; inline-size: fit-content; gap: 2.5rem; margin-block-start: 1rem }
.balance > div { display: block } .balance dd { font-size: 1.0625rem; font-weight: 600; font-variant-numeric: tabular-nums }
.paper { display: none }
.none-found { padding-block: 1.5rem; text-align: center }
.more { display: block; margin: 1rem auto 0 }

.notice { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 1rem }
.notice svg { inline-size: 1.5rem }
.notice p { flex: 1 1 16rem }
.notice p span { color: var(--muted) }
.card:not([data-banner=""]) .notice { margin-block-start: 1.25rem; padding: .75rem 1rem; border-radius: .75rem; background: color-mix(in oklab, var(--muted) 9%, var(--surface)); font-size: .875rem }
.card:not([data-state=ready]) :is(.body, .periods, .range, .filters) { display: none }
.card[data-state=ready][data-banner=""] .notice { gap: 0 }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice { flex-direction: column; justify-content: center; min-block-size: 20rem; padding: 2rem; text-align: center }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice p { flex: none; max-inline-size: 26rem }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice strong { display: block; margin-block-end: .25rem; font-size: 1.125rem }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice .icon { inline-size: 3.5rem; border-radius: 50% }
.skeleton { display: none }
.card[data-state=loading] .skeleton { display: grid; gap: 1rem; margin-block: 1rem }
.skeleton i { block-size: 2.375rem; border-radius: .75rem; background: color-mix(in oklab, var(--muted) 12%, var(--surface)); animation: breathe 1.6s ease-in-out infinite alternate }
.skeleton i:first-child { inline-size: 45%; block-size: 3.25rem }
@keyframes breathe { to { opacity: .45 } }

@container (inline-size < 34rem) {
  .card { padding: 1.25rem }
  .periods { flex: 1 } .periods button { flex: 1; padding-inline: .25rem }
  .filters select { flex: 1 }
  .chart { grid-template-rows: 8rem auto }
  .awaited { min-block-size: 11.375rem }
  .rows summary { gap: .125rem .75rem; align-items: start }
  .rows summary::after { margin-block-start: .375rem }
  /* What it is and when has a line of its own, as wide as the row. */
  .what { display: contents }
  .rows .icon { grid-row: 1 / 3 }
  .meta { grid-area: 2 / 2 / auto / -1; font-size: .75rem }
  .details { margin-inline-start: 0; padding-block-start: .75rem }
  dl > div { grid-template-columns: 5.5rem 1fr }
  .balance { gap: 1.25rem } .top input { flex: 1 1 10rem } #latest { flex: 1 0 100% }
}
@media print {
  :host {
    color-scheme: light !important;
    --text: #000; --muted: #555; --surface: #fff; --line: #ccc;
  }
  .card { padding: 0; border: 0; border-radius: 0; overflow: visible; font-size: 10pt; print-color-adjust: exact }
  .periods, .range, .filters, .notice, .skeleton, .link, .more, .top input, .download, .word, .buttons, .tip, .daily:not([open]), .rows summary::after { display: none !important }
  .paper { display: block }
  .ago { font-size: 0 } .ago::after { content: attr(data-day); font-size: 8.5pt }
  .scroll { max-block-size: none; overflow: visible }
  .chart { grid-template-rows: 6rem auto }
  .rows summary { padding-block: .375rem }
  li, tr, .chart, .details { break-inside: avoid }
  h3, .total { break-after: avoid }
  .total { font-size: 24pt }
}
@media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation: none !important; transition: none !important } }
@media (forced-colors: active) { .bar, .share i { forced-color-adjust: none; fill: CanvasText; background: CanvasText } }
`);

if (!customElements.get("value-delivered")) customElements.define("value-delivered", ValueDelivered);
