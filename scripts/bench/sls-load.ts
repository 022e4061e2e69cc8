/**
 * Fills a logstore of the emulator with generated rows: `node sls-load.ts <control URL> <logstore> <rows> [shards]`.
 * Creates the logstore. A program of its own so that its memory is not counted for what is measured.
 */
import { SlsControl } from '../../src/testkit/emulators/sls/control-client.ts'
import { logGroupsOf } from './log-groups.ts'

/** Rows that are sent at once. */
const PART_ROWS = 20_000
/** Parts whose rows differ. */
const PARTS = 10

const [controlUrl = '', logstore = '', rowsText = '', shardsText = '4'] = process.argv.slice(2)
const rows = Number(rowsText)
const shards = Number(shardsText)
const control = new SlsControl(controlUrl)
await control.createLogstore(logstore, { shards })
const made: Buffer[][] = []
for (let sent = 0, part = 0; sent < rows; part++) {
  const count = Math.min(PART_ROWS, rows - sent)
  // Encoding takes longer than all else, so the first parts come again and again.
  const groups = count < PART_ROWS ? logGroupsOf(sent, count) : (made[part % PARTS] ??= logGroupsOf(sent, count))
  await control.appendRaw(logstore, part % shards, groups)
  sent += count
}
