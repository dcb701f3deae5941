/** Names of agents: by the page's function, else by the attribute agent-names, else "Agent 7". */
export class AgentNames {
  /** @type {((id: number) => string | null | undefined) | null} */
  named = null;
  /** @type {Record<string, unknown>} */
  #names = {};

  /** @param {string | null} json names by id */
  parse(json) {
    try {
      this.#names = JSON.parse(json ?? "{}") ?? {};
    } catch {
      this.#names = {};
    }
  }

  /** @param {number | null} id */
  name(id) {
    return id === null ? "No agent" : String(this.named?.(id) || this.#names[id] || `Agent ${id}`);
  }
}
