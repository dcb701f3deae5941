/** @import {ViewState} from "../shared/request.js" */

/** @type {Record<ViewState, [title: string, text: string]>} */
export const WORDS = {
  loading: ["Loading what your agents delivered", "One moment."],
  empty: ["Nothing delivered yet", "What your agents finish appears here."],
  "signed-out": ["You are signed out", "Sign in to see what your agents delivered."],
  offline: ["You are offline", "The feed resumes when you are connected again."],
  error: ["The feed could not be loaded", "Retrying automatically."],
  unset: ["No endpoint", 'Set the attribute endpoint of this element, for example endpoint="/api/outcomes".'],
};
export const DELIVERED = "M12 3v12M7 10l5 5 5-5M4 17v3h16v-3";
