import { once } from 'node:events'
import { MillraceError } from '../core/errors.ts'
import { SlsEmulator, type SlsEmulatorOptions } from '../testkit/emulators/sls/index.ts'
import type { Output } from './output.ts'
import { paint } from './terminal.ts'
import type { VerbResult } from './verb.ts'

/** Runs the emulator of Simple Log Service until the signal. */
export async function emulateSls(options: SlsEmulatorOptions, output: Output, stop: AbortSignal): Promise<VerbResult> {
  await using emulator = await start(options)
  const { url, controlUrl, project } = emulator
  const result = { url, controlUrl, project }
  if (output.isJson) output.json(result)
  output.print(introduction(emulator, options))
  if (!stop.aborted) await once(stop, 'abort')
  return { result }
}

async function start(options: SlsEmulatorOptions): Promise<SlsEmulator> {
  try {
    return await SlsEmulator.start(options)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new MillraceError(`starting the emulator: ${message}`, { code: 'CONFIG', cause })
  }
}

function introduction({ url, controlUrl, project }: SlsEmulator, { logstores = [] }: SlsEmulatorOptions): string {
  const [first] = logstores
  const name = first?.name ?? 'logs'
  const group = `{"groups":[{"topic":"web","logs":[{"time":${Math.floor(Date.now() / 1000)},"contents":[["level","info"]]}]}]}`
  return [
    `${paint('bold', 'Simple Log Service emulator')}, for tests: it keeps everything in memory and forgets it at the end.\n\n`,
    `  endpoint   ${url}, project ${project}\n`,
    `  key        testAccessKeyId, testAccessKeySecret\n`,
    `  logstores  ${logstores.map((one) => `${one.name} (${one.shards} shards)`).join(', ')}\n`,
    `  control    ${controlUrl}\n\n`,
    'Logs for it, in the first shard, and a split of that shard:\n\n',
    paint('dim', `curl -d '${group}' ${controlUrl}/logstores/${name}/shards/0/groups\n`),
    paint('dim', `curl -X POST ${controlUrl}/logstores/${name}/shards/0/split\n\n`),
    'A source for it:\n\n',
    paint('dim', snippet(url, project, name)),
    '\nCtrl-C ends it.\n',
  ].join('')
}

function snippet(url: string, project: string, logstore: string): string {
  return [
    'sources:',
    '  in:',
    '    connector: sls',
    `    endpoint: ${url}`,
    `    project: ${project}`,
    `    logstore: ${logstore}`,
    '    accessKeyId: testAccessKeyId',
    '    accessKeySecret: testAccessKeySecret',
    '',
  ].join('\n')
}
