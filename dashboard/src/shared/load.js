import { Problem } from "./request.js";

/**
 * Return a function that loads the second file of an element, whose code is not needed at first. If loading fails, the
 * function throws a Problem, and its next call tries again.
 * @template {{build: string}} More
 * @param {string} name of the file
 * @param {() => Promise<More>} load
 */
export function loader(name, load) {
  let failures = 0;
  return async () => {
    let reason = "A file of this page could not be loaded.";
    try {
      // Browsers remember that a URL failed to load, and cache its content for some minutes, so a retry needs another
      // URL.
      const again = new URL(`${name}?${failures}`, import.meta.url).href;
      /** @type {More} */
      const more = await (failures ? import(again) : load());
      if (more.build === BUILD) return more;
      reason = "This page is out of date. Reload it.";
    } catch {}
    failures += 1;
    throw navigator.onLine ? new Problem("error", reason) : new Problem("offline", "You are offline.");
  };
}
