import type { TableStore } from '../table.ts'
import type { TextResult } from './select.ts'

/** DESC, in the words of each server. */
export function describeTable(store: TableStore): TextResult {
  const isStarRocks = store.dialect === 'starrocks'
  const [yes, no] = isStarRocks ? ['YES', 'NO'] : ['Yes', 'No']
  return {
    columns: ['Field', 'Type', 'Null', 'Key', 'Default', 'Extra'].map((name) => ({ name, type: 'VARCHAR' })),
    rows: store.columns.map(({ name, type, nullable }) => [
      name,
      typeText(type, isStarRocks),
      nullable ? yes : no,
      String(store.isKeyed && store.keys.includes(name)),
      null,
      '',
    ]),
  }
}

function typeText(type: string, isStarRocks: boolean): string {
  const text = type.toLowerCase()
  if (text === 'string') return isStarRocks ? 'varchar(65533)' : 'text'
  return isStarRocks ? text.replace(',', ', ') : text
}

/** Changes that rewrite a table are jobs: the first look at one finds it running. */
export class SchemaJobs {
  readonly #jobs = new Map<string, { id: number; looks: number }[]>()
  #next = 10_001

  begin(table: string): void {
    const jobs = this.#jobs.get(table) ?? []
    jobs.unshift({ id: this.#next++, looks: 0 })
    this.#jobs.set(table, jobs)
  }

  /** The newest one, as `ORDER BY CreateTime DESC LIMIT 1` asks for it. */
  show(table: string): TextResult {
    const [job] = this.#jobs.get(table) ?? []
    const columns = ['JobId', 'TableName', 'State', 'Msg'].map((name) => ({ name, type: 'VARCHAR' }))
    if (job === undefined) return { columns, rows: [] }
    job.looks += 1
    const state = job.looks > 1 ? 'FINISHED' : 'RUNNING'
    return { columns, rows: [[String(job.id), table.slice(table.indexOf('.') + 1), state, '']] }
  }
}
