import { createHash } from 'node:crypto'
import type { FileStore } from '../core/file-store.ts'
import type { Plan } from '../plan/plan.ts'
import { storeOpener } from '../storage/open-store.ts'
import { statePlaceOf } from '../storage/state-place.ts'

/** What somebody did with dead letters. They stay where they are: this says that they are dealt with. */
export interface DlqDecision {
  readonly at: string
  readonly by: string
  readonly action: 'retry' | 'drop'
  readonly letters: readonly string[]
  readonly reason: string
  /** The job that drove them in again. */
  readonly job?: string
}

/** The book of decisions, beside the checkpoint log: a file for each, which is never changed. */
export class DlqAudit {
  readonly #store: FileStore

  private constructor(store: FileStore) {
    this.#store = store
  }

  static async open(plan: Plan): Promise<DlqAudit> {
    const { directory, remote } = statePlaceOf(plan)
    return new DlqAudit(await storeOpener(plan.s3)(`${remote?.address ?? directory}/dlq`))
  }

  async read(): Promise<DlqDecision[]> {
    const found: DlqDecision[] = []
    for await (const { path } of this.#store.list('')) {
      const bytes = path.endsWith('.json') ? await this.#store.read(path) : undefined
      if (bytes !== undefined) found.push(JSON.parse(Buffer.from(bytes).toString('utf8')) as DlqDecision)
    }
    return found.sort((left, right) => (left.at < right.at ? -1 : 1))
  }

  async add(decision: DlqDecision): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(decision))
    const mark = createHash('sha256').update(bytes).digest('hex').slice(0, 8)
    await this.#store.create(`${decision.at.replaceAll(':', '')}-${mark}.json`, bytes)
  }
}
