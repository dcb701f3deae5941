// Adds up counts and money exactly, for the verifiers in statements.ts and statement-months.ts.

export interface Total {
  count: number;
  value_usd: string;
}

export interface Totals extends Total {
  confirmed: Total;
  disputed: Total;
  voided: Total;
  by_type: ({ outcome_type: string } & Total)[];
  by_agent: ({ agent_id: number | null } & Total)[];
  /** The agents that `by_agent` leaves out, and their total. */
  other_agents: ({ agents: number } & Total) | null;
}

export type Counted = { status: string; value: string | null; type: string; agent: number | null; at: string };
type Amount = { count: bigint; value: bigint; scale: number };

/**
 * Maps each status to the tallies that count it. The totals have the tally `standing` as their own `count` and
 * `value_usd`.
 */
const TALLIES = new Map([
  ["recorded", ["standing"]],
  ["confirmed", ["standing", "confirmed"]],
  ["disputed", ["disputed"]],
  ["void", ["voided"]],
]);
export const APART = ["confirmed", "disputed", "voided"] as const;
/** The most rows of agents in the totals, and in all adjustments together. */
const MAX_AGENTS = 1000;
export const MONEY_OF_SUMS = /^(?!-0\.00$)-?(0|[1-9]\d*)\.\d\d(\d*[1-9])?$/;

/** The exact totals of a period, or a part of these totals. */
export class Sum {
  count = 0n;
  /** The value in units of 10 to the power of -scale. */
  value = 0n;
  scale = 0;
  readonly parts = new Map<string, Map<unknown, Sum>>();

  /**
   * Adds an outcome to the tallies of its status. If one of these is `standing`, also adds it to the rows of its type
   * and its agent.
   */
  addTo({ status, value: money, type, agent }: Counted, sign: bigint): void {
    const { value, scale } = amount(money ?? "0");
    const more = { count: sign, value: sign * value, scale };
    const tallies = TALLIES.get(status) ?? [];
    for (const tally of tallies) this.part(tally, null).plus(more);
    if (tallies.includes("standing")) {
      this.part("outcome_type", type).plus(more);
      this.part("agent_id", agent).plus(more);
    }
  }

  plus(more: Amount): void {
    const scale = Math.max(this.scale, more.scale);
    this.count += more.count;
    this.value = scaled(this, scale) + scaled(more, scale);
    this.scale = scale;
  }

  totals({ kept, others }: Agents): object {
    const together = new Sum();
    for (const other of others) together.plus(other);
    return {
      ...this.part("standing", null).total(),
      ...Object.fromEntries(APART.map((tally) => [tally, this.part(tally, null).total()])),
      by_type: listed(
        "outcome_type",
        this.rows<string>("outcome_type").sort(([one], [other]) => byCodePoints(one, other)),
      ),
      by_agent: listed(
        "agent_id",
        kept.sort(([one], [other]) => byNumber(one, other)),
      ),
      other_agents: others.length ? { agents: others.length, ...together.total() } : null,
    };
  }

  /** Returns the sums of all types or of all agents, except those that are zero. */
  rows<Key>(name: string): [Key, Sum][] {
    const parts = [...(this.parts.get(name) ?? [])] as [Key, Sum][];
    return parts.filter(([, sum]) => sum.count || sum.value);
  }

  private part(name: string, key: unknown): Sum {
    const parts = this.parts.get(name) ?? new Map<unknown, Sum>();
    this.parts.set(name, parts);
    const part = parts.get(key) ?? new Sum();
    parts.set(key, part);
    return part;
  }

  total(): Total {
    const digits = `${this.value < 0n ? -this.value : this.value}`.padStart(this.scale + 1, "0");
    const point = digits.length - this.scale;
    const whole = digits.slice(0, point);
    const decimals = digits.slice(point).replace(/0+$/, "").padEnd(2, "0");
    return { count: Number(this.count), value_usd: `${this.value < 0n ? "-" : ""}${whole}.${decimals}` };
  }
}

const listed = (name: string, rows: [unknown, Sum][]): object[] =>
  rows.map(([key, sum]) => ({ [name]: key, ...sum.total() }));

/** Reads the amount of a money text, with the count of one outcome or of several. */
export function amount(money: string, count = 1): Amount {
  const [whole, decimals = ""] = money.split(".");
  return { count: BigInt(count), value: BigInt(`${whole}${decimals}`), scale: decimals.length };
}

/** The sums of a period's agents that are listed, and the sums of all others. */
export type Agents = { kept: [number | null, Sum][]; others: Sum[] };

/** Keeps the greatest sums of agents of all periods together. The periods are sorted by time. */
export function fold(periods: Sum[]): Agents[] {
  const rows = periods.flatMap((period, n) =>
    period.rows<number | null>("agent_id").map(([agent, sum]) => ({ agent, sum, n })),
  );
  rows.sort((one, other) => {
    const scale = Math.max(one.sum.scale, other.sum.scale);
    return (
      bySize(scaled(one.sum, scale), scaled(other.sum, scale)) ||
      bySize(one.sum.count, other.sum.count) ||
      byNumber(one.agent, other.agent) ||
      one.n - other.n
    );
  });
  const folded = periods.map((): Agents => ({ kept: [], others: [] }));
  for (const [place, { agent, sum, n }] of rows.entries()) {
    if (place < MAX_AGENTS) folded[n]?.kept.push([agent, sum]);
    else folded[n]?.others.push(sum);
  }
  return folded;
}

/** Returns the value in units of 10 to the power of -to, which must not be more than the value's own unit. */
const scaled = ({ value, scale }: Amount, to: number): bigint => value * 10n ** BigInt(to - scale);

/** Compares magnitudes, the greater one first. */
function bySize(one: bigint, other: bigint): number {
  const [first, second] = [one < 0n ? -one : one, other < 0n ? -other : other];
  return first === second ? 0 : first > second ? -1 : 1;
}

/** Compares agents, null first. */
export const byNumber = (one: number | null, other: number | null): number =>
  one === other ? 0 : one === null || (other !== null && one < other) ? -1 : 1;

/** Compares strings by code points. JavaScript's operators compare UTF-16 code units. */
export function byCodePoints(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return (one.codePointAt(at) ?? -1) - (other.codePointAt(at) ?? -1);
}
