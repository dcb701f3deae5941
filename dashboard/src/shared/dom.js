// Builds DOM nodes. Data becomes text nodes and attributes only, never markup.

/**
 * @typedef {Record<string, string | number | boolean | null | ((event: any) => void)>} Attributes functions are event listeners
 * @typedef {Element | string | null} Child
 */

/**
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export function build(element, attributes, children) {
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
export const html = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export const svg = (tag, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** Return the non-null children, separated by middle dots. @param {Child[]} children */
export const dotted = (...children) => children.flatMap((child) => (child ? [" · ", child] : [])).slice(1);

/** @param {string} path */
export const drawing = (path) => svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: path }));

/** @param {string} path */
export const icon = (path) => html("span", { class: "icon" }, drawing(path));

/** @param {string} words @param {(event: any) => void} click @param {Attributes} attributes */
export const button = (words, click, attributes = {}) =>
  html("button", { type: "button", click, ...attributes }, words);

/** @param {Child[]} children */
export const buttons = (...children) => html("div", { class: "buttons" }, ...children);

/** Return a live region that is only heard. */
export const unseen = () => html("span", { class: "unseen", role: "status" });

/**
 * Sets the text of a live region, unless it already has that text, so that screen readers announce it only once.
 * @param {Element} status
 * @param {string} words
 */
export function announce(status, words) {
  if (status.textContent !== words) status.textContent = words;
}

/**
 * Whether an element or one within it has the focus. Unlike `:focus`, this also holds while another window has it.
 * @param {Element} element
 */
export const hasFocus = (element) => element.contains(/** @type {ShadowRoot} */ (element.getRootNode()).activeElement);

/**
 * Move the focus between elements by arrow keys, Home and End.
 * @param {KeyboardEvent} event a key that was pressed on one of the elements
 * @param {HTMLElement[]} elements
 */
export function moveFocus(event, elements) {
  const at = elements.indexOf(/** @type {HTMLElement} */ (event.target));
  const [before, after, last] = [at - 1, at + 1, elements.length - 1];
  const to = { ArrowUp: before, ArrowLeft: before, ArrowDown: after, ArrowRight: after, Home: 0, End: last }[event.key];
  if (at < 0 || to === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  elements[to]?.focus();
}

/** @param {string} css */
export function styleSheet(css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return sheet;
}

/** Attach a shadow root. @param {HTMLElement} host @param {CSSStyleSheet} sheet @param {Element} content */
export function attachShadow(host, sheet, content) {
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [sheet];
  root.append(content);
  return root;
}

/** Define an element, unless the page loaded its script before. @param {string} name @param {CustomElementConstructor} element */
export function define(name, element) {
  if (!customElements.get(name)) customElements.define(name, element);
}

/**
 * Set a property again if it was set before the element was defined: such an own property hides the class's setter.
 * @template {HTMLElement} E
 * @param {E} element
 * @param {keyof E} property
 */
export function reapply(element, property) {
  if (!Object.hasOwn(element, property)) return;
  const value = element[property];
  Reflect.deleteProperty(element, property);
  element[property] = value;
}
