/* The model catalogue as it is built: what it must hold, prices that the providers publish, and the command line on files.
 * No server is needed: WEIR_BUILD holds catalogue.json beside the programs. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const build = process.env.WEIR_BUILD ?? join(import.meta.dirname ?? '.', '../../build/asan')
const file = join(build, 'catalogue.json')
const source = new URL('../../common/catalogue/', import.meta.url).pathname
const text = readFileSync(file, 'utf8')
const catalogue = JSON.parse(text)
const folder = mkdtempSync(join(tmpdir(), 'weir-catalogue-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const entry = (provider, model) => catalogue.models.find((m) => m.provider === provider && m.model === model)
const weir = (...args) => spawnSync(join(build, 'weir'), args, { encoding: 'utf8', env: { ...process.env, HOME: folder, XDG_CONFIG_HOME: folder } })

test('it knows the prices of at least 1,600 models of at least 60 providers', () => {
  const priced = catalogue.models.filter((m) => m.price)
  assert.ok(priced.length >= 1600, `${priced.length} models`)
  const providers = new Set(priced.map((m) => m.provider))
  assert.ok(providers.size >= 60, `${providers.size} providers`)
  for (const name of ['openai', 'anthropic', 'gemini', 'vertex', 'bedrock', 'azure-openai', 'mistral', 'cohere', 'groq', 'xai', 'deepseek', 'openrouter', 'voyage']) {
    assert.ok(providers.has(name), name)
  }
  assert.match(catalogue.version, /^20\d\d-\d\d-\d\d genai-prices 0\.1\.8 pi-catalog 18\.2\.11$/)
  for (const s of catalogue.sources) assert.match(s.notice, /MIT License/)
})

test('it is sorted, each entry stands once, and no number is a fraction', () => {
  const keys = catalogue.models.map((m) => Buffer.from(`${m.provider}\0${m.model}`))
  for (let i = 1; i < keys.length; i++) assert.ok(Buffer.compare(keys[i - 1], keys[i]) < 0, `${keys[i]}`)
  const check = (v) => {
    if (typeof v === 'number') assert.ok(Number.isSafeInteger(v) && v >= 0, String(v))
    else if (v && typeof v === 'object') Object.values(v).forEach(check)
  }
  check(catalogue.models)
  assert.doesNotMatch(text.replace(/"(?:[^"\\]|\\.)*"/g, '""'), /\d\.\d|\de[+-]?\d/i)
})

test('limits and modalities are known of most, and every rule is one that the programs read', () => {
  assert.ok(catalogue.models.filter((m) => m.context).length >= 1600)
  assert.ok(catalogue.models.filter((m) => m.max_output).length >= 1600)
  assert.deepEqual(entry('openai', 'gpt-4o').input, ['text', 'image'])
  assert.ok(entry('openai', 'text-embedding-3-small').output.includes('embedding'))
  assert.ok(entry('anthropic', 'claude-sonnet-4-5').capabilities.includes('reason'))
  const walk = (rule) => {
    const [[kind, value]] = Object.entries(rule)
    if (kind === 'or' || kind === 'and') value.forEach(walk)
    else if (kind === 'not') walk(value)
    else assert.ok(['equals', 'starts_with', 'ends_with', 'contains', 'digits', 'digits_start'].includes(kind) && typeof value === 'string', kind)
  }
  for (const m of catalogue.models) if (m.match) walk(m.match)
})

/* USD per million tokens, from the providers' own price pages */
const known = [
  ['openai', 'gpt-4o', { token_in: 2.5, token_out: 10, token_cached: 1.25 }],
  ['openai', 'gpt-4o-mini', { token_in: 0.15, token_out: 0.6, token_cached: 0.075 }],
  ['openai', 'text-embedding-3-small', { token_in: 0.02 }],
  ['anthropic', 'claude-sonnet-4-5', { token_in: 3, token_out: 15, token_cached: 0.3, cache_write_5m: 3.75, cache_write_1h: 6 }],
  ['anthropic', 'claude-haiku-4-5', { token_in: 1, token_out: 5, token_cached: 0.1, cache_write_5m: 1.25, cache_write_1h: 2 }],
  ['gemini', 'gemini-2.5-pro', { token_in: 1.25, token_out: 10, token_cached: 0.125 }],
  ['gemini', 'gemini-2.5-flash', { token_in: 0.3, token_out: 2.5 }],
  ['bedrock', 'amazon.nova-pro-v1:0', { token_in: 0.8, token_out: 3.2 }],
]
test('prices are those that the providers publish', () => {
  for (const [provider, model, want] of known) {
    const { price } = entry(provider, model)
    for (const [unit, usd] of Object.entries(want)) {
      const base = typeof price[unit] === 'object' ? price[unit].price : price[unit]
      assert.equal(base, Math.round(usd * 1e6), `${provider}/${model} ${unit}`)
    }
  }
  const pro = entry('gemini', 'gemini-2.5-pro').price
  assert.deepEqual(pro.token_in.tiers, [{ above: 200000, price: 2500000 }])
  assert.deepEqual(pro.token_out.tiers, [{ above: 200000, price: 15000000 }])
  assert.equal(entry('groq', 'whisper-large-v3').price.second, 30833333) // 0.111 USD an hour
  assert.equal(entry('openai', 'gpt-4o').price.search, 10000000000) // 10 USD a thousand
})

