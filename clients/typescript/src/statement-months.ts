// Verifies the statements of consecutive months, and adds them up.

import { amount, byCodePoints, byNumber, MONEY_OF_SUMS, Sum, type Total, type Totals } from "./statement-sums.js";
import { type Adjustment, type File, type Head, StatementError, type Verified, verify } from "./statements.js";

/** The statements to verify, in any order. */
export interface MonthsFiles {
  statements: File[];
  /** The issuer's keys, obtained from another source than the statements. */
  keys: File;
  /** The statement of the month before, which the earliest of these statements must continue. */
  previous?: File | null | undefined;
}

/** Totals of several months. `by_agent` is null if a statement left agents out of it (`other_agents`). */
export type SumOfTotals = Omit<Totals, "by_agent" | "other_agents"> & { by_agent: Totals["by_agent"] | null };

/** The verified statements of consecutive months, oldest first, and their sum. */
export interface VerifiedMonths {
  statements: Verified[];
  /** The totals of all these months, with the adjustments that the statements have of these months. */
  totals: SumOfTotals;
  /** The adjustments of other months. */
  changes: { from: string; to: string; totals: SumOfTotals }[];
}

const isMoney = (value: unknown) => typeof value === "string" && MONEY_OF_SUMS.test(value);

/**
 * Verifies the statements of consecutive months of one user and time zone, and adds them up. Rejects with a
 * StatementError if a check fails, or if the months are not consecutive (`previous`).
 */
export async function verifyMonths({ statements, keys, previous = null }: MonthsFiles): Promise<VerifiedMonths> {
  if (!statements.length) throw new TypeError("verifyMonths takes at least one statement");
  const found: { statement: File; verified: Verified }[] = [];
  for (const [n, statement] of statements.entries()) {
    try {
      found.push({ statement, verified: await verify({ statement, keys }) });
    } catch (error) {
      if (!(error instanceof StatementError)) throw error;
      refuse(error.word, `statement ${n + 1}: ${error.message.slice(error.word.length + 2)}`);
    }
  }
  const period = ({ verified }: { verified: Verified }) => verified.head.period;
  found.sort((one, other) => (period(one) < period(other) ? -1 : 1));
  const months = added(found.map(({ verified }) => verified));
  let before = previous;
  for (const { statement } of found) {
    if (before !== null) await verify({ statement, keys, previous: before });
    before = statement;
  }
  return months;
}

function refuse(word: StatementError["word"], why: string): never {
  throw new StatementError(word, why);
}

/** Adds up statements, oldest first. Refuses them if they are not of consecutive months of one chain. */
function added(statements: Verified[]): VerifiedMonths {
  const heads = statements.map(({ head }) => head);
  heads.slice(1).forEach((later, n) => {
    checkFollows(heads[n] as Head, later);
  });
  const begin = (heads[0] as Head).from;
  const end = (heads.at(-1) as Head).cut;
  const own: Totals[] = [];
  const others = new Map<string, Adjustment[]>();
  for (const { totals, adjustments = [] } of statements) {
    own.push(totals as Totals);
    for (const each of adjustments) {
      const bounds = `${each.from} ${each.to}`;
      if (begin <= each.from && each.to <= end) own.push(each.totals);
      else others.set(bounds, [...(others.get(bounds) ?? []), each]);
    }
  }
  const changes = [...others].sort(([one], [other]) => (one < other ? -1 : 1));
  return {
    statements,
    totals: sumOf(own),
    changes: changes.map(([, parts]) => {
      const { from, to } = parts[0] as Adjustment;
      return { from, to, totals: sumOf(parts.map(({ totals }) => totals)) };
    }),
  };
}

function checkFollows(earlier: Head, later: Head): void {
  for (const name of ["issuer", "user", "timezone"] as const) {
    if (later[name] !== earlier[name]) {
      refuse("previous", `expected statements of one ${name}, found ${earlier[name]} and ${later[name]}`);
    }
  }
  const [year, month] = earlier.period.split("-").map(Number) as [number, number];
  const next = `${year + Math.floor(month / 12)}`.padStart(4, "0");
  const expected = `${next}-${`${(month % 12) + 1}`.padStart(2, "0")}`;
  if (later.period !== expected) {
    refuse("previous", `expected the statement of ${expected} after ${earlier.period}, found ${later.period}`);
  }
}

function sumOf(parts: Totals[]): SumOfTotals {
  const hasAllAgents = parts.every(({ other_agents }) => other_agents === null);
  return {
    ...total(parts),
    confirmed: total(parts.map(({ confirmed }) => confirmed)),
    disputed: total(parts.map(({ disputed }) => disputed)),
    voided: total(parts.map(({ voided }) => voided)),
    by_type: rows(
      "outcome_type",
      parts.flatMap(({ by_type }) => by_type),
      (type) => typeof type === "string",
    ),
    by_agent: hasAllAgents
      ? rows(
          "agent_id",
          parts.flatMap(({ by_agent }) => by_agent),
          (id) => id === null || Number.isSafeInteger(id),
        )
      : null,
  };
}

/** Adds up the rows of each type or agent. A verifier does not check rows without the entries, so they are checked here. */
function rows<Key extends string, Row extends Total & Record<Key, unknown>>(
  key: Key,
  listed: Row[],
  isKey: (value: unknown) => boolean,
): Row[] {
  const byKey = new Map<unknown, Row[]>();
  for (const row of listed) {
    const isRow =
      typeof row === "object" && row && `${Object.keys(row).sort()}` === `${[key, "count", "value_usd"].sort()}`;
    if (!isRow || !isKey(row[key]) || !Number.isSafeInteger(row.count) || !isMoney(row.value_usd)) {
      refuse("totals", `expected rows of ${key}, count and value_usd, found ${JSON.stringify(row).slice(0, 300)}`);
    }
    byKey.set(row[key], [...(byKey.get(row[key]) ?? []), row]);
  }
  const sums = [...byKey].sort(([one], [other]) => ordered(one, other));
  const all = sums.map(([value, parts]) => ({ [key]: value, ...total(parts) }) as Row);
  return all.filter(({ count, value_usd }) => count || /[1-9]/.test(value_usd));
}

/** Compares agents by number, with null first, and types by code points. */
const ordered = (one: unknown, other: unknown): number =>
  typeof one === "string" ? byCodePoints(one, other as string) : byNumber(one as number | null, other as number | null);

function total(parts: Total[]): Total {
  const sum = new Sum();
  for (const { count, value_usd } of parts) sum.plus(amount(value_usd, count));
  if (!Number.isSafeInteger(Number(sum.count))) {
    refuse("totals", `expected a sum of counts with a magnitude below ${2 ** 53}, found ${sum.count}`);
  }
  return sum.total();
}
