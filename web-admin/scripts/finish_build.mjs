// After `vite build`: checks what weir-control relies on in index.html, holds the size budgets, and writes a .br and a
// .gz beside each file worth compressing, so that nothing is compressed at serve time.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = new URL('../dist/', import.meta.url).pathname;
const KB = 1000;
const BUDGETS = { entryJs: 250 * KB, entryCss: 40 * KB, lazyChunk: 230 * KB, all: 1200 * KB };
const COMPRESSED = /\.(js|css|svg|json|txt|map)$/;
const SMALLEST = 600; // below this a compressed copy saves nothing

const problems = [];
const html = readFileSync(join(dist, 'index.html'), 'utf8');
for (const needed of ['<base href="__WEIR_BASE__"', 'name="weir-base" content="__WEIR_BASE__"', 'name="weir-nonce" content="__WEIR_NONCE__"']) {
  if (!html.includes(needed)) problems.push(`index.html: ${needed} is missing`);
}
if (/<script(?![^>]*\bsrc=)[^>]*>/.test(html) || /<style/.test(html) || /\son[a-z]+=/.test(html)) problems.push('index.html: inline script or style');
if (/(?:src|href)="(?:\/|https?:)/.test(html)) problems.push('index.html: an address that is not relative to <base>');
if (html.indexOf('<base') > html.search(/(?:src|href)="\.\//)) problems.push('index.html: <base> stands behind an address');

const entries = new Set([...html.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((m) => m[1]));
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter((f) => f.isFile() && !/\.(br|gz)$/.test(f.name))
  .map((f) => join(f.parentPath ?? f.path, f.name));

const sums = { entryJs: 0, entryCss: 0, all: 0 };
for (const path of files) {
  const name = relative(dist, path);
  const bytes = readFileSync(path);
  if (name.startsWith('assets/') && !/-[\w-]{8,}\.\w+$/.test(name)) problems.push(`${name}: no hash in its name`);
  if (!COMPRESSED.test(name)) {
    if (name !== 'index.html') sums.all += bytes.length;
    continue;
  }
  const gz = gzipSync(bytes, { level: 9 });
  sums.all += gz.length;
  if (name.endsWith('.css') && entries.has(name)) sums.entryCss += gz.length;
  else if (name.endsWith('.js') && entries.has(name)) sums.entryJs += gz.length;
  else if (gz.length > BUDGETS.lazyChunk) problems.push(`${name}: ${gz.length} bytes gz, ${BUDGETS.lazyChunk} at most`);
  if (bytes.length < SMALLEST) continue;
  writeFileSync(`${path}.gz`, gz);
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: statSync(path).size },
  }));
}
if (!sums.entryJs || !sums.entryCss) problems.push('no entry script or style sheet was found');
for (const [what, bytes] of Object.entries(sums)) {
  if (bytes > BUDGETS[what]) problems.push(`${what}: ${bytes} bytes gz, ${BUDGETS[what]} at most`);
}
const shown = Object.entries(sums).map(([what, bytes]) => `${what} ${(bytes / KB).toFixed(1)} of ${BUDGETS[what] / KB} kB`);
console.log(`gz: ${shown.join(' · ')}`);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
