/** Shows the viewer's keys of agents, to make, rotate and revoke. */
export default function Page() {
  return (
    <main>
      <h1>Agents</h1>
      <script type="module" src="/outcome-keys.js" async />
      <outcome-keys endpoint="/api/keys" sign-in-url="/api/auth/signin" />
    </main>
  );
}
