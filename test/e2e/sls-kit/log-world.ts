import assert from 'node:assert/strict'
import { positionOf } from '../../../src/testkit/emulators/sls/index.ts'
import type { Killable } from '../kit/kills.ts'
import { assertBalanced, PipelineHome } from '../kit/pipeline-home.ts'
import { ROW_SCHEMA } from '../kit/rows.ts'
import { hudiTarget, startWarehouse, type Target } from '../kit/targets.ts'
import { VisibleRows } from '../kit/visible-rows.ts'
import { LogStream } from './log-stream.ts'

/** One job from a logstore to a sink, with all that a test needs to hurt and to audit it. */
export class LogWorld implements Killable, AsyncDisposable {
  readonly home: PipelineHome
  readonly topic: LogStream
  readonly target: Target
  readonly #stack: AsyncDisposableStack

  private constructor(home: PipelineHome, topic: LogStream, target: Target, stack: AsyncDisposableStack) {
    this.home = home
    this.topic = topic
    this.target = target
    this.#stack = stack
  }

  static async create(
    sink: 'hudi' | 'starrocks',
    rows: number,
    { shards = 2 }: { readonly shards?: number } = {},
  ): Promise<LogWorld> {
    await using stack = new AsyncDisposableStack()
    const home = stack.use(await PipelineHome.create())
    const stream = stack.use(await LogStream.open({ parts: 4, shards }))
    const target = stack.use(sink === 'hudi' ? hudiTarget(home.directory) : await startWarehouse(sink))
    await stream.append(rows)
    const query = `checked: {from: rows, sql: 'SELECT part, seq, pad FROM rows WHERE seq >= 0'}`
    home.write({
      sources: `rows: {${stream.options}, schema: ${ROW_SCHEMA}}`,
      // Logs are passed on as they are where the sink takes JSON.
      ...(sink === 'hudi' ? { transforms: query } : {}),
      sinks: `out: {from: ${sink === 'hudi' ? 'checked' : 'rows'}, ${target.options}}`,
    })
    return new LogWorld(home, stream, target, stack.move())
  }

  /**
   * Checks what readers see at this moment: the first rows of each part and none twice, over whatever splits and merges
   * the part has been through.
   */
  async auditVisible(): Promise<number[]> {
    const rows = new VisibleRows(this.topic.counts)
    await this.target.read(rows)
    return rows.prefixes()
  }

  async auditEnd(): Promise<void> {
    assert.deepEqual(await this.auditVisible(), this.topic.counts, 'every row is there')
    assert.deepEqual(await this.target.residue(), [], 'nothing is left open in the sink')
    assertBalanced(await this.home.entries())
    const { pending, ended } = await this.home.lineage()
    assert.deepEqual([pending.length, ended === undefined], [0, false])
  }

  /** True when the newest checkpoint is confirmed and every shard is read to its end. */
  async isCaughtUp(): Promise<boolean> {
    const { newest, confirmedUpTo } = await this.home.lineage()
    if (newest === undefined || newest.checkpoint > confirmedUpTo) return false
    const states = new Map((newest.sources['rows'] ?? []).map((state) => [state.split, state.at]))
    return this.topic.logstore.shards.every(({ id, end, groups }) => {
      const at = states.get(`logs/${id}`)
      // A shard that nothing was written to needs not be known yet.
      if (at === undefined) return groups.length === 0
      return (positionOf(String(at['cursor'])) ?? 0n) + BigInt(Number(at['group'])) === end
    })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
