import { Command, CommanderError } from 'commander'
import { ERROR_CODES } from '../core/error-codes.ts'
import { toMillraceError } from '../core/errors.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import { suggestion } from '../plan/suggest.ts'
import { exitCodeOfFindings, findingsText } from './findings-text.ts'
import { createOutput, type Output, type OutputStreams } from './output.ts'
import type { StopSignals, Verb, VerbResult } from './verb.ts'
import { VERBS, type VerbEntry } from './verbs.ts'

export interface ProgramContext extends OutputStreams {
  readonly version: string
  signals(): StopSignals
}

/** Runs one command line and tells the exit code. Prints everything that has to be printed. */
export async function runProgram(argv: readonly string[], context: ProgramContext): Promise<number> {
  const output = createOutput(argv.includes('--json'), context)
  const word = argv.find((argument) => !argument.startsWith('-'))
  const name = word === 'help' ? argv[argv.indexOf('help') + 1] : word
  const entry = VERBS.find((verb) => verb.name === name)
  try {
    if (name !== undefined && entry === undefined) return unknownVerb(name, output)
    const program = createProgram(context.version, output)
    let code = 0
    for (const one of VERBS) {
      const command = program.command(one.name).description(one.summary)
      if (one !== entry) continue
      const { verb } = await one.load()
      defineVerb(command, verb, async (args, options) => {
        const result = await verb.run({ args, options, output, signals: context.signals })
        code = report(one, result, output)
      })
    }
    if (argv.length === 0) program.help()
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError) return usageError(error, name ?? '', output)
    return report(entry, { findings: [findingOf(error)] }, output, toMillraceError(error).exitCode)
  }
}

function createProgram(version: string, output: Output): Command {
  return new Command('millrace')
    .description('Moves data into analytical stores exactly once, and lets you prove it.')
    .version(version)
    .helpCommand('help [verb]', 'Show the help of a verb.')
    .addHelpText('after', '\nExample:\n  $ millrace init clicks && millrace check clicks.yaml')
    .configureOutput({ writeOut: (text) => output.print(text), writeErr: () => undefined })
    .exitOverride()
}

function defineVerb(
  command: Command,
  verb: Verb,
  run: (args: readonly string[], options: Readonly<Record<string, unknown>>) => Promise<void>,
): void {
  verb.define?.(command)
  command
    .option('--json', 'print one JSON object {command, ok, result, findings}')
    .addHelpText('after', `\nExamples:\n${verb.examples.map((example) => `  $ ${example}`).join('\n')}`)
    .action(async () => {
      await run(command.args, command.opts())
    })
}

function report(entry: VerbEntry | undefined, result: VerbResult, output: Output, exitCode?: number): number {
  const findings = result.findings ?? []
  const code = exitCode ?? result.exitCode ?? exitCodeOfFindings(findings)
  if (output.isJson) {
    output.json({ command: entry?.name ?? '', ok: code === 0, result: result.result ?? null, findings })
    return code
  }
  if (result.text !== undefined) output.print(result.text)
  // The findings are what `check` was asked for; otherwise they are the reason for failing.
  const isAnswer = entry?.name === 'check' && result.result !== undefined
  const write = isAnswer ? output.print : output.warn
  write(findingsText(findings))
  return code
}

function findingOf(thrown: unknown): LocatedFinding {
  const error = toMillraceError(thrown)
  return { file: '', severity: 'error', code: error.code, message: error.message, hint: error.remedy }
}

function unknownVerb(name: string, output: Output): number {
  const hint =
    suggestion(
      name,
      VERBS.map((verb) => verb.name),
    ) ?? 'millrace --help lists the verbs'
  const message = `unknown verb ${JSON.stringify(name)}`
  return report(undefined, { findings: [{ file: '', severity: 'error', code: 'CONFIG', message, hint }] }, output)
}

function usageError(error: CommanderError, name: string, output: Output): number {
  if (error.exitCode === 0 || error.code === 'commander.help') return 0
  const [first = '', suggested] = error.message.replace(/^error: /, '').split('\n')
  const hint = suggested?.replace(/^\(|\)$/g, '') ?? `millrace ${name === '' ? '' : `${name} `}--help`
  const finding = { file: '', severity: 'error', code: 'CONFIG', message: first, hint } as const
  return report(
    VERBS.find((verb) => verb.name === name),
    { findings: [finding] },
    output,
    ERROR_CODES.CONFIG.exit,
  )
}
