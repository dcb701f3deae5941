/**
 * <outcome-keys endpoint="/api/keys">: the keys by which a user's agents record outcomes: make, rotate, revoke.
 *
 *   <script type="module" src="/outcome-keys.js"></script>
 *   <outcome-keys endpoint="/api/keys"></outcome-keys>
 *
 * Attributes
 *   endpoint     where keys are listed and made. Required.
 *   sign-in-url  where a signed-out viewer is sent; without it they are only told.
 *
 * A key's secret is shown once, when it is made or rotated, and forgotten with the press of a button. The looks are those
 * of <value-delivered>: a page that sets --value-delivered-* themes both.
 */

/**
 * What the API answers.
 * @typedef {{id: string, user_id: number, name: string, agent_id: number | null, outcome_types: string[] | null,
 *   max_value_usd: string | null, scopes: string[], created_at: string, expires_at: string | null,
 *   last_used_at: string | null, made_by?: string | null, rotated_by?: string | null, rotated_at?: string | null}} Key
 * @typedef {Key & {key: string}} NewKey
 */

const TIMEOUT_MS = 20_000;
const HOUR_MS = 3_600_000;
const LONGEST_NAME = 80;

/** Maps, for a name that came over the wire may be one that every object has. */
const TYPES = new Map([
  ["deal_closed", "Deal closed"],
  ["negotiation_complete", "Negotiation complete"],
  ["amplification_complete", "Amplification complete"],
  ["broadcast_complete", "Broadcast complete"],
  ["task_complete", "Task complete"],
  ["content_published", "Content published"],
]);
/** @type {Map<string, [verb: string, meaning: string]>} */
const SCOPES = new Map([
  ["record", ["record", "Record outcomes as they happen."]],
  ["read", ["read", "Read your outcomes and totals, for an assistant."]],
  ["correct", ["correct", "Correct outcomes that were recorded before."]],
  ["backfill", ["backfill", "Record outcomes late, as of an earlier day."]],
]);
/** Whoever manages keys, in words. */
const BY = new Map([
  ["session", " by you"],
  ["platform", " by the platform"],
]);
/** Hours for which a secret outlives its successor. */
const OVERLAPS = new Map([
  ["0", "Not at all: it stops at once"],
  ["1", "One hour"],
  ["24", "One day"],
  ["72", "Three days"],
  ["168", "One week"],
]);

// ---------------------------------------------------------------- the API

/** @typedef {"loading" | "empty" | "signed-out" | "offline" | "error" | "unset"} Lack why there are no keys to show */

/** Why nothing could be read or changed; the message is for the viewer. */
class Problem extends Error {
  /** HTTP, 0 without an answer */
  status = 0;
  /** @type {{field: string, message: string}[]} what is wrong with which field */
  details = [];
  /** Whether what was asked for may have happened all the same */
  unsure = false;

  /**
   * @param {Lack} kind
   * @param {string} message
   */
  constructor(kind, message = "") {
    super(message);
    this.kind = kind;
  }
}

const unclear = () => {
  const problem = new Problem("error", "The server’s answer could not be understood.");
  problem.unsure = true;
  return problem;
};

// Newer than the types that the type checker brings.
const { rawJSON } = /** @type {{rawJSON?: (text: string) => unknown}} */ (JSON);

/**
 * Reads JSON; `max_value_usd` keeps its digits, as text, where the engine gives a reviver the source (ECMAScript "JSON.parse
 * source text access"), and is the nearest double's elsewhere.
 * @param {string} text
 */
function parse(text) {
  /** @type {(key: string, value: unknown, context?: {source: string}) => unknown} */
  const exactly = (key, value, context) =>
    key === "max_value_usd" && typeof value === "number" ? (context?.source ?? String(value)) : value;
  return JSON.parse(text, exactly);
}

/**
 * Asks the API, and raises a Problem when it does not answer as asked; whatever fetch raises when `signal` is aborted.
 * @param {"GET" | "POST" | "DELETE"} method
 * @param {URL} url
 * @param {AbortSignal} signal
 * @param {Record<string, unknown>} [body]
 */
