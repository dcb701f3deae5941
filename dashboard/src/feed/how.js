import { Copyable } from "../shared/copyable.js";
import { baseOf, curl } from "../shared/curl.js";
import { html } from "../shared/dom.js";
import { ask } from "./api.js";

/** @import {Api} from "./api.js" */

const ANY_KEY = "oc_...";

/** Explains how an agent records an outcome, to a viewer who has none. */
export class HowToRecord {
  #call = new Copyable();
  #key = html("span");
  #type = "";
  #shown = "";

  /** @param {Element} element @param {Api} api @param {Element} feed with the page's attributes */
  constructor(element, api, feed) {
    this.#api = api;
    this.#feed = feed;
    const code = html("code", {}, ANY_KEY);
    this.#call.element.hidden = true; // until the outcome types are read, because the call contains one
    element.append(
      html("p", {}, "Your agents record with one call. Replace ", code, " with ", this.#key, " of the agent."),
      this.#call.element,
    );
    void this.#readType();
  }
  #api;
  #feed;

  async #readType() {
    const { types } = await ask(this.#api.url("/types")).catch(() => ({ types: [] }));
    this.#type = types?.[0]?.type ?? "task_complete";
    this.#call.element.hidden = false;
    this.render();
  }

  render() {
    const [keysUrl, apiUrl] = ["keys-url", "api-url"].map((name) => this.#feed.getAttribute(name));
    const url = new URL(apiUrl ?? this.#api.url(""), document.baseURI).href;
    const call = curl(`${baseOf(url)}/api/outcomes`, ANY_KEY, { outcomeType: this.#type, title: "First outcome" });
    const shown = [keysUrl, call].join();
    if (shown === this.#shown || !this.#type) return; // the viewer may be using it
    this.#shown = shown;
    this.#key.replaceChildren(keysUrl ? html("a", { href: keysUrl }, "a key") : "a key");
    this.#call.show("A call that records an outcome", call);
  }
}
