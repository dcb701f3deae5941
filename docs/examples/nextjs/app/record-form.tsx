"use client";

import { useActionState } from "react";
import { recordDeal } from "./actions";

/** A form that records a deal. If it is submitted again with the same idempotency key, the deal counts once. */
export function RecordForm({ idempotencyKey }: { idempotencyKey: string }) {
  const [answer, record, pending] = useActionState(recordDeal, { said: "" });
  return (
    <form action={record}>
      <input type="hidden" name="idempotencyKey" value={idempotencyKey} />
      <label>
        Deal
        <input name="title" required maxLength={200} defaultValue={answer.title} />
      </label>
      <label>
        Value in USD
        <input name="value" required inputMode="decimal" defaultValue={answer.value} />
      </label>
      <button type="submit" disabled={pending}>
        Record
      </button>
      <output>{answer.said}</output>
    </form>
  );
}