async function call(method, url, signal, body) {
  /** @type {Response} */
  let response;
  let text = "";
  try {
    response = await fetch(url, {
      method,
      credentials: "include",
      cache: "no-store",
      headers: { accept: "application/json", ...(body && { "content-type": "application/json" }) },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    text = await response.text();
  } catch (error) {
    if (signal.aborted) throw error;
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    const words = slow ? "The server took too long to answer." : "The server could not be reached.";
    const problem = navigator.onLine ? new Problem("error", words) : new Problem("offline", "You are offline.");
    problem.unsure = true;
    throw problem;
  }
  if (response.status === 401) throw new Problem("signed-out");
  let answer;
  try {
    answer = parse(text);
  } catch {
    if (response.ok) throw unclear();
  }
  if (response.ok) return answer;
  const said = typeof answer?.error === "string" ? `: ${answer.error}` : "";
  const problem = new Problem("error", `The server answered ${response.status}${said}.`);
  problem.status = response.status;
  problem.details = Array.isArray(answer?.details) ? answer.details : [];
  problem.unsure = response.status >= 500;
  throw problem;
}

/** @param {unknown} error */
const asProblem = (error) => (error instanceof Problem ? error : unclear());

/** @param {any} key */
function isKey(key) {
  const texts = [key.id, key.name].every((text) => typeof text === "string");
  return texts && Array.isArray(key.scopes) && Date.parse(key.created_at) > 0;
}

// ---------------------------------------------------------------- words and figures, as the viewer writes them

const dollars = new Intl.NumberFormat(undefined, { style: "currency", currency: "USD", maximumFractionDigits: 20 });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const exactTime = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
const elapsed = new Intl.RelativeTimeFormat(undefined, { numeric: "always" });
const all = new Intl.ListFormat("en", { type: "conjunction" }); // like the words around it
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const SPANS = [
  ["year", 31_557_600_000],
  ["month", 2_629_800_000],
  ["week", 604_800_000],
  ["day", 86_400_000],
  ["hour", HOUR_MS],
];

/**
 * When a key was last used, which is known to the hour.
 * @param {string} instant
 */
function ago(instant) {
  const milliseconds = Date.now() - Date.parse(instant);
  const span = SPANS.find(([, length]) => milliseconds >= length);
  return span ? elapsed.format(-Math.floor(milliseconds / span[1]), span[0]) : "within the hour";
}

/** @param {Key} key */
const hasExpired = (key) => key.expires_at !== null && Date.parse(key.expires_at) <= Date.now();

/**
 * What a key may do, each bound in words.
 * @param {Key} key
 */
function bounds(key) {
  const verbs = key.scopes.map((scope) => SCOPES.get(scope)?.[0] ?? scope);
  const types = key.outcome_types?.map((type) => TYPES.get(type) ?? type.replaceAll("_", " "));
  const most = /** @type {Intl.StringNumericLiteral | null} */ (key.max_value_usd);
  return [
    `May ${all.format(verbs)}`,
    key.agent_id === null ? "for any agent" : `for agent ${key.agent_id} only`,
    types ? `only ${all.format(types)}` : "outcomes of any type",
    most === null ? "of any value" : `up to ${dollars.format(most)} each`,
  ].join(" · ");
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

/** @param {string} path */
function icon(path) {
  const [svg, shape] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  furnish(svg, { viewBox: "0 0 24 24", "aria-hidden": "true" }, [furnish(shape, { d: path }, [])]);
  return html("span", { class: "icon" }, svg);
}

/**
 * @param {string} words
 * @param {(event: Event) => void} click
 * @param {Attributes} attributes
 */
const button = (words, click, attributes = {}) => html("button", { type: "button", click, ...attributes }, words);

/**
 * One question of a form: its controls, what the answer means, and a place for what is wrong with it.
 * @typedef {{name: string, label: string, element: HTMLElement, fault: HTMLElement,
 *   controls: (HTMLInputElement | HTMLSelectElement)[]}} Field
 */

let fields = 0;

/**
 * @param {string} name of the API
 * @param {string} label
 * @param {string} help
 * @param {HTMLInputElement | HTMLSelectElement} control
 * @returns {Field}
 */
function field(name, label, help, control) {
  fields += 1;
  const id = `field-${fields}`;
  const fault = html("p", { class: "fault", id: `${id}-fault`, hidden: true });
  furnish(control, { id, "aria-describedby": `${id}-fault ${id}-help` }, []);
  const about = html("p", { class: "help", id: `${id}-help` }, help);
  const element = html("div", { class: "field" }, html("label", { for: id }, label), control, fault, about);
  return { name, label, element, fault, controls: [control] };
}

/**
 * A question with several answers.
 * @param {string} name of the API
 * @param {string} label
 * @param {string} help
 * @param {[value: string, words: string, ticked: boolean][]} choices
 * @returns {Field}
 */
function choice(name, label, help, choices) {
  fields += 1;
  const id = `field-${fields}`;
  const fault = html("p", { class: "fault", id: `${id}-fault`, hidden: true });
  const about = html("p", { class: "help", id: `${id}-help` }, help);
  const boxes = choices.map(([value, , checked]) => html("input", { type: "checkbox", value, checked }));
  const element = html(
    "fieldset",
    { class: "field", "aria-describedby": `${id}-fault ${id}-help` },
    html("legend", {}, label),
    html("div", { class: "boxes" }, ...choices.map(([, words], at) => html("label", {}, boxes[at], words))),
    fault,
    about,
  );
  return { name, label, element, fault, controls: boxes };
}

/** @param {Field} field */
const ticked = ({ controls }) =>
  controls.filter((box) => box instanceof HTMLInputElement && box.checked).map(({ value }) => value);

/**
 * Shows what is wrong with a field, or nothing any more.
 * @param {Field} field
 * @param {string} message
 */
function tell({ fault, controls }, message) {
  fault.textContent = message;
  fault.hidden = !message;
  for (const control of controls) control.ariaInvalid = message ? "true" : null;
}

/** The last second of a day of the viewer's, given as yyyy-mm-dd. @param {string} date */
function endOf(date) {
  const [year, month, number] = date.split("-").map(Number);
  return new Date(year, month - 1, number, 23, 59, 59).toISOString();
}

/** Today as yyyy-mm-dd, where the viewer is. */
function today() {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}

/**
 * A number as it was written, for JSON.
 * @param {string} text of a number input
 */
const exactNumber = (text) => (rawJSON && /^(0|[1-9]\d*)(\.\d+)?$/.test(text) ? rawJSON(text) : Number(text));

// ---------------------------------------------------------------- what is said when there are no keys to show

/** @type {Record<Lack, [title: string, text: string]>} */
const WORDS = {
  loading: ["Loading your agents’ keys", "One moment."],
  empty: [
    "No keys yet",
    "Make one for each agent. It can then record what you allow and nothing else, and you can take it back without stopping the others.",
  ],
  "signed-out": ["You are signed out", "Sign in to see your agents’ keys."],
  offline: ["You are offline", "Your keys are shown as soon as you are connected again."],
  error: ["The keys could not be loaded", ""],
  unset: ["No endpoint", 'Give this element its attribute endpoint, for example endpoint="/api/keys".'],
};
const KEY = "M12.5 15.5a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM11.3 12.7L20 4M16 8l3 3";
const WARNING = "M12 4L2.5 20h19zM12 10v4M12 17h.01";
/** @type {Partial<Record<Lack, string>>} */
const STATE_ICONS = {
  empty: KEY,
  "signed-out": "M10 4H5v16h5M15 8l4 4-4 4M9 12h10",
  offline: "M3 3l18 18M5 12a10 10 0 0 1 4-2.5M15 9.5a10 10 0 0 1 4 2.5M8.5 15.5a5 5 0 0 1 7 0M12 19h.01",
  error: WARNING,
  unset: WARNING,
};

// ---------------------------------------------------------------- the element

/**
 * A place for a panel: a form, or a secret to copy. While there is one, the buttons that lead to it are away.
 * @typedef {{panel: HTMLElement, buttons: HTMLElement}} Place
 * @typedef {Place & {key: Key, element: HTMLLIElement, text: HTMLElement, rotate: HTMLElement, revoke: HTMLElement}} Row
 */

class OutcomeKeys extends HTMLElement {
  static observedAttributes = ["endpoint", "sign-in-url"];

  // What is known.
  #known = false;
  /** @type {Map<string, Row>} by id */
  #rows = new Map();
  #changes = 0; // grows with each key made, rotated or revoked here
  #made = ""; // id of the key that was made here and whose secret is still shown
  /** @type {Problem | null} */
  #problem = null;

  // What is going on.
  /** @type {AbortController | null} aborted when the element leaves the page */
  #life = null;
  /** @type {AbortController | null} */
  #looking = null;

  #root = this.attachShadow({ mode: "open" });
  #ui = this.#build();

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [STYLES];
    this.#root.append(this.#ui.card);
  }

  /** Makes what is in the card, once; #render then only changes it. */
  #build() {
    const heading = html("h2", { id: "heading", tabindex: -1 }, "Agent keys");
    const make = button("New key", () => this.#askForNew(), { class: "main" });
    const making = {
      buttons: html("div", { class: "buttons" }, make),
      panel: html("div", { class: "panel", hidden: true }),
    };
    const says = html("p", { role: "status" });
    const notice = html("div", { class: "notice" }, says);
    const rows = html("ol", { class: "rows", role: "list" });
    const live = html("p", { class: "help live", role: "status" });
    const card = html(
      "section",
      { class: "card", "aria-labelledby": "heading" },
      html("header", {}, heading, making.buttons),
      live,
      making.panel,
      notice,
      rows,
    );
    return { card, heading, make, making, live, says, notice, rows };
  }

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    const look = () => void this.#look();
    // Whoever comes back to the tab may have used a key meanwhile, or be signed in as somebody else.
    document.addEventListener("visibilitychange", () => document.hidden || look(), { signal });
    addEventListener("online", look, { signal });
    look();
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.#life = null;
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    if (name === "endpoint") this.#forget();
    if (this.#life) void this.#look();
  }

  // ---- looking

  /** Reads the keys: at first, on return to the tab, on retry, and when it is not known what came of a change. */
  async #look() {
    this.#looking?.abort();
    if (!this.#life) return;
    this.#looking = new AbortController();
    const signal = AbortSignal.any([this.#looking.signal, this.#life.signal]);
    this.#render();
    try {
      if (!this.getAttribute("endpoint")) throw new Problem("unset");
      const keys = await this.#list(signal);
      if (signal.aborted) return;
      this.#problem = null;
      this.#show(keys);
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(asProblem(error));
    }
    this.#render();
  }

  /**
   * Lists the keys as they are, whatever is changed meanwhile.
   * @param {AbortSignal} signal
   */
  async #list(signal) {
    for (;;) {
      const changes = this.#changes;
      /** @type {{keys: Key[]}} */
      const { keys } = await call("GET", this.#url(), signal);
      if (!keys.every(isKey)) throw unclear();
      if (changes === this.#changes) return keys;
    }
  }

  /** @param {string[]} path below the endpoint */
  #url(...path) {
    const url = new URL(this.getAttribute("endpoint") ?? "", document.baseURI);
    url.pathname = [url.pathname.replace(/\/$/, ""), ...path.map(encodeURIComponent)].join("/");
    return url;
  }

  /** @param {Problem} problem */
  #failed(problem) {
    this.#problem = problem;
    if (problem.kind === "signed-out") this.#forget();
  }

  // ---- keeping

  /** Everything about whoever was signed in, a secret that is still shown included. */
  #forget() {
    this.#known = false;
    this.#rows.clear();
    this.#ui.rows.replaceChildren();
    this.#close(this.#ui.making);
  }

  /** @param {Key[]} keys all there are, newest first */
  #show(keys) {
    this.#known = true;
    const ids = new Set(keys.map(({ id }) => id));
    for (const id of this.#rows.keys()) if (!ids.has(id)) this.#remove(id);
    let before = this.#ui.rows.firstElementChild;
    for (const key of keys) {
      const row = this.#rows.get(key.id);
      if (row) this.#fill(row, key);
      // What stands in its place already is not moved, so that the keyboard's place stays where it is.
      if (row && row.element === before) before = before.nextElementSibling;
      else this.#ui.rows.insertBefore((row ?? this.#add(key)).element, before);
    }
  }

  /** @param {Key} key */
  #add(key) {
    const text = html("div", { class: "what" });
    const rotate = button("Rotate", () => this.#askToRotate(row), { "aria-label": `Rotate ${key.name}` });
    const revoke = button("Revoke", () => this.#askToRevoke(row), { "aria-label": `Revoke ${key.name}` });
    const buttons = html("div", { class: "buttons" }, rotate, revoke);
    const panel = html("div", { class: "panel", hidden: true });
    const element = html("li", {}, html("div", { class: "key" }, icon(KEY), text, buttons), panel);
    /** @type {Row} */
    const row = { key, element, text, buttons, panel, rotate, revoke };
    this.#rows.set(key.id, row);
    this.#fill(row, key);
    return row;
  }

  /**
   * @param {Row} row
   * @param {Key} key as it is now
   */
  #fill(row, key) {
    row.key = key;
    /**
     * @param {string} instant
     * @param {string} words
     */
    const time = (instant, words) =>
      html("time", { datetime: instant, title: exactTime.format(new Date(instant)) }, words);
    const { created_at: made, rotated_at: rotated, last_used_at: used, expires_at: end } = key;
    /**
     * @param {string} words
     * @param {string} instant
     * @param {string | null} [who]
     */
    const done = (words, instant, who) =>
      html("span", {}, words, time(instant, day.format(new Date(instant))), BY.get(who ?? "") ?? null);
    const facts = [
      done("Made ", made, key.made_by),
      ...(rotated ? [done("Rotated ", rotated, key.rotated_by)] : []),
      html("span", {}, used ? "Last used " : "Never used", used ? time(used, ago(used)) : null),
    ];
    if (end) {
      const expired = hasExpired(key);
      const words = expired ? "Expired " : "Until ";
      facts.push(html("span", { class: expired ? "over" : null }, words, time(end, day.format(new Date(end)))));
    }
    row.text.replaceChildren(
      html("strong", { dir: "auto" }, key.name),
      html("span", { class: "meta" }, bounds(key)),
      html("span", { class: "meta" }, ...facts.flatMap((fact, at) => (at ? [" · ", fact] : [fact]))),
      html("code", {}, `oc_${key.id}_…`),
    );
  }

  /** @param {string} id */
  #remove(id) {
    const row = this.#rows.get(id);
    if (row?.element.contains(this.#root.activeElement)) {
      this.#ui.heading.focus();
      this.#ui.live.textContent = `${row.key.name} is gone: it has ended or was revoked elsewhere.`;
    }
    row?.element.remove();
    this.#rows.delete(id);
    if (this.#made === id) this.#close(this.#ui.making);
  }

  // ---- asking

  /**
   * @param {Place} place
   * @param {HTMLElement} content
   */
  #open(place, content) {
    this.#ui.live.textContent = "";
    place.panel.replaceChildren(content);
    place.panel.hidden = false;
    place.buttons.hidden = true;
  }

  /**
   * @param {Place} place
   * @param {HTMLElement} [next] where the keyboard's place is then
   */
  #close(place, next) {
    if (place === this.#ui.making) this.#made = "";
    place.panel.replaceChildren();
    place.panel.hidden = true;
    place.buttons.hidden = false;
    next?.focus();
  }

  /**
   * Opens a form: asks, sends, and tells what was wrong with what.
   * @param {Place} place
   * @param {HTMLElement} back the button that led here
   * @param {{title: Child[], text: string, send: string, sending: string, danger?: boolean, unsure: string}} words
   *   unsure: what else there is to say when nobody knows whether it was done
   * @param {Field[]} asked
   * @param {(signal: AbortSignal) => Promise<void>} send
   */
  #ask(place, back, words, asked, send) {
    const leave = () => this.#close(place, back);
    const alert = html("p", { class: "fault", role: "alert" });
    const submit = html("button", { class: words.danger ? "main danger" : "main" }, words.send);
    const title = html("h3", { tabindex: -1 }, ...words.title);
    let sending = false;

    /** @param {Map<Field, string>} faults */
    const refuse = (faults) => {
      for (const one of asked) tell(one, faults.get(one) ?? "");
      const first = asked.find((one) => faults.has(one));
      const control = first?.controls.find(({ validity }) => !validity.valid) ?? first?.controls[0];
      control?.focus();
    };
    /** @param {Problem} problem */
    const explain = (problem) => {
      /** @type {Map<Field, string>} */
      const faults = new Map();
      for (const { field: name, message } of problem.details) {
        const one = asked.find((one) => one.name === name);
        if (one) faults.set(one, `${one.label} ${message}.`);
      }
      refuse(faults);
      if (faults.size) return;
      const more = problem.unsure ? words.unsure : problem.status === 409 && "Revoke one that is not used any more.";
      alert.textContent = more ? `${problem.message} ${more}` : problem.message;
    };
    /** @param {SubmitEvent} event */
    const submitted = async (event) => {
      event.preventDefault();
      const signal = this.#life?.signal;
      if (sending || !signal) return;
      alert.textContent = "";
      // Here for its words in the viewer's language, and so that what is no number is not taken for "no bound".
      const invalid = asked.flatMap((one) => {
        const control = one.controls.find(({ validity }) => !validity.valid);
        return control ? [/** @type {[Field, string]} */ ([one, control.validationMessage])] : [];
      });
      refuse(new Map(invalid));
      if (invalid.length) return;
      sending = true;
      submit.textContent = words.sending;
      submit.ariaDisabled = "true";
      try {
        await send(signal);
        this.#changes += 1;
      } catch (error) {
        if (signal.aborted) return;
        const problem = asProblem(error);
        if (problem.kind === "signed-out") {
          this.#failed(problem);
          this.#render();
          this.#ui.heading.focus();
          return;
        }
        explain(problem);
        if (problem.unsure || problem.status === 404) void this.#look();
      } finally {
        sending = false;
        submit.textContent = words.send;
        submit.ariaDisabled = null;
      }
    };
    this.#open(
      place,
      html(
        "form",
        {
          novalidate: true,
          submit: submitted,
          keydown: (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && !sending && leave(),
        },
        title,
        html("p", {}, words.text),
        asked.length ? html("div", { class: "fields" }, ...asked.map(({ element }) => element)) : null,
        alert,
        html(
          "div",
          { class: "buttons" },
          submit,
          button("Cancel", () => sending || leave()),
        ),
      ),
    );
    (asked[0]?.controls[0] ?? title).focus();
  }

  #askForNew() {
    const input = (/** @type {Attributes} */ attributes) => html("input", { autocomplete: "off", ...attributes });
    const name = field(
      "name",
      "Name",
      "What you will know the key by, for example “Nightly import”.",
      input({ required: true, maxlength: LONGEST_NAME }),
    );
    const agent = field(
      "agentId",
      "Agent number",
      "The key records for this agent only. Without a number, for any of your agents.",
      input({ type: "number", min: 1, step: 1 }),
    );
    const most = field(
      "maxValueUsd",
      "Largest value of one outcome, in US dollars",
      "An outcome of more is refused, gain or loss: an agent that is talked into something can claim this much and no more. Without an amount, any value is taken.",
      input({ type: "number", min: 0, step: "any" }),
    );
    const last = field(
      "expiresAt",
      "Last day",
      "The key stops working at the end of this day. Without one, it works until you revoke it.",
      input({ type: "date", min: today(), max: "9999-12-30" }),
    );
    const types = choice(
      "outcomeTypes",
      "Types of outcome",
      "Only those ticked are taken. With none ticked, all are.",
      [...TYPES].map(([type, words]) => [type, words, false]),
    );
    const scopes = choice(
      "scopes",
      "What the key may do",
      "As little as the agent needs: whoever gets hold of the key may do the same.",
      [...SCOPES].map(([scope, [, words]]) => [scope, words, scope === "record"]),
    );
    const one = () => scopes.controls[0].setCustomValidity(ticked(scopes).length ? "" : "Tick at least one.");
    scopes.element.addEventListener("change", one);

    const { making, make, rows } = this.#ui;
    const words = {
      title: ["New key"],
      text: "It is yours alone: whatever is recorded with it is recorded for you, within these bounds, which cannot be changed later.",
      send: "Make key",
      sending: "Making…",
      unsure:
        "The key may have been made all the same. Nobody has its secret then: revoke it if it is in the list below, and make another.",
    };
    this.#ask(making, make, words, [name, agent, most, last, types, scopes], async (signal) => {
      const [named, agentId, maxValueUsd, date] = [name, agent, most, last].map(({ controls }) => controls[0].value);
      const body = {
        name: named,
        ...(agentId && { agentId: Number(agentId) }),
        ...(maxValueUsd && { maxValueUsd: exactNumber(maxValueUsd) }),
        ...(date && { expiresAt: endOf(date) }),
        ...(ticked(types).length && { outcomeTypes: ticked(types) }),
        scopes: ticked(scopes),
      };
      const key = await this.#secret(call("POST", this.#url(), signal, body));
      rows.prepend((this.#rows.get(key.id) ?? this.#add(key)).element);
      this.#reveal(making, make, key);
      this.#made = key.id;
      this.#render();
    });
  }

  /** @param {Row} row */
  #askToRotate(row) {
    const { id, name } = row.key;
    const options = [...OVERLAPS].map(([value, words]) => html("option", { value, selected: value === "24" }, words));
    const overlap = field(
      "overlapHours",
      "How long the present secret goes on working",
      "Long enough to hand the agent the new one. A secret that may have leaked should stop at once.",
      html("select", {}, ...options),
    );
    const words = {
      title: ["A new secret for ", html("bdi", {}, name)],
      text: "The name and the bounds stay. At most two secrets work at a time: one that is left from an earlier rotation stops now.",
      send: "Rotate",
      sending: "Rotating…",
      unsure:
        "It may have been rotated all the same. Rotating once more would then end the secret that your agent has: wait for the end of the overlap, or hand it another key first.",
    };
    this.#ask(row, row.rotate, words, [overlap], async (signal) => {
      const body = { overlapHours: Number(overlap.controls[0].value) };
      const key = await this.#secret(call("POST", this.#url(id, "rotate"), signal, body));
      this.#fill(row, key);
      this.#reveal(row, row.rotate, key);
    });
  }

  /** @param {Row} row */
  #askToRevoke(row) {
    const { id, name } = row.key;
    const words = {
      title: ["Revoke ", html("bdi", {}, name), "?"],
      text: "Whoever uses it is refused from the next call on. This cannot be undone; what was recorded with it stays.",
      send: "Revoke for good",
      sending: "Revoking…",
      danger: true,
      unsure: "The key may have been revoked all the same. To be sure, revoke it again.",
    };
    this.#ask(row, row.revoke, words, [], async (signal) => {
      const { ok } = await call("DELETE", this.#url(id), signal);
      if (!ok) throw unclear();
      this.#remove(id);
      this.#ui.heading.focus();
      this.#ui.live.textContent = `${name} is revoked.`;
      this.#render();
    });
  }

  /**
   * Checks that an answer is a key with its secret.
   * @param {Promise<any>} answer
   * @returns {Promise<NewKey>}
   */
  async #secret(answer) {
    const key = await answer;
    if (typeof key.key !== "string" || !isKey(key)) throw unclear();
    return key;
  }

  /**
   * Shows a secret until the viewer is done with it.
   * @param {Place} place
   * @param {HTMLElement} back where the keyboard's place is then
   * @param {NewKey} key
   */
  #reveal(place, back, { key, name }) {
    const label = `The key of ${name}`;
    const text = html("textarea", { readonly: true, rows: 1, spellcheck: "false", "aria-label": label });
    text.value = key;
    const copied = html("p", { class: "help", role: "status" });
    const copy = button(
      "Copy",
      async () => {
        text.select();
        try {
          await navigator.clipboard.writeText(key);
          copied.textContent = "Copied.";
        } catch {
          copied.textContent =
            "Your browser does not let this page copy. The key is marked: copy it by keyboard or menu.";
        }
      },
      { class: "main" },
    );
    const title = html("h3", { tabindex: -1 }, "Copy the key of ", html("bdi", {}, name), " now");
    this.#open(
      place,
      html(
        "div",
        { class: "secret" },
        title,
        html(
          "p",
          {},
          "It is shown this once and can never be looked up again. Hand it to that agent alone, and treat it as a password.",
        ),
        text,
        html(
          "div",
          { class: "buttons" },
          copy,
          button("Done", () => this.#close(place, back)),
          copied,
        ),
      ),
    );
    title.focus();
  }

  // ---- showing

  #render() {
    const { card, notice, says, make, heading } = this.#ui;
    const problem = this.#problem;
    /** @type {Lack | null} */
    let told = problem?.kind ?? null;
    if (!told && !this.#known) told = "loading";
    if (!told && !this.#rows.size) told = "empty";
    card.dataset.state = this.#known ? "ready" : (told ?? "");
    card.dataset.banner = this.#known && problem ? problem.kind : "";
    card.ariaBusy = String(told === "loading");
    make.hidden = !this.#known;

    // Rewritten only when there is something else to say, so that it is announced once and keeps the keyboard's place.
    const signIn = told === "signed-out" && this.getAttribute("sign-in-url");
    const key = `${told} ${this.#known} ${problem?.message ?? ""} ${signIn}`;
    if (notice.dataset.key === key) return;
    notice.dataset.key = key;
    const hadFocus = notice.contains(this.#root.activeElement);
    const ways = [];
    if (signIn) ways.push(html("a", { href: signIn }, "Sign in"));
    if (told === "signed-out" || told === "offline" || told === "error") {
      ways.push(button(signIn ? "Check again" : "Try again", () => void this.#look()));
    }
    says.replaceChildren(...(told ? this.#words(told) : []));
    notice.replaceChildren(says, ...ways);
    const path = told && STATE_ICONS[told];
    if (path) notice.prepend(icon(path));
    notice.hidden = !told;
    if (hadFocus) (ways[0] ?? heading).focus();
  }

  /** @param {Lack} told */
  #words(told) {
    const [usual, text] = WORDS[told];
    const title = told === "error" && this.#known ? "This may be out of date" : usual;
    const message = told === "error" ? this.#problem?.message : "";
    return [html("strong", {}, title), " ", html("span", {}, message || text)];
  }
}

// ---------------------------------------------------------------- styles

const STYLES = new CSSStyleSheet();
STYLES.replaceSync(`
:host {
  display: block; container-type: inline-size; contain-intrinsic-inline-size: 44rem;
  /* Follows the viewer's preference; a page with one look says outcome-keys { color-scheme: light } */
  color-scheme: light dark;

  /* Theme: the feed's, so that a page sets it once. */
  --accent: var(--value-delivered-accent, light-dark(#0a7558, #4fd3a4));
  --text: var(--value-delivered-text, light-dark(#12171d, #eceff3));
  --muted: var(--value-delivered-muted, light-dark(#59636f, #9ba6b3));
  --danger: var(--value-delivered-danger, light-dark(#b3261e, #ff9c92));
  --surface: var(--value-delivered-surface, light-dark(#ffffff, #14191f));
  --line: var(--value-delivered-line, light-dark(#e4e8ec, #2a323b));
  --radius: var(--value-delivered-radius, 16px);
  --tint: color-mix(in oklab, var(--accent) 11%, var(--surface));
  font-family: var(--value-delivered-font, inherit);
}
:host([hidden]) { display: none }
* { box-sizing: border-box; margin: 0; padding: 0 }
[hidden] { display: none !important }

.card {
  position: relative; overflow: clip; padding: 2rem; border: 1px solid var(--line); border-radius: var(--radius);
  background: var(--surface); color: var(--text); font-size: .9375rem; line-height: 1.5; text-align: start;
  overflow-wrap: anywhere;
}
h2 { font-size: .9375rem; font-weight: 600; outline: 0 }
h3 { font-size: 1.0625rem; font-weight: 600; letter-spacing: -.01em; outline: 0 }
ol { list-style: none }
strong { font-weight: 600 }
svg { display: block; inline-size: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round }
.help, .meta, code { color: var(--muted); font-size: .8125rem }
.fault, .over { color: var(--danger) }
.fault { font-size: .8125rem; font-weight: 500 }
[role=alert] { font-size: .875rem }
.icon { display: grid; place-items: center; inline-size: 2.375rem; aspect-ratio: 1; border-radius: .75rem; background: var(--tint); color: var(--accent) }

button, select, input, textarea { font: inherit; color: inherit; border: 1px solid var(--line); background: var(--surface) }
button { cursor: pointer; padding: .375rem 1rem; border-radius: 999px; font-weight: 500; white-space: nowrap }
button:hover { border-color: color-mix(in oklab, var(--muted) 60%, var(--line)) }
.main { border-color: var(--accent); background: var(--accent); color: var(--surface) }
.danger { border-color: var(--danger); background: var(--danger) }
.main:hover { border-color: var(--text) }
button[aria-disabled=true] { opacity: .6; cursor: default }
a { color: var(--accent); font-weight: 600; text-underline-offset: .2em }
:is(button, a, select, input, textarea):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.buttons { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem }

header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .75rem; min-block-size: 2.375rem }

.live:not(:empty) { margin-block-start: .75rem }
.notice { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem 1rem; margin-block-start: 1.25rem }
.notice p { flex: 1 1 16rem }
.notice p span { color: var(--muted) }
.card:not([data-banner=""]) .notice { padding: .75rem 1rem; border-radius: .75rem; background: color-mix(in oklab, var(--muted) 9%, var(--surface)); font-size: .875rem }

.rows:not(:empty) { margin-block-start: .75rem }
.rows > li + li { border-block-start: 1px solid var(--line) }
.key { display: grid; grid-template-columns: auto 1fr auto; align-items: start; gap: .875rem; padding-block: .875rem }
.key .buttons button { padding: .25rem .75rem; font-size: .8125rem }
.what { min-inline-size: 0 }
.what > * { display: block }
.what strong { font-weight: 500; text-align: match-parent; line-height: 1.4 }
.meta > span { display: inline-block }
code { font-family: ui-monospace, monospace; font-size: .75rem }

.panel { margin-block: .75rem 1rem; padding: 1.5rem; border: 1px solid var(--line); border-radius: .75rem; background: color-mix(in oklab, var(--muted) 5%, var(--surface)) }
form, .secret { display: grid; gap: 1rem }
:is(form, .secret) > p { max-inline-size: 65ch }
[role=alert]:empty { display: none }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 16rem), 1fr)); gap: 1.25rem 2rem }
.field { display: grid; align-content: start; gap: .25rem; min-inline-size: 0; border: 0 }
.field > label, legend { font-size: .875rem; font-weight: 500 }
legend { margin-block-end: .25rem }
.boxes { display: grid; gap: .375rem }
.boxes label { display: flex; gap: .5rem; font-size: .875rem }
.boxes input { flex: none; inline-size: 1rem; block-size: 1rem; margin-block-start: .1875rem; accent-color: var(--accent) }
.field > :is(input, select), textarea { inline-size: 100%; padding: .375rem .75rem; border-color: color-mix(in oklab, var(--muted) 75%, var(--surface)); border-radius: .5rem }
[aria-invalid=true] { outline: 1px solid var(--danger) }
textarea { padding: .625rem .75rem; font-family: ui-monospace, monospace; font-size: .875rem; resize: none; field-sizing: content }

@container (inline-size < 34rem) {
  .card { padding: 1.25rem }
  .panel { padding: 1rem }
  .key { grid-template-columns: auto 1fr }
  .key .buttons { grid-column: 2 }
}
@media (prefers-reduced-motion: reduce) { *, ::before, ::after { animation: none !important; transition: none !important } }
`);

if (!customElements.get("outcome-keys")) customElements.define("outcome-keys", OutcomeKeys);
