import { assert } from '../../core/assert.ts'
import type { Batch } from '../../core/batch.ts'
import type { CommitOutcome, Evidence, Finding, SweepReport } from '../../core/checkpoint-types.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CutResult, GlobalCommittable, Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'

/** Keeps nothing outside of the process, so there is nothing to check, to fence or to sweep. */
export class BlackholeSink implements Sink {
  async check(): Promise<readonly Finding[]> {
    return []
  }

  writer(): SinkWriter {
    return new BlackholeWriter()
  }

  coordinator(): SinkCoordinator {
    return new BlackholeCoordinator()
  }
}

class BlackholeWriter implements SinkWriter {
  #rows = 0
  #bytes = 0

  begin(): void {
    this.#rows = 0
    this.#bytes = 0
  }

  async write(batch: Batch): Promise<void> {
    this.#rows += batch.rows
    this.#bytes += batch.bytes
    batch.release()
  }

  cut(): Promise<CutResult> {
    const counts = { rows: this.#rows, bytes: this.#bytes }
    this.begin()
    return Promise.resolve({ committables: counts.rows === 0 ? [] : [{ rows: counts.rows }], counts })
  }

  async rollback(): Promise<void> {
    this.begin()
  }

  async close(): Promise<void> {}
}

class BlackholeCoordinator implements SinkCoordinator {
  async begin(): Promise<JsonObject> {
    return {}
  }

  async combine(_checkpoint: number, parts: readonly JsonObject[]): Promise<readonly GlobalCommittable[]> {
    const rows = parts.reduce((sum, part) => sum + rowsOf(part), 0)
    return rows === 0 ? [] : [{ orderKey: 'blackhole', rows, committable: { rows } }]
  }

  async commit(): Promise<CommitOutcome> {
    return { outcome: 'committed' }
  }

  async evidence(committables: readonly JsonObject[]): Promise<readonly Evidence[]> {
    return committables.map(() => ({ state: 'committed' }))
  }

  async abort(): Promise<'aborted'> {
    return 'aborted'
  }

  async findTraces(): Promise<readonly string[]> {
    return []
  }

  async sweep(): Promise<SweepReport> {
    return { aborted: [], found: 0 }
  }

  async fingerprint(): Promise<JsonObject> {
    return { connector: 'blackhole' }
  }

  async close(): Promise<void> {}
}

function rowsOf(part: JsonObject): number {
  const rows = part['rows']
  assert(typeof rows === 'number', 'a part of blackhole carries its rows')
  return rows
}
