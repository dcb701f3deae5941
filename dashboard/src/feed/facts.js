import { html } from "../shared/dom.js";
import { exactTime } from "../shared/time.js";
import { fact, readable } from "./changes.js";
import { happenedAt } from "./merge.js";

/** @import {Outcome} from "./api.js" */

/**
 * Return what an unfolded row shows of its outcome besides its summary.
 * @param {Outcome} outcome
 * @param {string | null} link an address that links to the outcome
 */
export function facts(outcome, link) {
  const { id, created_at, description, metadata } = outcome;
  const listed = Object.entries(metadata ?? {}).map(([key, value]) =>
    fact(key, ...linked(typeof value === "string" ? value : readable(value))),
  );
  const happened = happenedAt(outcome);
  if (happened !== created_at) listed.push(fact("Happened", exactTime.format(new Date(happened))));
  listed.push(fact("Recorded", exactTime.format(new Date(created_at))), fact("Outcome", id));
  if (link) listed.push(fact("Link", html("a", { href: link }, "To this outcome")));
  return [
    ...(description ? [html("p", { class: "description", dir: "auto" }, description)] : []),
    html("dl", {}, ...listed),
  ];
}

/** Turn a text, or each string of a JSON text, into a link if all of it is an http(s) URL. @param {string} text */
export const linked = (text) =>
  text
    .split(/((?<=^|")https?:\/\/[^\s"\\]+(?=$|"))/i)
    .map((part, at) =>
      at % 2 && URL.canParse(part)
        ? html("a", { href: part, target: "_blank", rel: "noopener", dir: "auto" }, part)
        : part,
    );
