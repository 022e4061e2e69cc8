// Starts a TypeScript script of this repository with the repository's own Node, on a machine that may have nothing but
// an older Node and npm. Plain CommonJS without modern syntax, because the host's Node runs it.
'use strict'
const { spawnSync, spawn } = require('node:child_process')
const { existsSync, readFileSync, writeFileSync } = require('node:fs')
const { createHash } = require('node:crypto')
const path = require('node:path')

const root = path.resolve(__dirname, '..')
const { findNode, launchEnvironment } = require(path.join(root, 'bin', 'find-node.cjs'))

/**
 * Installs what the lock file names, when it changed since the last install. Install scripts stay off: nothing here needs
 * one. `npm install --no-save` and a comparison afterwards, because `npm ci` refuses a lock file without the optional
 * packages of other platforms, and a mirror that lacks some of those cannot make a lock file that has them.
 */
function install() {
  const stamp = path.join(root, 'node_modules', '.millrace-installed')
  const lock = readFileSync(path.join(root, 'package-lock.json'))
  const wanted = createHash('sha256').update(lock).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  process.stderr.write('Installing dependencies (once) …\n')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const flags = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const done = spawnSync(npm, ['install', ...flags], { cwd: root, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) {
    process.stderr.write(
      'npm install failed. Is the registry reachable? Run `npm install --no-save` here to see why.\n',
    )
    process.exit(done.status || 1)
  }
  verifyInstalled(JSON.parse(lock.toString()))
  writeFileSync(stamp, wanted)
}

/** What `npm ci` would have promised: every installed package is the locked one, to the byte. */
function verifyInstalled(lock) {
  const installed = JSON.parse(readFileSync(path.join(root, 'node_modules', '.package-lock.json'), 'utf8')).packages
  const foreign = Object.keys(installed).filter((name) => {
    const locked = lock.packages[name]
    return !locked || locked.version !== installed[name].version || locked.integrity !== installed[name].integrity
  })
  if (foreign.length === 0) return
  process.stderr.write(
    'The installed packages differ from package-lock.json: ' +
      foreign.slice(0, 5).join(', ') +
      '.\n  → package.json and the lock file disagree: run `npm install`, look at the difference, commit both.\n',
  )
  process.exit(1)
}

install()
const script = process.argv[2]
const child = spawn(findNode(root), [path.join(root, script), ...process.argv.slice(3)], {
  stdio: 'inherit',
  env: launchEnvironment(root),
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal ? 1 : code))
