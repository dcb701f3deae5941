// Elements for Node: what modules render, without layout, focus and styles, which only browsers have.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// In Node 20, JSON.rawJSON needs a flag, which takes effect only in a new realm.
if (!("rawJSON" in JSON)) {
  setFlagsFromString("--harmony-json-parse-with-source");
  globalThis.JSON = runInNewContext("JSON");
}
// In Node 20, a number has at most 20 decimal places.
const { NumberFormat } = Intl;
Intl.NumberFormat = class extends NumberFormat {
  constructor(locale, { maximumFractionDigits: most, ...more } = {}) {
    super(locale, most ? { ...more, maximumFractionDigits: Math.min(most, 20) } : more);
  }
};

class FakeElement {
  attributes = {};
  children = [];
  dataset = {};
  hidden = false;
  isConnected = true;
  style = {};

  constructor(_namespace, localName) {
    this.localName = localName;
  }

  get textContent() {
    return this.children.map((child) => child.textContent ?? child).join("");
  }

  set textContent(text) {
    this.children = [text];
  }

  addEventListener(type, listener) {
    this[`on${type}`] = listener;
  }

  focus() {}
  append(...children) {
    this.children.push(...children);
  }

  prepend(...children) {
    this.children.unshift(...children);
  }

  replaceChildren(...children) {
    this.children = children;
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  /** Return all descendants with a tag. */
  all(tag) {
    const within = this.children.filter((child) => child instanceof FakeElement);
    return within.flatMap((child) => [...(child.localName === tag ? [child] : []), ...child.all(tag)]);
  }
}

const create = (namespace, tag) => new FakeElement(namespace, tag);
globalThis.document = {
  baseURI: "https://app.example.com/",
  createElement: (tag) => create("", tag),
  createElementNS: create,
};

/** Return the text of each element or text. */
export const textsOf = (elements) => elements.map((element) => element.textContent ?? element);
