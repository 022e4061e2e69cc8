import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sourceHash, WASM_MODULES } from '../scripts/generate/wasm-module.ts'
import { LOG_ANSWERS_SOURCE_SHA256 } from '../src/clients/sls/log-answers-module.ts'
import { LOG_ROWS_SOURCE_SHA256 } from '../src/connectors/sls/log-rows-module.ts'
import { JSON_ROWS_SOURCE_SHA256 } from '../src/dataplane/json-rows-module.ts'

test('the compiled modules were made of their sources as they are', () => {
  assert.deepEqual(
    [JSON_ROWS_SOURCE_SHA256, LOG_ANSWERS_SOURCE_SHA256, LOG_ROWS_SOURCE_SHA256],
    WASM_MODULES.map((module) => sourceHash(module)),
    'npm run build:wasm',
  )
})
