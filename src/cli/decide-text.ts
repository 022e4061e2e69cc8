import type { Answer, DecisionCase, Examined } from '../checkpoint/decision-case.ts'
import { formatCount } from './quantities.ts'
import { tableText } from './table.ts'
import { paint, singleLine } from './terminal.ts'

/** What each answer does, in a sentence, with the rows that it is about. */
export const CONSEQUENCES: Readonly<Record<Answer, (found: DecisionCase) => string>> = {
  rewind: ({ checkpoint }) =>
    `rewind: what is prepared of checkpoint ${checkpoint} is aborted, and its rows are read and written again.`,
  'mark-committed': ({ rows, sink, isProven }) =>
    `mark-committed: ${formatCount(rows)} rows are taken as being in ${sink} and are not written again.` +
    (isProven ? ' The sink says that they are NOT there: if it is right, they are lost.' : ''),
  'accept-loss': ({ rows, sink }) =>
    `accept-loss: ${formatCount(rows)} rows are given up; nothing writes them to ${sink} any more.`,
}

export function caseText(found: DecisionCase): string {
  const { checkpoint, sink, rows, isProven, legal, noRewind, ofCheckpoint } = found
  const doubt = isProven ? 'are lost' : 'may or may not be in the table'
  return [
    `${paint('bold', `checkpoint ${checkpoint}, sink ${singleLine(sink)}`)}: ${formatCount(rows)} rows ${doubt}\n\n`,
    tableText([['sink', 'rows', 'state', 'transaction'], ...ofCheckpoint.map(rowOf)]),
    '\nYou may decide:\n',
    ...legal.map((answer) => `  ${CONSEQUENCES[answer](found)}\n`),
    noRewind === undefined ? '' : paint('dim', `  (no rewind: ${singleLine(noRewind)})\n`),
    '\n',
  ].join('')
}

function rowOf({ item, evidence }: Examined): string[] {
  const reason = 'reason' in evidence ? `${evidence.state}: ${evidence.reason}` : evidence.state
  return [item.sink, formatCount(item.rows), reason, JSON.stringify(item.committable)]
}
