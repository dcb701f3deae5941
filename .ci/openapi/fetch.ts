// Calls of openapi-fetch that must compile with the types that openapi-typescript generates.
import createClient from "openapi-fetch";
import type { paths } from "./openapi.js";

const api = createClient<paths>({ baseUrl: "http://127.0.0.1:3000" });

export async function work(): Promise<(number | null)[]> {
  await api.POST("/api/outcomes", {
    body: { outcomeType: "deal_closed", title: "Renewed Acme for a year", valueUsd: 12500.5, userId: 42 },
    params: { header: { "Idempotency-Key": "acme-2026" } },
  });
  const listed = await api.GET("/api/outcomes", { params: { query: { limit: 50, include: ["ledger"] } } });
  for (const outcome of listed.data?.outcomes ?? []) {
    await api.POST("/api/outcomes/{id}/corrections", {
      params: { path: { id: outcome.id } },
      body: { type: "amend", reason: "Two seats fewer", changes: { valueUsd: 12000 } },
    });
  }
  // @ts-expect-error no such path
  await api.GET("/api/outcome");
  // @ts-expect-error a title is missing
  await api.POST("/api/outcomes", { body: { outcomeType: "deal_closed" } });
  return listed.data?.outcomes.map((outcome) => outcome.value_usd) ?? [];
}
