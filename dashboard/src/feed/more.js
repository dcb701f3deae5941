// The feed's second file: what a viewer needs only after a click or in rare states, with its styles.
import COPYABLE from "../shared/copyable.css";
import { styleSheet } from "../shared/dom.js";
import STYLES from "./more.css";
import PAPER from "./paper.css";
import STATEMENTS from "./statements.css";

export { followZone } from "../shared/time.js";
export { Costs } from "./costs.js";
export { facts } from "./facts.js";
export { Figures } from "./figures.js";
export { keepFocus } from "./focus.js";
export { History } from "./history.js";
export { HowToRecord } from "./how.js";
export { readLinked } from "./linked.js";
export { LiveSummary } from "./live-summary.js";
export { addTypes } from "./options.js";
export { RangeForm } from "./range.js";
export { readRule } from "./rule.js";
export { Search } from "./search.js";
export { Target } from "./target.js";
export { Tip } from "./tip.js";
export { Unfolded } from "./unfolded.js";
export { WayOut } from "./way-out.js";
export { WhatCounts } from "./what-counts.js";
export { works } from "./works.js";
export const build = BUILD;
export const sheet = styleSheet(COPYABLE + STYLES + STATEMENTS + PAPER);
