import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import { parse } from 'yaml'
import { z } from 'zod'
import { MillraceError } from '../core/errors.ts'
import { startEmulator } from '../testkit/emulators/main.ts'
import type { Emulator, EmulatorTable } from '../testkit/emulators/options.ts'
import type { SlsEmulatorOptions } from '../testkit/emulators/sls/index.ts'
import { emulateSls } from './emulate-sls.ts'
import { paint } from './terminal.ts'
import type { Verb } from './verb.ts'

const KINDS = ['starrocks', 'doris'] as const
type Kind = (typeof KINDS)[number]

const tablesFile = z
  .array(
    z.strictObject({
      database: z.string().min(1),
      table: z.string().min(1),
      columns: z.array(
        z.strictObject({ name: z.string().min(1), type: z.string().min(1), nullable: z.boolean().optional() }),
      ),
      model: z.enum(['duplicate', 'primary']).default('duplicate'),
      keys: z.array(z.string()).optional(),
      sequenceColumn: z.string().optional(),
    }),
  )
  .min(1)

export const verb: Verb = {
  examples: [
    'millrace emulate starrocks --create-tables',
    'millrace emulate doris --port 8030 --table-file tables.yaml',
    'millrace emulate sls --logstore clicks --shards 4',
  ],
  define(command) {
    command
      .argument('<server>', [...KINDS, 'sls'].join(' or '))
      .option('--port <port>', 'port on 127.0.0.1, of the frontend where there are more; default: a free one', '0')
      .option(
        '--query-port <port>',
        'port of the MySQL protocol, to look at tables with any client; default: a free one',
        '0',
      )
      .option('--backends <count>', 'number of backends', '2')
      .option('--table-file <file>', 'YAML or JSON: a list of {database, table, columns: [{name, type}], model, keys}')
      .option('--create-tables', 'create unknown tables at their first load; their columns hold text')
      .option('--count-only', 'count rows instead of keeping them')
      .option('--project <name>', 'project of the log service', 'demo')
      .option('--logstore <names...>', 'its logstores', ['logs'])
      .option('--shards <count>', 'shards of each logstore', '2')
  },
  async run({ args, options, output, signals }) {
    const kind = KINDS.find((one) => one === args[0])
    if (args[0] === 'sls') return await emulateSls(slsOptions(options), output, signals().stop)
    if (kind === undefined) {
      throw new MillraceError(`there is no emulator of ${JSON.stringify(args[0])}: ${[...KINDS, 'sls'].join(', ')}`, {
        code: 'CONFIG',
      })
    }
    const { stop } = signals()
    const file = options['tableFile']
    const tables = typeof file === 'string' ? await readTables(file) : []
    const createTables = options['createTables'] === true
    await using emulator = await start({
      kind,
      frontendPort: numberOf(options['port'], '--port', 0, 65_535),
      queryPort: numberOf(options['queryPort'], '--query-port', 0, 65_535),
      backends: numberOf(options['backends'], '--backends', 1, 64),
      tables,
      createTables,
      mode: options['countOnly'] === true ? 'count' : 'verify',
    })
    const { urls, backends, controlUrl, queryPort } = emulator
    if (output.isJson) output.json({ urls, backends, controlUrl, queryPort })
    output.print(introduction(kind, emulator, tables, createTables))
    if (!stop.aborted) await once(stop, 'abort')
    return { result: { urls, backends, controlUrl, queryPort } }
  },
}

function slsOptions(options: Readonly<Record<string, unknown>>): SlsEmulatorOptions {
  const shards = numberOf(options['shards'], '--shards', 1, 256)
  const names = Array.isArray(options['logstore']) ? options['logstore'] : []
  return {
    port: numberOf(options['port'], '--port', 0, 65_535),
    project: String(options['project']),
    logstores: names.map((name: unknown) => ({ name: String(name), shards })),
  }
}

async function start(options: Parameters<typeof startEmulator>[0]): Promise<Emulator> {
  try {
    return await startEmulator(options)
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw new MillraceError(`starting the emulator: ${message}`, { code: 'CONFIG', cause })
  }
}

async function readTables(file: string): Promise<EmulatorTable[]> {
  try {
    return tablesFile.parse(parse(await readFile(file, 'utf8'))).map(({ keys, sequenceColumn, columns, ...table }) => ({
      ...table,
      columns: columns.map(({ nullable, ...column }) => ({
        ...column,
        ...(nullable === undefined ? {} : { nullable }),
      })),
      ...(keys === undefined ? {} : { keys }),
      ...(sequenceColumn === undefined ? {} : { sequenceColumn }),
    }))
  } catch (cause) {
    const message = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message
    throw new MillraceError(`${file}: ${message}`, { code: 'CONFIG', cause })
  }
}

function numberOf(text: unknown, option: string, min: number, max: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new MillraceError(`${option} has to be a number from ${min} to ${max}`, { code: 'CONFIG' })
}

function introduction(
  kind: Kind,
  { urls, backends, controlUrl, queryPort }: Emulator,
  tables: readonly EmulatorTable[],
  createTables: boolean,
): string {
  const name = kind === 'starrocks' ? 'StarRocks' : 'Apache Doris'
  const { database, table } = tables[0] ?? { database: 'demo', table: 'events' }
  const unknown = createTables ? 'created at their first load' : 'refused (--create-tables creates them)'
  return [
    `${paint('bold', `${name} emulator`)}, for tests: it keeps everything in memory and forgets it at the end.\n\n`,
    `  frontends  ${urls.join(', ')}\n`,
    `  backends   ${backends.join(', ')}\n`,
    `  mysql      mysql -h 127.0.0.1 -P ${queryPort} -u root\n`,
    `  control    ${controlUrl}\n`,
    `  rows       ${controlUrl}/tables/${database}/${table}/rows\n`,
    `  tables     ${tables.map((one) => `${one.database}.${one.table}`).join(', ') || 'none'}; unknown ones are ${unknown}\n\n`,
    'A sink for it:\n\n',
    paint('dim', snippet(kind, urls[0] ?? '', backends, database, table)),
    '\nCtrl-C ends it.\n',
  ].join('')
}

function snippet(kind: Kind, url: string, backends: readonly string[], database: string, table: string): string {
  return [
    'sinks:',
    '  out:',
    `    connector: ${kind}`,
    `    url: [${url}]`,
    `    backends: [${backends.map((one) => `'${one}'`).join(', ')}]`,
    `    database: ${database}`,
    `    table: ${table}`,
    '    username: root',
    "    password: ''",
    '',
  ].join('\n')
}
