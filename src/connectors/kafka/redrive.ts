import type { Redrive } from '../../core/connector.ts'
import { MillraceError } from '../../core/errors.ts'
import { tellsChanges } from '../../formats/changes/names.ts'
import { RowBuffer } from '../../formats/changes/row-buffer.ts'
import type { KafkaSourceOptions } from './options.ts'
import { faultOf } from './raw-records.ts'
import { openValueDecoder } from './value-decoder.ts'

/** CSV between programs, as it is read from topics: nothing is quoted, and `\\N` is NULL. */
const TOPIC_CSV = { type: 'csv', delimiter: '\u0001', quote: '', header: false, null: '\\N' } as const

/** How values of the topics are read again, one by one. */
export async function openRedrive(options: KafkaSourceOptions, baseDirectory: string): Promise<Redrive> {
  const { format } = options
  if (tellsChanges(format)) {
    throw new MillraceError(
      `a change (${format}) is not driven in again: behind newer changes of its key it would put an old row over them`,
      { code: 'CONFIG' },
    )
  }
  if (format === 'csv') return { format: TOPIC_CSV }
  if (format !== 'avro' && format !== 'protobuf') return { format: format === 'raw' ? 'raw' : 'json' }
  const decoder = await openValueDecoder(options, baseDirectory)
  return {
    format: 'json',
    decode: async (raw) => {
      const value = Buffer.from(raw)
      const rows = new RowBuffer(0x0a)
      try {
        const missing = decoder.missing(value, 0, value.length)
        if (missing !== undefined) await decoder.learn(missing)
        decoder.decode(value, 0, value.length, rows)
      } catch (error) {
        const fault = faultOf(error)
        if (fault === undefined) throw error
        return { fault }
      }
      return { row: Buffer.from(rows.buffer.subarray(0, rows.length)) }
    },
  }
}
