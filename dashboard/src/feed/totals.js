import { announce, build, html, replace, unseen } from "../shared/dom.js";
import { decimal } from "../shared/numbers.js";
import { invalidResponse } from "../shared/request.js";
import { timeZone } from "../shared/time.js";
import { inWords } from "../shared/words.js";
import { buckets, chart } from "./chart.js";
import { agentValue } from "./choice.js";
import { clock, headline, outcomes, whole } from "./format.js";
import { AGENT_ICON, typeIcon } from "./icons.js";
import { Later, loadMore } from "./later.js";
import { byValue, change, filterButton, mostAgents, split, statusSums } from "./shares.js";
import { Sums } from "./sums.js";

/** @import {Api, Outcome, Summary} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {Costs} from "./costs.js" */

const MOST_DAYS = 92; // in longer periods, each bar is a week
const MOST_WEEKS_DAYS = 732; // in longer periods, each bar is a month

/** The totals of the selection: headline, comparison, chart, shares of types and agents, and cost. */
export class Totals {
  retryAfter = 0; // seconds until the next read, while the server answers "Still adding up"
  sums = new Sums();
  /** @type {string[]} of the caption */
  #words = [];
  /** @type {Costs | undefined} loaded if the page has a cost-endpoint */
  #costs;
  #areAgentsOpen = false; // whether the agents in "3 other agents" are listed

  #total = html("p", { class: "total" });
  #caption = html("p", { class: "caption" });
  #selected = unseen("", { role: "status" }); // announces the new headline when the selection changes
  #adding = html("p", { class: "help", role: "status" });
  #change = html("p", { class: "change" });
  #standing = html("p", { class: "standing" });
  #uncounted = html("p", { class: "help", hidden: "" }, "Disputed and void outcomes are listed, but not counted.");
  #balance = html("div", { class: "costs", hidden: true });
  #chart = html("div", {});
  #bars = () => buckets(/** @type {Summary} */ (this.sums.summary));
  #figures = new Later("scroll", (more, element) => new more.Figures(element, this.#bars));
  #tableTitle = html("summary");
  #daily = html(
    "details",
    { class: "daily", toggle: () => this.#showFigures() },
    this.#tableTitle,
    build(this.#figures.element, { role: "region", tabindex: 0 }, []),
  );
  #types = html("ul", { class: "split", role: "list" });
  #agents = html("ul", { class: "split", role: "list" });
  #byAgent = html("div", {}, html("h3", {}, "By agent"), this.#agents);
  #parts = html("div", { class: "parts" }, html("div", {}, html("h3", {}, "By type"), this.#types), this.#byAgent);
  element = html(
    "section",
    { class: "summary", "aria-labelledby": "heading" },
    this.#total,
    this.#caption,
    this.#selected,
    this.#adding,
    this.#change,
    this.#standing,
    this.#uncounted,
    this.#balance,
    this.#chart,
    this.#daily,
    this.#parts,
  );

  /**
   * @param {Api} api
   * @param {Choice} choice
   * @param {(id: number | null) => string} agentName
   * @param {() => string | null} costEndpoint
   */
  constructor(api, choice, agentName, costEndpoint) {
    this.#api = api;
    this.#choice = choice;
    this.#agentName = agentName;
    this.#costEndpoint = costEndpoint;
  }
  #api;
  #choice;
  #agentName;
  #costEndpoint;

  forget() {
    this.sums.forget();
    this.retryAfter = 0;
    this.#costs?.forget();
    for (const element of [
      this.#total,
      this.#caption,
      this.#selected,
      this.#change,
      this.#standing,
      this.#chart,
      this.#figures.element,
      this.#types,
      this.#agents,
    ])
      element.replaceChildren();
    this.#uncounted.hidden = true;
    this.#daily.hidden = true;
    this.#parts.hidden = true;
  }

  get #isOn() {
    return this.#api.has("totals");
  }

  /** Whether the shown selection differs from the chosen one. */
  get isOther() {
    return this.sums.scope !== this.#choice.scope;
  }

  /** The number of outcomes in the list, also void and disputed ones; null if unknown. */
  get listed() {
    const summary = this.isOther ? null : this.sums.summary;
    if (!summary) return null;
    const { count, disputed, voided } = summary;
    return this.#choice.query.status ? count : count + (disputed?.count ?? 0) + (voided?.count ?? 0);
  }

  /** Whether the summary says that no outcome is listed. It counts all outcomes that are known so far. */
  get isEmpty() {
    const { summary, isUnknown } = this.sums;
    if (!summary || isUnknown || this.isOther) return false;
    return !(summary.count || summary.disputed?.count || summary.voided?.count || summary.other_agents);
  }

  get #query() {
    return { ...this.#choice.query, timezone: timeZone() };
  }

