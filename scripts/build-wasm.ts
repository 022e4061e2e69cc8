/**
 * `npm run build:wasm`: compiles wasm/json-rows.ts into src/dataplane/json-rows-module.ts. The compiler is 100 MB, so it
 * is no dependency of the repository: it has a folder and a lock file of its own and is installed when it is needed.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { moduleText } from './generate/wasm-module.ts'
import { repository } from './testing/stage.ts'

const folder = path.join(repository, 'wasm')
const compiler = path.join(folder, 'node_modules', 'assemblyscript', 'bin', 'asc.js')
const inherit = { cwd: folder, stdio: 'inherit' } as const
if (!existsSync(compiler)) execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], inherit)
execFileSync(process.execPath, [compiler, 'json-rows.ts', '--config', 'asconfig.json', '--target', 'release'], inherit)
const source = readFileSync(path.join(folder, 'json-rows.ts'))
const compiled = readFileSync(path.join(folder, 'node_modules', '.build', 'json-rows.wasm'))
writeFileSync(path.join(repository, 'src', 'dataplane', 'json-rows-module.ts'), moduleText(source, compiled))
