import path from 'node:path'
import { mkdirSync, readFileSync } from 'node:fs'
import type { CampaignReport } from '../campaign/report.ts'
import { cacheDirectory } from '../services/java-jars.ts'
import { runProgram, type StageResult } from './stage.ts'

/** A few more than are promised: a job may have ended before it can be hurt. */
const CYCLES = 208
const FULL = 1000

/** Kills the real program again and again, on both cores; the report stays in the cache directory. */
export async function playCampaign(isFull: boolean, signal: AbortSignal): Promise<StageResult> {
  mkdirSync(cacheDirectory(), { recursive: true })
  const report = path.join(cacheDirectory(), 'campaign-report')
  const args = ['--cycles', String(isFull ? FULL : CYCLES), '--report', report]
  const { ok, output } = await runProgram(process.execPath, [path.join('scripts', 'campaign.ts'), ...args], signal)
  if (!ok) return { ok, output }
  const { cycles, rows, bound95 } = JSON.parse(readFileSync(`${report}.json`, 'utf8')) as CampaignReport
  const words = `${cycles} cycles over ${rows} rows, 0 failures: below ${bound95.toExponential(1)} (95 %); ${report}.md`
  return { ok, output: words }
}
