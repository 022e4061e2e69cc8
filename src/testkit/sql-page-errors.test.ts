import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MillraceError } from '../core/errors.ts'
import { mysqlError } from '../clients/mysql/errors.ts'
import { postgresError } from '../clients/postgres/errors.ts'
import { ControlTable } from '../clients/sql/control.ts'
import type { PageTarget, SqlDialect } from '../clients/sql/dialect.ts'
import { Page } from '../clients/sql/page.ts'
import { PageConnection, type PageOfTarget } from '../clients/sql/page-connection.ts'
import type { SqlSession } from '../clients/sql/session.ts'

const TARGET: PageTarget = {
  ...{ table: 't', fields: ['id'], columns: ['id'], key: ['id'], version: undefined, isPartial: false },
  whenThere: 'update',
}

/** A server that answers whole pages with these errors, one after the other, and then takes them. */
class FailingServer {
  readonly errors: Error[]
  opened = 0
  destroyed = 0
  written = 0

  constructor(errors: readonly Error[]) {
    this.errors = [...errors]
  }

  connection(): PageConnection {
    // Only what a page's way needs of a dialect.
    const dialect = {
      types: { int: 'int', bigint: 'bigint', name: 'text', small: 'int' },
      ...{ beginSql: '', sessionIdSql: 'id()', database: 'd' },
      quote: (name: string) => name,
      text: (value: string) => `'${value}'`,
      qualified: (table: string) => table,
      orUpdate: () => '',
      alone: async () => undefined,
      commit: async () => undefined,
      open: async () => this.#session(),
      writePage: async (session: SqlSession) => {
        assert.ok(session.isUsable, 'a page goes over a connection that is good')
        const error = this.errors.shift()
        if (error !== undefined) throw error
        this.written++
      },
    } as unknown as SqlDialect
    const clock = { now: () => 0, sleep: async () => undefined, after: () => () => undefined }
    const meter = { count: () => undefined, observe: () => undefined }
    return new PageConnection({
      dialect,
      control: new ControlTable(dialect, 'j', 's'),
      slot: 0,
      clock,
      meter,
      waiting: 3,
    })
  }

  #session(): SqlSession {
    this.opened++
    let isUsable = true
    return {
      query: async () => ({ rows: [['1', '0', '0', '-1']] }),
      get isUsable() {
        return isUsable
      },
      close: async () => undefined,
      destroy: () => {
        this.destroyed++
        isUsable = false
      },
    }
  }
}

const mysql = (errno: number): Error => mysqlError('writing', { errno, code: 'ER_X', sqlMessage: 'x' })
const postgres = (code: string): Error => postgresError('writing', { code, message: 'x', severity: 'ERROR' })
const work = (): PageOfTarget => ({
  page: new Page(),
  target: TARGET,
  epoch: 1,
})

test('after deadlocks, lock waits, shutdowns and a failover to a server that is still read-only the whole page goes again, over a new connection', async () => {
  for (const error of [
    // Deadlock, lock wait, read-only twice, killed, gone.
    ...[1213, 1205, 1290, 1792, 1927, 1053].map(mysql),
    mysqlError('writing', { code: 'PROTOCOL_CONNECTION_LOST' }),
    // TiDB: write conflict, changed schema, no region.
    ...[9007, 8028, 9005].map(mysql),
    ...['40P01', '40001', '55P03', '25006', '57P01', '57P03', '08006', '53300'].map(postgres),
  ]) {
    const server = new FailingServer([error, error, error])
    await server.connection().write(work())
    assert.deepEqual([server.written, server.opened, server.destroyed], [1, 4, 3], error.message)
  }
})

test('what does not pass is given up after eight attempts, and the checkpoint is read again', async () => {
  const server = new FailingServer(Array.from({ length: 20 }, () => mysql(1205)))
  await assert.rejects(
    server.connection().write(work()),
    (error) => error instanceof MillraceError && error.retry === 'restart',
  )
  assert.deepEqual([server.opened, server.errors.length], [8, 12])
})

test('values that do not fit, packets that are too large and refused users are not tried again', async () => {
  for (const error of [...[1406, 1264, 1153, 1142].map(mysql), ...['22001', '23502', '42501'].map(postgres)]) {
    const server = new FailingServer([error])
    await assert.rejects(
      server.connection().write(work()),
      (thrown) => thrown === error && error instanceof MillraceError && error.retry === 'halt',
    )
    assert.equal(server.opened, 1, error.message)
  }
})
