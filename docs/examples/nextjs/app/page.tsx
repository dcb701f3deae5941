import { RecordForm } from "./record-form";

// Render for each request: each form needs a new idempotency key.
export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>Dashboard</h1>
      <RecordForm idempotencyKey={crypto.randomUUID()} />
      {/* React runs a script that it adds during client-side navigation only if the script is async. */}
      <script type="module" src="/value-delivered.js" async />
      <value-delivered endpoint="/api/outcomes" cost-endpoint="/api/costs" refresh="5" sign-in-url="/api/auth/signin" />
    </main>
  );
}
