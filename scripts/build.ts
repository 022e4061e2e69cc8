/** `npm run build`: the published JavaScript, bundled, and its types, from `src/` into `dist/`. */
import { rmSync } from 'node:fs'
import path from 'node:path'
import { bundle, LIBRARY } from './building/bundle.ts'
import { repository, runProgram, stage } from './testing/stage.ts'

const dist = path.join(repository, 'dist')
rmSync(dist, { recursive: true, force: true })
const compiler = path.join(repository, 'node_modules', '.bin', 'tsc')
const never = new AbortController().signal
const isTyped = await stage('types', () => runProgram(compiler, ['-p', 'tsconfig.build.json'], never))
const isBundled = await stage('bundle', async () => {
  await bundle(dist, LIBRARY)
  return { ok: true, output: '' }
})
process.exitCode = isTyped && isBundled ? 0 : 1
