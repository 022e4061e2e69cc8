import { BadMessage } from '../changes/json-members.ts'

/** An Avro type, as a schema writes it. */
export type AvroType = string | readonly AvroType[] | AvroObject

export interface AvroObject {
  readonly type: AvroType
  readonly name?: string
  readonly namespace?: string
  readonly fields?: readonly { readonly name: string; readonly type: AvroType }[]
  readonly symbols?: readonly string[]
  readonly items?: AvroType
  readonly values?: AvroType
  readonly size?: number
  readonly logicalType?: string
  readonly precision?: number
  readonly scale?: number
  /** Kafka Connect's name for what the value means. */
  readonly 'connect.name'?: string
}

/** Named types of one schema: a name stands for the whole type from its second use on. */
export class AvroNames {
  readonly #types = new Map<string, AvroObject>()

  constructor(schema: AvroType) {
    this.#collect(schema, '')
  }

  /** The type itself: a primitive's name, a union, or an object that is no reference. */
  resolve(type: AvroType, namespace = ''): AvroType {
    if (typeof type !== 'string' || PRIMITIVES.has(type)) return unwrapped(type)
    const found =
      this.#types.get(type.includes('.') || namespace === '' ? type : `${namespace}.${type}`) ?? this.#types.get(type)
    if (found === undefined) throw new BadMessage(`its Avro schema names the unknown type ${type}`)
    return found
  }

  #collect(type: AvroType, namespace: string): void {
    if (typeof type === 'string') return
    if (Array.isArray(type)) return type.forEach((branch: AvroType) => this.#collect(branch, namespace))
    const object = type as AvroObject
    const own = object.namespace ?? namespace
    if (object.name !== undefined) {
      this.#types.set(object.name, object)
      if (own !== '') this.#types.set(`${own}.${object.name}`, object)
    }
    for (const field of object.fields ?? []) this.#collect(field.type, own)
    for (const inner of [object.items, object.values, object.fields === undefined ? object.type : undefined])
      if (inner !== undefined) this.#collect(inner, own)
  }
}

const PRIMITIVES = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'])

/** `{"type": {"type": "long", …}}` is the inner type. */
function unwrapped(type: AvroType): AvroType {
  if (typeof type === 'string' || Array.isArray(type)) return type
  const object = type as AvroObject
  return typeof object.type === 'object' && !Array.isArray(object.type) ? unwrapped(object.type) : object
}

/** The one branch beside null, and whether there is a null; `undefined` for other unions. */
export function optionalOf(union: readonly AvroType[]): AvroType | undefined {
  const others = union.filter((branch) => branch !== 'null')
  return others.length === 1 ? others[0] : undefined
}
