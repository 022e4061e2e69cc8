/** Code of the user's that takes its thread down: the process ends and says so, and the next start goes on. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { caughtUp, settle } from './kit/kills.ts'
import { Broker } from './kit/topic.ts'
import { World } from './kit/world.ts'

const CRASHES = {
  'throws outside of its function': `setTimeout(() => { throw new Error('out of hand') })`,
  'runs out of memory': 'for (const hoard = []; ; ) hoard.push(Array.from({ length: 10_000 }, () => ({})))',
  'ends its thread': 'process.exit(0)',
}

suite('a transform that takes its lane down', { concurrency: 2 }, () => {
  for (const [name, crash] of Object.entries(CRASHES)) {
    test(`a lane that ${name} ends the process, and the next start goes on`, async () => {
      await using broker = await Broker.open()
      const transforms = 'passed: {from: rows, module: ./passed.ts}'
      await using world = await World.create({ broker, sink: 'starrocks', rows: 500, transforms, lastStep: 'passed' })
      const fuse = path.join(world.home.directory, 'fuse')
      const lines = [
        `import { existsSync } from 'node:fs'`,
        `export default (row) => {`,
        `  if (existsSync(${JSON.stringify(fuse)})) ${crash}`,
        `  return row`,
        `}`,
      ]
      writeFileSync(path.join(world.home.directory, 'passed.ts'), lines.join('\n'))

      await using run = world.home.start()
      await caughtUp(world, run)
      writeFileSync(fuse, '')
      await world.topic.append(500)
      const { code, signal } = await run.ended()
      // A thread that ends in the middle of a native query takes the process with it.
      if (signal !== 'SIGABRT') {
        assert.equal(code, 1, run.out + run.err)
        assert.match(run.err, /lane \d ended unexpectedly/)
      }
      await world.auditVisible()
      rmSync(fuse)
      await settle(world)
    })
  }
})
