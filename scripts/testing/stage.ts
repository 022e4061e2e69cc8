import { spawn } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')

export interface StageResult {
  readonly ok: boolean
  /** What the stage has to say: findings, or the few words behind its name. */
  readonly output: string
}

/** What the stages that failed so far had to say: a long record is read from its end. */
export const failedStages: string[] = []

/** Runs one stage and prints its line: name, result, seconds; then what went wrong. */
export async function stage(name: string, work: () => Promise<StageResult>): Promise<boolean> {
  const started = performance.now()
  const result = await work().catch((error: unknown): StageResult => ({ ok: false, output: describe(error) }))
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6)
  const words = result.ok && result.output !== '' ? `  ${result.output}` : ''
  const line = `${result.ok ? '✔' : '✖'} ${name.padEnd(12)} ${seconds} s${words}\n`
  const story = result.ok ? line : `${line}${indent(result.output)}\n`
  if (!result.ok) failedStages.push(story)
  process.stdout.write(story)
  return result.ok
}

export function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function indent(text: string): string {
  return text.trimEnd().replaceAll(/^(?=.)/gm, '    ')
}

/** Runs a program to its end with this Node first in PATH; ends it when `signal` fires. */
export function runProgram(program: string, args: readonly string[], signal: AbortSignal): Promise<StageResult> {
  const { promise, resolve, reject } = Promise.withResolvers<StageResult>()
  const child = spawn(program, args, {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}` },
    signal,
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.on('error', reject)
  child.on('close', (code) => resolve({ ok: code === 0, output: code === 0 ? '' : Buffer.concat(chunks).toString() }))
  return promise
}
