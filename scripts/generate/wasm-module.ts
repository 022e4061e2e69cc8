import { createHash } from 'node:crypto'

/** The TypeScript file that holds a compiled module, and the hash of its source, so that a test sees when it is old. */
export function moduleText(source: Buffer, compiled: Buffer): string {
  const lines = compiled.toString('base64').match(/.{1,100}/g) ?? []
  return [
    '/** Compiled from wasm/json-rows.ts by `npm run build:wasm`; do not change it by hand. */',
    `export const JSON_ROWS_SOURCE_SHA256 = '${createHash('sha256').update(source).digest('hex')}'`,
    '',
    'export const JSON_ROWS_MODULE: string =',
    lines
      .map((line, index) => `  ${index === 0 ? '' : '+ '}'${line}'`)
      .join('\n')
      .replaceAll('\n  + ', ' +\n  '),
    '',
  ].join('\n')
}
