// Leaves file.br and file.gz beside each file of a build: `node compress.mjs dist`. The gateway sends the one that a
// browser takes, so that nothing is compressed while somebody waits.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const COMPRESSIBLE = new Set(['.html', '.js', '.css', '.json', '.svg', '.txt', '.webmanifest']);
const SMALLEST = 1024; // bytes; below it the headers weigh more than what is saved

const folder = process.argv[2];
if (!folder) {
  console.error('usage: node compress.mjs FOLDER');
  process.exit(2);
}

for (const name of readdirSync(folder, { recursive: true })) {
  const path = join(folder, name);
  if (['.br', '.gz'].includes(extname(path))) rmSync(path);
  if (!COMPRESSIBLE.has(extname(path)) || statSync(path).size < SMALLEST) continue;
  const content = readFileSync(path);
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
  );
}
