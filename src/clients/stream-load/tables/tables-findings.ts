import type { Finding } from '../../../core/checkpoint-types.ts'
import type { LoadSinkOptions } from '../loader/load-options.ts'

/** One table or routes to several; what goes with the one does not go with the other. */
export function tablesFindings(options: LoadSinkOptions): Finding[] {
  const { table, routes, format, key, durableStaging } = options
  const refuse = (message: string, hint: string, path: readonly string[]): Finding => ({
    severity: 'error',
    code: 'CONFIG',
    message,
    hint,
    path,
  })
  if (routes === undefined) {
    return table === undefined ? [refuse('no table is named', 'name it: table: name; or give routes', ['table'])] : []
  }
  const findings: Finding[] = []
  if (table !== undefined) findings.push(refuse('routes name the tables', 'remove table', ['table']))
  if (key !== undefined) findings.push(refuse('routes name the keys', 'give key in the route', ['key']))
  if (format === 'csv') findings.push(refuse('rows of several tables are loaded as JSON', 'remove format', ['format']))
  if (durableStaging) {
    const message = 'rows of several tables cannot be kept yet'
    findings.push(refuse(message, 'remove durableStaging, and lower checkpoint.maxDowntime', ['durableStaging']))
  }
  return findings
}