  /** Read the totals, unless the shown ones are current. @param {AbortSignal} signal */
  async read(signal) {
    const { scope, query } = this.#choice;
    if (!this.#isOn || !this.sums.isDue(scope)) {
      this.retryAfter = 0; // the wait was for a previous selection, or Totals was switched off
      return;
    }
    const isSelected = this.sums.summary && this.isOther;
    if (!(await this.sums.read(scope, query, () => this.#ask(scope, signal)))) return;
    this.#show();
    if (isSelected) this.#selected.textContent = [this.#total.textContent, ...this.#words].join(" · ");
  }

  /** @param {string} scope @param {AbortSignal} signal @returns {Promise<[Summary, number] | null>} null: not now */
  async #ask(scope, signal) {
    const { days } = this.#choice.span;
    const byWeek = days > MOST_WEEKS_DAYS ? "month" : "week";
    const by = days > MOST_DAYS ? byWeek : null;
    const query = { ...this.#query, by, compare: "previous" };
    const answer = await this.#api.summary(query, signal).catch((problem) => {
      if (signal.aborted) throw problem;
      if (!this.#isOn) return;
      this.retryAfter = problem.reason === "Still adding up" ? problem.retryAfter || 1 : 0;
      if (!this.retryAfter) throw problem;
    });
    if (!answer) return null;
    this.retryAfter = 0;
    const [summary] = answer;
    if (!Array.isArray(buckets(summary)[1]) || !Array.isArray(summary.by_type)) throw invalidResponse();
    return scope === this.#choice.scope ? answer : null; // the day or a filter may have changed meanwhile
  }

  /** Add new outcomes to the shown totals. @param {Outcome[]} fresh */
  add(fresh) {
    if (this.sums.add(fresh)) this.#show();
  }

  /** @param {AbortSignal} signal */
  async readCost(signal) {
    const endpoint = this.#costEndpoint();
    this.#balance.hidden = endpoint === null;
    if (!this.#isOn || endpoint === null) return;
    const more = await loadMore(this.element).catch(() => null); // the next poll tries again
    if (!more) return;
    if (!this.#costs) {
      this.#costs = new more.Costs();
      this.#balance.append(this.#costs.element);
    }
    // Show no cost if a type or a status is selected, because costs have neither.
    const { outcomeType, status, agentId, ...period } = this.#query;
    const query = outcomeType || status ? null : { ...period, agentId };
    if (await this.#costs.read(endpoint, this.#choice.scope, query, signal)) this.#showCost();
  }

  /** Render again after agents were renamed. */
  redraw() {
    if (!this.isOther) this.#show();
  }

  #show() {
    const { summary } = this.sums;
    if (!summary || this.isOther) return;
    const { name, before, isLast } = this.#choice.span;
    const [unit, bars] = this.#bars();
    this.#total.replaceChildren(headline(summary.value_usd));
    this.#words = [`${outcomes(summary.count)}${isLast ? " in " : ", "}${name}`, ...this.#choice.words];
    this.#change.replaceChildren(...change(summary, before));
    replace(this.#standing, ...statusSums(summary, this.#choice));
    this.#uncounted.hidden = this.listed === summary.count;
    const valued = bars.some((bar) => Number(decimal(bar.value_usd)) !== 0);
    replace(this.#chart, valued ? chart(bars, unit, this.#choice) : null);
    this.#figures.element.ariaLabel = this.#tableTitle.textContent = `${unit.adverb} figures`;
    this.#showFigures();
    this.#daily.hidden = summary.count === 0;
    this.#parts.hidden = summary.by_type.length === 0;
    const types = split(summary.by_type.toSorted(byValue), ({ outcome_type: type }) => ({
      name: inWords(type),
      icon: typeIcon(type),
      button: filterButton(this.#choice, "type", type),
    }));
    replace(this.#types, ...types);
    for (const part of [...summary.by_type, ...(summary.by_agent ?? [])]) this.#choice.offer(part);
    this.#showCost();
  }

  /** Render costs and the shares of agents, with their costs. */
  #showCost() {
    const summary = this.isOther ? null : this.sums.summary;
    this.#balance.hidden = this.#costEndpoint() === null;
    const costs = this.#balance.hidden ? null : this.#costs;
    costs?.show(summary);
    if (!summary) return;
    const byAgents = costs?.withSums(summary) ?? summary.by_agent ?? [];
    const isByAgents = byAgents.some(({ agent_id }) => agent_id !== null) || this.#choice.query.agentId;
    this.#byAgent.hidden = !isByAgents;
    const agents = mostAgents(isByAgents ? byAgents : [], summary.other_agents, this.#areAgentsOpen);
    const shares = split(agents, (part) => {
      if ("agents" in part)
        return {
          name: `${whole.format(part.agents)} other agents`,
          icon: AGENT_ICON,
          button: { value: "others", "aria-expanded": String(this.#areAgentsOpen), click: () => this.#toggleAgents() },
        };
      return {
        name: this.#agentName(part.agent_id),
        icon: AGENT_ICON,
        more: costs?.words(part),
        button: filterButton(this.#choice, "agent", agentValue(part.agent_id)),
      };
    });
    replace(this.#agents, ...shares);
  }

  #showFigures() {
    void this.#figures.render(this.#daily.open && this.sums.summary !== null);
  }

  #toggleAgents() {
    this.#areAgentsOpen = !this.#areAgentsOpen;
    this.#showCost();
  }

  /** @param {boolean} isPolling */
  render(isPolling) {
    this.element.hidden = !this.#isOn;
    const { summary, isUnknown, readAt, scope } = this.sums;
    let words = [...this.#words, ...(isUnknown && !this.sums.isDue(scope) ? [`as of ${clock.format(readAt)}`] : [])];
    if (!summary) {
      this.#total.replaceChildren("–");
      words = [isPolling ? "Adding up…" : "Totals are not available right now."];
      if (this.retryAfter) words = [];
      this.#showCost();
    }
    announce(this.#caption, words.join(" · "));
    const adding = summary ? "Still adding up…" : "Adding up your history, once…";
    announce(this.#adding, this.retryAfter ? adding : "");
    this.#chart.classList.toggle("awaited", !summary && (isPolling || this.retryAfter > 0));
  }
}
