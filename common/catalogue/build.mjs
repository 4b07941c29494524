/* Writes the model catalogue: `node build.mjs OUTPUT`. Reads the data of the packages pinned in package.json and
 * nothing else, so the same packages always give the same bytes. README.md describes the file.
 *
 * Money never passes through floating-point arithmetic: a price is taken as the decimal text that the packages hold,
 * scaled as an integer, and rounded half up to whole pico-USD per unit. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'

/* npm's folder: beside the lock file that was installed, which CMake copies into its build directory */
const modules = join(process.env.WEIR_CATALOGUE_FOLDER ?? dirname(fileURLToPath(import.meta.url)), 'node_modules')
const PRICES = '@pydantic/genai-prices'
const LIMITS = '@oh-my-pi/pi-catalog'
const text = (...path) => readFileSync(join(modules, ...path), 'utf8')

/* Other names of providers: those of the packages, and what rows of common/rules/provider.h may say. */
const ALIASES = {
  'amazon-bedrock': 'bedrock',
  aws: 'bedrock',
  azure: 'azure-openai',
  google: 'gemini',
  'google-ai-studio': 'gemini',
  'google-vertex': 'vertex',
  kimi: 'moonshot',
  mistralai: 'mistral',
  moonshotai: 'moonshot',
  'together-ai': 'together',
  voyageai: 'voyage',
  'workers-ai': 'cloudflare',
  'x-ai': 'xai',
  'z-ai': 'zai',
  zhipuai: 'zhipu',
}
const provider_id = (id) => ALIASES[id] ?? id.replaceAll('_', '-')

/* pi-catalog also lists what is not sold by use: subscriptions to coding tools, sign-in variants, models that run in
 * the tool itself. Their prices are nobody's. */
const SUBSCRIPTIONS = new Set(
  `alibaba-coding-plan alibaba-token-plan cline-pass commandcode cursor devin firepass github-copilot gitlab-duo
   gitlab-duo-agent google-antigravity google-gemini-cli kimi-code local minimax-code minimax-code-cn muse-code
   openai-codex opencode-go qwen-portal umans web xai-oauth xiaomi-token-plan-ams xiaomi-token-plan-cn
   xiaomi-token-plan-sgp yolo-auto zhipu-coding-plan`.split(/\s+/),
)

/* Price keys of genai-prices: our unit, and how many of it the price is for. */
const UNITS = {
  input_mtok: ['token_in', 6],
  output_mtok: ['token_out', 6],
  cache_read_mtok: ['token_cached', 6],
  cache_write_mtok: ['cache_write_5m', 6],
  cache_write_5m_mtok: ['cache_write_5m', 6],
  cache_write_1h_mtok: ['cache_write_1h', 6],
  output_reasoning_mtok: ['token_reasoning', 6],
  input_audio_mtok: ['audio_in', 6],
  output_audio_mtok: ['audio_out', 6],
  cache_audio_read_mtok: ['audio_cached', 6],
  input_image_mtok: ['image_in', 6],
  output_image_mtok: ['image_out', 6],
  cache_image_read_mtok: ['image_cached', 6],
  input_video_mtok: ['video_in', 6],
  input_mchars: ['character', 6],
  input_gpixels: ['pixel', 9],
  requests_kcount: ['request', 3],
  web_searches_kcount: ['search', 3],
  rerank_searches_kcount: ['search', 3],
  input_document_kpages: ['page', 3],
  audio_hours: ['second', 0, 3600n],
  input_audio_hours: ['second', 0, 3600n],
}
const UNIT_ORDER = [...new Set(Object.values(UNITS).map((u) => u[0]))]

/* The text of a decimal number as an integer of `places` decimals, divided by `divisor`, rounded half up. */
export function scaled(value, places, divisor = 1n) {
  const m = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(String(value))
  if (!m) throw new Error(`not a price: ${value}`)
  const fraction = m[2] ?? ''
  const shift = BigInt(places + Number(m[3] ?? 0) - fraction.length)
  let n = BigInt(m[1] + fraction)
  let d = divisor
  if (shift >= 0n) n *= 10n ** shift
  else d *= 10n ** -shift
  return (2n * n + d) / (2n * d)
}
/* USD per 10^per units (or per `divisor` units) as pico-USD per unit */
const picousd = (usd, per, divisor) => scaled(usd, 12 - per, divisor)

const base_of = (v) => (typeof v === 'object' ? v.base : v)

