/** What agents are called: by a function of the page, else by its attribute, else by their number. */
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
