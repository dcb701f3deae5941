import { Copyable } from "../shared/copyable.js";
import { baseOf, curl } from "../shared/curl.js";
import { html } from "../shared/dom.js";
import { ask } from "./api.js";

/** @import {Api} from "./api.js" */

const ANY_KEY = "oc_...";

/** How an agent records an outcome, for a viewer who has none. */
export class HowToRecord {
  #call = new Copyable();
  #isRead = false;

  /** @param {Element} element @param {Api} api @param {Element} feed with the page's attributes */
  constructor(element, api, feed) {
    this.#api = api;
    this.#feed = feed;
    const keysUrl = feed.getAttribute("keys-url");
    const key = keysUrl ? html("a", { href: keysUrl }, "a key") : "a key";
    const words = html(
      "p",
      {},
      "Your agents record with one call. Replace ",
      html("code", {}, ANY_KEY),
      " by ",
      key,
      " of the agent.",
    );
    element.append(words, this.#call.element);
  }
  #api;
  #feed;

  render() {
    if (this.#isRead) return;
    this.#isRead = true;
    void this.#read();
  }

  async #read() {
    const { types } = await ask(this.#api.url("/types")).catch(() => ({ types: [] }));
    const url = new URL(this.#feed.getAttribute("api-url") ?? this.#api.url(""), document.baseURI).href;
    const outcome = { outcomeType: types[0]?.type ?? "task_complete", title: "First outcome" };
    this.#call.show("A call that records an outcome", curl(`${baseOf(url)}/api/outcomes`, ANY_KEY, outcome));
  }
}
