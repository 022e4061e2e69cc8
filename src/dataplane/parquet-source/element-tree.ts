import { ELEMENT, type ParquetColumn } from './footer.ts'

/** An element of a file's schema, with what is nested in it. */
export interface ParquetElement {
  readonly fieldId: number | undefined
  readonly children: readonly ParquetElement[]
}

/** The schema of a column as a tree: the file has it as a list, each element in front of its children. */
export function elementTree({ elements }: Pick<ParquetColumn, 'elements'>): ParquetElement {
  let at = 0
  const next = (): ParquetElement => {
    const element = elements[at++]
    const numberOf = (id: number): number | undefined => {
      const value = element?.get(id)?.value
      return typeof value === 'bigint' ? Number(value) : undefined
    }
    const count = element === undefined ? 0 : (numberOf(ELEMENT.children) ?? 0)
    const children: ParquetElement[] = []
    // A file that is damaged may promise more children than there are.
    while (children.length < count && at < elements.length) children.push(next())
    return { fieldId: numberOf(ELEMENT.fieldId), children }
  }
  return next()
}
