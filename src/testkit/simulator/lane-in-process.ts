import { MillraceError } from '../../core/errors.ts'
import { LaneServices } from '../../runtime/lane-context.ts'
import { LaneDesk } from '../../runtime/lane-desk.ts'
import type { LanePort, OpenLane } from '../../runtime/lane-group.ts'
import type { FromLane, ToLane } from '../../runtime/messages.ts'
import { channelOf } from './channel.ts'
import { LanePorts } from './lane-ports.ts'
import type { SimulatedProcess } from './process.ts'

/** Lanes without threads: messages arrive in the order in which they were sent, each after a while. */
export function openLaneIn(process: SimulatedProcess, onOpen: (die: () => void) => void): OpenLane {
  const ports = new LanePorts(process)
  return (linked, receive, died): LanePort => {
    const data = ports.replaceIn(linked)
    const [toLane, toCoordinator] = [channelOf(process), channelOf(process)]
    let isDead = false
    const tell = (message: FromLane): void => {
      if (!isDead) toCoordinator(() => process.world.handles(process, () => receive(data.lane, message)))
    }
    onOpen(() => {
      isDead = true
      died(new MillraceError(`lane ${data.lane} died`, { code: 'INTERNAL' }))
    })
    const desk = new LaneDesk(new LaneServices(data, tell, process.clock), tell)
    const opened = desk.open(data)
    return {
      send: (message: ToLane) => {
        if (!isDead) toLane(() => void opened.then(() => desk.hear(message)))
      },
      close: async () => {
        await opened
        await desk.hear({ kind: 'close' })
      },
    }
  }
}
