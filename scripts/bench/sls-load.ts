/**
 * Fills a logstore of the emulator with generated rows: `node sls-load.ts <control URL> <logstore> <rows> [shards]`.
 * Creates the logstore. A program of its own so that its memory is not counted for what is measured.
 */
import { SlsControl } from '../../src/testkit/emulators/sls/control-client.ts'
import { logGroupsOf } from './log-groups.ts'

/** Rows that are sent at once. */
const PART_ROWS = 20_000

const [controlUrl = '', logstore = '', rowsText = '', shardsText = '4'] = process.argv.slice(2)
const rows = Number(rowsText)
const shards = Number(shardsText)
const control = new SlsControl(controlUrl)
await control.createLogstore(logstore, { shards })
for (let sent = 0, part = 0; sent < rows; part++) {
  const count = Math.min(PART_ROWS, rows - sent)
  await control.appendRaw(logstore, part % shards, logGroupsOf(sent, count))
  sent += count
}
