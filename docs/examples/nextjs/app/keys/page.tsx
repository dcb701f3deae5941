/** Lets the viewer create, rotate and revoke agent keys. */
export default function Page() {
  return (
    <main>
      <h1>Agents</h1>
      <script type="module" src="/outcome-keys.js" async />
      <outcome-keys endpoint="/api/keys" sign-in-url="/api/auth/signin" />
    </main>
  );
}
