/** @import {Problem, ViewState} from "../shared/request.js" */

/** @type {Record<ViewState, [title: string, text: string]>} */
const WORDS = {
  loading: ["Loading what your agents delivered", "One moment."],
  empty: ["Nothing delivered yet", "What your agents finish appears here."],
  "signed-out": ["You are signed out", "Sign in to see what your agents delivered."],
  offline: ["You are offline", "The feed resumes when you are connected again."],
  error: ["The feed could not be loaded", "Retrying automatically."],
  unset: ["No endpoint", "Set this element’s attribute endpoint."],
};

/**
 * Return the words of a state.
 * @param {ViewState} state
 * @param {Problem | null} problem
 * @param {ViewState} [banner] equal to `state` if the feed stays visible below the words
 * @returns {[title: string, text: string]}
 */
export function wordsOf(state, problem, banner) {
  const [title, text] = WORDS[state];
  return [
    banner === "error" ? "This may be out of date" : title,
    problem?.message ? `${problem.message} ${text}` : text,
  ];
}

export const DELIVERED = "M12 3v12M7 10l5 5 5-5M4 17v3h16v-3";
