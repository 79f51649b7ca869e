// Makes dist/ of src/: bundles, gzipped, with their content's hash in their names, a manifest for
// CMakeLists.txt and the hash of everything they are made of. `--check`: only says whether dist/ is what
// src/ makes. What a first load weighs, an editor, and all of it, has a bound.
import * as esbuild from 'esbuild';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync, readdirSync, mkdirSync, rmSync, existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const check = process.argv.includes('--check');
const FIRST_LOAD_MAX = 70 * 1024;
const EDITOR_MAX = 150 * 1024;
const ALL_MAX = 300 * 1024;

const sha = (data) => createHash('sha256').update(data).digest('hex');

// The same over the files' names and bytes as tests/console/console_dist_test.py makes.
export function sourcesHash() {
  const names = readdirSync(join(here, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(here.length + 1));
  names.push('build.mjs', 'package.json', 'package-lock.json', 'tsconfig.json');
  const all = createHash('sha256');
  for (const name of names.sort()) all.update(`${name} ${sha(readFileSync(join(here, name)))}\n`);
  return all.digest('hex');
}

const built = await esbuild.build({
  absWorkingDir: here,
  entryPoints: { app: 'src/main.tsx', style: 'src/style.css' },
  bundle: true,
  splitting: true,
  format: 'esm',
  minify: true,
  target: ['es2022'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  outdir: 'out',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  write: false,
  metafile: true,
  charset: 'utf8',
});

const files = new Map();
for (const file of built.outputFiles) files.set(file.path.split('/').pop(), Buffer.from(file.contents));
const named = (begin, end) => [...files.keys()].find((name) => name.startsWith(begin) && name.endsWith(end));
const app = named('app-', '.js');
const style = named('style-', '.css');
// What the app loads at once, beside itself; and what the first editor brings.
const loads = (output, into = new Set()) => {
  for (const one of built.metafile.outputs[output].imports)
    if (one.kind === 'import-statement' && !into.has(one.path)) loads(one.path, into.add(one.path));
  return into;
};
const eager = loads(`out/${app}`);
const code = Object.keys(built.metafile.outputs).find((path) => built.metafile.outputs[path].entryPoint === 'src/ui/code.ts');
const editor = [...loads(code).add(code)].filter((path) => !eager.has(path) && path !== `out/${app}`);
const preload = [...eager].map((path) => `<link rel="modulepreload" href="/console/${path.split('/').pop()}">`);

const html = readFileSync(join(here, 'src/index.html'), 'utf8')
  .replace('APP', `/console/${app}`)
  .replace('STYLE', `/console/${style}`)
  .replace('PRELOAD', preload.join(''));

const gz = (data) => {
  const out = gzipSync(data, { level: 9 });
  out[9] = 255;  // the system that packed it: nobody's business, and not the same everywhere
  return out;
};
const rows = [];
const packed = new Map();
const add = (path, type, immutable, name, data) => {
  const file = `${name}.gz`;
  packed.set(file, gz(data));
  rows.push(`${path}|${type}|${immutable}|${file}|${sha(data).slice(0, 20)}`);
};
add('/', 'html', false, 'index.html', html);
for (const [name, data] of files)
  add(`/console/${name}`, name.endsWith('.css') ? 'css' : 'js', true, name, data);
add('/console/LICENSES.txt', 'text', false, 'LICENSES.txt',
  readFileSync(join(here, 'src/LICENSES.txt')));

const size = (name) => packed.get(`${name}.gz`).length;
const sum = (paths) => [...paths].reduce((all, path) => all + size(path.split('/').pop()), 0);
const first = size('index.html') + size(app) + size(style) + sum(eager);
const editing = sum(editor);
const all = [...packed.values()].reduce((sum, data) => sum + data.length, 0);
console.log(`first load ${first} bytes of ${FIRST_LOAD_MAX}, an editor ${editing} of ${EDITOR_MAX}, all ${all} of ${ALL_MAX}`);
if (first > FIRST_LOAD_MAX || editing > EDITOR_MAX || all > ALL_MAX) {
  console.error('the console weighs too much');
  process.exit(1);
}

const manifest = `# path|type|immutable|file|hash of the content\n# sources ${sourcesHash()}\n# first ${first}\n${rows.join('\n')}\n`;
const dist = join(here, 'dist');
if (check) {
  const same = existsSync(join(dist, 'manifest.txt')) &&
    readFileSync(join(dist, 'manifest.txt'), 'utf8') === manifest &&
    [...packed].every(([name, data]) => existsSync(join(dist, name)) && data.equals(readFileSync(join(dist, name))));
  if (!same) {
    console.error('dist/ is not what src/ makes: npm run build');
    process.exit(1);
  }
} else {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  for (const [name, data] of packed) writeFileSync(join(dist, name), data);
  writeFileSync(join(dist, 'manifest.txt'), manifest);
}
