import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { MillraceError } from '../core/errors.ts'
import { DlqAudit, type DlqDecision } from './dlq-audit.ts'
import { readLetters, type StoredLetter } from './dlq-letters.ts'
import { retryLetters, type Redriven, type Retried } from './dlq-retry.ts'
import { openPipeline } from './pipelines.ts'
import { formatCount } from './quantities.ts'
import { tableText } from './table.ts'
import { singleLine } from './terminal.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

export const verb: Verb = {
  examples: [
    'millrace dlq list clicks.yaml',
    'millrace dlq show clicks.yaml 1 2',
    'millrace dlq show clicks.yaml 1 --raw > repaired.ndjson',
    'millrace dlq retry clicks.yaml 1 --with repaired.ndjson',
    'millrace dlq retry clicks.yaml --reason "not a date"',
    'millrace dlq drop clicks.yaml --reason "broken JSON" --yes --because "test messages"',
  ],
  define(command) {
    command
      .argument('<action>', 'list, show, retry or drop')
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .argument('[letters...]', 'numbers as `list` counts them, or ids; default: all that nobody has dealt with')
      .option('--step <id>', 'only letters of this source, transform or sink')
      .option('--reason <text>', 'only letters whose reason contains this')
      .option('--all', 'also letters that were driven in or dropped before')
      .option('--raw', 'show: only the bytes, each letter on a line')
      .option('--with <file>', 'retry: repaired records in place of theirs, one on each line, in the same order')
      .option('--max-attempts <n>', 'retry: leave out letters that failed so often; default: 3')
      .option('--yes', 'drop: do it')
      .option('--because <text>', 'retry, drop: why, for the record')
  },
  run: (call) => withHint('millrace dlq --help', () => dlq(call)),
}

interface Numbered extends StoredLetter {
  readonly number: number
  readonly dealtWith: DlqDecision['action'] | undefined
}

async function dlq(call: VerbCall): Promise<VerbResult> {
  const [action = '', file = '', ...wanted] = call.args.flat()
  const loaded = await openPipeline(file, 'resolve')
  if (loaded.planned === undefined) return { findings: loaded.findings }
  const { plan } = loaded.planned
  const letters = await readLetters(plan)
  const audit = await DlqAudit.open(plan)
  const decided = new Map((await audit.read()).flatMap((one) => one.letters.map((id) => [id, one.action] as const)))
  const all = letters.map((letter, at) => ({ ...letter, number: at + 1, dealtWith: decided.get(letter.id) }))
  const chosen = choose(all, wanted, call.options)
  switch (action) {
    case 'list':
      return list(chosen)
    case 'show':
      return show(chosen, call.options['raw'] === true)
    case 'retry': {
      const redriven = withRepaired(withoutLoops(chosen, call.options), call.options['with'])
      const { jobs, left } = await retryLetters(file, plan, redriven, call)
      for (const job of jobs) {
        await audit.add({ ...decision('retry', call.options), letters: job.letters, job: job.name })
      }
      const retried = redriven.length - left.length
      return { result: { retried, jobs, left }, text: retriedText(retried, jobs) + leftText(left) }
    }
    case 'drop': {
      const count = `${formatCount(chosen.length)} dead letters`
      if (call.options['yes'] !== true) {
        throw new MillraceError(`${count} would be dropped: add --yes to do it`, { code: 'CONFIG' })
      }
      await audit.add({ ...decision('drop', call.options), letters: chosen.map(({ id }) => id) })
      return { result: { dropped: chosen.length }, text: `${count} are dropped: nobody is told of them any more\n` }
    }
    default:
      throw new MillraceError(`${action} is none of list, show, retry, drop`, { code: 'CONFIG' })
  }
}

function choose(all: readonly Numbered[], wanted: readonly string[], options: VerbCall['options']): Numbered[] {
  const unknown = wanted.find((name) => !all.some((letter) => isNamed(letter, name)))
  if (unknown !== undefined) throw new MillraceError(`there is no dead letter ${unknown}`, { code: 'CONFIG' })
  const { step, reason } = options
  return all.filter((letter) => {
    const isWanted = wanted.length === 0 || wanted.some((name) => isNamed(letter, name))
    const isOpen = options['all'] === true || letter.dealtWith === undefined
    const isOfStep = typeof step !== 'string' || letter.step === step
    return isWanted && isOpen && isOfStep && (typeof reason !== 'string' || letter.reason.includes(reason))
  })
}

function isNamed({ id, number }: Numbered, name: string): boolean {
  return name === id || name === String(number)
}

