import protobuf from 'protobufjs'
import { BadMessage } from '../changes/json-members.ts'

/** The text of a file that another one imports, by the name in its `import`. */
export type ImportedFiles = ReadonlyMap<string, string>

const NONE: ImportedFiles = new Map()

/** The messages that one .proto file declares. */
export class ProtobufFile {
  readonly #root = new protobuf.Root()
  readonly #package: string
  readonly #messages: readonly protobuf.Type[]

  constructor(text: string, imports: ImportedFiles = NONE) {
    const parsed = parse(text, this.#root)
    this.#package = parsed.package ?? ''
    const scope = this.#package === '' ? this.#root : this.#root.lookup(this.#package)
    // Before its imports are there: they may belong to the same package.
    this.#messages = typesIn(scope instanceof protobuf.Namespace ? scope : this.#root)
    this.#import(parsed.imports ?? [], imports, new Set())
    try {
      this.#root.resolveAll()
    } catch (error) {
      throw new BadMessage(`its Protobuf schema does not hold together: ${(error as Error).message}`)
    }
  }

  /** By its name, with or without the package; without a name the first one of the file. */
  message(name?: string): protobuf.Type {
    if (name === undefined) return this.#found(this.#messages[0], 'no message at all')
    const short =
      this.#package !== '' && name.startsWith(`${this.#package}.`) ? name.slice(this.#package.length + 1) : name
    const [first, ...rest] = short.split('.')
    let found = this.#messages.find((message) => message.name === first)
    for (const part of rest) found = found && typesIn(found).find((message) => message.name === part)
    return this.#found(found, `no message ${name}`)
  }

  /** By the way that leads to it: the how manieth message of the file, the how manieth in that one … */
  messageAt(indexes: readonly number[]): protobuf.Type {
    let among = this.#messages
    let found: protobuf.Type | undefined
    for (const index of indexes) {
      found = this.#found(among[index], 'no message at the place that it names')
      among = typesIn(found)
    }
    return this.#found(found, 'no message at the place that it names')
  }

  /** The way that leads to a message of this file. */
  indexesOf(message: protobuf.Type): number[] {
    const { parent } = message
    if (parent instanceof protobuf.Type) return [...this.indexesOf(parent), typesIn(parent).indexOf(message)]
    return [this.#messages.indexOf(message)]
  }

  #found(message: protobuf.Type | undefined, what: string): protobuf.Type {
    if (message === undefined) throw new BadMessage(`its Protobuf schema has ${what}`)
    return message
  }

  #import(names: readonly string[], files: ImportedFiles, done: Set<string>): void {
    for (const name of names) {
      if (done.has(name)) continue
      done.add(name)
      const known = protobuf.common.get(name)
      const text = files.get(name)
      if (text !== undefined) this.#import(parse(text, this.#root).imports ?? [], files, done)
      else if (known?.nested !== undefined && known.nested !== null) this.#root.addJSON(known.nested)
      else throw new BadMessage(`its Protobuf schema imports ${name}, which is not there`)
    }
  }
}

function typesIn(scope: protobuf.NamespaceBase): protobuf.Type[] {
  return scope.nestedArray.filter((one) => one instanceof protobuf.Type)
}

function parse(text: string, root: protobuf.Root): protobuf.IParserResult {
  try {
    return protobuf.parse(text, root, { keepCase: true })
  } catch (error) {
    throw new BadMessage(`its Protobuf schema cannot be read: ${(error as Error).message}`)
  }
}
