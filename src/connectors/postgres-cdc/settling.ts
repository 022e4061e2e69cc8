import { Snapshot, type PgConnection } from '../../clients/postgres-replication/index.ts'

/**
 * Tells when every transaction has ended that ran when it was asked first. One of them may have written its commit to the
 * log already, and not be seen by others yet: a snapshot that is taken now would miss it.
 */
export class Settling {
  #xmax: bigint | undefined

  async isOver(connection: PgConnection): Promise<boolean> {
    this.#xmax ??= (await currentSnapshot(connection)).xmax
    return (await currentSnapshot(connection)).xmin >= this.#xmax
  }
}

async function currentSnapshot(connection: PgConnection): Promise<Snapshot> {
  const [row] = await connection.query('SELECT pg_catalog.pg_current_snapshot()', 'taking a snapshot')
  return new Snapshot(row?.[0] ?? '')
}
