import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { CONNECTOR_NAMES } from '../connectors/registry.ts'
import { MillraceError } from '../core/errors.ts'
import { ID } from '../plan/definition.ts'
import { suggestion } from '../plan/suggest.ts'
import { pipelineText, SINK_TEMPLATES, SOURCE_TEMPLATES, type Template } from './init-templates.ts'
import type { MirrorDraft } from './init-mirror.ts'
import { isAddress } from './mirror-address.ts'
import { singleLine } from './terminal.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

/** The templates whose connectors are there. */
export const SOURCES: readonly Template[] = SOURCE_TEMPLATES.filter((one) => CONNECTOR_NAMES.includes(one.connector))
export const SINKS: readonly Template[] = SINK_TEMPLATES.filter((one) => CONNECTOR_NAMES.includes(one.connector))

export const verb: Verb = {
  examples: [
    'millrace init clicks',
    'millrace init clicks --from file --to blackhole',
    'millrace init shop --from mysql://reader@db/shop --to starrocks://root@fe/shop',
    'millrace init shop --from mysql://reader@db/shop --to postgres://writer@copy/shop',
  ],
  define(command) {
    command
      .argument('[name]', 'name of the pipeline; the file is <name>.yaml', 'pipeline')
      .option(
        '--from <connector>',
        `what to read: ${names(SOURCES)}; or a database to mirror: mysql://user@host/database, postgres://…`,
        SOURCES[0]?.connector,
      )
      .option(
        '--to <connector>',
        `what to write: ${names(SINKS)}; or where to mirror it: starrocks://user@host/database, doris://…, mysql://…, tidb://…, postgres://…`,
        SINKS[0]?.connector,
      )
      .option('--force', 'replace a file that is there')
  },
  run: (call) => withHint('millrace init --help', () => init(call)),
}

async function init({ args: [name = 'pipeline'], options }: VerbCall): Promise<VerbResult> {
  if (!ID.test(name))
    throw refused(`the name ${JSON.stringify(name)} needs letters, digits, _ and -, and begins with a letter`)
  const { text, told } = await draft(name, options)
  const file = `${name}.yaml`
  try {
    await writeFile(file, text, { flag: options['force'] === true ? 'w' : 'wx' })
  } catch (cause) {
    const isThere = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST'
    throw refused(
      isThere ? `${file} is there already; --force replaces it` : `writing ${file}: ${String(cause)}`,
      cause,
    )
  }
  const found = told.map((line) => `${singleLine(line)}\n`).join('')
  const next = `${found}Wrote ${singleLine(file)}. Next:\n  millrace check ${file}\n  millrace explain ${file}\n  millrace run ${file}\n`
  return { result: { file: resolve(file) }, text: next }
}

/** A template for each side, or a mirror of what is found at two addresses. */
async function draft(name: string, { from, to }: VerbCall['options']): Promise<MirrorDraft> {
  if (!isAddress(from) && !isAddress(to))
    return { text: pipelineText(name, choose('--from', from, SOURCES), choose('--to', to, SINKS)), told: [] }
  if (!isAddress(from) || !isAddress(to))
    throw refused('--from and --to have to be addresses both, or names of connectors both')
  const { draftMirror } = await import('./init-mirror.ts')
  return draftMirror(name, from, to, process.env)
}

function choose(option: string, wanted: unknown, templates: readonly Template[]): Template {
  const found = templates.find((template) => template.connector === wanted)
  if (found !== undefined) return found
  const hint =
    suggestion(
      String(wanted),
      templates.map((template) => template.connector),
    ) ?? ''
  throw refused(`${option} ${JSON.stringify(wanted)}: there is no template for it; ${hint}`)
}

function names(templates: readonly Template[]): string {
  return templates.map((template) => template.connector).join(', ')
}

function refused(message: string, cause?: unknown): MillraceError {
  return new MillraceError(message, { code: 'CONFIG', cause })
}
