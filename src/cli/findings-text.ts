import { ERROR_CODES, type ErrorCode } from '../core/error-codes.ts'
import { formatPath, type LocatedFinding } from '../plan/parsed-file.ts'
import { paint, singleLine } from './terminal.ts'

/** `file:line:col CODE path: message → what to do`, one line each, then how many. */
export function findingsText(findings: readonly LocatedFinding[]): string {
  if (findings.length === 0) return ''
  const lines = findings.map(findingLine)
  const counts = Object.entries(WORDS).map(([severity, word]) =>
    plural(findings.filter((finding) => finding.severity === severity).length, word),
  )
  return `${[...lines, counts.filter((text) => text !== '').join(', ')].join('\n')}\n`
}

const WORDS = { error: 'error', warning: 'warning', info: 'note' } as const
const COLOURS = { error: 'red', warning: 'yellow', info: 'dim' } as const

function findingLine(finding: LocatedFinding): string {
  const place = finding.line === undefined ? finding.file : `${finding.file}:${finding.line}:${finding.column ?? 1}`
  const code = paint(COLOURS[finding.severity], finding.code)
  const path = formatPath(finding.path ?? [])
  const message = `${path === '' ? '' : `${path}: `}${finding.message}`
  const hint = finding.hint === undefined ? '' : paint('dim', ` → ${singleLine(finding.hint)}`)
  const mark = finding.severity === 'error' ? '' : `${WORDS[finding.severity]}: `
  return `${place === '' ? '' : `${singleLine(place)} `}${code} ${mark}${singleLine(message)}${hint}`
}

function plural(count: number, word: string): string {
  if (count === 0) return ''
  return `${count} ${word}${count === 1 ? '' : 's'}`
}

/** The exit code that the findings stand for: that of the first error, 0 when there are only warnings. */
export function exitCodeOfFindings(findings: readonly LocatedFinding[]): number {
  const first = findings.find((finding) => finding.severity === 'error')
  if (first === undefined) return 0
  return Object.hasOwn(ERROR_CODES, first.code) ? ERROR_CODES[first.code as ErrorCode].exit : ERROR_CODES.PREFLIGHT.exit
}
