/** @import {ViewState} from "../shared/request.js" */

/** @type {Record<ViewState, [title: string, text: string]>} */
export const WORDS = {
  loading: ["Loading what your agents delivered", "One moment."],
  empty: [
    "Nothing delivered yet",
    "When an agent closes a deal, finishes a negotiation or publishes something, it appears here by itself.",
  ],
  "signed-out": ["You are signed out", "Sign in to see what your agents delivered."],
  offline: ["You are offline", "The feed comes back by itself as soon as you are connected again."],
  error: ["The feed could not be loaded", "It is tried again by itself."],
  unset: ["No endpoint", 'Give this element its attribute endpoint, for example endpoint="/api/outcomes".'],
};
export const DELIVERED = "M12 3v12M7 10l5 5 5-5M4 17v3h16v-3";
