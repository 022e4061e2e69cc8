import type { PartitionOf, Subscription } from './consumer-protocol.ts'

/**
 * Shares partitions out so that every member has as many as the others, give or take one, and keeps what it has where that
 * is possible. A partition that moves is given to nobody in the first round: its owner has to finish its work and join
 * again (incremental cooperative rebalancing, KIP-429).
 */
export function assignCooperatively(
  members: ReadonlyMap<string, Subscription>,
  partitions: readonly PartitionOf[],
): Map<string, PartitionOf[]> {
  const wanted = assignSticky(members, partitions)
  const owners = new Map<string, string>()
  for (const [member, { owned }] of members) for (const one of owned) owners.set(keyOf(one), member)
  return new Map(
    [...wanted].map(([member, given]) => [
      member,
      given.filter((one) => (owners.get(keyOf(one)) ?? member) === member),
    ]),
  )
}

function assignSticky(
  members: ReadonlyMap<string, Subscription>,
  partitions: readonly PartitionOf[],
): Map<string, PartitionOf[]> {
  const ids = [...members.keys()].sort()
  const given = new Map<string, PartitionOf[]>(ids.map((id) => [id, []]))
  const free = new Map(partitions.map((one) => [keyOf(one), one]))
  const reads = (id: string, { topic }: PartitionOf): boolean => members.get(id)?.topics.includes(topic) === true
  const most = Math.ceil(partitions.length / Math.max(1, ids.length))
  let larger = partitions.length % Math.max(1, ids.length) || ids.length
  for (const id of ids) {
    for (const one of members.get(id)?.owned ?? []) {
      const has = given.get(id) ?? []
      // Only so many members may have one more than the others.
      const limit = larger > 0 ? most : most - 1
      if (has.length >= limit || !free.has(keyOf(one)) || !reads(id, one)) continue
      has.push(one)
      free.delete(keyOf(one))
      if (has.length === most) larger--
    }
  }
  for (const one of free.values()) {
    const [fewest] = ids
      .filter((id) => reads(id, one))
      .sort((a, b) => (given.get(a)?.length ?? 0) - (given.get(b)?.length ?? 0))
    if (fewest !== undefined) given.get(fewest)?.push(one)
  }
  return given
}

export function keyOf({ topic, partition }: PartitionOf): string {
  return `${topic}/${partition}`
}
