import { SlsEmulator, type SlsEmulatorOptions } from './index.ts'

// Started as a program: `node main.ts '{"logstores":[{"name":"logs","shards":4}]}'`. One line on stdout says where it
// listens.
const emulator = await SlsEmulator.start(JSON.parse(process.argv[2] ?? '{}') as SlsEmulatorOptions)
const { url, controlUrl, project } = emulator
process.stdout.write(`${JSON.stringify({ url, controlUrl, project })}\n`)
const stop = (): void => void emulator.close().then(() => process.exit(0))
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
