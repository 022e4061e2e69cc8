import { MillraceError } from '../../core/errors.ts'

/** Number of the collation that means bytes. */
export const BINARY_COLLATION = 63

/** MySQL's names of character sets → labels of the WHATWG Encoding Standard. MySQL's latin1 is windows-1252. */
const LABELS: Readonly<Record<string, string>> = {
  latin1: 'windows-1252',
  latin2: 'iso-8859-2',
  latin5: 'windows-1254',
  latin7: 'iso-8859-13',
  cp1250: 'windows-1250',
  cp1251: 'windows-1251',
  cp1256: 'windows-1256',
  cp1257: 'windows-1257',
  cp866: 'ibm866',
  greek: 'iso-8859-7',
  hebrew: 'iso-8859-8',
  koi8r: 'koi8-r',
  koi8u: 'koi8-u',
  macce: 'x-mac-ce',
  tis620: 'windows-874',
  big5: 'big5',
  gb2312: 'gbk',
  gbk: 'gbk',
  gb18030: 'gb18030',
  sjis: 'shift_jis',
  cp932: 'shift_jis',
  ujis: 'euc-jp',
  eucjpms: 'euc-jp',
  euckr: 'euc-kr',
  ucs2: 'utf-16be',
  utf16: 'utf-16be',
  utf16le: 'utf-16le',
}

const UTF8: ReadonlySet<string> = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'ascii'])

/** Turns bytes of a character set into text; throws where they are none. */
export type Decode = (bytes: Buffer) => string

export interface Charset {
  readonly name: string
  /** The most bytes that a character takes. */
  readonly bytesMax: number
}

/** The character sets of a server, by the numbers of their collations. */
export class Charsets {
  readonly #sets: ReadonlyMap<number, Charset>
  readonly #decoders = new Map<string, Decode>()

  /** `sets`: number of each collation → its character set, as `information_schema.COLLATIONS` has it. */
  constructor(sets: ReadonlyMap<number, Charset>) {
    this.#sets = sets
  }

  /** The most bytes that a character takes. */
  bytesMax(collation: number): number {
    return this.#sets.get(collation)?.bytesMax ?? 1
  }

  /** The bytes are UTF-8 as they are. */
  isUtf8(collation: number): boolean {
    return UTF8.has(this.#sets.get(collation)?.name ?? '')
  }

  decoder(collation: number): Decode {
    const name = this.#sets.get(collation)?.name ?? `of collation ${collation}`
    let decode = this.#decoders.get(name)
    if (decode === undefined) {
      decode = makeDecoder(name)
      this.#decoders.set(name, decode)
    }
    return decode
  }
}

function makeDecoder(name: string): Decode {
  if (UTF8.has(name)) return (bytes) => bytes.toString('utf8')
  if (name === 'utf32') return decodeUtf32
  const label = LABELS[name]
  const decoder = label === undefined ? undefined : tryDecoder(label)
  if (decoder === undefined) {
    throw new MillraceError(
      `reading texts of the character set ${name}: it is not known here. Convert the column to utf8mb4, or leave it out`,
      { code: 'SCHEMA', detail: { charset: name } },
    )
  }
  return (bytes) => {
    try {
      return decoder.decode(bytes)
    } catch (cause) {
      throw new MillraceError(`reading a text of the character set ${name}: its bytes are not of that set`, {
        code: 'POISON',
        cause,
      })
    }
  }
}

function tryDecoder(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label, { fatal: true, ignoreBOM: true })
  } catch {
    return undefined
  }
}

function decodeUtf32(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at + 4 <= bytes.length; at += 4) text += String.fromCodePoint(bytes.readUInt32BE(at))
  return text
}
