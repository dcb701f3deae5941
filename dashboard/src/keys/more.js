// The second file of the keys element: what a viewer needs only after a click.
export { form } from "./form.js";
export { typesOf, whatToPaste } from "./paste.js";
export { toMake, toRevoke, toRotate } from "./questions.js";
export { secret } from "./secret.js";
export const build = BUILD;
