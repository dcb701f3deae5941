// The client for web pages. Unlike index.ts, it has not the calls of all-calls.ts, and no errors that name a capability
// that is off.

export { type ClientOptions, OutcomesClient, type Retry } from "./client.js";
export * from "./errors.js";
export { Decimal } from "./json.js";
export type * from "./models.js";
