// Bundles reader.js into the file that the page carries, with the licences of all that is in it.
//
//   make page-reader       or, here: npm ci && npm run build
//
// Stores are compressed by Blosc and Zstandard, and overviews by Deflate: other decoders are left out.

import {readdirSync, readFileSync, writeFileSync} from "node:fs";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {build} from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "../../src/shift_stac/stac/page/reader.js");
const LEFT_OUT = [
  /^numcodecs\/(lz4|zlib|gzip)$/,
  /^\.\/(lerc|zstd|jpeg|webimage|lzw|packbits)\.js$/,
  /^(lerc|zstddec|@petamoriken\/float16|web-worker|unzipit|reference-spec-reader)/,
  /worker\/(create|decoder)/,
];

const withoutOthers = {
  name: "without-others",
  setup(bundler) {
    for (const filter of LEFT_OUT) {
      bundler.onResolve({filter}, ({path}) => ({path, namespace: "left-out"}));
    }
    bundler.onLoad({filter: /.*/, namespace: "left-out"}, () => ({
      contents: "module.exports = new Proxy(class { static fromConfig() { throw new Error('this codec is not in the page'); } }, {get: (is, name) => is[name] ?? is});",
      loader: "js",
    }));
  },
};

const done = await build({
  absWorkingDir: here,
  entryPoints: ["reader.js"],
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "ArchiveReader",
  target: "es2022",
  legalComments: "none",
  metafile: true,
  write: false,
  plugins: [withoutOthers],
  // The sources' own modules, which can be left out one by one.
  alias: {
    geotiff: join(here, "node_modules/geotiff/dist-module/geotiff.js"),
    "numcodecs/zstd": join(here, "zstandard.js"),
  },
});

const packages = new Set(Object.keys(done.metafile.inputs).map((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean));
// The text that many have in common stands once, after the copyright of each.
const texts = new Map();
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name);
  const {version, license} = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(join(folder, file), "utf8").trim() : "";
  const [head, ...rest] = text.split(/(?=Permission is hereby granted)/);
  const [owner, terms] = rest.length ? [head, rest.join("")] : ["", text];
  const copyright = owner.split("\n").filter((row) => /copyright/i.test(row)).map((row) => row.trim()).join("; ");
  const key = terms.replaceAll(/\s+/g, " ");
  if (!texts.has(key)) texts.set(key, {terms, owners: []});
  texts.get(key).owners.push(`${name} ${version} (${license}) ${copyright}`.trim());
}
const licences = [...texts.values()].map(({owners, terms}) => `${owners.join("\n")}\n\n${terms}`);
const notice = `${licences.join("\n\n----\n\n")}\n\n----\n\nnumcodecs holds c-blosc (BSD-3-Clause, Copyright The Blosc Development Team), with LZ4 (BSD-2-Clause, Copyright Yann Collet), Zstandard (BSD-3-Clause, Copyright Meta Platforms), Snappy (BSD-3-Clause, Copyright Google) and zlib (Copyright Jean-loup Gailly and Mark Adler), compiled to WebAssembly.`;
const code = done.outputFiles[0].text;
if (/<\/script/i.test(code)) throw new Error("the bundle would end its own element in the page");
writeFileSync(out, `/* Built by tools/page-reader: do not edit.\n\n${notice.replaceAll("*/", "* /")}\n*/\n${code}`);
console.log(`${out}: ${Math.round(code.length / 1000)} kB, with ${[...packages].join(", ")}`);
