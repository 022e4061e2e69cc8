import { MillraceError } from '../../core/errors.ts'

/**
 * A position as MariaDB writes it: `domain-server-sequence,…`, the last transaction of each domain. It is a watermark, not
 * a set: everything of a domain up to there was read.
 */
export class MariadbPosition {
  readonly #domains = new Map<number, { readonly server: number; readonly sequence: bigint }>()

  static parse(text: string): MariadbPosition {
    const position = new MariadbPosition()
    for (const part of text.split(',')) {
      if (part.trim() === '') continue
      const match = /^(\d+)-(\d+)-(\d+)$/.exec(part.trim())
      if (match === null) {
        throw new MillraceError(`reading a MariaDB GTID position: ${JSON.stringify(part.slice(0, 80))} is none`, {
          code: 'CONFIG',
        })
      }
      position.set(Number(match[1]), Number(match[2]), BigInt(match[3] ?? '0'))
    }
    return position
  }

  set(domain: number, server: number, sequence: bigint): void {
    this.#domains.set(domain, { server, sequence })
  }

  sequenceOf(domain: number): bigint | undefined {
    return this.#domains.get(domain)?.sequence
  }

  get domains(): readonly number[] {
    return [...this.#domains.keys()].toSorted((a, b) => a - b)
  }

  /** The domains in which the other stands behind this one's transactions. */
  aheadOf(other: MariadbPosition): number[] {
    return this.domains.filter((domain) => (this.sequenceOf(domain) ?? 0n) > (other.sequenceOf(domain) ?? 0n))
  }

  toString(): string {
    return this.domains
      .map((domain) => {
        const { server = 0, sequence = 0n } = this.#domains.get(domain) ?? {}
        return `${domain}-${server}-${sequence}`
      })
      .join(',')
  }
}
