import { RecordForm } from "./record-form";

// Render for each request: each form needs a new idempotency key.
export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>Dashboard</h1>
      <RecordForm idempotencyKey={crypto.randomUUID()} />
      {/* The script is async, so that it also runs after client-side navigation. */}
      <script type="module" src="/value-delivered.js" async />
      <value-delivered endpoint="/api/outcomes" cost-endpoint="/api/costs" refresh="5" sign-in-url="/api/auth/signin" />
    </main>
  );
}
