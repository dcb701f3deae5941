// The client as a page loads it: all of index.ts but the names of capabilities that a deployment lacks.

export { type ClientOptions, OutcomesClient, type Retry } from "./client.js";
export * from "./errors.js";
export { Decimal } from "./json.js";
export type * from "./models.js";
