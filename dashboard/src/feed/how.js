import { Copyable } from "../shared/copyable.js";
import { baseOf, curl } from "../shared/curl.js";
import { html } from "../shared/dom.js";
import { ask } from "./api.js";

/** @import {Api} from "./api.js" */

const ANY_KEY = "oc_...";

/** Explains how an agent records an outcome, to a viewer who has none. */
export class HowToRecord {
  #call = new Copyable();

  /** @param {Element} element @param {Api} api @param {Element} feed with the page's attributes */
  constructor(element, api, feed) {
    const keysUrl = feed.getAttribute("keys-url");
    const key = keysUrl ? html("a", { href: keysUrl }, "a key") : "a key";
    const code = html("code", {}, ANY_KEY);
    this.#call.element.hidden = true; // until the outcome types are read, because the call contains one
    element.append(
      html("p", {}, "Your agents record with one call. Replace ", code, " with ", key, " of the agent."),
      this.#call.element,
    );
    const url = new URL(feed.getAttribute("api-url") ?? api.url(""), document.baseURI).href;
    void this.#show(`${baseOf(url)}/api/outcomes`, ask(api.url("/types")));
  }

  /** @param {string} url @param {Promise<{types: {type: string}[]}>} asked */
  async #show(url, asked) {
    const { types } = await asked.catch(() => ({ types: [] }));
    const outcome = { outcomeType: types?.[0]?.type ?? "task_complete", title: "First outcome" };
    this.#call.element.hidden = false;
    this.#call.show("A call that records an outcome", curl(url, ANY_KEY, outcome));
  }

  render() {}
}
