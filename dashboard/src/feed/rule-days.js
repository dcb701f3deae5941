// Remembers on this device whose days the owner's rule has, so that a page shows the right days at once.

const STORED = "value-delivered-days"; // in localStorage

/** Return whose days the rule had at the last visit: "own" (the viewer's), "other", or null if that is not known. */
export function ruleDays() {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null; // the viewer may forbid storage
  }
}

/** @param {"own" | "other"} days */
export function keepRuleDays(days) {
  try {
    localStorage.setItem(STORED, days);
  } catch {}
}