function unit_price(value, per, divisor) {
  if (typeof value !== 'object') return picousd(value, per, divisor)
  const tiers = [...value.tiers].sort((a, b) => a.start - b.start)
  return {
    price: picousd(value.base, per, divisor),
    tiers: tiers.map((t) => ({ above: BigInt(t.start), price: picousd(t.price, per, divisor) })),
  }
}

/* --- genai-prices: a literal inside its bundle --- */

function read_genai() {
  const found = /^const \w+ = (\[\n[\s\S]*?\n\])[;,]/m.exec(text(PRICES, 'dist', 'index.js'))
  if (!found) throw new Error(`${PRICES}: its data is not where it was`)
  return JSON.parse(JSON.stringify(vm.runInNewContext(`(${found[1]})`)))
}

const tests = {
  or: (list, id) => list.some((m) => matches(m, id)),
  and: (list, id) => list.every((m) => matches(m, id)),
  equals: (s, id) => id === s.toLowerCase(),
  starts_with: (s, id) => id.startsWith(s.toLowerCase()),
  ends_with: (s, id) => id.endsWith(s.toLowerCase()),
  contains: (s, id) => id.includes(s.toLowerCase()),
  regex: (s, id) => new RegExp(s).test(id),
}
function matches(rule, id) {
  const [[kind, value]] = Object.entries(rule)
  return tests[kind](value, id.toLowerCase())
}

