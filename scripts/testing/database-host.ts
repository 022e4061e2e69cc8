/**
 * A process that holds a database server of one test run, named by its argument: it sends the server's address to its
 * parent and stops the server when the parent asks or is gone, so that even a killed run leaves nothing behind.
 */
import { DATABASE_NAMES, startDatabase } from '../services/databases.ts'

const name = DATABASE_NAMES.find((one) => one === process.argv[2])
if (name === undefined) throw new Error(`unknown server ${process.argv[2] ?? ''}; known: ${DATABASE_NAMES.join(', ')}`)
const parentGone = new Promise<void>((resolve) => process.once('disconnect', resolve))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
await using server = await startDatabase(name)
process.send?.(server.url)
await parentGone
