// Bundle each element's modules into the files that pages load: node build.mjs
// With --check, fail if a file differs instead of writing it.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build, transform } from "esbuild";
import { minify } from "terser";

const BANNER = "/* `make dashboard` */";

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

/** The name of each element, by the folder of its modules */
const ELEMENTS = new Map([
  ["feed", "value-delivered"],
  ["keys", "outcome-keys"],
]);

/** @type {import("esbuild").Plugin} Leaves an element's other files out of the first, which imports them on demand */
const otherFiles = {
  name: "other files",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/(more|review)\.js$/ }, ({ kind, path, resolveDir }) =>
      kind === "dynamic-import"
        ? { path: `./${ELEMENTS.get(basename(resolveDir))}-${basename(path)}`, external: true }
        : null,
    );
  },
};

// All files of an element contain this hash. So the first file notices if another one has another version.
const hash = createHash("sha256");
for (const folder of [...ELEMENTS.keys(), "shared"].map((name) => `src/${name}`))
  for (const name of (await readdir(folder)).sort()) hash.update(await readFile(`${folder}/${name}`));

const { outputFiles } = await build({
  write: false,
  entryPoints: {
    ...Object.fromEntries(
      [...ELEMENTS].flatMap(([folder, name]) => [
        [name, `src/${folder}/element.js`],
        [`${name}-more`, `src/${folder}/more.js`],
      ]),
    ),
    "value-delivered-review": "src/feed/review.js",
    verify: "src/verify/page.js",
  },
  define: { BUILD: JSON.stringify(hash.digest("base64url").slice(0, 4)) },
  outdir: "public",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2024",
  charset: "utf8",
  plugins: [cssAsText, otherFiles],
});
// terser's output is 2 % smaller than that of esbuild, when compressed.
for (const { path, text } of outputFiles) {
  const { code } = await minify(text, {
    module: true,
    compress: { passes: 3, inline: 1, pure_getters: true, evaluate: false, comparisons: false },
    format: { preamble: BANNER },
  });
  if (process.argv[2] !== "--check") await writeFile(path, `${code}\n`);
  else if ((await readFile(path, "utf8")) !== `${code}\n`)
    throw new Error(`${path} is out of date: run make dashboard`);
}