function list(letters: readonly Numbered[]): VerbResult {
  const groups = [...Map.groupBy(letters, ({ step, reason, column = '' }) => JSON.stringify([step, column, reason]))]
  const result = groups.map(([key, own]) => {
    const [step = '', column = '', reason = ''] = JSON.parse(key) as string[]
    return { step, column, reason, letters: own.length, first: own[0]?.number ?? 0, attempts: maxAttempt(own) }
  })
  result.sort((left, right) => right.letters - left.letters)
  const rows = result.map(({ step, column, reason, letters: count, first, attempts }) => [
    ...[formatCount(count), step, column, String(attempts), String(first)],
    reason,
  ])
  const table = tableText([['letters', 'step', 'column', 'attempts', 'first', 'reason'], ...rows])
  const total = `${formatCount(letters.length)} dead letters that nobody has dealt with\n`
  return {
    result: { letters: letters.length, reasons: result },
    text: letters.length === 0 ? total : `${table}\n${total}`,
  }
}

function maxAttempt(letters: readonly StoredLetter[]): number {
  return letters.reduce((most, { attempt }) => Math.max(most, attempt), 0)
}

function show(letters: readonly Numbered[], isRaw: boolean): VerbResult {
  const result = letters.map(({ raw, ...letter }) => ({
    ...letter,
    raw: raw.toString('utf8'),
    base64: raw.toString('base64'),
  }))
  const text = isRaw
    ? letters.map(({ raw }) => `${raw.toString('utf8')}\n`).join('')
    : letters.map(letterText).join('\n')
  return { result: { letters: result }, text }
}

function letterText(letter: Numbered): string {
  const { number, id, source, split, position, checkpoint, attempt, step, code, column, reason, raw, dealtWith } =
    letter
  const state = dealtWith === undefined ? '' : `, ${dealtWith === 'retry' ? 'driven in again' : 'dropped'}`
  return [
    `${number} (${id}${state})`,
    `  at      ${source}: split ${split}, ${position}`,
    `  failed  ${step}${column === undefined ? '' : `, column ${column}`}: ${code} ${singleLine(reason)}`,
    `  in      checkpoint ${checkpoint}, attempt ${attempt}`,
    `  raw     ${singleLine(raw.toString('utf8'))}`,
    '',
  ].join('\n')
}

/** What failed again and again does not go round for ever. */
function withoutLoops(letters: readonly Numbered[], options: VerbCall['options']): readonly Numbered[] {
  const most = Number(options['maxAttempts'] ?? 3)
  if (letters.length === 0) throw new MillraceError('there is nothing to drive in again', { code: 'CONFIG' })
  const tired = letters.filter(({ attempt }) => attempt >= most)
  if (tired.length === 0) return letters
  const which = tired
    .slice(0, 5)
    .map(({ number }) => number)
    .join(', ')
  throw new MillraceError(
    `${tired.length} of these letters failed ${most} times already (${which}${tired.length > 5 ? ', …' : ''}): repair or drop them, or raise --max-attempts`,
    { code: 'CONFIG' },
  )
}

function withRepaired(letters: readonly Numbered[], file: unknown): Redriven[] {
  if (typeof file !== 'string') return letters.map((letter) => ({ letter, raw: letter.raw, isRepaired: false }))
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  if (lines.length !== letters.length) {
    throw new MillraceError(`${file} has ${lines.length} records for ${letters.length} dead letters`, {
      code: 'CONFIG',
    })
  }
  return letters.map((letter, at) => ({ letter, raw: Buffer.from(lines[at] ?? ''), isRepaired: true }))
}

function decision(action: DlqDecision['action'], { because }: VerbCall['options']): Omit<DlqDecision, 'letters'> {
  const reason = typeof because === 'string' ? because : ''
  return { at: new Date().toISOString(), by: userInfo().username, action, reason }
}

function retriedText(count: number, jobs: Retried['jobs']): string {
  if (jobs.length === 0) return ''
  const names = jobs.map((job) => `${job.name} (${job.class})`).join(', ')
  return `${formatCount(count)} dead letters were driven in again by ${names}. Those that fail once more come back with a higher attempt.\n`
}

function leftText(left: Retried['left']): string {
  if (left.length === 0) return ''
  const reasons = [...new Set(left.map(({ reason }) => singleLine(reason)))].slice(0, 5).join('; ')
  return `${formatCount(left.length)} still cannot be decoded (${reasons}): they are left as they are. Give repaired rows --with.\n`
}
