import { LOG_MUTANTS } from './log-mutants.ts'

/** One way to break the protocol: a piece of the source is replaced when a module is loaded, and nowhere else. */
export interface Mutant {
  readonly name: string
  /** Below `src/`. */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** The test below `src/` that has to notice it, where no schedule of a process from outside can. */
  readonly noticedBy?: string
}

const LINEAGE = 'checkpoint/lineage.ts'
const RUN = 'runtime/run.ts'
const PUBLISHER = 'runtime/publisher.ts'
const QUEUE = 'runtime/commit-queue.ts'
const COMMITTER = 'runtime/committer.ts'
const JOB = 'runtime/job.ts'
const TROUBLE = 'runtime/trouble.ts'
const LANE = 'runtime/lane.ts'
const CYCLE = 'checkpoint/cycle.ts'
const OUTCOME = 'checkpoint/outcome.ts'
const BOOK = 'runtime/split-book.ts'
const ROLL_BACK = 'runtime/roll-back.ts'

/** Every mutant has to be found by the simulator (a violation, or a job that does not come back), or by the test that it names. */
export const MUTANTS: readonly Mutant[] = [
  // Order of publishing, committing, confirming.
  {
    name: 'commit-before-publish',
    file: PUBLISHER,
    find: 'const permit = await ledger.publish({',
    replace:
      'await this.#options.committer.commitAll({ checkpoint, epoch: ledger.epoch }, items)\nconst permit = await ledger.publish({',
  },
  {
    name: 'confirm-before-commit',
    file: QUEUE,
    find: "if (isLast) failpoint('final.commit', 'before')",
    replace: 'await ledger.confirm(permit.checkpoint)',
  },
  {
    name: 'acknowledge-at-publish',
    file: QUEUE,
    find: 'this.#newest = published\n',
    replace:
      'this.#newest = published\nvoid this.#acknowledge(published.states, { checkpoint: published.permit.checkpoint })\n',
  },
  {
    name: 'later-checkpoints-confirmed-too',
    file: QUEUE,
    find: 'const acknowledge = await ledger.confirm(permit.checkpoint)',
    replace: 'const acknowledge = await ledger.confirm(permit.checkpoint + 1)',
  },
  {
    name: 'pending-forgotten-in-next-manifest',
    file: PUBLISHER,
    find: 'pending: [...pending(), ...items],',
    replace: 'pending: items,',
  },
  // Outcomes.
  {
    name: 'swallowed-commit-error',
    file: COMMITTER,
    find: "if (decision.do === 'remedy') throw new CommitTrouble(item, decision)",
    replace: "if (decision.do === 'remedy') return",
  },
  {
    name: 'unknown-counts-as-committed',
    file: OUTCOME,
    find: "case 'unknown':\n      // Also",
    replace:
      "case 'unknown':\n      if (outcome.outcome === 'unknown') return { do: 'done', already: true }\n      // Also",
  },
  {
    name: 'lost-counts-as-committed',
    file: OUTCOME,
    find: "case 'lost':\n      return {\n        do: 'remedy',\n        code: evidence",
    replace:
      "case 'lost':\n      if (evidence.state === 'lost') return { do: 'done', already: true }\n      return {\n        do: 'remedy',\n        code: evidence",
  },
  {
    name: 'evidence-unknown-counts-as-lost',
    file: OUTCOME,
    find: "return { do: 'remedy', code: 'OUTCOME_UNKNOWN', reason",
    replace: "return { do: 'remedy', code: 'PREPARED_LOST', reason",
  },
  {
    name: 'committable-counts-as-committed',
    file: OUTCOME,
    find: "return { do: 'retry', reason: 'the sink still holds it prepared' }",
    replace: "return { do: 'done', already: true }",
  },
  ...LOG_MUTANTS,
  // Restore.
  {
    name: 'no-recommit-at-restore',
    file: JOB,
    find: 'await committer.commitAll(ledger.recommitPermit(restore.from), restore.pending)',
    replace: '',
  },
  {
    name: 'abort-before-recommit',
    file: JOB,
    find: '    await this.#recommit(ledger, committer, sinks)\n',
    replace:
      '    const all = sweepScope(ledger.entries, ledger.epoch)\n    await sinks.sweep({ ...all, keep: [], runs: all.runs.map((run) => ({ ...run, from: 1 })) }, () => []).catch(() => undefined)\n    await this.#recommit(ledger, committer, sinks)\n',
  },
  {
    name: 'sweep-forgets-what-is-pending',
    file: JOB,
    find: 'sinks.sweep(scope, pendingOf(ledger)))',
    replace: 'sinks.sweep({ ...scope, runs: scope.runs.map((run) => ({ ...run, from: 1 })) }, () => []))',
  },
  {
    name: 'sweep-reaches-upwards',
    file: JOB,
    find: 'const scope = sweepScope(ledger.entries, ledger.epoch)\n',
    replace:
      'const own = sweepScope(ledger.entries, ledger.epoch)\nconst scope = { ...own, below: own.below + 9, runs: [...own.runs, ...[1, 2, 3].map((n) => ({ epoch: own.below + n, from: 1, to: ledger.lineage().nextCheckpoint + 3 }))] }\n',
  },
  {
    name: 'nothing-is-swept',
    file: JOB,
    find: "await this.#patiently('sweeping leftovers', () => sinks.sweep(scope, pendingOf(ledger)))",
    replace: '',
  },
  {
    name: 'remedy-skips-the-aborts',
    file: 'checkpoint/remedy.ts',
    find: 'void: item.checkpoint, abort: siblings }',
    replace: 'void: item.checkpoint, abort: [] }',
    noticedBy: 'checkpoint/remedy.test.ts',
  },
  {
    name: 'remedy-although-a-part-is-visible',
    file: 'checkpoint/remedy.ts',
    find: 'siblings.some((other) => committedOf.has(other))) {',
    replace: 'siblings.length > 1e9) {',
    noticedBy: 'checkpoint/remedy.test.ts',
  },
  {
    name: 'remedy-although-nobody-knows',
    file: 'checkpoint/remedy.ts',
    find: "if (code === 'OUTCOME_UNKNOWN') return",
    replace: 'if (code === undefined) return',
  },
  {
    name: 'remedy-below-a-later-checkpoint',
    file: 'checkpoint/remedy.ts',
    find: 'if (lineage.newest?.checkpoint !== item.checkpoint) {\n    return { kind',
    replace: 'if (lineage.newest === undefined) {\n    return { kind',
  },
  // Going back to an older checkpoint.
  {
    name: 'gone-back-with-work-still-prepared',
    file: ROLL_BACK,
    find: '  await abortPending(ledger, sinks)\n',
    replace: '',
  },
  {
    name: 'gone-back-to-where-it-was',
    file: ROLL_BACK,
    find: 'const { sources, checkpoint: to } = target\n',
    replace: 'const { checkpoint: to } = target\n  const { sources } = newest ?? target\n',
  },
  // Rows that are kept and loaded again.
  {
    name: 'reload-is-committed-before-the-log-knows',
    file: TROUBLE,
    find: 'const committable = await sink.reload(item.committable, ledger.epoch)\n',
    replace:
      'const committable = await sink.reload(item.committable, ledger.epoch)\n    await sink.commit({ checkpoint: item.checkpoint, epoch: ledger.epoch }, committable)\n',
  },
  {
    name: 'reload-is-never-logged',
    file: TROUBLE,
    find: "      await ledger.decide(\n        { action: 'reload', checkpoint, sink: item.sink, lost, item: next },\n        'millrace',\n        evidence.reason,\n      )\n",
    replace: '',
  },
  {
    name: 'reload-of-what-may-be-committed',
    file: TROUBLE,
    find: "if (evidence?.state !== 'lost' || evidence.isKept !== true) continue",
    replace: "if (evidence?.state === 'committed') continue",
  },
  {
    name: 'reload-under-the-epoch-that-was-lost',
    file: TROUBLE,
    find: 'await sink.reload(item.committable, ledger.epoch)',
    replace: 'await sink.reload(item.committable, item.epoch)',
  },
  {
    name: 'reload-forgotten-at-restore',
    file: LINEAGE,
    find: 'return isMeant ? next : item',
    replace: 'return item',
  },
  {
    name: 'reload-forgotten-in-a-later-epoch',
    file: LINEAGE,
    find: "else if (decision.action === 'reload') reloads.push(decision)",
    replace: "else if (decision.action === 'reload') reloads.splice(0, 1, decision)",
  },
  {
    name: 'reload-leftovers-not-swept',
    file: LINEAGE,
    find: 'found.push(...pending.map(({ sink, committable }) => ({ epoch, sink, committable })))',
    replace: '',
    noticedBy: 'checkpoint/lineage.test.ts',
  },
  {
    name: 'kept-rows-forgotten-at-publish',
    file: QUEUE,
    find: '    await swept\n',
    replace: '    await swept\n    await this.#options.sinks.forget(this.#pending)\n',
  },
  {
    name: 'kept-rows-never-forgotten',
    file: QUEUE,
    find: '    await sinks.forget(done)\n',
    replace: '',
  },
  // Positions.
  {
    name: 'positions-ahead-of-the-manifest',
    file: LANE,
    find: '    const cut = await this.#first.cut(message)\n    const positions = this.positions()\n',
    replace:
      '    const cut = await this.#first.cut(message)\n    let positions = this.positions()\n    setTimeout(() => (positions = this.positions()))\n    positions = new Proxy(positions, { get: (_, key) => this.positions()[key as string] })\n',
  },
  {
    name: 'positions-behind-the-rows',
    file: 'runtime/source-task.ts',
    find: '      progress.at = item.next\n',
    replace: '      progress.at = item.from\n',
  },
  {
    name: 'restored-positions-ignored',
    file: 'checkpoint/restore.ts',
    find: 'if (published !== undefined) return published',
    replace: 'if (published !== undefined) return published.map((state) => ({ ...state, at: { seq: 0 } }))',
  },
  {
    name: 'rewind-reads-on',
    file: BOOK,
    find: 'if (entry !== undefined) entry.state = state\n',
    replace: 'if (entry !== undefined && entry.state.at.seq === 0) entry.state = state\n',
  },
  {
    name: 'finished-split-read-again',
    file: BOOK,
    find: '.filter((entry) => entry.lane === lane && !entry.state.finished)',
    replace:
      '.filter((entry) => entry.lane === lane).map((entry) => (entry.state.finished ? { ...entry, state: { ...entry.state, at: { seq: 0 } } } : entry))',
  },
  {
    name: 'new-split-begins-at-its-end',
    file: 'runtime/source-side.ts',
    find: 'if (splits.length > 0) found(id, book.add(splits.map((split) => ({ ...split, finished: false }))))',
    replace:
      'if (splits.length > 0) found(id, book.add(splits.map((split) => ({ ...split, at: { seq: 3 }, finished: false }))))',
  },
  // Attempts and barriers.
  {
    name: 'shared-writer-takes-rows-that-come-after-the-cut',
    file: 'runtime/shared-writer.ts',
    find: 'if (isAhead || remote.hasCut) {',
    replace: 'if (isAhead) {',
  },
  {
    name: 'shared-writer-takes-own-rows-after-the-rollback',
    file: 'runtime/shared-writer.ts',
    find: '(this.#isCurrent(generation) ? this.#writer.write(batch) : batch.release())',
    replace: 'this.#writer.write(batch)',
  },
  {
    name: 'shared-writer-cuts-before-every-lane-has',
    file: 'runtime/shared-writer.ts',
    find: 'await cut.aligned.promise\n',
    replace: '',
  },
  {
    name: 'stale-acks-heard',
    file: RUN,
    find: "if ('attempt' in message && message.attempt !== this.#attempt) return",
    replace: '',
  },
  {
    name: 'publish-with-one-lane-missing',
    file: CYCLE,
    find: 'if (acked.length < state.lanes) return stay({ ...state, acked })',
    replace: 'if (acked.length < state.lanes - 1) return stay({ ...state, acked })',
  },
  {
    name: 'committables-of-one-lane-only',
    file: PUBLISHER,
    find: 'parts[sink] = acks.flatMap((ack) => ack.committables[sink] ?? [])',
    replace: 'parts[sink] = acks.slice(0, 1).flatMap((ack) => ack.committables[sink] ?? [])',
  },
  {
    name: 'a-remedy-for-what-is-not-lost-any-more',
    file: 'runtime/trouble.ts',
    find: "if (remedy.kind === 'reload') return 'it",
    replace:
      "if (remedy.kind === 'reload') throw new MillraceError('', { code: 'UNAVAILABLE', retry: 'restart' })\n  if (lineage.epoch < 0) return 'it",
  },
  {
    name: 'gone-back-to-what-was-taken-back',
    file: 'checkpoint/rollback.ts',
    find: 'if (over !== undefined && !over.wasConfirmed) {',
    replace: 'if (over !== over) {',
  },
  {
    name: 'what-was-given-up-is-taken-back',
    file: LINEAGE,
    find: 'decided.add(decision.checkpoint)',
    replace: "if (decision.action === 'mark-committed') decided.add(decision.checkpoint)",
  },
  {
    name: 'rewind-forgets-that-the-job-should-stop',
    file: CYCLE,
    find: "const wanted = state.wanted === 'stopped' ? 'stopped' : undefined",
    replace: 'const wanted = state.wanted',
    noticedBy: 'checkpoint/cycle.test.ts',
  },
  {
    name: 'open-work-kept-at-a-rewind',
    file: LANE,
    find: 'await Promise.all(this.#steps.stages.map((stage) => stage.rollback()))',
    replace: '',
  },
  {
    name: 'written-after-the-rollback',
    file: 'runtime/stage.ts',
    find: 'if (!this.#isOpen) return batch.release()\n',
    replace: '',
  },
  {
    name: 'commits-out-of-order',
    file: COMMITTER,
    find: '.sort(([a], [b]) => a - b)) {',
    replace: '.sort(([a], [b]) => b - a)) {',
  },
]
