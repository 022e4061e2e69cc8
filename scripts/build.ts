/** `npm run build`: the published JavaScript and its types, from `src/` into `dist/`. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { repository, runProgram, stage } from './testing/stage.ts'

rmSync(path.join(repository, 'dist'), { recursive: true, force: true })
const compiler = path.join(repository, 'node_modules', '.bin', 'tsc')
const never = new AbortController().signal
const isBuilt = await stage('build', () => runProgram(compiler, ['-p', 'tsconfig.build.json'], never))
process.exitCode = isBuilt ? 0 : 1
