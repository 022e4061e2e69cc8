import type { ErrorObject, ValidateFunction } from 'ajv'
import { decodeJson, encodeJson } from '../../core/exact-json.ts'
import type { SchemaKind } from './message-coder.ts'

/** A JSON Schema (draft 7, 2019-09 or 2020-12) as an object or as text. Values are checked on both ways, and keep their digits. */
export function jsonKind<T>(given: object | string): SchemaKind<T> {
  const schema = typeof given === 'string' ? given : JSON.stringify(given)
  return {
    type: 'JSON',
    schema,
    async load() {
      const isValid = await compile(schema)
      const check = (text: string): string => {
        // For the check a rounded number does: the value itself comes from the text.
        if (!isValid(JSON.parse(text))) throw new TypeError(wordsOf(isValid.errors ?? []))
        return text
      }
      return {
        encode: (value) => Buffer.from(check(encodeJson(value)), 'utf8'),
        // The reader's schema decides, whatever it was written with.
        reader: () => (body) => decodeJson(check(body.toString('utf8'))) as T,
      }
    },
  }
}

async function compile(schema: string): Promise<ValidateFunction> {
  const parsed = JSON.parse(schema) as { readonly $schema?: string }
  const dialect = parsed.$schema ?? ''
  const { Ajv2020 } = dialect.includes('2020-12') ? await import('ajv/dist/2020.js') : {}
  const { Ajv2019 } = dialect.includes('2019-09') ? await import('ajv/dist/2019.js') : {}
  const { Ajv } = await import('ajv')
  // Schemas of others have words that this one does not know; nothing is loaded from anywhere.
  return new (Ajv2020 ?? Ajv2019 ?? Ajv)({ strict: false, validateFormats: false }).compile(parsed)
}

/** Where and what, without the value. */
function wordsOf(errors: readonly ErrorObject[]): string {
  const [first] = errors
  return first === undefined ? 'not as the schema wants it' : `${first.instancePath || '/'} ${first.message ?? ''}`
}
