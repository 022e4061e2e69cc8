import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { repository } from '../testing/stage.ts'

interface WasmModule {
  readonly name: string
  /** The files that it is compiled from. */
  readonly sources: readonly string[]
  /** The TypeScript file that holds the compiled module. */
  readonly target: string
}

export const WASM_MODULES: readonly WasmModule[] = [
  { name: 'json-rows', sources: ['json-rows', 'values'], target: 'src/dataplane/json-rows-module.ts' },
  { name: 'log-answers', sources: ['log-answers', 'wire'], target: 'src/clients/sls/log-answers-module.ts' },
  { name: 'log-rows', sources: ['log-rows', 'values', 'wire'], target: 'src/connectors/sls/log-rows-module.ts' },
]

export function sourceHash({ sources }: WasmModule): string {
  const hash = createHash('sha256')
  for (const source of sources) hash.update(readFileSync(path.join(repository, 'wasm', `${source}.ts`)))
  return hash.digest('hex')
}

/** The file that holds a compiled module, and the hash of its source, so that a test sees when it is old. */
export function moduleText(module: WasmModule, compiled: Buffer): string {
  const prefix = module.name.replaceAll('-', '_').toUpperCase()
  const lines = compiled.toString('base64').match(/.{1,100}/g) ?? []
  return [
    `/** Compiled from wasm/${module.name}.ts by \`npm run build:wasm\`; do not change it by hand. */`,
    `export const ${prefix}_SOURCE_SHA256 = '${sourceHash(module)}'`,
    '',
    `export const ${prefix}_MODULE: string =`,
    lines
      .map((line, index) => `  ${index === 0 ? '' : '+ '}'${line}'`)
      .join('\n')
      .replaceAll('\n  + ', ' +\n  '),
    '',
  ].join('\n')
}
