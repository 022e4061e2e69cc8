import type { CheckpointLog } from '../../storage/checkpoint-log.ts'
import { DiskLog } from './disk-log.ts'
import type { StoreKind } from './faults.ts'
import { bucketLog } from './object-store.ts'
import type { SimulatedProcess } from './process.ts'
import type { World } from './world.ts'

const LOG = '/state/job'
const SAVEPOINTS = 'savepoints'

/** Where the job of a world keeps its log and its savepoints, as each process opens them. */
export class StateStores {
  readonly #world: World
  readonly #kind: StoreKind

  constructor(world: World, kind: StoreKind) {
    this.#world = world
    this.#kind = kind
  }

  log(process: SimulatedProcess): CheckpointLog {
    if (this.#kind === 'bucket') return bucketLog(process)
    return new DiskLog(process, LOG, (seq, bytes) => this.#mayStand(seq, bytes))
  }

  savepoints(process: SimulatedProcess): CheckpointLog {
    if (this.#kind === 'bucket') return bucketLog(process, `${SAVEPOINTS}/`)
    return new DiskLog(process, `${LOG}/${SAVEPOINTS}`, () => undefined)
  }

  /** An append was tried: what stands in the slot now can be seen by all. */
  #mayStand(seq: number, bytes: Uint8Array): void {
    if (this.#holds(seq, bytes)) this.#world.watch.stands(bytes, () => this.#holds(seq, bytes))
  }

  #holds(seq: number, bytes: Uint8Array): boolean {
    try {
      const found = this.#world.disk.fs.readFileSync(`${LOG}/log/${String(seq).padStart(12, '0')}`)
      return Buffer.compare(found, bytes) === 0
    } catch {
      return false
    }
  }
}
