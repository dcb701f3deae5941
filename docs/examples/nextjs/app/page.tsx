import { RecordForm } from "./record-form";

// Rendered for each request, so that each form has an idempotency key of its own.
export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>Dashboard</h1>
      <RecordForm idempotencyKey={crypto.randomUUID()} />
      {/* async, so that it runs also where React shows the page after a click on a link. */}
      <script type="module" src="/value-delivered.js" async />
      <value-delivered endpoint="/api/outcomes" refresh="5" sign-in-url="/api/auth/signin" />
    </main>
  );
}
