import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkpointLogSuite } from '../testkit/checkpoint-log-suite.ts'
import { MemoryLog } from '../testkit/memory-log.ts'
import type { CheckpointLog } from './checkpoint-log.ts'
import { openLocalLog } from './threaded-log.ts'

checkpointLogSuite('the log on a disk', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-log-'))
  const opened: CheckpointLog[] = []
  return {
    open: () => {
      const log = openLocalLog(directory, `${opened.length}`)
      opened.push(log)
      return log
    },
    [Symbol.asyncDispose]: async () => {
      for (const log of opened) await log.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
})

checkpointLogSuite('the log in memory', async () => {
  const log = new MemoryLog()
  return { open: () => log, [Symbol.asyncDispose]: async () => undefined }
})
