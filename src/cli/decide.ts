import { userInfo } from 'node:os'
import type { Answer, DecisionCase } from '../checkpoint/decision-case.ts'
import { CONNECTOR_MODULES } from '../connectors/registry.ts'
import { MillraceError } from '../core/errors.ts'
import type { Plan } from '../plan/plan.ts'
import { DecisionDesk } from '../runtime/decision-desk.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { ControlClient } from '../server/control-client.ts'
import { openCheckpointLog, prepareStatePlace, statePlaceOf } from '../storage/state-place.ts'
import { caseText, CONSEQUENCES } from './decide-text.ts'
import { readState } from './job-state.ts'
import type { Output } from './output.ts'
import { openPipeline } from './pipelines.ts'
import { askPerson } from './question.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

const ANSWERS: readonly Answer[] = ['rewind', 'mark-committed', 'accept-loss']

export const verb: Verb = {
  examples: [
    'millrace decide clicks.yaml',
    'millrace decide clicks.yaml rewind',
    'millrace decide clicks.yaml accept-loss --confirm-rows 1200 --reason "ticket 4711"',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .argument('[answer]', `${ANSWERS.join(', ')}; without one: show what there is to decide`)
      .option('--checkpoint <number>', 'refuse when another checkpoint is in doubt')
      .option('--sink <id>', 'refuse when another sink is in doubt')
      .option('--reason <text>', 'kept in the checkpoint log with your user name')
      .option('--yes', 'do not ask; rows that would be lost still have to be confirmed')
      .option('--confirm-rows <rows>', 'the number of rows that are given up')
      .option('--not-there', 'rewind: you looked, and what the sink cannot tell is not in the table')
      .option('--force', 'also while the job runs: it is fenced and ends')
  },
  run: (call) => withHint('millrace decide without an answer shows what there is to decide', () => decideAnswer(call)),
}

async function decideAnswer(call: VerbCall): Promise<VerbResult> {
  const { args, options, output } = call
  const answer = answerOf(args[1])
  const loaded = await openPipeline(args[0] ?? '', 'resolve')
  if (loaded.planned === undefined) return { findings: loaded.findings }
  const { plan } = loaded.planned
  const place = statePlaceOf(plan)
  if (answer !== undefined && options['force'] !== true) await refuseRunning(place.directory, plan)
  const { lineage } = await readState(place)
  if (lineage.pending.length + lineage.confirmed.length === 0) return nothing(plan)

  prepareStatePlace(place)
  const log = await openCheckpointLog(place, `decide-${process.pid}`)
  try {
    await using desk = await DecisionDesk.open({
      plan,
      connectors: CONNECTOR_MODULES,
      log,
      logger: loggerTo(output),
      clock: systemClock,
      signal: call.signals().stop,
    })
    const found = await desk.look()
    if (found === undefined) return nothing(plan)
    const result = { pipeline: plan.name, decided: answer ?? null, case: found }
    if (answer === undefined) return { result, text: caseText(found) }
    output.print(caseText(found))
    refuseOther(found, options)
    await confirm(found, answer, call)
    const reason = typeof options['reason'] === 'string' ? options['reason'] : `${found.rows} rows in doubt`
    const isNotThere = options['notThere'] === true
    await desk.decide(found, { answer, by: userInfo().username, reason, isNotThere })
    return { result, text: `Decided: ${answer}. Start the job again: millrace run ${args[0] ?? ''}\n` }
  } finally {
    await log.close()
  }
}

function answerOf(text: string | undefined): Answer | undefined {
  const answer = ANSWERS.find((one) => one === text)
  if (text === undefined || answer !== undefined) return answer
  throw new MillraceError(`${JSON.stringify(text)} is not an answer: ${ANSWERS.join(', ')}`, { code: 'CONFIG' })
}

async function refuseRunning(directory: string, plan: Plan): Promise<void> {
  using client = await ControlClient.open(directory)
  if (client === undefined) return
  throw new MillraceError(
    `${plan.name} is running: it commits what is pending by itself. Stop it first (millrace stop), or decide with --force: ` +
      'it is fenced by that, publishes nothing more and ends with exit code 66',
    { code: 'CONFIG' },
  )
}

/** Scripts name what they decide about, so that they never answer another question than the one they were written for. */
function refuseOther({ checkpoint, sink }: DecisionCase, options: Readonly<Record<string, unknown>>): void {
  const isOther =
    (options['checkpoint'] !== undefined && Number(options['checkpoint']) !== checkpoint) ||
    (options['sink'] !== undefined && options['sink'] !== sink)
  if (!isOther) return
  throw new MillraceError(`in doubt is checkpoint ${checkpoint} of the sink "${sink}", the oldest; decide it first`, {
    code: 'CONFIG',
  })
}

/** Rows that may be lost by the answer have to be named by their number; everything else is a yes. */
async function confirm(found: DecisionCase, answer: Answer, { options, output }: VerbCall): Promise<void> {
  if (!found.legal.includes(answer)) return
  const isLosing = answer === 'accept-loss' || (answer === 'mark-committed' && found.isProven)
  output.print(`${CONSEQUENCES[answer](found)}\n`)
  if (isLosing) {
    const given = options['confirmRows'] ?? (await askPerson(output, `Type the number of rows to go on: `))
    if (given !== undefined && Number(given) === found.rows) return
    const why = given === undefined ? 'nobody is there to confirm it' : 'the number does not match'
    throw new MillraceError(`not decided: ${why}. To confirm: --confirm-rows ${found.rows}`, { code: 'CONFIG' })
  }
  if (options['yes'] === true) return
  const said = await askPerson(output, 'Go on? (yes/no) ')
  if (said === 'yes' || said === 'y') return
  throw new MillraceError(
    `not decided${said === undefined ? ': nobody is there to confirm it. To confirm: --yes' : ''}`,
    {
      code: 'CONFIG',
    },
  )
}

function nothing(plan: Plan): Awaited<ReturnType<Verb['run']>> {
  const text = `${plan.name}: nothing has to be decided; what is pending is committed by the next start.\n`
  return { result: { pipeline: plan.name, decided: null, case: null }, text }
}

function loggerTo(output: Output): Parameters<typeof DecisionDesk.open>[0]['logger'] {
  const say = (message: string): void => output.warn(`${message}\n`)
  return { debug: () => undefined, info: say, warn: say, error: say }
}
