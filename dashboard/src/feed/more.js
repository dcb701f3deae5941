// The feed's second file: what a viewer needs only after a click.
export { History } from "./history.js";
export { readParts } from "./parts.js";
export { Verdict } from "./verdict.js";
export const build = BUILD;
