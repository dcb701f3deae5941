// Adds the calls about statements to the client. Web pages load page.ts, which leaves this module out to stay below
// 6.6 kB.

import * as answers from "./answers.js";
import { KeyedClient } from "./key-calls.js";
import type * as models from "./models.js";

const PATH = "/api/statements";

export class StatementsClient extends KeyedClient {
  /**
   * Returns the statement of a month, such as `2026-10`, by default in UTC. Save the text as it is: `verify` of
   * `outcomes-client/statements` refuses any other layout.
   *
   * Each call returns the same text, because the first call stores it. Needs the session or an agent key with the scope
   * `read`; only the session makes the first statement of a time zone. Rejects with a ConflictError until ten minutes
   * after the month's end, and for a fourth time zone.
   */
  async makeStatement(period: string, { timezone, signal }: models.MakeStatementOptions = {}): Promise<string> {
    const how = { method: "POST", body: JSON.stringify({ period, timezone }) } as const;
    return this.read(PATH, { signal }, answers.document("signature"), how);
  }

  /** Lists one page of the existing statements, latest period first. */
  async listStatements(options: models.ListStatementsOptions = {}): Promise<models.StatementPage> {
    return this.read(PATH, options, answers.statements);
  }

  /** Returns the text of the existing statement with this id, such as `2026-10@Europe/Berlin`. */
  async getStatement(statementId: string, options: models.CallOptions = {}): Promise<string> {
    return this.read(pathOf(statementId), options, answers.document("signature"), { named: true });
  }

  /** Yields the entries of a statement, in parts. The joined texts of the parts are the file. */
  statementEntries(
    statementId: string,
    options: models.StatementEntriesOptions = {},
  ): AsyncGenerator<models.ExportPart, void> {
    const type = "application/x-ndjson";
    return this.parts(`${pathOf(statementId)}/entries`, options, (reply) => answers.exportPart(reply, type), {
      headers: { Accept: `${type}, application/json` },
      named: true,
    });
  }

  /** Returns the proof that a statement contains an outcome's entries. The proof has no sums. */
  async statementProof(statementId: string, outcomeId: string, options: models.CallOptions = {}): Promise<string> {
    const asked = { ...options, outcome: outcomeId };
    return this.read(`${pathOf(statementId)}/proof`, asked, answers.document("signature"), { named: true });
  }

  /** Returns the API's public keys, which verify its statements. Sends no credentials. */
  async statementKeys(options: models.CallOptions = {}): Promise<string> {
    return this.read("/.well-known/outcomes-keys.json", options, answers.document("keys"), { by: "" });
  }
}

// Replaces `/` and `+` in the time zone's name, because gateways decode escapes in paths.
const pathOf = (id: string) =>
  `${PATH}/${encodeURIComponent(id.replaceAll("/", "~").replaceAll("+", ".")).replace("%40", "@")}`;
