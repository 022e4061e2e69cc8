import type { MessagePort } from 'node:worker_threads'
import type { LaneData, SharedSink } from '../../runtime/messages.ts'
import { channelOf } from './channel.ts'
import type { SimulatedProcess } from './process.ts'

type Hear = (message: unknown) => void

/** One end of a channel between two lanes, of what a lane uses of a port. */
interface End {
  on(event: 'message', hear: Hear): void
  postMessage(message: unknown): void
  close(): void
}

/** The channels between the lanes of one process, in virtual time: a port of Node would deliver whenever it likes. */
export class LanePorts {
  readonly #process: SimulatedProcess
  /** By sink and lane: what the lane that hosts the writer gets, and what the other gets. */
  readonly #channels = new Map<string, { readonly host: End; readonly remote: End }>()

  constructor(process: SimulatedProcess) {
    this.#process = process
  }

  /** The lane's data with ports of this clock. There is one writer, in lane 0, and every other lane feeds it. */
  replaceIn(data: LaneData): LaneData {
    const shared = data.shared.map((link): SharedSink => {
      for (const port of link.ports) port.close()
      const ends =
        link.role === 'host'
          ? link.ports.map((_, at) => this.#channel(link.sink, at + 1).host)
          : [this.#channel(link.sink, data.lane).remote]
      return { ...link, ports: ends as unknown as MessagePort[] }
    })
    return { ...data, shared }
  }

  #channel(sink: string, lane: number): { readonly host: End; readonly remote: End } {
    const key = `${sink}/${lane}`
    const known = this.#channels.get(key)
    if (known !== undefined) return known
    const [toHost, toRemote] = [this.#oneWay(), this.#oneWay()]
    const made = { host: endOf(toHost, toRemote), remote: endOf(toRemote, toHost) }
    this.#channels.set(key, made)
    return made
  }

  #oneWay(): OneWay {
    return { send: channelOf(this.#process), hear: () => undefined }
  }
}

interface OneWay {
  readonly send: (act: () => void) => void
  hear: Hear
}

function endOf(incoming: OneWay, outgoing: OneWay): End {
  return {
    on: (_event, hear) => {
      incoming.hear = hear
    },
    postMessage: (message) => outgoing.send(() => outgoing.hear(message)),
    close: () => {
      incoming.hear = () => undefined
    },
  }
}