/* A regular expression of theirs as one of our rules: `digits` is a text in which '#' stands for a digit. */
function plain_rule(source) {
  const not = /^\^\(\?!\.\*((?:\[\w\w\]|[\w-])+)\(\?:\$\|-\)\)$/.exec(source)
  if (not) {
    const word = not[1].replace(/\[(\w)\w\]/g, '$1').toLowerCase()
    return { not: { or: [{ ends_with: word }, { contains: `${word}-` }] } }
  }
  const whole = source.endsWith('$')
  const inner = source.replace(/^\^/, '').replace(/\$$/, '')
  const pattern = inner.replace(/\\d(?:\{(\d+)\})?/g, (_, n) => '#'.repeat(Number(n ?? 1))).replace(/\\([.[\]])/g, '$1')
  if (!source.startsWith('^') || /[\\^$*+?(){}|]/.test(pattern) || /#/.test(inner)) throw new Error(`cannot express ${source}`)
  return whole ? { digits: pattern } : { digits_start: pattern }
}

function rule(m) {
  const [[kind, value]] = Object.entries(m)
  if (kind === 'or' || kind === 'and') return { [kind]: value.map(rule) }
  return kind === 'regex' ? plain_rule(value) : { [kind]: value.toLowerCase() }
}

/* Which prices hold on `date`, as the package itself decides (the last that applies); those of certain hours are noted
 * and not applied: they would need the clock of each request. */
function in_force(prices, date, notes) {
  if (!Array.isArray(prices)) return { prices }
  let now = { prices: prices[0].prices }
  for (const { constraint, prices: p } of prices) {
    const sums = Object.entries(p).map(([k, v]) => `${k} ${base_of(v)}`).join(', ')
    if (constraint?.type === 'time_of_date') {
      notes.push(`${constraint.start_time} to ${constraint.end_time}: ${sums} (not applied)`)
    } else if (constraint?.type === 'start_date' && constraint.start_date > date) {
      notes.push(`from ${constraint.start_date}: ${sums}`)
    } else if (constraint) {
      now = { prices: p, from: constraint.start_date }
    } else {
      now = { prices: p }
    }
  }
  return now
}

function genai_price(model, date) {
  const notes = []
  const { prices, from } = in_force(model.prices, date, notes)
  const price = {}
  for (const [key, value] of Object.entries(prices)) {
    const unit = UNITS[key]
    if (unit) price[unit[0]] = unit_price(value, unit[1], unit[2])
    else notes.push(`${key} ${base_of(value)} USD (no unit here)`)
  }
  return { price, from, notes }
}

/* "Deprecated 2025-09-15 per …", "Retired on …": the day, else "" for a model that is just marked so. */
function deprecated_on(model) {
  const words = `${model.description ?? ''} ${model.price_comments ?? ''}`
  const day = /\b(?:deprecated|retired)\b[^.;]{0,24}?\b(20\d\d-\d\d-\d\d)/i.exec(words)
  if (model.deprecated) return day?.[1] ?? ''
  return /^retired on (20\d\d-\d\d-\d\d)/i.exec((model.price_comments ?? '').trim())?.[1]
}

function genai_modalities(entry, id) {
  const has = (unit) => unit in entry.price
  const input = ['text', ...['image', 'audio', 'video'].filter((m) => has(`${m}_in`))]
  if (has('page')) return { input: ['document', 'image'], output: ['text'] }
  if (has('second')) return { input: ['audio'], output: ['text'] }
  if (/rerank/.test(id)) return { input, output: [] }
  if (/embed|^voyage-/.test(id)) return { input, output: ['embedding'] }
  const output = ['image', 'audio'].filter((m) => has(`${m}_out`))
  return { input, output: has('token_out') || output.length === 0 ? ['text', ...output] : output }
}

function add_genai(entries, providers, date) {
  for (const p of providers) {
    for (const m of p.models) {
      const e = { provider: provider_id(p.id), model: m.id, title: m.name ?? m.id, ...genai_price(m, date) }
      e.context = m.context_window
      e.deprecated = deprecated_on(m)
      e.match = m.match.equals === m.id ? undefined : rule(m.match)
      e.sources = [PRICES]
      Object.assign(e, genai_modalities(e, m.id))
      e.can = new Set(e.output.includes('text') && 'token_out' in e.price ? ['stream'] : [])
      entries.set(`${e.provider} ${e.model}`, e)
    }
  }
}

/* --- pi-catalog --- */

const KINDS = {
  image: ['image'],
  tts: ['audio'],
  stt: ['text'],
  embedding: ['embedding'],
  video: ['video'],
  rerank: [],
}

/* All zero says "not known" there, except where the name says "free". Negative ones mean "it depends". */
function pi_price(m) {
  const units = { input: 'token_in', output: 'token_out', cacheRead: 'token_cached', cacheWrite: 'cache_write_5m' }
  const c = m.cost
  const free = /[:-]free$/.test(m.id)
  if (c.input < 0 || c.output < 0 || !(c.input > 0 || c.output > 0 || free)) return {}
  const long = c.longContext
  const above = long && BigInt(long.inputThresholdInclusive ? long.inputThreshold - 1 : long.inputThreshold)
  const price = {}
  for (const [key, unit] of Object.entries(units)) {
    if (!(c[key] > 0) && (key.startsWith('cache') || !(key in c))) continue
    const one = picousd(c[key], 6)
    price[unit] = long?.[key] > 0 ? { price: one, tiers: [{ above, price: picousd(long[key], 6) }] } : one
  }
  return price
}

function pi_can(m, chat) {
  const can = new Set()
  if (chat) can.add('stream')
  if (m.supportsTools ?? chat) can.add('tools')
  if (m.reasoning) can.add('reason')
  if (m.webSearch) can.add('search')
  if (m.compat?.supportsStrictMode) can.add('json_schema')
  return can
}

function merge_pi(e, m, genai) {
  const chat = m.kind === undefined || m.kind === 'tiny'
  e.title = m.name || m.id
  e.context = m.contextWindow > 0 ? m.contextWindow : e.context
  e.max_output = chat && m.maxTokens > 0 ? m.maxTokens : undefined
  e.input = [...new Set([...(m.kind === 'stt' ? ['audio'] : m.input), ...(e.input ?? [])])]
  e.output = [...new Set([...(KINDS[m.kind] ?? ['text']), ...(e.output ?? [])])]
  if (KINDS[m.kind]) e.output = KINDS[m.kind]
  e.can = pi_can(m, chat)
  e.thinking = m.thinking?.efforts
  if (genai && !e.price) {
    Object.assign(e, { price: genai.price, from: genai.from, notes: [...genai.notes] })
    e.priced_as = genai.provider === e.provider ? genai.model : `${genai.provider}/${genai.model}`
    e.context = m.contextWindow > 0 ? m.contextWindow : genai.context
    e.deprecated = genai.deprecated
    e.sources = [PRICES]
  }
  const own = pi_price(m)
  if (!e.price || Object.keys(e.price).length === 0) e.price = own
  if (m.cost.timeBased) (e.notes ??= []).push('prices differ by the time of day (not applied)')
  e.sources = [...new Set([...(e.sources ?? []), LIMITS])]
}

/* What genai-prices says of a model that pi-catalog names: by its rules and those of the providers that it falls back
 * to, as the package itself would find it. It knows Vertex AI as Google. */
function genai_for(entries, providers, provider, id) {
  const own = providers.find((p) => provider_id(p.id) === (provider === 'vertex' ? 'gemini' : provider))
  const others = (own?.fallback_model_providers ?? []).map((x) => providers.find((p) => p.id === x))
  for (const p of own ? [own, ...others] : []) {
    const m = p.models.find((x) => matches(x.match, id))
    if (m) return entries.get(`${provider_id(p.id)} ${m.id}`)
  }
  return undefined
}

function add_pi(entries, catalog, providers) {
  for (const [name, models] of Object.entries(catalog)) {
    if (SUBSCRIPTIONS.has(name)) continue
    const provider = provider_id(name)
    for (const m of Object.values(models)) {
      const key = `${provider} ${m.id}`
      const genai = entries.has(key) ? undefined : genai_for(entries, providers, provider, m.id)
      const e = entries.get(key) ?? { provider, model: m.id }
      merge_pi(e, m, genai)
      entries.set(key, e)
    }
  }
}

/* --- writing --- */

const bytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/* JSON with integers of any size and no number that is not one */
function json(v) {
  if (typeof v === 'bigint') return v.toString()
  if (typeof v === 'number') {
    if (!Number.isSafeInteger(v)) throw new Error(`not an integer: ${v}`)
    return String(v)
  }
  if (Array.isArray(v)) return `[${v.map(json).join(',')}]`
  if (v && typeof v === 'object') {
    const members = Object.entries(v).filter(([, x]) => x !== undefined)
    return `{${members.map(([k, x]) => `${JSON.stringify(k)}:${json(x)}`).join(',')}}`
  }
  return JSON.stringify(v)
}

const CAPABILITIES = ['tools', 'json_schema', 'reason', 'stream', 'cache', 'search']
const MODALITIES = ['text', 'image', 'audio', 'video', 'document', 'embedding']
const short = (name) => name.slice(name.indexOf('/') + 1)
const some = (list) => (list?.length ? list : undefined)

function row(e) {
  const price = {}
  for (const unit of UNIT_ORDER) if (e.price[unit] !== undefined) price[unit] = e.price[unit]
  if ('token_cached' in price) e.can.add('cache')
  return json({
    provider: e.provider,
    model: e.model,
    title: e.title,
    context: e.context || undefined,
    max_output: e.max_output,
    capabilities: CAPABILITIES.filter((c) => e.can.has(c)),
    input: MODALITIES.filter((m) => e.input.includes(m)),
    output: MODALITIES.filter((m) => e.output.includes(m)),
    thinking: some(e.thinking),
    deprecated: e.deprecated,
    price: Object.keys(price).length ? price : undefined,
    price_from: e.from,
    priced_as: e.priced_as,
    notes: some(e.notes),
    match: e.match,
    source: e.sources.map(short).join(' '),
  })
}

function source(name) {
  const about = JSON.parse(text(name, 'package.json'))
  return { name: short(name), package: name, version: about.version, license: 'MIT', notice: text(name, 'LICENSE').trim() }
}

/* The day that the packages speak of: pi-catalog's release, the only date that either of them carries. */
function release_date() {
  const { version } = JSON.parse(text(LIMITS, 'package.json'))
  const found = new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\] - (\\d{4}-\\d\\d-\\d\\d)$`, 'm').exec(text(LIMITS, 'CHANGELOG.md'))
  if (!found) throw new Error(`${LIMITS}: no date for ${version} in its CHANGELOG.md`)
  return found[1]
}

export function build() {
  const date = release_date()
  const sources = [source(PRICES), source(LIMITS)]
  const providers = read_genai()
  const entries = new Map()
  add_genai(entries, providers, date)
  add_pi(entries, JSON.parse(text(LIMITS, 'src', 'models.json')), providers)
  const rows = [...entries.values()].sort((a, b) => bytes(a.provider, b.provider) || bytes(a.model, b.model))
  const head = {
    format: 1,
    version: [date, ...sources.map((s) => `${s.name} ${s.version}`)].join(' '),
    date,
    currency: 'USD',
    unit: 'pico-USD',
    sources,
    aliases: ALIASES,
  }
  return `${json(head).slice(0, -1)},"models":[\n${rows.map(row).join(',\n')}\n]}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const output = process.argv[2]
  if (!output) {
    process.stderr.write('usage: node build.mjs OUTPUT\n')
    process.exit(2)
  }
  writeFileSync(`${output}.new`, build())
  renameSync(`${output}.new`, output)
}
