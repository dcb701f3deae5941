import type { NextConfig } from "next";

// `next build` reads the variable; `next start` uses the value from the build.
const api = process.env.OUTCOMES_URL?.replace(/(\/api\/outcomes)?\/*$/, "");
if (!api) throw new Error("Set OUTCOMES_URL to the API's URL, with its stage: ApiUrl, as make deploy prints it");

const config: NextConfig = {
  rewrites: async () => [
    {
      source: "/api/:name(outcomes|keys|statements|costs|definitions|watches)/:path*",
      destination: `${api}/api/:name/:path*`,
    },
  ],
};

export default config;
