// Bundles src/page.ts and puts it into index.html: `node build.mjs < registry.json > verify.html` (see build.py).
//
// The page allows no script and no style but its own, by their SHA-256 (CSP Level 3 §2.3.1), and no network at all. It
// is a pure function of the sources, the registry and the versions in package-lock.json.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const read = (path) => readFileSync(here(path), 'utf8');
const hash = (text) => `sha256-${createHash('sha256').update(text).digest('base64')}`;

const NOTICE = `/*! Offline verifier of evidencekit, Apache-2.0. Contains @noble/curves, @noble/hashes and @noble/post-quantum, MIT, (c) Paul Miller; and pako, MIT and Zlib,
(c) Vitaly Puzrin, Andrei Tuputcyn, Jean-loup Gailly and Mark Adler. The MIT and Zlib licences: https://spdx.org/licenses/ */`;
const registry = JSON.parse(readFileSync(0, 'utf8'));
const [template, style] = [read('index.html'), read('src/page.css')];
const result = await build({
  absWorkingDir: here('.'), entryPoints: ['src/page.ts'], bundle: true, write: false, format: 'iife', target: 'es2022', charset: 'utf8',
  minifyWhitespace: true, minifySyntax: true, legalComments: 'inline', banner: { js: NOTICE }, lineLimit: 400, treeShaking: true, logLevel: 'error',
  define: { __REGISTRY__: JSON.stringify(registry), __TEMPLATE__: JSON.stringify(template), __STYLE__: JSON.stringify(style) },
});
// Neither may end the element that holds it.
const script = result.outputFiles[0].text.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
const values = { script_hash: hash(script), style_hash: hash(style), style, script };
process.stdout.write(Object.entries(values).reduce((page, [name, value]) => page.replace(`@@${name}`, () => value), template));
