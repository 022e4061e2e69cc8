import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PartDowntime } from '../checkpoint/expiry.ts'
import { errorToData, type MillraceError } from '../core/errors.ts'
import { jsonText } from '../core/json.ts'
import type { Plan } from '../plan/plan.ts'

/*
 * What a run leaves in its state directory for people and tools that come later, beside the checkpoint log: `start.json`
 * tells how it was started, `report.json` why it halted. The engine never reads them. They hold names, counts and
 * positions, never rows and never secrets.
 */

export interface StartRecord {
  readonly pipeline: string
  readonly at: string
  readonly host: string
  readonly pid: number
  readonly delivery: string
  /** How long the job may be down, for each source and sink that told. */
  readonly safeDowntime: readonly PartDowntime[]
}

export interface HaltReport {
  readonly pipeline: string
  readonly at: string
  readonly code: string
  readonly exitCode: number
  readonly message: string
  readonly detail: Readonly<Record<string, unknown>>
  readonly remedy: string
}

export function writeStart(directory: string, record: StartRecord): void {
  write(directory, 'start.json', record)
}

export function readStart(directory: string): StartRecord | undefined {
  return read(directory, 'start.json') as StartRecord | undefined
}

export function writeReport(directory: string, plan: Plan, error: MillraceError): void {
  const { message, code, detail } = errorToData(error)
  const { exitCode, remedy } = error
  const at = new Date().toISOString()
  write(directory, 'report.json', { pipeline: plan.name, at, code, exitCode, message, detail, remedy })
}

export function readReport(directory: string): HaltReport | undefined {
  return read(directory, 'report.json') as HaltReport | undefined
}

function write(directory: string, name: string, record: object): void {
  try {
    const fresh = join(directory, `${name}.${process.pid}`)
    writeFileSync(fresh, `${jsonText(record, 2)}\n`, { mode: 0o600 })
    renameSync(fresh, join(directory, name))
  } catch {
    // The disk may be what halted us; the message is on the screen in any case.
  }
}

function read(directory: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(join(directory, name), 'utf8'))
  } catch {
    return undefined
  }
}
