// The client for pages: the same as index.ts, without errors that name the capability a deployment lacks.

export { type ClientOptions, OutcomesClient, type Retry } from "./client.js";
export * from "./errors.js";
export { Decimal } from "./json.js";
export type * from "./models.js";
