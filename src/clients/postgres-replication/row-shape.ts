import type { TableColumn } from '../../core/changes.ts'
import type { Relation } from './pgoutput.ts'
import { columnOf, FORM, formOf, type PgType, type ValueForm } from './types.ts'

/** A column of a table, from the catalog or from a Relation message. */
export interface SourceColumn {
  readonly name: string
  readonly type: PgType
  readonly modifier: number
  readonly nullable: boolean
}

export interface ShapedColumn {
  readonly column: TableColumn
  /** `,"name":`, the first one with `{` in the place of the comma. */
  readonly prefix: Buffer
  readonly form: ValueForm
  /** False for a column that is left out of the rows. */
  readonly isPlanned: boolean
}

/** How rows with some columns become JSON: made once for each shape that a table takes on. */
export interface RowShape {
  readonly columns: readonly ShapedColumn[]
  /** Places of the key's columns, in the key's order. */
  readonly key: readonly number[]
  /** Bytes of a row besides its values. */
  readonly frameBytes: number
  /** Bytes that a byte of a value may take. */
  readonly growth: number
}

export interface ShapeOptions {
  readonly columns: readonly SourceColumn[]
  /** Names of the primary key's columns. */
  readonly key: readonly string[]
  /** Documents travel as text, in quotes, and not as a part of the row. */
  readonly hasQuotedJson: boolean
  /** Which columns are wanted; absent: all. */
  readonly isPlanned?: readonly boolean[]
}

export function rowShape({ columns, key, hasQuotedJson, isPlanned }: ShapeOptions): RowShape {
  const first = isPlanned === undefined ? 0 : isPlanned.indexOf(true)
  const shaped = columns.map(({ name, type, modifier, nullable }, index) => ({
    column: columnOf(name, type, modifier, nullable),
    prefix: Buffer.from(`${index === first ? '{' : ','}${JSON.stringify(name)}:`),
    form: quoted(formOf(type, modifier), hasQuotedJson),
    isPlanned: isPlanned?.[index] !== false,
  }))
  return {
    columns: shaped,
    key: key.map((name) => columns.findIndex((column) => column.name === name)),
    // An escape has six bytes, and up to twice as many in a document that is a text itself.
    growth: shaped.some(({ form }) => form.form === FORM.document) ? 12 : 6,
    frameBytes: shaped.reduce((sum, { prefix }) => sum + prefix.length + 8, 512),
  }
}

/** A relation's columns with the types of the catalog; one that is not there any more is read as text. */
export function columnsOf(relation: Relation, types: ReadonlyMap<number, PgType>): SourceColumn[] {
  return relation.columns.map(({ name, type, modifier, isKey }) => ({
    name,
    type: types.get(type) ?? { oid: type, name: 'text' },
    modifier,
    nullable: !isKey || relation.identity === 'f',
  }))
}

function quoted(form: ValueForm, hasQuotedJson: boolean): ValueForm {
  if (!hasQuotedJson) return form
  if (form.form === FORM.json) return { form: FORM.text }
  return form.form === FORM.array ? { form: FORM.document, element: form } : form
}
