import type { SourceDescription } from '../../core/connector.ts'
import type { Delivery } from '../../core/delivery.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { SliceOptions } from './options.ts'

/** No transaction that writes into the table takes longer than `safeLag`. */
export const NO_LONG_TRANSACTIONS = 'no-transaction-outlives-safe-lag'
/** Values of the column rise with the transactions that write them. */
export const VALUES_RISE = 'values-rise-with-transactions'

/** What slices promise before anything is connected. */
export function describeSlices(options: SliceOptions): SourceDescription {
  return {
    delivery: deliveryOf(options),
    bounded: options.end === 'latest',
    gives: ['bytes'],
    format: 'json',
    metadata: [],
    findings: [...findingsOf(options)],
  }
}

function deliveryOf({ end, safeLag, assignedBy }: SliceOptions): Delivery {
  const unseen = '; deletes, and updates that leave the column as it is, are not seen'
  if (end === 'latest') {
    return {
      class: 'atomic',
      reason: `every row up to the end that was found at the first start${unseen}`,
      assumptions: [],
    }
  }
  if (safeLag !== undefined) {
    return {
      class: 'atomic',
      reason: `a row is read when it is as old as safeLag${unseen}`,
      assumptions: [NO_LONG_TRANSACTIONS, ...(assignedBy === 'application' ? [VALUES_RISE] : [])],
      stronger: 'leave safeLag out: then the transactions that are open are waited for',
    }
  }
  const reason = `a slice ends where no open transaction can add a row before it${unseen}`
  if (assignedBy === 'server') return { class: 'atomic', reason, assumptions: [] }
  const stronger = 'let the server give the column its values (identity, auto_increment, a clock default)'
  return { class: 'atomic', reason, assumptions: [VALUES_RISE], stronger }
}

function* findingsOf({ table, splitsFrom, start, column }: SliceOptions): Iterable<Finding> {
  if (table === undefined && splitsFrom === undefined) {
    yield problem('give `table`, or `splitsFrom` whose query has a column `table`', 'table')
  }
  if (typeof start === 'object' && start.after.length > column.length) {
    yield problem(`\`start\` has ${start.after.length} values for ${column.length} columns`, 'start')
  }
}

function problem(message: string, option: string): Finding {
  return { severity: 'error', code: 'CONFIG', message, path: [option] }
}
