// The feed's second file: what a viewer needs only after a click, with its styles.
import { styleSheet } from "../shared/dom.js";
import STYLES from "./more.css";
import PAPER from "./paper.css";
import STATEMENTS from "./statements.css";

export { History } from "./history.js";
export { RangeForm } from "./range.js";
export { readLinked } from "./read-linked.js";
export { Search } from "./search.js";
export { Verdict } from "./verdict.js";
export { works } from "./works.js";
export const build = BUILD;
export const sheet = styleSheet(STYLES + STATEMENTS + PAPER);
