import { BadMessage, JsonMembers } from './json-members.ts'

/** Where a value stands in a message. */
export interface Range {
  readonly from: number
  /** 0: it is not there. */
  readonly to: number
}

const NOWHERE: Range = { from: 0, to: 0 }

/** Texts are empty and ranges nowhere where a message has no such member, or null. */
export type Parts<Text extends string, Part extends string> = { readonly [K in Text]: string } & {
  readonly [K in Part]: Range
}

/** Finds the members of messages that a format reads: short ones as text, large ones as ranges for later. */
export class MessageParts<Text extends string, Part extends string> {
  readonly #members = new JsonMembers()
  readonly #nothing: Readonly<Record<string, string | Range>>
  readonly #areTexts: ReadonlyMap<string, boolean>

  constructor(texts: readonly Text[], parts: readonly Part[]) {
    this.#nothing = Object.fromEntries([
      ['type', ''],
      ...texts.map((name) => [name, ''] as const),
      ...parts.map((name) => [name, NOWHERE] as const),
    ])
    this.#areTexts = new Map(Object.entries(this.#nothing).map(([name, value]) => [name, value === '']))
  }

  /** Every message says what it is. */
  read(buffer: Buffer, from: number, to: number): Parts<Text | 'type', Part> {
    const members = this.#members
    const found: Record<string, string | Range> = { ...this.#nothing }
    members.open(buffer, from, to)
    while (members.next()) {
      const { key } = members
      const isText = this.#areTexts.get(key)
      if (isText === undefined || members.isNull) continue
      found[key] = isText ? members.text : { from: members.from, to: members.to }
    }
    if (found['type'] === '') throw new BadMessage('it has no `type`')
    // The names are those of the constructor.
    return found as Parts<Text | 'type', Part>
  }
}

/** The member of an object by its name. */
export function memberOf(members: JsonMembers, buffer: Buffer, object: Range, name: string): Range | undefined {
  members.open(buffer, object.from, object.to)
  while (members.next()) if (members.key === name) return { from: members.from, to: members.to }
  return undefined
}
