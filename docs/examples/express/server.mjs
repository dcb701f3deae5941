import { fileURLToPath } from "node:url";
import express from "express";
import { createProxyMiddleware } from "http-proxy-middleware";

const api = process.env.OUTCOMES_URL?.replace(/(\/api\/outcomes)?\/*$/, "");
if (!api) throw new Error("Set OUTCOMES_URL to the API's URL, with its stage: ApiUrl, as make deploy prints it");

const app = express();

// The proxy must come before express.json(), which would consume the body.
app.use(
  createProxyMiddleware({
    target: api,
    changeOrigin: true, // API Gateway routes by the Host header
    pathFilter: (path) => /^\/api\/(outcomes|keys|statements|costs|definitions|watches)(\/|$)/.test(path),
    proxyTimeout: 30_000, // API Gateway answers within 29 s
    on: {
      proxyRes: (answer, _request, response) => answer.on("error", () => response.destroy()), // else it would never end
      error: (error, _request, response) => {
        console.error(error.message);
        response.writeHead(502, { "Content-Type": "application/json" }).end('{"error":"Bad gateway"}');
      },
    },
  }),
);

// Serve your own pages here. The pages in dashboard/public contain both elements.
app.use(express.static(fileURLToPath(new URL("../../../dashboard/public", import.meta.url))));

app.listen(Number(process.env.PORT ?? 3001), "127.0.0.1");
