import { ask } from "./api.js";

/** @typedef {{body: Record<string, unknown>, key: string, keepalive?: boolean}} Post key: the idempotency key */

/** Post JSON, and return the answer. Throws a Problem. @param {URL} url @param {Post} post @param {AbortSignal} [signal] */
export const post = (url, { key, ...more }, signal) =>
  ask(url, signal, { ...more, method: "POST", headers: { "idempotency-key": key } });
