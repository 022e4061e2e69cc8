import { after } from 'node:test'
import { useDatabase } from '../../../scripts/services/databases.ts'
import { keyedRowsCases } from '../../testkit/keyed-rows-cases.ts'
import { postgresSource } from './slices.ts'

const server = await useDatabase('postgres')
after(() => server[Symbol.asyncDispose]())

keyedRowsCases('Postgres', server.url, postgresSource, 'numeric(20,0)')
