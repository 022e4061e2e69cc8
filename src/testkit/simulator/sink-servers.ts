import type { JsonObject } from '../../core/json.ts'
import type { Audit } from './audit.ts'
import type { ModelServer, ServerOfFamily } from './model-server.ts'
import type { Random } from './random.ts'

interface Watched {
  readonly server: ModelServer
  readonly audit: Audit
}

/** The servers behind the sinks of a world, each with an audit of its own. A sink has the name of its family. */
export class SinkServers {
  readonly #bySink: ReadonlyMap<string, Watched>

  constructor(families: Readonly<Record<string, ServerOfFamily>>, newAudit: () => Audit) {
    this.#bySink = new Map(
      Object.entries(families).map(([sink, serverOf]) => {
        const audit = newAudit()
        return [sink, { server: serverOf(audit), audit }]
      }),
    )
  }

  get #all(): readonly Watched[] {
    return [...this.#bySink.values()]
  }

  of(sink: string): ModelServer {
    return this.#watched(sink).server
  }

  isVisible(sink: string, committable: JsonObject): boolean {
    return this.of(sink).isVisible(committable)
  }

  /** Its rows are not missed any more. */
  givenUp(sink: string, committable: JsonObject): void {
    const { server, audit } = this.#watched(sink)
    audit.givenUp(server.rowsOf(committable))
  }

  /** Up to which row every sink has seen a split. */
  visible(split: string): number {
    return Math.min(...this.#all.map(({ audit }) => audit.visible(split)))
  }

  /** Up to which row a split has been visible in every sink. */
  furthest(split: string): number {
    return Math.min(...this.#all.map(({ audit }) => audit.furthest(split)))
  }

  /** Of every sink. */
  wentBack(to: (split: string) => number): () => void {
    const takeBack = this.#all.map(({ audit }) => audit.wentBack(to))
    return () => takeBack.forEach((act) => act())
  }

  get violations(): readonly string[] {
    return this.#all.flatMap(({ audit }) => audit.violations)
  }

  /** At the end: every row is there, and nothing is wrong beside it. */
  complete(rowsOf: ReadonlyMap<string, number>): readonly string[] {
    for (const { audit } of this.#all) audit.complete(rowsOf)
    return this.wrongAtTheEnd(rowsOf)
  }

  wrongAtTheEnd(rowsOf: ReadonlyMap<string, number>): readonly string[] {
    return this.#all.flatMap(({ server }) => server.wrongAtTheEnd?.(rowsOf) ?? [])
  }

  unfinished(): readonly string[] {
    return this.#all.flatMap(({ server }) => server.unfinished())
  }

  get count(): number {
    return this.#bySink.size
  }

  any(random: Random): ModelServer {
    return random.pick(this.#all).server
  }

  #watched(sink: string): Watched {
    const found = this.#bySink.get(sink)
    if (found === undefined) throw new RangeError(`there is no sink ${sink}`)
    return found
  }
}
