/**
 * `npm run build:wasm`: compiles the modules of wasm/ into the TypeScript files that hold them. The compiler is 100 MB, so
 * it is no dependency of the repository: it has a folder and a lock file of its own and is installed when it is needed.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { moduleText, WASM_MODULES } from './generate/wasm-module.ts'
import { repository } from './testing/stage.ts'

const folder = path.join(repository, 'wasm')
const compiler = path.join(folder, 'node_modules', 'assemblyscript', 'bin', 'asc.js')
const inherit = { cwd: folder, stdio: 'inherit' } as const
if (!existsSync(compiler)) execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], inherit)
for (const module of WASM_MODULES) {
  const compiled = path.join(folder, 'node_modules', '.build', `${module.name}.wasm`)
  const args = [`${module.name}.ts`, '--config', 'asconfig.json', '--target', 'release', '--outFile', compiled]
  execFileSync(process.execPath, [compiler, ...args], inherit)
  writeFileSync(path.join(repository, module.target), moduleText(module, readFileSync(compiled)))
}
