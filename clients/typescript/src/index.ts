// Record the valuable work that agents finish, exactly once, and read it back.

export { OutcomesClient } from "./all-calls.js";
export type { ClientOptions, Retry } from "./client.js";
export * from "./errors.js";
export { Decimal } from "./json.js";
export type * from "./models.js";
