// Bundle each element's modules into the one file that pages load: node build.mjs [folder]
import { readFile } from "node:fs/promises";
import { build, transform } from "esbuild";

/** @type {import("esbuild").Plugin} Imports CSS as minified text */
const cssAsText = {
  name: "css",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
  },
};

await build({
  entryPoints: { "value-delivered": "src/feed/element.js", "outcome-keys": "src/keys/element.js" },
  outdir: process.argv[2] ?? "public",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2024",
  charset: "utf8",
  plugins: [cssAsText],
  banner: { js: "/* Made by `make dashboard` from src/ */" },
});
