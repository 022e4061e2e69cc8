import { toMillraceError } from '../../core/errors.ts'
import type { LoadBody } from './body-stream.ts'
import type { LoadRequest, StreamLoadHttp } from './http.ts'
import type { Failed, LoadStream, Unknown } from './outcomes.ts'
import type { HttpReply } from './reply-parser.ts'
import { mayHaveArrived } from './wire-error.ts'

/** Puts a meaning on the reply of a load's body. A failure of the wire is an unknown outcome. */
export function classifiedStream<Outcome extends { readonly kind: string }>(
  label: string,
  body: LoadBody,
  classify: (reply: HttpReply) => Outcome | Promise<Outcome>,
): LoadStream<Outcome | Unknown> {
  let known: Outcome | Unknown | undefined
  const outcome = body.reply.then(classify, unknownFrom).then((settled) => (known = settled))
  return {
    label,
    outcome,
    write: async (chunk) => {
      try {
        await body.write(chunk)
      } catch (error) {
        // The server's own words say more than "it replied too early".
        throw errorOf(known) ?? error
      }
    },
    end: async () => {
      await body.end().catch(() => undefined)
      return outcome
    },
    destroy: () => body.destroy(),
  }
}

/**
 * One call without a body. What cannot have reached the server has certainly failed; a reply that got lost is an unknown
 * outcome.
 */
export async function classifiedCall<Outcome>(
  http: StreamLoadHttp,
  request: LoadRequest,
  classify: (reply: HttpReply) => Outcome,
): Promise<Outcome | Unknown | Failed> {
  try {
    return classify(await http.call(request))
  } catch (thrown) {
    const error = toMillraceError(thrown)
    return mayHaveArrived(error) ? unknownFrom(error) : { kind: 'failed', error }
  }
}

function unknownFrom(thrown: unknown): Unknown {
  return { kind: 'unknown', reason: toMillraceError(thrown).message }
}

function errorOf(outcome: object | undefined): unknown {
  return outcome !== undefined && 'error' in outcome ? outcome.error : undefined
}
