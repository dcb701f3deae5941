import { button, html } from "../shared/dom.js";
import { loadMore } from "./load.js";

/** @import {Problem} from "../shared/request.js" */
/** @import {Api} from "./api.js" */
/** @import {RowContext} from "./row.js" */
/** @import {Statements} from "./statements.js" */

/** The button of the list of statements, which is in the second file. */
export class Documents {
  /** @type {Statements | null} */
  #statements = null;
  #fault = html("p", { class: "fault", role: "alert" });
  #button = button("Statements", () => void this.#toggle());
  element = html("div", { class: "documents" }, this.#fault, this.#button);

  /** @param {Api} api @param {RowContext} context */
  constructor(api, context) {
    this.#api = api;
    this.#context = context;
  }
  #api;
  #context;

  async #toggle() {
    this.#fault.textContent = "";
    try {
      const more = await loadMore(this.element);
      this.#statements ??= new more.Statements(this.#button, this.#api, this.#context);
      this.#statements.toggle();
    } catch (problem) {
      this.#fault.textContent = /** @type {Problem} */ (problem).message;
    }
  }

  forget() {
    this.#statements?.close();
  }

  render() {
    this.#button.hidden = !this.#api.has("statements");
  }
}
