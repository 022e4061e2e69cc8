import type { Mutant } from './mutants.ts'

const LEDGER = 'storage/ledger.ts'
const LOG = 'storage/local-log.ts'
const BUCKET = 'clients/s3/conditional-write.ts'
const LINEAGE = 'checkpoint/lineage.ts'
const RUN = 'runtime/run.ts'

/** Ways to break claims, and how entries of the checkpoint log are written and read. */
export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: 'claim-after-reading',
    file: LEDGER,
    find: 'if ((await this.#log.newest()) === claimed.seq) return true',
    replace: 'return true',
    noticedBy: 'storage/ledger.test.ts',
  },
  {
    name: 'append-moves-on-after-a-conflict',
    file: LEDGER,
    find: 'if (found === undefined || hashOf(found) !== hashOf(bytes)) return undefined',
    replace:
      "if (kind !== 'claim' && found !== undefined) { this.#lastSeq += 1; this.#lastHash = hashOf(found); return this.#tryAppend(kind, draft) }\nif (found === undefined || hashOf(found) !== hashOf(bytes)) return undefined",
  },
  {
    name: 'conflict-ignored',
    file: LEDGER,
    find: 'if (found === undefined || hashOf(found) !== hashOf(bytes)) return undefined',
    replace: "if (kind === 'claim' && (found === undefined || hashOf(found) !== hashOf(bytes))) return undefined",
  },
  {
    name: 'rewind-without-a-new-epoch',
    file: RUN,
    find: 'await this.#options.ledger.reclaim()',
    replace: '',
  },
  {
    name: 'rename-instead-of-link',
    file: LOG,
    find: 'this.#fs.linkSync(temporary, this.#path(seq))',
    replace: 'try { this.#fs.unlinkSync(this.#path(seq)) } catch {}\nthis.#fs.linkSync(temporary, this.#path(seq))',
  },
  {
    name: 'no-directory-sync',
    file: LOG,
    find: '      this.#syncDirectory()\n',
    replace: '',
    noticedBy: 'storage/crash-states.test.ts',
  },
  {
    name: 'no-file-sync',
    file: LOG,
    find: 'this.#orBreak(`syncing ${path}`, () => this.#fs.fsyncSync(file))',
    replace: '',
  },
  {
    name: 'unconditional-write-of-an-entry',
    file: BUCKET,
    find: 'headers: { ...onlyIfAbsent(bucket.client.endpoint), [NONCE_HEADER]: nonce }',
    replace: 'headers: { [NONCE_HEADER]: nonce }',
  },
  {
    name: 'foreign-entry-taken-for-our-own',
    file: BUCKET,
    find: "return head.nonce === nonce ? 'done' : 'exists'",
    replace: "return 'done'",
  },
  {
    name: 'claims-collected',
    file: 'checkpoint/garbage.ts',
    find: "return (entry.kind === 'checkpoint' || entry.kind === 'confirm') && entry.checkpoint < oldestKept.checkpoint",
    replace: 'return entry.seq < oldestKept.seq',
  },
  {
    name: 'newest-checkpoint-collected',
    file: 'checkpoint/garbage.ts',
    find: 'const oldestKept = confirmed.at(-retained)',
    replace:
      'const oldestKept = confirmed.length < 2 ? undefined : { ...confirmed.at(-1), checkpoint: Infinity, seq: 1e9 }',
  },
  {
    name: 'checkpoint-ids-used-again',
    file: LINEAGE,
    find: 'nextCheckpoint = entry.checkpoint + 1',
    replace: 'nextCheckpoint = entry.checkpoint',
  },
  {
    name: 'stale-checkpoint-restored',
    file: LINEAGE,
    find: 'const newest = checkpoints.at(-1)',
    replace: 'const newest = checkpoints.at(-2) ?? checkpoints.at(-1)',
  },
  {
    name: 'voided-checkpoint-restored',
    file: LINEAGE,
    find: 'const checkpoints = published.filter((entry) => !voided.has(entry.checkpoint))',
    replace: 'const checkpoints = published',
  },
  {
    name: 'old-pending-dropped-at-restore',
    file: LINEAGE,
    find: 'unsettled.filter((item) => item.checkpoint > confirmedUpTo)',
    replace: 'unsettled.filter((item) => item.checkpoint === newest?.checkpoint && item.checkpoint > confirmedUpTo)',
  },
  {
    name: 'operators-answer-ignored',
    file: LINEAGE,
    find: '&& !settled.some((is) => is(item))',
    replace: '',
  },
]
