import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { realClock, type EmulatorClock } from '../clock.ts'
import { jsonAnswer, type HttpAnswer } from './answers.ts'
import { startSlsControl } from './control-api.ts'
import { SlsFaults, spoil, type SlsFaultRule } from './faults.ts'
import { SlsListener } from './listener.ts'
import type { Logstore, LogstoreOptions } from './logstore.ts'
import { SlsProblem } from './problem.ts'
import { SlsService, type SlsRoute } from './service.ts'
import { SLS_DEFAULTS, type SlsCredentials, type SlsSettings } from './settings.ts'
import { checkSignature, type SignedRequest } from './signature.ts'

export { cursorOf, positionOf } from './cursor-text.ts'
export type { SlsFaultRule } from './faults.ts'
export type { Logstore, LogstoreOptions } from './logstore.ts'
export type { SlsCredentials, SlsSettings } from './settings.ts'

const REQUESTS_MAX = 2000

export interface SlsEmulatorOptions {
  /** Default 127.0.0.1. */
  readonly host?: string
  /** 0 (the default) takes a free port. */
  readonly port?: number
  /** Default `demo`. */
  readonly project?: string
  readonly logstores?: readonly LogstoreOptions[]
  /** Default `testAccessKeyId`. */
  readonly accessKeyId?: string
  /** Default `testAccessKeySecret`. */
  readonly accessKeySecret?: string
  readonly securityToken?: string
  readonly settings?: Partial<SlsSettings>
  readonly clock?: EmulatorClock
}

/** One request that reached the server. */
export interface SlsRequestView {
  readonly time: number
  readonly method: string
  /** Path and query, decoded. */
  readonly path: string
  readonly host: string
  /** `V1`, `V4` or empty. */
  readonly signature: string
  readonly status: number
}

/** Simple Log Service with one project, as far as a reader needs it. */
export class SlsEmulator implements AsyncDisposable {
  readonly project: string
  readonly settings: SlsSettings
  readonly service: SlsService
  readonly clock: EmulatorClock
  readonly faults: SlsFaults = new SlsFaults()
  /** Whom the server knows; a test rotates keys here. */
  credentials: SlsCredentials[]
  /** `host:port`. */
  address = ''
  controlUrl = ''
  readonly #listener: SlsListener
  #requests: SlsRequestView[] = []
  #closeControl: () => Promise<void> = async () => undefined

  private constructor(options: SlsEmulatorOptions) {
    const { accessKeyId = 'testAccessKeyId', accessKeySecret = 'testAccessKeySecret', securityToken } = options
    this.project = options.project ?? 'demo'
    this.settings = { ...SLS_DEFAULTS, ...options.settings }
    this.clock = options.clock ?? realClock()
    this.service = new SlsService(this.clock, this.settings)
    this.credentials = [{ accessKeyId, accessKeySecret, ...(securityToken === undefined ? {} : { securityToken }) }]
    for (const logstore of options.logstores ?? []) this.service.create(logstore)
    this.#listener = new SlsListener(options.host ?? '127.0.0.1', (request) => this.#answer(request))
  }

  static async start(options: SlsEmulatorOptions = {}): Promise<SlsEmulator> {
    const emulator = new SlsEmulator(options)
    emulator.address = await emulator.#listener.listen(options.port ?? 0)
    const control = await startSlsControl(emulator)
    emulator.controlUrl = control.url
    emulator.#closeControl = control.close
    return emulator
  }

  /** `http://127.0.0.1:port`. */
  get url(): string {
    return `http://${this.address}`
  }

  logstore(name: string): Logstore {
    const found = this.service.logstores.get(name)
    if (found === undefined) throw new Error(`the emulator has no logstore ${name}`)
    return found
  }

  addFault(rule: SlsFaultRule): string {
    return this.faults.add(rule)
  }

  removeFault(id: string): void {
    this.faults.remove(id)
  }

  /** The newest requests, oldest first. */
  requests(): readonly SlsRequestView[] {
    return this.#requests.slice(-REQUESTS_MAX)
  }

  dropConnections(): void {
    this.#listener.dropConnections()
  }

  async close(): Promise<void> {
    await this.#listener.close()
    await this.#closeControl()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #answer(request: SignedRequest): Promise<HttpAnswer | undefined> {
    const made = await this.#attempt(request)
    const { method, path, query, headers } = request
    this.#requests.push({
      time: this.clock.now(),
      method,
      path: query.size === 0 ? path : `${path}?${decodeURIComponent(query.toString())}`,
      host: headers.host ?? '',
      signature: (headers.authorization ?? '').startsWith('LOG ') ? 'V1' : 'V4',
      status: made?.status ?? 0,
    })
    if (this.#requests.length > 2 * REQUESTS_MAX) this.#requests = this.#requests.slice(-REQUESTS_MAX)
    if (made === undefined) return undefined
    const now = this.clock.now()
    const common = {
      'x-log-requestid': randomBytes(12).toString('hex').toUpperCase(),
      'x-log-time': String(Math.floor(now / 1000)),
      date: new Date(now).toUTCString(),
      server: 'AliyunSLS',
    }
    return { ...made, headers: { ...common, ...made.headers } }
  }

  async #attempt(request: SignedRequest): Promise<HttpAnswer | undefined> {
    try {
      if (!(request.headers.host ?? '').startsWith(`${this.project}.`)) {
        throw new SlsProblem(404, 'ProjectNotExist', `the project does not exist: ${request.headers.host ?? ''}`)
      }
      const { clockSkewMaxSeconds } = this.settings
      checkSignature(request, this.credentials, this.clock.now(), clockSkewMaxSeconds)
      return await this.#act(this.service.route(request))
    } catch (error) {
      const problem =
        error instanceof SlsProblem ? error : new SlsProblem(500, 'InternalServerError', String((error as Error).stack))
      return jsonAnswer({ errorCode: problem.code, errorMessage: problem.message }, problem.status)
    }
  }

  async #act(route: SlsRoute): Promise<HttpAnswer | undefined> {
    const rules = this.faults.take(route.operation, route.shard)
    for (const { action, ms = 0, status = 500, code = 'InternalServerError' } of rules) {
      if (action === 'drop-request') return undefined
      if (action === 'delay') await sleep(ms, undefined, { ref: false })
      if (action === 'error') throw new SlsProblem(status, code, 'a fault of the emulator')
      if (action === 'gateway') {
        const body = Buffer.from('<html><body><h1>502 Bad Gateway</h1></body></html>')
        return { status: 502, headers: { 'content-type': 'text/html' }, body }
      }
    }
    let answer: HttpAnswer | undefined = route.run({ breaksList: rules.some(({ action }) => action === 'broken-list') })
    for (const rule of rules) answer = answer && spoil(answer, rule)
    return answer
  }
}
