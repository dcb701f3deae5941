import { announce, build, button, html, unseen } from "../shared/dom.js";
import { invalidResponse } from "../shared/request.js";
import { timeZone } from "../shared/time.js";
import { inWords } from "../shared/words.js";
import { withQuery } from "./address.js";
import { ask } from "./api.js";
import { barValues, buckets, chart } from "./chart.js";
import { agentValue } from "./choice.js";
import { countedOf, counting, headWords, ruleWords } from "./counted.js";
import { clock, headline, whole } from "./format.js";
import { AGENT_ICON, typeIcon } from "./icons.js";
import { Later, loadMore } from "./later.js";
import { byValue, compared, filterButton, mostAgents, split, statusSums } from "./shares.js";
import { Sums } from "./sums.js";

/** @import {Api, Outcome, OutcomePage, Summary} from "./api.js" */
/** @import {Choice} from "./choice.js" */
/** @import {Costs} from "./costs.js" */
/** @import {Rule} from "./rule.js" */

const MOST_DAYS = 92; // in longer periods, each bar is a week
const MOST_WEEKS_DAYS = 732; // in longer periods, each bar is a month

/** The totals of the selection: headline, comparison, chart, shares of types and agents, and cost. */
export class Totals {
  retryAfter = 0; // seconds until the next read, while the server answers "Still adding up"
  sums = new Sums();
  #owner = {}; // another object for another user
  /** @type {Promise<void> | null} ends when new outcomes are in the sums */
  #arriving = null;
  /** @type {string[]} of the caption */
  #words = [];
  #selection = ""; // of the shown totals
  /** @type {Costs | null} loaded after the first frame, if there is a cost */
  #costs = null;
  /** @type {{scope: string, answer: Promise<any>} | null} the first cost, asked for before its code is loaded */
  #early = null;
  #hasNoCost = false;
  #isRuleAsked = false; // whether the owner's rule was asked for
  /** @type {Rule | null} */
  #rule = null;
  #areAgentsOpen = false; // whether the agents in "3 other agents" are listed

