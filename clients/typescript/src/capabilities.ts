// Adds errors that name a capability that is off. Web pages load page.ts, which leaves this module out to stay below
// 6.6 kB.

import type { ClientOptions } from "./client.js";
import { CostsClient } from "./cost-calls.js";
import { CapabilityOffError } from "./errors.js";

/** Maps the template parameter of a capability to a pattern, which matches the paths of the capability's routes. */
const CAPABILITIES = {
  Batch: /\/outcomes\/batch$/,
  Totals: /\/outcomes\/summary$/,
  Export: /\/outcomes\/export$/,
  Corrections: /\/outcomes\/[0-7][\dA-HJKMNP-TV-Z]{25}(\/corrections|\/assign)?$/,
  AgentKeys: /\/api\/keys(\/.*)?$/,
  Statements: /\/api\/statements(\/.*)?$|\/outcomes-keys\.json$/,
  Costs: /\/api\/costs(\/.*)?$/,
};

/**
 * Records outcomes and reads them back, like the client for pages; rejects with a CapabilityOffError if a capability is off.
 */
export class OutcomesClient extends CostsClient {
  constructor(options: ClientOptions = {}) {
    super({
      ...options,
      fetch: async (url, init) => {
        const response = await (options.fetch ?? fetch)(url, init);
        if (response.status !== 404 || !response.headers.has("No-Such-Route")) return response;
        const { pathname } = new URL(url as string);
        const off = Object.entries(CAPABILITIES).find(([, path]) => path.test(pathname));
        if (!off) return response;
        throw new CapabilityOffError(`404 Not found: ${off[0]} is Off in this deployment`, {
          status: 404,
          error: "Not found",
        });
      },
    });
  }
}
