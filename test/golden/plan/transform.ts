export default (rows: readonly unknown[]): readonly unknown[] => rows
