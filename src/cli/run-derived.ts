import type { Plan } from '../plan/plan.ts'
import { prepareStatePlace, statePlaceOf } from '../storage/state-place.ts'
import { RunProgress } from './run-progress.ts'
import { openReporter, parseLevel } from './run-reporter.ts'
import { runJobs } from './run.ts'
import type { VerbCall } from './verb.ts'

/** Runs a pipeline that was made of another one, to its end. It has a name, and with it a state, of its own. */
export async function runDerived(
  plan: Plan,
  { output, signals }: Pick<VerbCall, 'output' | 'signals'>,
): Promise<string> {
  const progress = new RunProgress(plan)
  const reporter = openReporter({ plan, progress, output, level: parseLevel('info') })
  const place = statePlaceOf(plan)
  prepareStatePlace(place)
  const { stop, kill } = signals()
  kill.addEventListener('abort', () => process.kill(process.pid, 'SIGKILL'), { once: true })
  try {
    const { logger } = reporter
    const observe: typeof reporter.observe = (event) => {
      progress.see(event)
      reporter.observe(event)
    }
    return await runJobs({ plan, place, logger, observe }, stop)
  } finally {
    reporter.close()
  }
}
