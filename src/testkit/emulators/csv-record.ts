import type { LoadPlan } from './load-plan.ts'

type CsvRules = Pick<
  LoadPlan,
  'columnSeparator' | 'rowDelimiter' | 'trimSpace' | 'trimDoubleQuotes' | 'isEmptyNull' | 'enclose' | 'escape'
>

/** The fields of one line without quoting; null for `\N`. */
export function splitRecord(line: string, rules: CsvRules): (string | null)[] {
  const fields: (string | null)[] = line.split(rules.columnSeparator)
  for (let i = 0; i < fields.length; i += 1) fields[i] = fieldValue(fields[i] ?? '', rules)
  return fields
}

/** All records of a text whose fields may be enclosed, with delimiters and escaped characters inside. */
export function splitEnclosedRecords(text: string, rules: CsvRules): (string | null)[][] {
  const { columnSeparator, rowDelimiter, enclose, escape } = rules
  const records: (string | null)[][] = []
  let record: (string | null)[] = []
  let at = 0
  while (at < text.length) {
    let value = ''
    const isEnclosed = text.startsWith(enclose, at)
    if (isEnclosed) at += enclose.length
    for (let isOpen = isEnclosed; at < text.length;) {
      if (escape !== '' && text.startsWith(escape, at) && at + 1 < text.length) {
        value += text[at + 1] ?? ''
        at += 2
      } else if (isOpen && text.startsWith(enclose + enclose, at)) {
        value += enclose
        at += 2
      } else if (isOpen && text.startsWith(enclose, at)) {
        isOpen = false
        at += 1
      } else if (!isOpen && (text.startsWith(columnSeparator, at) || text.startsWith(rowDelimiter, at))) {
        break
      } else {
        value += text[at] ?? ''
        at += 1
      }
    }
    record.push(isEnclosed ? value : fieldValue(value, rules))
    if (text.startsWith(columnSeparator, at)) {
      at += columnSeparator.length
      if (at < text.length) continue
      record.push('')
    } else at += rowDelimiter.length
    records.push(record)
    record = []
  }
  return records
}

function fieldValue(field: string, rules: CsvRules): string | null {
  let value = rules.trimSpace ? field.trim() : field
  if (value === '\\N') return null
  if (rules.trimDoubleQuotes && value.length >= 2 && value.startsWith('"') && value.endsWith('"')) {
    value = value.slice(1, -1)
  }
  return value === '' && rules.isEmptyNull ? null : value
}
