/** The type of a new column for values of a type of ours, without loss. */
export function postgresTypeOf(type: string): string {
  const lower = type.toLowerCase()
  const fraction = /^timestamp(?:\((\d)\))?$/.exec(lower)
  if (fraction !== null) return `timestamp(${Math.min(6, Number(fraction[1] ?? 6))})`
  if (lower.startsWith('decimal') || lower.startsWith('numeric')) return lower.replace('decimal', 'numeric')
  // Types that only their source knows arrive as texts.
  return TYPES.get(lower.replace(/\(.*\)$/, '')) ?? 'text'
}

const TYPES: ReadonlyMap<string, string> = new Map([
  ['boolean', 'boolean'],
  ['tinyint', 'smallint'],
  ['smallint', 'smallint'],
  ['integer', 'integer'],
  ['int', 'integer'],
  ['bigint', 'bigint'],
  ['hugeint', 'numeric(39,0)'],
  ['utinyint', 'smallint'],
  ['usmallint', 'integer'],
  ['uinteger', 'bigint'],
  ['ubigint', 'numeric(20,0)'],
  ['uhugeint', 'numeric(39,0)'],
  ['float', 'real'],
  ['double', 'double precision'],
  ['varchar', 'text'],
  ['text', 'text'],
  ['string', 'text'],
  ['json', 'jsonb'],
  ['blob', 'bytea'],
  ['uuid', 'uuid'],
  ['date', 'date'],
  ['time', 'time(6)'],
  ['timestamp_s', 'timestamp(0)'],
  ['timestamp_ms', 'timestamp(3)'],
  ['timestamp_ns', 'timestamp(6)'],
  ['timestamptz', 'timestamptz'],
  ['timestamp with time zone', 'timestamptz'],
])
