/*
Makes session cookies for the tests, with the packages that dashboards use: next-auth 4 and Auth.js 5 (@auth/core).

  npm ci && npm run make-cookies

The secret is invented, and the cookies expire in a hundred years. They are random, so each run makes different cookies.
*/
import * as authjs from "@auth/core/jwt";
import nextAuth from "next-auth/jwt";
/* These classes split large cookies. The packages do not export them. */
import { SessionStore as AuthjsStore } from "./node_modules/@auth/core/lib/utils/cookie.js";
import nextAuthCookie from "./node_modules/next-auth/core/lib/cookie.js";

const secret = "made-up-secret-of-the-dashboard";
const maxAge = 100 * 365 * 24 * 60 * 60;
const quiet = { debug() {} };

const families = {
  "next-auth": {
    cookie: "next-auth.session-token",
    encode: (token) => nextAuth.encode({ token, secret, maxAge }),
    store: (option) => new nextAuthCookie.SessionStore(option, { cookies: {} }, quiet),
  },
  authjs: {
    cookie: "authjs.session-token",
    encode: (token, name) => authjs.encode({ token, secret, maxAge, salt: name }),
    store: (option) => new AuthjsStore(option, {}, quiet),
  },
};

const tokens = {
  "user id": { name: "Ada", email: "ada@example.com", sub: "cjld2cjxh0000qzrmn831i7rn", userId: 42 },
  "subject": { name: "Ada", email: "ada@example.com", picture: null, sub: "42" },
  "large": { sub: "42", permissions: Array.from({ length: 200 }, (_, i) => `project-${i}:write`) },
};

const made = [];
for (const [family, { cookie, encode, store }] of Object.entries(families)) {
  for (const prefix of ["", "__Secure-"]) {
    for (const [what, token] of Object.entries(tokens)) {
      const name = prefix + cookie;
      const chunks = store({ name, options: {} }).chunk(await encode(token, name), {});
      const cookies = Object.fromEntries(chunks.map(({ name, value }) => [name, value]));
      made.push({ family, what, secure: prefix !== "", user_id: 42, cookies });
    }
  }
}
console.log(JSON.stringify({ secret, made }, null, 2));
