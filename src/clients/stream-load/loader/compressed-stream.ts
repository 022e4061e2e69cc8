import { once } from 'node:events'
import { constants, createGzip, createZstdCompress, type Gzip, type ZstdCompress } from 'node:zlib'
import type { LoadStream } from '../outcomes.ts'

/** How bodies are packed on the way to the server. */
export type Compression = 'none' | 'gzip' | 'zstd'

/** A load whose body is compressed as it is written; the rest of its life is the load's own. */
export function compressLoad<Outcome>(load: LoadStream<Outcome>, compression: Compression): LoadStream<Outcome> {
  if (compression === 'none') return load
  const packer = createPacker(compression)
  // What the packer gives is sent in order; a failed write is told by the load's outcome.
  let sending: Promise<void> = Promise.resolve()
  packer.on('data', (chunk: Buffer) => {
    sending = sending.then(() => load.write(chunk))
    sending.catch(() => undefined)
  })
  return {
    label: load.label,
    outcome: load.outcome,
    write: async (chunk) => {
      await new Promise<void>((resolve, reject) => {
        packer.write(chunk, (error) => (error === null || error === undefined ? resolve() : reject(error)))
      })
      await sending
    },
    end: async () => {
      packer.end()
      await once(packer, 'end')
      await sending.catch(() => undefined)
      return load.end()
    },
    destroy: () => {
      packer.destroy()
      load.destroy()
    },
  }
}

/** The fastest levels: the wire is rarely the brake, our own core often is. */
function createPacker(compression: 'gzip' | 'zstd'): Gzip | ZstdCompress {
  if (compression === 'gzip') return createGzip({ level: constants.Z_BEST_SPEED })
  return createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } })
}
