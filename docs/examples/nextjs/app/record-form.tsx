"use client";

import { useActionState } from "react";
import { recordDeal } from "./actions";

/** A form that records a deal. What is submitted again with the same key counts once. */
export function RecordForm({ idempotencyKey }: { idempotencyKey: string }) {
  const [said, record, pending] = useActionState(recordDeal, "");
  return (
    <form action={record}>
      <input type="hidden" name="idempotencyKey" value={idempotencyKey} />
      <label>
        Deal
        <input name="title" required maxLength={200} />
      </label>
      <label>
        Value in USD
        <input name="value" required inputMode="decimal" />
      </label>
      <button type="submit" disabled={pending}>
        Record
      </button>
      <output>{said}</output>
    </form>
  );
}
