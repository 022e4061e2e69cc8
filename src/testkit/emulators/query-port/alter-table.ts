import type { EmulatorColumn } from '../options.ts'
import type { TableStore } from '../table.ts'
import { SyntaxTrouble, type ColumnChange } from './ddl.ts'

const INTEGERS = ['TINYINT', 'SMALLINT', 'INT', 'BIGINT', 'LARGEINT']

/** Changes a column as the frontends let it be changed (fe SchemaChangeHandler.java): types become wider only, keys stay. */
export function alterTable(store: TableStore, change: ColumnChange): void {
  const { columns } = store
  const has = (name: string): boolean => columns.some((column) => column.name === name)
  const mustHave = (name: string): void => {
    if (!has(name)) throw new SyntaxTrouble(`Column does not exists: ${name}`)
    if (change.kind !== 'rename' && store.isKeyed && store.keys.includes(name))
      throw new SyntaxTrouble(`Can not change key column ${name}`)
  }
  const plain = columns.map(({ name, type, nullable }): EmulatorColumn => ({ name, type, nullable }))
  switch (change.kind) {
    case 'add':
      if (has(change.column.name))
        throw new SyntaxTrouble(`Can not add column which already exists in base table: ${change.column.name}`)
      return store.setColumns([...plain, change.column])
    case 'drop':
      mustHave(change.name)
      return store.setColumns(plain.filter(({ name }) => name !== change.name))
    case 'rename':
      mustHave(change.from)
      if (has(change.to)) throw new SyntaxTrouble(`Column name[${change.to}] is already used`)
      return store.renameColumn(change.from, change.to)
    case 'modify': {
      mustHave(change.column.name)
      const old = plain.find(({ name }) => name === change.column.name)
      if (old !== undefined && !isWider(old.type, change.column.type))
        throw new SyntaxTrouble(`Can not change ${old.type} to ${change.column.type}`)
      return store.setColumns(plain.map((column) => (column.name === change.column.name ? change.column : column)))
    }
  }
}

function isWider(from: string, to: string): boolean {
  if (from === to) return true
  if (INTEGERS.includes(from) && INTEGERS.includes(to)) return INTEGERS.indexOf(from) <= INTEGERS.indexOf(to)
  if (from === 'FLOAT' && to === 'DOUBLE') return true
  const textBytes = (type: string): number | undefined =>
    type === 'STRING' ? 1_048_576 : type.startsWith('VARCHAR') ? Number(/\((\d+)\)/.exec(type)?.[1] ?? 1) : undefined
  const [was, is] = [textBytes(from), textBytes(to)]
  if (was !== undefined && is !== undefined) return was <= is
  const [p1, s1] = decimalOf(from)
  const [p2, s2] = decimalOf(to)
  if (p1 !== undefined && p2 !== undefined && s1 !== undefined && s2 !== undefined)
    return p2 - s2 >= p1 - s1 && s2 >= s1
  return is !== undefined && /^(INT|BIGINT|SMALLINT|TINYINT|LARGEINT|DATE|DATETIME|DOUBLE|FLOAT|DECIMAL)/.test(from)
}

function decimalOf(type: string): (number | undefined)[] {
  const found = /^DECIMAL\w*\((\d+),\s*(\d+)\)/.exec(type)
  return [found?.[1], found?.[2]].map((text) => (text === undefined ? undefined : Number(text)))
}
