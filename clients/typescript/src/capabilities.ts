// Says which capability a deployment lacks. Pages do without it, as it is more than their 6.5 kB hold.

import { type ClientOptions, OutcomesClient as PageClient } from "./client.js";
import { CapabilityOffError } from "./errors.js";

/** The ends of paths, by the parameter of the template that switches their routes. */
const CAPABILITIES = {
  Batch: /\/outcomes\/batch$/,
  Totals: /\/outcomes\/summary$/,
  Export: /\/outcomes\/export$/,
  Corrections: /\/outcomes\/[\dA-Z]{26}(\/corrections)?$/,
  AgentKeys: /\/api\/keys(\/.*)?$/,
};

/** Records outcomes and reads them back, as `PageClient` does; rejects with a CapabilityOffError what a deployment lacks. */
export class OutcomesClient extends PageClient {
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
