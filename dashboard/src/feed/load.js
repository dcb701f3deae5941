import { Problem } from "../shared/request.js";

let failures = 0;

/** Load the feed's second file. Throws a Problem; the next call tries again. */
export async function loadMore() {
  let reason = "A file of this page could not be loaded.";
  try {
    // Browsers remember that a URL could not be loaded, and for some minutes what it had, so a retry needs another URL.
    const again = new URL(`value-delivered-more.js?${failures}`, import.meta.url).href;
    /** @type {typeof import("./more.js")} */
    const more = await (failures ? import(again) : import("./more.js"));
    if (more.build === BUILD) return more;
    reason = "This page is out of date. Reload it.";
  } catch {}
  failures += 1;
  throw navigator.onLine ? new Problem("error", reason) : new Problem("offline", "You are offline.");
}
