// Which Node runs Millrace: this process's own when it is new enough, else the one that the checkout brings as a package.
'use strict'
const { existsSync } = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const MINIMUM = [24, 6]
/** Runtimes with known data corruption: Node 22.7.0 encoded UTF-8 as Latin-1 once optimised (nodejs/node#54521). */
const BROKEN = ['22.7.0']
const PACKAGES = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64'].includes(
  process.platform + '-' + process.arch,
)
  ? ['node-' + process.platform + '-' + process.arch, 'node-bin-' + process.platform + '-' + process.arch]
  : []

function isUsable(version) {
  if (BROKEN.includes(version)) return false
  const [major, minor] = version.split('.').map(Number)
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])
}

function findNode(root) {
  for (const name of PACKAGES) {
    const candidate = path.join(root, 'node_modules', name, 'bin', 'node')
    if (existsSync(candidate)) return candidate
  }
  if (isUsable(process.versions.node)) return process.execPath
  process.stderr.write(
    'millrace needs Node >= ' +
      MINIMUM.join('.') +
      '; this is ' +
      process.versions.node +
      '.\n  → install a newer Node, or in a checkout run `npm start` once: it brings its own.\n',
  )
  process.exit(64)
}

/**
 * libuv reads the pool size before any script runs, and glibc its number of arenas, so they have to be in the environment
 * of the process that is started. Every thread would get an arena of its own, which keeps what it once needed: 10 to 30 MB.
 */
function launchEnvironment(root) {
  const lanes = os.availableParallelism ? os.availableParallelism() : os.cpus().length
  return {
    ...process.env,
    UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE || String(Math.max(16, 2 * lanes + 8)),
    MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX || '2',
    ...compileCache(root),
    NODE_NO_WARNINGS: '1',
  }
}

/**
 * Compiled code, which halves a start: beside a checkout's packages; of an installed package in the user's cache, as its
 * own place may be read-only. Nobody else may write there, so that without a home there is none.
 */
function compileCache(root) {
  if (process.env.NODE_COMPILE_CACHE) return {}
  const isCheckout = existsSync(path.join(root, 'src'))
  if (isCheckout) return { NODE_COMPILE_CACHE: path.join(root, 'node_modules', '.cache', 'millrace-compile') }
  const caches = process.env.XDG_CACHE_HOME || (process.env.HOME && path.join(process.env.HOME, '.cache'))
  return caches ? { NODE_COMPILE_CACHE: path.join(caches, 'millrace', 'compile') } : {}
}

module.exports = { findNode, launchEnvironment, isUsable }
