import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { readHudi } from '../../../scripts/services/hudi-readers.ts'
import { findTransactions } from '../../../src/clients/kafka/index.ts'
import { EmulatorControl } from '../../../src/testkit/emulators/control-client.ts'
import type { EmulatorProcessOptions } from '../../../src/testkit/emulators/main.ts'
import { KafkaTarget } from '../../../src/testkit/kafka-target.ts'
import { repository } from '../../tidy/source-tree.ts'
import type { SinkKind } from './cells.ts'
import { ROW_COLUMNS } from './rows.ts'
import type { VisibleRows } from './visible-rows.ts'

/** A place that rows are written to, seen by a reader that is not ours. */
export interface Target extends AsyncDisposable {
  readonly kind: SinkKind
  /** The options of the sink, without `from`. */
  readonly options: string
  /** What readers see now. */
  read(into: VisibleRows): Promise<void>
  /** Makes commits go wrong until the returned function is called: the answer is garbled, or they are lost for good. */
  troubleCommits?(how: 'garbled' | 'expired'): Promise<() => Promise<void>>
  /** What a job left behind that no reader sees: open or prepared transactions, staged files. */
  residue(): Promise<string[]>
}

const TABLE = { database: 'demo', table: 'events', model: 'duplicate', columns: ROW_COLUMNS } as const

export interface Warehouse extends Target {
  readonly control: EmulatorControl
}

/** A StarRocks or Doris emulator in a process of its own, with one empty table. */
export async function startWarehouse(kind: 'starrocks' | 'doris'): Promise<Warehouse> {
  const main = path.join(repository, 'src', 'testkit', 'emulators', 'main.ts')
  const options: EmulatorProcessOptions = { kind, tables: [TABLE] }
  const child = spawn(process.execPath, [main, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  assert(child.stdout !== null)
  const exited = once(child, 'exit')
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const { urls, backends, controlUrl } = JSON.parse(line) as { urls: string[]; backends: string[]; controlUrl: string }
  const control = new EmulatorControl(controlUrl)
  const list = (texts: readonly string[]): string => `[${texts.map((text) => `'${text}'`).join(', ')}]`
  return {
    kind,
    control,
    options:
      `connector: ${kind}, url: ${list(urls)}, backends: ${list(backends)}, ` +
      `database: ${TABLE.database}, table: ${TABLE.table}, username: root, password: ''`,
    read: async (into) => {
      for await (const row of control.rowLines(TABLE.database, TABLE.table)) into.addLine(row)
    },
    troubleCommits: async (how) => {
      // Doris answers from the backend that the frontend redirects to.
      const match =
        kind === 'starrocks'
          ? ({ operation: 'commit', server: 'frontend' } as const)
          : ({ operation: 'twoPhaseCommit', server: 'backend' } as const)
      const rule = await control.addFault({
        // The second one: a lost checkpoint is only voided when there is one before it to go back to.
        match: { ...match, nth: 2 },
        action: how === 'expired' ? 'expire-transaction' : 'garble',
      })
      return () => control.removeFault(rule)
    },
    residue: async () => {
      const open = (await control.transactions()).filter(({ state }) => !['VISIBLE', 'ABORTED'].includes(state))
      return open.map(({ label, state }) => `${label} ${state}`)
    },
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await exited
    },
  }
}

/** A directory of NDJSON files, as a reader sees it: what begins with a dot or an underscore is not there. */
export function filesTarget(directory: string): Target {
  const root = path.join(directory, 'out')
  const names = (): string[] => (existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : [])
  return {
    kind: 'files',
    options: 'connector: files, path: ./out, format: ndjson',
    read: async (into) => {
      for (const name of names().filter((one) => /^[^._].*\.ndjson$/.test(one))) {
        const text = readFileSync(path.join(root, name), 'utf8')
        assert.ok(text.endsWith('\n'), `${name} ends in the middle of a line`)
        for (const line of text.trimEnd().split('\n')) into.addLine(line)
      }
    },
    residue: async () => names().filter((name) => /^[._].*\.ndjson$/.test(name)),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** A topic of the broker that the rows come from, seen by a reader of committed records. */
export async function kafkaTarget(address: string): Promise<Target> {
  const target = await KafkaTarget.create(address, 4)
  return {
    kind: 'kafka',
    options: `connector: kafka, brokers: ['${address}'], topic: ${target.topic}, transactionalIdPrefix: ${target.topic}`,
    read: async (into) => {
      for (const { value } of await target.read()) into.addLine(value ?? '')
    },
    residue: async () => {
      const open = await findTransactions(target.client, target.topic, ['Ongoing'])
      return open.map(({ transactionalId, state }) => `${transactionalId} ${state}`)
    },
    [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
  }
}

/** Few commits and small files, so that merging, cleaning and archiving are among the things that go on. */
export const HUDI_RULES = 'targetFileSize: 256KiB, retainedCommits: 2, timelineCommits: 10'

/**
 * A Hudi table, read by hudi-rs. In partitions, rows go through the exchange between lanes.
 */
export function hudiTarget(directory: string, partitionBy?: string): Target {
  const table = path.join(directory, 'lake')
  return {
    kind: 'hudi',
    options: `connector: hudi, path: ./lake, table: events, ${HUDI_RULES}${partitionBy === undefined ? '' : `, partitionBy: ['${partitionBy}']`}`,
    read: async (into) => {
      if (!existsSync(path.join(table, '.hoodie', 'hoodie.properties'))) return
      const { rows, columns } = await readHudi(table, { columns: ['part', 'seq'] })
      const { part = [], seq = [] } = columns ?? {}
      assert.equal(part.length, rows)
      part.forEach((value, row) => into.add(Number(value), Number(seq[row])))
    },
    residue: async () => openInstants(path.join(table, '.hoodie')),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Instants that are requested or inflight and never completed: `<t>.inflight`, `<t>.<action>.requested`. */
function openInstants(timeline: string): string[] {
  const names = existsSync(timeline) ? readdirSync(timeline) : []
  const completed = new Set(names.flatMap((name) => /^(\d+)\.(?!inflight$)\w+$/.exec(name)?.[1] ?? []))
  return names.filter((name) => {
    const pending = /^(\d+)\.(?:inflight|\w+\.(?:requested|inflight))$/.exec(name)
    return pending !== null && !completed.has(pending[1] ?? '')
  })
}
