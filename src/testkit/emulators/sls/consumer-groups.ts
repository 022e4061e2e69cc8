import { EMPTY_ANSWER, jsonAnswer, type HttpAnswer } from './answers.ts'
import type { ConsumerGroup, Logstore } from './logstore.ts'
import { SlsProblem } from './problem.ts'
import type { SignedRequest } from './signature.ts'

type Body = Readonly<Record<string, unknown>>

/** `/consumergroups` and `/consumergroups/{name}`. The emulator hands out no shards: a heartbeat keeps what it holds. */
export function consumerGroupCall(
  logstore: Logstore,
  path: string,
  { method, query, body }: SignedRequest,
  now: number,
): HttpAnswer {
  const name = decodeURIComponent(path.replace(/^\/consumergroups\/?/, ''))
  if (name === '') return method === 'POST' ? create(logstore, objectOf(body)) : list(logstore)
  const group = logstore.groups.get(name)
  if (group === undefined) throw new SlsProblem(404, 'ConsumerGroupNotExist', `consumer group ${name} does not exist`)
  switch (`${method} ${query.get('type') ?? ''}`) {
    case 'GET ':
      return jsonAnswer(checkpointsOf(logstore, group, query.get('shard')))
    case 'PUT ':
      Object.assign(group, pick(objectOf(body)))
      return EMPTY_ANSWER
    case 'DELETE ':
      logstore.groups.delete(name)
      return EMPTY_ANSWER
    case 'POST heartbeat':
      return jsonAnswer(JSON.parse(body.toString()))
    case 'POST checkpoint':
      return setCheckpoint(logstore, group, objectOf(body), query, now)
    default:
      throw new SlsProblem(400, 'ParameterInvalid', `there is no such call of a consumer group`)
  }
}

function create(logstore: Logstore, body: Body): HttpAnswer {
  const name = String(body['consumerGroup'] ?? '')
  if (name === '') throw new SlsProblem(400, 'ParameterInvalid', 'consumerGroup is missing')
  if (logstore.groups.has(name)) {
    throw new SlsProblem(400, 'ConsumerGroupAlreadyExist', `consumer group ${name} already exists`)
  }
  logstore.groups.set(name, { name, timeout: 60, order: false, ...pick(body), checkpoints: new Map() })
  return EMPTY_ANSWER
}

function list(logstore: Logstore): HttpAnswer {
  return jsonAnswer([...logstore.groups.values()].map(({ name, timeout, order }) => ({ name, timeout, order })))
}

function checkpointsOf(logstore: Logstore, { checkpoints }: ConsumerGroup, only: string | null): object[] {
  return logstore.shards
    .filter(({ id }) => only === null || id === Number(only))
    .map(({ id }) => ({ shard: id, ...(checkpoints.get(id) ?? { checkpoint: '', updateTime: 0, consumer: '' }) }))
}

function setCheckpoint(
  logstore: Logstore,
  group: ConsumerGroup,
  body: Body,
  query: URLSearchParams,
  now: number,
): HttpAnswer {
  const shard = logstore.shard(Number(body['shard'])).id
  const consumer = query.get('consumer') ?? ''
  if (query.get('forceSuccess') !== 'true') {
    throw new SlsProblem(400, 'ConsumerNotMatch', `shard ${shard} is not held by ${consumer}`)
  }
  group.checkpoints.set(shard, { checkpoint: String(body['checkpoint']), updateTime: now * 1000, consumer })
  return EMPTY_ANSWER
}

function objectOf(body: Buffer): Body {
  try {
    return JSON.parse(body.toString()) as Body
  } catch {
    throw new SlsProblem(400, 'PostBodyInvalid', 'the body is not JSON')
  }
}

function pick({ timeout, order }: Body): Partial<Pick<ConsumerGroup, 'timeout' | 'order'>> {
  return {
    ...(typeof timeout === 'number' ? { timeout } : {}),
    ...(typeof order === 'boolean' ? { order } : {}),
  }
}
