/** Names agents. A name comes from the page's function, else from the attribute agent-names, else it is "Agent 7". */
export class AgentNames {
  /** @type {((id: number) => string | null | undefined) | null} */
  named = null;
  /** @type {Record<string, unknown>} by id, from the attribute */
  names = {};

  /** @param {string | null} json names by id */
  parse(json) {
    try {
      this.names = JSON.parse(json ?? "{}") ?? {};
    } catch {
      this.names = {};
    }
  }

  /** @param {number | null} id */
  name(id) {
    return id === null ? "No agent" : String(this.named?.(id) || this.names[id] || `Agent ${id}`);
  }
}
