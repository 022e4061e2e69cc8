/** The snippets of the pages about the libraries are programs: each one compiles. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { repository } from './tidy/source-tree.ts'

test('every snippet of the pages about the libraries compiles as it stands', async () => {
  const pages = ['kafka-toolkit.md', 'load-clients.md'].map((page) =>
    readFileSync(path.join(repository, 'docs', page), 'utf8'),
  )
  const snippets = [...pages.join('\n').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code)
  assert.ok(snippets.length >= 8)
  // Inside of the repository, where the compiler finds the declarations of Node.
  await using directory = await mkdtempDisposable(path.join(repository, 'node_modules', '.snippets-'))
  snippets.forEach((code, index) => writeFileSync(path.join(directory.path, `snippet-${index}.ts`), code))
  const configuration = {
    extends: path.join(repository, 'tsconfig.json'),
    compilerOptions: {
      isolatedDeclarations: false,
      declaration: false,
      types: ['node'],
      paths: {
        'millrace/kafka': [path.join(repository, 'src', 'kafka', 'index.ts')],
        'millrace/starrocks': [path.join(repository, 'src', 'load', 'starrocks.ts')],
        'millrace/doris': [path.join(repository, 'src', 'load', 'doris.ts')],
      },
    },
    include: ['*.ts'],
    exclude: [],
  }
  writeFileSync(path.join(directory.path, 'tsconfig.json'), JSON.stringify(configuration))
  const compiler = path.join(repository, 'node_modules', '.bin', 'tsc')
  const done = spawnSync(compiler, ['-p', directory.path], { encoding: 'utf8' })
  assert.equal(done.status, 0, done.stdout)
})
