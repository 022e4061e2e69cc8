import type { CsvDialect } from '../dataplane/index.ts'

/**
 * The one CSV that travels between steps and that loaders are told of: fields between SOH characters, `\N` for NULL,
 * nothing quoted. Files of other dialects are decoded where they are read and encoded where they are written.
 */
export const HOUSE_CSV: CsvDialect = { separator: '\x01', nullText: '\\N', quote: '', lineEnd: '\n' }
