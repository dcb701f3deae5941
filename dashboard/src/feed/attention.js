import { button } from "../shared/dom.js";
import { decimal, minus, plus } from "../shared/numbers.js";
import { dollars, whole } from "./format.js";
import { Later, loadReview } from "./later.js";

/** @import {Api, Outcome, Sum, Summary} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {Review} from "./review.js" */
/** @import {RowContext} from "./row.js" */
/** @import {Totals} from "./totals.js" */

/**
 * Return what is to review by a summary, or null if the summary does not tell.
 * @param {Summary & {by_rule?: Record<"waiting" | "unconfirmed", Sum> | null}} summary
 * @returns {Sum | null}
 */
export function toReview({ count, value_usd, confirmed, by_rule }) {
  if (by_rule) {
    const { waiting, unconfirmed } = by_rule;
    return { count: waiting.count + unconfirmed.count, value_usd: plus(waiting.value_usd, unconfirmed.value_usd) };
  }
  return confirmed ? { count: count - confirmed.count, value_usd: minus(value_usd, confirmed.value_usd) } : null;
}

/** What needs the owner: how much is to review and which disputes are open, as buttons that open the review queue. */
export class Attention {
  /** @type {string | null} "": the queue, "disputes", or null: closed */
  view = null;
  /** @type {Review | null} */
  #review = null;
  #words = ""; // of the buttons
  #isOpening = false; // whether the queue gets the focus once it is loaded
  /** @type {AbortSignal | null} */
  #life = null;
  #later = new Later(
    "review",
    ({ Review, ...more }, element) => {
      this.#review = new Review(element, this, more);
      this.#review.listen(/** @type {AbortSignal} */ (this.#life));
      return this.#review;
    },
    loadReview,
  );
  element = this.#later.element;

  /**
   * @param {Api} api
   * @param {Choice} choice
   * @param {Totals} totals
   * @param {RowContext} context
   * @param {() => void} moved called when the queue is opened or closed
   */
  constructor(api, choice, totals, context, moved) {
    this.api = api;
    this.choice = choice;
    this.context = context;
    this.#totals = totals;
    this.#moved = moved;
  }
  #totals;
  #moved;

  /** @param {AbortSignal} life aborted when the element leaves the page */
  start(life) {
    this.#life = life;
    this.#review?.listen(life);
  }

  /** Open the queue or the disputes, or close them. @param {string | null} view */
  async show(view) {
    const was = this.view;
    this.view = view;
    this.#isOpening = view !== null;
    if (view === null) void this.#review?.sendNow();
    this.#moved();
    if (view !== null) return;
    await this.render(false); // uncovers the button that opened it
    [...this.#totals.needs.querySelectorAll("button")].find(({ value }) => value === was)?.focus();
  }

  /** The view as parameters of the page's address. */
  get state() {
    return { review: this.view === "" || this.view };
  }

  /** @param {URLSearchParams} state @returns whether another view is shown */
  restore(state) {
    const given = state.get("review");
    const view = given && given !== "disputes" ? "" : given;
    if (view === this.view) return false;
    this.view = view;
    this.#isOpening = view !== null;
    return true;
  }

  /** What is to review by the summary of the selection; null: not known. */
  known() {
    const { summary } = this.#totals.sums;
    return summary && !this.#totals.isOther && !this.choice.query.status ? toReview(summary) : null;
  }

  /** Tell the queue of outcomes that were read. @param {Outcome[]} found @param {Outcome[]} [fresh] */
  found(found, fresh = []) {
    this.#review?.found(found);
    this.#review?.recorded(fresh);
  }

  /** Which verdicts are lost if the queue is forgotten now, in words. */
  get lost() {
    return this.#review?.lost ?? "";
  }

  redraw() {
    this.#review?.redraw();
  }

  forget() {
    this.#review?.forget();
    this.#review = null;
    this.#later.forget();
  }

  #draw() {
    const { summary } = this.#totals.sums;
    if (summary && this.#totals.isOther) return; // like the headline, until the next summary is read
    const known = this.api.has("corrections") ? this.known() : null;
    const [review, disputed] = [known?.count ?? 0, (known && summary?.disputed?.count) ?? 0];
    const worth = known ? dollars.format(decimal(known.value_usd)) : "";
    const unsaved = this.#review?.unsaved ?? 0;
    const lost = unsaved ? ` · ${whole.format(unsaved)} not saved` : "";
    const said = [
      ["", review || unsaved ? `${whole.format(review)} to review · ${worth}${lost}` : ""],
      [
        "disputes",
        disputed ? `${whole.format(disputed)} dispute${disputed === 1 ? " waits" : "s wait"} for the platform` : "",
      ],
    ];
    const words = said.join();
    if (words === this.#words) return; // a button that is being clicked has to stay
    this.#words = words;
    const openers = said.flatMap(([view, text]) => (text ? button(text, () => this.show(view), { value: view }) : []));
    this.#totals.needs.replaceChildren(...openers);
  }

  /** @param {boolean} isSignedOut */
  async render(isSignedOut) {
    this.#draw();
    await this.#later.render(!isSignedOut && this.view !== null && this.api.has("corrections"));
    this.element.parentElement?.classList.toggle("reviewing", !this.element.hidden && this.#review !== null);
    if (!this.#isOpening || !this.#review) return;
    this.#isOpening = false;
    this.#review.open();
  }
}
