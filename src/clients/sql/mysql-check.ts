import type { Finding } from '../../core/checkpoint-types.ts'
import type { MysqlServerKind } from './mysql-dialect.ts'
import { textAt, type SqlSession } from './session.ts'

/** Room in a packet beside the rows of a page: names, the clause of updates, the last row that made it full. */
const SLACK_BYTES = 64 * 1024

/** Settings that pages and transactions depend on. */
export async function checkMysqlServer(
  session: SqlSession,
  server: MysqlServerKind,
  { pageBytes }: { readonly pageBytes: number },
): Promise<readonly Finding[]> {
  const names = "'max_allowed_packet', 'read_only', 'super_read_only', 'tidb_txn_mode', 'tidb_disable_txn_auto_retry'"
  const { rows } = await session.query(`SHOW VARIABLES WHERE Variable_name IN (${names})`, 'reading settings')
  const settings = new Map(rows.map((row) => [textAt(row, 0), textAt(row, 1)]))
  const findings: Finding[] = []
  const packet = Number(settings.get('max_allowed_packet') ?? Number.POSITIVE_INFINITY)
  if (packet < 3 * pageBytes + SLACK_BYTES) {
    const message = `max_allowed_packet of the server is ${packet} bytes; pages of ${pageBytes} characters may need thrice as much and 64 KiB`
    findings.push({ severity: 'error', code: 'PREFLIGHT', message, hint: 'Raise it, or lower `pageBytes`.' })
  }
  if (settings.get('read_only') === 'ON' || settings.get('super_read_only') === 'ON') {
    const message = 'the server is read-only (a replica?)'
    findings.push({ severity: 'error', code: 'PREFLIGHT', message, hint: 'Give the address of the primary.' })
  }
  if (server.flavour === 'tidb' && settings.get('tidb_disable_txn_auto_retry') === 'OFF') {
    const message =
      'tidb_disable_txn_auto_retry is OFF: the server would run statements again without their transaction'
    findings.push({ severity: 'error', code: 'PREFLIGHT', message, hint: 'Set it to ON.' })
  }
  return findings
}
