// The feed's second file: what a viewer needs only after a click, with its styles.
import { styleSheet } from "../shared/dom.js";
import STYLES from "./more.css";
import STATEMENTS from "./statements.css";

export { History } from "./history.js";
export { download, save } from "./parts.js";
export { RangeForm } from "./range.js";
export { Statements } from "./statements.js";
export { Verdict } from "./verdict.js";
export const build = BUILD;
export const sheet = styleSheet(STYLES + STATEMENTS);