test('the same packages give the same bytes', () => {
  const again = join(folder, 'again.json')
  execFileSync(process.execPath, [join(source, 'build.mjs'), again], { env: { ...process.env, WEIR_CATALOGUE_FOLDER: join(build, 'catalogue') } })
  assert.ok(readFileSync(again).equals(readFileSync(file)))
})

test('prices are scaled by their digits', async () => {
  const { scaled } = await import(join(source, 'build.mjs'))
  const cases = [['2.5', 6, 2500000n], ['0.003625', 6, 3625n], ['1e-7', 6, 0n], ['5e-7', 6, 1n], ['1.5e2', 0, 150n], ['0.29999999999999993', 6, 300000n], ['12', 12, 12000000000000n]]
  for (const [value, places, want] of cases) assert.equal(scaled(value, places), want, value)
  assert.equal(scaled('0.111', 12, 3600n), 30833333n)
  for (const bad of ['-1', 'NaN', '', '1,5']) assert.throws(() => scaled(bad, 6))
})

test('a file is compared and replaced in place, when it is one', () => {
  const installed = join(folder, 'installed.json')
  const newer = join(folder, 'newer.json')
  copyFileSync(file, installed)
  const changed = structuredClone(catalogue)
  changed.version = 'newer'
  changed.models.find((m) => m.provider === 'openai' && m.model === 'gpt-4o').price.token_in = 3000000
  changed.models.push({ provider: 'zzz', model: 'one', price: { token_in: 1 } })
  writeFileSync(newer, JSON.stringify(changed))
  const shown = weir('catalog', 'diff', newer, '--installed', installed)
  assert.equal(shown.status, 0, shown.stderr)
  assert.match(shown.stdout, /~ openai\/gpt-4o {2}token_in 2\.5 -> 3\n/)
  assert.match(shown.stdout, /\+ zzz\/one\n/)
  assert.match(shown.stdout, /1 added, 1 changed, 0 removed/)
  const asked = weir('catalog', 'update', newer, '--installed', installed)
  assert.equal(asked.status, 1) // nobody said yes
  assert.equal(readFileSync(installed, 'utf8'), text)
  const done = weir('catalog', 'update', newer, '--installed', installed, '--yes')
  assert.equal(done.status, 0, done.stderr)
  assert.ok(readFileSync(installed).equals(readFileSync(newer)))
  assert.equal(statSync(installed).mode & 0o777, 0o644)
  writeFileSync(newer, '{"format":1,\n"version":"x","models":[{"provider":"a","model":"b","price":{"token_in":1.5}}]}')
  const refused = weir('catalog', 'update', newer, '--installed', installed, '--yes')
  assert.notEqual(refused.status, 0)
  assert.match(refused.stderr, /a\/b.*token_in/)
  assert.equal(JSON.parse(readFileSync(installed, 'utf8')).version, 'newer')
})
