// The client for pages: the same as index.ts, but its errors do not name a capability that is off.

export { type ClientOptions, OutcomesClient, type Retry } from "./client.js";
export * from "./errors.js";
export { Decimal } from "./json.js";
export type * from "./models.js";
