import type { Finding } from '../../../core/checkpoint-types.ts'
import { toMillraceError } from '../../../core/errors.ts'
import type { LoadSinkOptions } from '../loader/load-options.ts'
import { openSql } from './open-keeper.ts'

/** Is the FE's port of the MySQL protocol there, and which databases are? */
export async function checkTables(
  options: LoadSinkOptions,
): Promise<{ readonly findings: readonly Finding[]; readonly hasDatabase: boolean }> {
  if (options.routes === undefined) return { findings: [], hasDatabase: true }
  await using sql = openSql(options)
  try {
    const rows = await sql.run('SHOW DATABASES')
    return { findings: [], hasDatabase: rows.some((row) => Object.values(row)[0] === options.database) }
  } catch (thrown) {
    const { code, message, remedy } = toMillraceError(thrown)
    return { findings: [{ severity: 'error', code, message, hint: remedy, path: ['queryUrl'] }], hasDatabase: false }
  }
}