  #total = html("p", { class: "total" });
  #caption = html("p", { class: "caption" });
  #selected = unseen(); // announces the new headline when the selection changes
  #adding = html("p", { class: "help", role: "status" });
  #ruleWords = html("span", { class: "rule" });
  #offer = button("", () => this.#openRule(), { class: "offer", "aria-expanded": "false" });
  #ruled = html("p", { class: "help" }, this.#ruleWords, " ", this.#offer);
  #counts = new Later(
    "counts",
    (more, element) => new more.WhatCounts(element, this.#api, this.sums, (isChanged) => this.#closeRule(isChanged)),
  );
  #change = html("p", { class: "change" });
  needs = html("p", { class: "needs" }); // filled by Attention
  #standing = html("p", { class: "standing" });
  #balance = html("div", { class: "costs", hidden: true });
  #chart = html("div", {});
  #target = new Later("counts target", (more, element) => new more.Target(element, this.#api, this.sums));
  #bars = () => buckets(/** @type {Summary} */ (this.sums.summary));
  #figures = new Later("scroll", (more, element) => new more.Figures(element, this.#bars, this.#choice));
  #tableTitle = html("summary");
  #daily = html(
    "details",
    { class: "daily", toggle: () => this.#showFigures() },
    this.#tableTitle,
    build(this.#figures.element, { role: "region", tabindex: 0 }, []),
  );
  #types = html("ul", { class: "split", role: "list" });
  #agents = html("ul", { class: "split", role: "list" });
  claimed = [1, 2, 3].map(() => html("span", { class: "help" })); // beside headings, by a rule: what their amounts are
  #byType = html("details", {}, html("summary", {}, html("h3", {}, "By type"), this.claimed[0]), this.#types);
  #byAgent = html("details", {}, html("summary", {}, html("h3", {}, "By agent"), this.claimed[1]), this.#agents);
  #parts = html("div", { class: "parts" }, this.#byType, this.#byAgent);
  element = html(
    "section",
    { class: "summary", "aria-labelledby": "heading" },
    this.#total,
    this.#caption,
    this.#selected,
    this.#adding,
    this.#ruled,
    this.#counts.element,
    this.#change,
    this.#target.element,
    this.needs,
    this.#standing,
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
   * @param {(isOther: boolean) => void} changed called when the rule has changed, or, with true, the ends of the days
   */
  constructor(api, choice, agentName, costEndpoint, changed) {
    this.#api = api;
    this.#choice = choice;
    this.#agentName = agentName;
    this.#costEndpoint = costEndpoint;
    this.#changed = changed;
  }
  #api;
  #choice;
  #agentName;
  #costEndpoint;
  #changed;

  forget() {
    this.sums.forget();
    this.#owner = {};
    this.retryAfter = 0;
    this.#isRuleAsked = false;
    this.#rule = null;
    this.#costs?.forget();
    this.#early = null;
    this.#hasNoCost = false;
    for (const element of [
      this.#total,
      this.#caption,
      this.#selected,
      this.#ruleWords,
      this.#change,
      this.#standing,
      this.#chart,
      this.#figures.element,
      this.#types,
      this.#agents,
    ])
      element.replaceChildren();
    this.#target.forget();
    this.#openRule(false);
    this.#counts.forget();
    this.#ruled.hidden = true;
    this.#daily.hidden = true;
    this.#parts.hidden = true;
  }

  /** Fold or unfold the shares. @param {boolean} isFolded */
  fold(isFolded) {
    this.#byType.open = this.#byAgent.open = !isFolded;
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

  /** Read the totals, unless the shown ones are current. @param {AbortSignal} signal */
  async read(signal) {
    if (this.#arriving) await this.#arriving; // the first requests must not wait for anything
    const { scope } = this.#choice;
    const isDue = this.#isOn && this.sums.isDue(scope);
    const isSelected = isDue && this.sums.summary && this.isOther;
    if (!isDue)
      this.retryAfter = 0; // the wait was for a previous selection, or Totals was switched off
    else if (await this.sums.read(this.#choice, () => this.#ask(signal))) this.#show();
    else return;
    if (this.sums.summary?.by_rule) void this.#readRule(signal);
    if (scope !== this.#choice.scope) this.#changed(true);
    if (isSelected) this.#selected.textContent = [this.#total.textContent, ...this.#words].join(" · ");
  }

  /** Read the owner's rule once. @param {AbortSignal} signal */
  async #readRule(signal) {
    if (this.#isRuleAsked) return;
    this.#isRuleAsked = true;
    const rule = await loadMore(this.element)
      .then((more) => more.readRule(this.#api, signal))
      .catch(() => null);
    if (signal.aborted || !rule) {
      this.#isRuleAsked = false; // the next poll tries again
      return;
    }
    this.#rule = rule;
    this.#showChange();
  }

  /**
   * Ask for the summary of local days, and follow their time zone: that of the owner's rule, if there is one.
   * @param {AbortSignal} signal
   * @returns {Promise<[Summary, number] | null>} null: not now
   */
  async #ask(signal) {
    const { scope, query, days, span } = this.#choice;
    const byWeek = span.days > MOST_WEEKS_DAYS ? "month" : "week";
    const by = span.days > MOST_DAYS ? byWeek : null;
    const asked = { ...query, ...days, timezone: timeZone(), by, compare: "previous" };
    const answer = await this.#api.summary(asked, signal).catch((problem) => {
      if (signal.aborted) throw problem;
      if (!this.#isOn) return;
      this.retryAfter = problem.reason === "Still adding up" ? problem.retryAfter || 1 : 0;
      if (!this.retryAfter) throw problem;
    });
    if (!answer) return null;
    this.retryAfter = 0;
    const [summary] = answer;
    if (!Array.isArray(buckets(summary)[1]) || !Array.isArray(summary.by_type)) throw invalidResponse();
    if (scope !== this.#choice.scope) return null; // the day or a filter may have changed meanwhile
    this.#choice.follow(summary);
    return days.from === this.#choice.days.from ? answer : this.#ask(signal); // it may be another day there
  }

  /** Add new outcomes to the shown totals, once the code for it is loaded. @param {Outcome[]} fresh */
  add(fresh) {
    if (fresh.length) this.#arriving = this.#add(fresh, this.#owner);
  }

  /** @param {Outcome[]} fresh @param {object} owner */
  async #add(fresh, owner) {
    const more = await loadMore(this.element).catch(() => null);
    if (owner !== this.#owner) return;
    if (!more) this.sums.correct();
    else if (this.sums.add(fresh, more.LiveSummary)) this.#show();
  }

  /**
   * Add what was recorded while the totals were read at the same time as the first lists.
   * @param {OutcomePage} latest the outcomes that were recorded last
   * @param {OutcomePage | undefined} first the first page of the selection
   */
  meet(latest, first) {
    const [one, other] = [latest, first].map((page) => page?.outcomes[0]?.user_id);
    if (one && other && one !== other) this.forget(); // another user signed in meanwhile: whose totals are these?
    const after = this.sums.summary?.recent?.after;
    if (after) this.add(latest.outcomes.filter(({ created_at }) => created_at > after));
  }

  /** The query of the cost; null for a selected type or status, because costs have neither. */
  get #costQuery() {
    const { outcomeType, status, ...query } = this.#choice.query;
    return outcomeType || status ? null : { ...query, timezone: this.#choice.zone };
  }

  /**
   * Ask for the first cost at the same time as for the totals, to know in the first frame whether to leave room for it.
   * @param {AbortSignal} signal
   */
  async expectCost(signal) {
    const endpoint = this.#costEndpoint();
    const query = this.#costQuery;
    if (endpoint === null || !query) return;
    try {
      const answer = ask(withQuery(new URL(endpoint, document.baseURI), query), signal);
      this.#early = { scope: this.#choice.scope, answer };
      const { cost_usd, known_days } = (await answer) ?? {};
      this.#hasNoCost = cost_usd === null || known_days === 0;
      this.#showCost();
    } catch {} // the costs say why
  }

  /** @param {AbortSignal} signal */
  async readCost(signal) {
    const endpoint = this.#costEndpoint();
    if (!this.#isOn || endpoint === null) return;
    const more = await loadMore(this.element).catch(() => null); // the next poll tries again
    if (!more) return;
    if (!this.#costs) {
      this.#costs = new more.Costs();
      this.#balance.append(this.#costs.element);
    }
    const { scope } = this.#choice;
    const early = this.#early?.scope === scope ? this.#early.answer : undefined;
    this.#early = null;
    if (await this.#costs.read(endpoint, scope, this.#costQuery, signal, early)) this.#showCost();
  }

  /** Render again after agents were renamed. */
  redraw() {
    if (!this.isOther) this.#show();
  }

  #show() {
    const { summary } = this.sums;
    if (!summary || this.isOther) return;
    const { name, isLast } = this.#choice.span;
    const [unit, bars] = this.#bars();
    this.#selection = this.#choice.selection;
    const byRule = summary.by_rule;
    this.#total.replaceChildren(headline(counting(summary).value_usd));
    const { zone, words } = this.#choice;
    const head = headWords(summary, `${isLast ? " in " : ", "}${name}`);
    this.#words = [...head, ...(zone === timeZone() ? [] : [`days of ${zone}`]), ...words];
    for (const one of this.claimed) one.textContent = byRule ? " as claimed" : "";
    this.#ruleWords.textContent = byRule ? ruleWords(summary, byRule) : "All claims count.";
    this.#offer.textContent = byRule ? "What counts" : "Decide what counts";
    // The answer of a server without definitions has no `by_rule`. With a status it is null, whatever the rule.
    this.#ruled.hidden = byRule === undefined || !!this.#choice.query.status;
    this.#showChange();
    this.#standing.replaceChildren(...statusSums(summary, this.#choice));
    const valued = bars.some((bar) => barValues(bar).some(Boolean));
    this.#chart.replaceChildren(...(valued ? [chart(bars, unit, this.#choice)] : []));
    this.#figures.element.ariaLabel = this.#tableTitle.textContent = `${unit.adverb} figures`;
    this.#showFigures();
    this.#daily.hidden = summary.count === 0;
    this.#parts.hidden = summary.by_type.length === 0;
    const types = split(summary.by_type.toSorted(byValue), ({ outcome_type: type }) => ({
      name: inWords(type),
      icon: typeIcon(type),
      more: byRule ? countedOf(byRule, type) : "",
      button: filterButton(this.#choice, "type", type),
    }));
    this.#types.replaceChildren(...types);
    for (const part of [...summary.by_type, ...(summary.by_agent ?? [])]) this.#choice.offer(part);
    this.#showCost();
  }

  /** Compare the period with the one before. By a rule, leave a line for this until the rule is read. */
  #showChange() {
    const { summary } = this.sums;
    if (!summary || this.isOther) return;
    const { before, isRunning } = this.#choice.span;
    const { value_usd, previous, by_rule } = summary;
    /** @type {(string | Element)[]} */
    let words = [];
    if (by_rule) words = this.#rule?.change(summary, before, isRunning) ?? ["\u00a0"];
    else if (previous) words = compared(value_usd, previous.value_usd, `compared with ${before}`, before, isRunning);
    this.#change.replaceChildren(...words);
  }

  /** Render costs and the shares of agents, with their costs. */
  #showCost() {
    const summary = this.isOther ? null : this.sums.summary;
    const isOff = this.#costEndpoint() === null;
    const costs = isOff ? null : this.#costs;
    this.#balance.hidden = !costs && (isOff || this.#hasNoCost);
    costs?.show(summary, this.#choice.scope);
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
    this.#agents.replaceChildren(...shares);
  }

  #openRule(isOpen = this.#counts.element.hidden === true) {
    this.#offer.ariaExpanded = String(isOpen);
    void this.#counts.render(isOpen);
  }

  /** @param {boolean} isChanged */
  #closeRule(isChanged) {
    this.#openRule(false);
    this.#offer.focus();
    if (!isChanged) return;
    this.#isRuleAsked = false;
    this.sums.expire();
    this.#changed(false);
  }

  #showFigures() {
    void this.#figures.render(this.#daily.open && this.sums.summary !== null);
  }

  #toggleAgents() {
    this.#areAgentsOpen = !this.#areAgentsOpen;
    this.#showCost();
  }

  /** @param {boolean} isPolling @param {number | null} staleSince the time of the last poll before the viewer was offline */
  render(isPolling, staleSince) {
    this.element.hidden = !this.#isOn;
    const { summary, isUnknown, readAt, scope } = this.sums;
    const isStale = staleSince !== null || (isUnknown && !this.sums.isDue(scope));
    const asOf = Math.max(staleSince ?? 0, +readAt); // the first poll ends after the sums are read
    let words = [...this.#words, ...(isStale ? [`as of ${clock.format(asOf)}`] : [])];
    // If the totals of another selection could not be read, do not show the former ones beside it.
    const isOther = this.#selection !== this.#choice.selection && !isPolling && !this.retryAfter;
    this.element.classList.toggle("unread", !summary || isOther);
    if (!summary || isOther) {
      words = this.retryAfter ? [] : [isPolling ? "Adding up…" : "Totals are not available right now."];
      if (!summary) this.#showCost();
    }
    announce(this.#caption, words.join(" · "));
    announce(this.#adding, this.retryAfter ? "Adding up your history…" : "");
    void this.#target.render(summary && this.#api.has("watches"));
    this.element.classList.toggle("awaited", !summary && (isPolling || this.retryAfter > 0));
  }
}
