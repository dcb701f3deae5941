import { download } from "./parts.js";
import { printAll } from "./print.js";
import { Progress } from "./progress.js";
import { Statements } from "./statements.js";

/** @import {DocumentContext, Work} from "./documents.js" */

/**
 * Maps the name of each button of Documents to a function that creates its work.
 * @type {Record<"Download" | "Print" | "Statements", (opener: HTMLButtonElement, context: DocumentContext) => Work>}
 */
export const works = {
  Download: (opener, { api, choice }) =>
    new Progress(opener, "Downloaded", (bar, signal) => download(api, choice.query, choice.span, bar, signal)),
  Print: (opener, context) => new Progress(opener, "Loaded", (bar, signal) => printAll(opener, context, bar, signal)),
  Statements: (opener, context) => new Statements(opener, context),
};
