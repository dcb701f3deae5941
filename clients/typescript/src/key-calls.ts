// Adds the calls that need a key to the client. Web pages load page.ts, which leaves this module out to stay below 6.6 kB:
// a page never has a key. The calls that `make contract` writes are here, too.

import * as answers from "./answers.js";
import { encode, OutcomesClient as PageClient } from "./client.js";
import { ConfigurationError } from "./errors.js";
import type * as models from "./models.js";

// make contract: readers of rows
// end of make contract

export class KeyedClient extends PageClient {
  /** Dismisses a dispute. Needs the platform's key; `userId` is the outcome's user. */
  async uphold(outcomeId: string, reason: string, options?: models.CorrectOfUserOptions): Promise<models.Corrected> {
    return this.correct("uphold", outcomeId, reason, options, "key");
  }

  /**
   * Assigns an outcome that has no user to this user: records a copy for the user, voids the original, and returns the
   * copy's id.
   *
   * Needs the platform's key. Retries get the same id. Rejects with a NotFoundError if the outcome has a user, and with a
   * ConflictError if it is void or was assigned to another user.
   */
  async assign(outcomeId: string, userId: number, options: models.CallOptions = {}): Promise<string> {
    return this.read(`/api/outcomes/${encodeURIComponent(outcomeId)}/assign`, options, answers.assigned, {
      method: "POST",
      body: encode({ userId }),
      by: "key",
      named: true,
    });
  }

  /** Describes the agent key of this client: its user, limits and scopes. */
  async ownKey(options: models.CallOptions = {}): Promise<models.AgentKey> {
    if (this.owner !== "agent") throw new ConfigurationError("It needs an agent key");
    return this.read("/api/keys/self", options, answers.key, { by: "key" });
  }

  // make contract: calls for rows
  // end of make contract
}
