/* The answer as a story: who asks, which config was found, each decision with what it saw, who would be called in which
 * order, the cache, and why it would be refused where it would be. */
import { useMemo, useState } from 'react';
import { CodeBlock } from '../../ui/code_block';
import { DataTable, type Column } from '../../ui/data_table';
import { writeJson } from '../../ui/json_text';
import { Notice } from '../../ui/notices';
import { Section } from '../../ui/page';
import { StateMark, type Tone } from '../../ui/state_mark';
import { Mono, Muted } from '../../ui/values';
import { describeQuery, MODES } from '../configs/describe';
import classes from './explain.module.css';
import { usd } from './money';
import type { Decision, ExplainedTarget, Explanation, Option } from './schema';
import { texts } from './texts';

const say = texts.story;
const TONES: Record<string, Tone> = { healthy: 'good', closed: 'good', degraded: 'warn', half_open: 'warn', open: 'bad', impossible: 'bad' };

function Health({ health }: { health: string }) {
  return health ? <StateMark tone={TONES[health] ?? 'idle'}>{say.health[health] ?? health}</StateMark> : <Muted>–</Muted>;
}

function measuresOf(option: Option): string {
  return [
    option.share !== null && say.share(option.share),
    option.priority !== null && say.priority(option.priority),
    option.weight !== null && option.weight !== 1 && say.weight(option.weight),
    option.latency_ms !== null && say.latency(option.latency_ms),
    option.in_flight !== null && option.in_flight > 0 && say.inFlight(option.in_flight),
    option.limits === 'saturated' && say.saturated,
    option.price_nanousd !== null && usd(option.price_nanousd),
  ].filter(Boolean).join(' · ');
}

function optionColumns(chosen: string | null): Column<Option>[] {
  return [
    { id: 'target', header: say.columns.target, main: true, cell: (option) => (<span>{option.name && <strong>{option.name} </strong>}<Mono>{option.target}</Mono></span>) },
    { id: 'health', header: say.columns.health, cell: (option) => <Health health={option.health} /> },
    { id: 'measures', header: say.columns.measures, cell: (option) => measuresOf(option) || <Muted>–</Muted> },
    {
      id: 'verdict',
      header: say.columns.verdict,
      cell: (option) => (option.target === chosen ? <StateMark tone="good">{say.chosen}</StateMark> : option.passed_over ? <span>{option.passed_over}</span> : <Muted>–</Muted>),
    },
  ];
}

function Conditions({ decision }: { decision: Decision }) {
  if (decision.conditions.length === 0) return null;
  return (
    <ol className={classes.conditions} aria-label={say.conditions}>
      {decision.conditions.map((condition, i) => (
        <li key={i}>
          <StateMark tone={condition.holds ? 'good' : 'idle'}>{condition.holds ? say.holds : say.holdsNot}</StateMark> <code>{describeQuery(condition.query)}</code>
          {Object.entries(condition.values).map(([field, value]) => (
            <span key={field} className={classes.saw}>
              {value === null ? say.sawNone(field) : say.saw(field, JSON.stringify(value))}
            </span>
          ))}
        </li>
      ))}
    </ol>
  );
}

function DecisionItem({ decision }: { decision: Decision }) {
  const columns = useMemo(() => optionColumns(decision.chosen), [decision.chosen]);
  const title = say.at(decision.node, decision.mode);
  return (
    <li className={classes.decision}>
      <h3>
        <Mono>{decision.node}</Mono> <span>{decision.mode}</span> {MODES[decision.mode] && <Muted>{MODES[decision.mode]!}</Muted>}
      </h3>
      <Conditions decision={decision} />
      {decision.order.length > 0 && <DataTable label={title} columns={columns} rows={decision.order} rowId={(option) => option.target} />}
      {decision.assignment !== null && <p>{say.assignment(decision.assignment)}</p>}
      {decision.chosen === null && <p>{say.nothingChosen}</p>}
    </li>
  );
}

const TARGET_COLUMNS: Column<ExplainedTarget & { order: number }>[] = [
  { id: 'order', header: say.columns.order, cell: (target) => String(target.order) },
  { id: 'call', header: say.columns.call, main: true, cell: (target) => `${target.provider} · ${target.model}` },
  { id: 'option', header: say.columns.option, cell: (target) => (target.option ? <Mono>{target.option}</Mono> : <Muted>–</Muted>) },
  {
    id: 'state',
    header: say.columns.state,
    cell: (target) => (
      <span>
        <Health health={target.health} /> {target.reopens_in_ms > 0 && <Muted>{say.reopens(Math.ceil(target.reopens_in_ms / 1000))}</Muted>}
        {target.saturated && <Muted>{say.saturated}</Muted>}
      </span>
    ),
  },
  { id: 'measures', header: say.columns.measures, cell: (target) => [target.latency_ms > 0 && say.latency(target.latency_ms), target.in_flight > 0 && say.inFlight(target.in_flight), target.translated ? say.translated : say.native].filter(Boolean).join(' · ') },
  { id: 'price', header: say.columns.price, align: 'right', cell: (target) => (target.estimated_nanousd === null ? <Muted>{say.unknownPrice}</Muted> : usd(target.estimated_nanousd)) },
];

function Headline({ answer }: { answer: Explanation }) {
  const { refused, cache, targets } = answer;
  if (refused) {
    return (
      <Notice tone="bad" title={say.refused(refused.status, refused.code)}>
        <p>
          {refused.message} {refused.param && <Mono>{refused.param}</Mono>}
        </p>
      </Notice>
    );
  }
  const first = targets[0];
  const words = cache?.would_hit ? say.cached : first ? say.sent(first.provider, first.model) : say.nowhere;
  return (
    <p className={classes.headline}>
      <StateMark tone={first || cache?.would_hit ? 'good' : 'bad'}>{words}</StateMark>
    </p>
  );
}

function ConfigFound({ config }: { config: Explanation['config'] }) {
  if (!config || config.source === 'none') return <p>{say.noConfig}</p>;
  const source = say.sources[config.source] ?? config.source;
  return (
    <p>
      {config.name !== null ? <strong>{say.configIs(config.name, config.version ?? 0)}</strong> : config.source !== 'proposed' && config.source !== 'targets' && say.inline} {config.name !== null ? `(${source})` : source}
    </p>
  );
}

function Cache({ cache }: { cache: Explanation['cache'] }) {
  if (!cache || cache.mode === 'off' || cache.mode === '') return <p>{say.cacheOff}</p>;
  return (
    <p>
      {say.cacheIs(cache.mode, cache.ttl_s)}. {cache.would_hit ? say.wouldHit : say.wouldMiss} {cache.key && <Muted title={cache.key}>{`${say.cacheKey} ${cache.key.slice(0, 12)}…`}</Muted>}
    </p>
  );
}

export function Story({ answer }: { answer: Explanation }) {
  const targets = useMemo(() => answer.targets.map((target, i) => ({ ...target, order: i + 1 })), [answer.targets]);
  const [whole, setWhole] = useState(false);
  const { request } = answer;
  return (
    <div className={classes.story}>
      <div role="status">
        <Headline answer={answer} />
        <Muted>{say.by(answer.data_plane.name ?? answer.data_plane.id, answer.config_version)}</Muted>
      </div>
      {request && (
        <Section title={say.request}>
          <p>
            {say.requestIs(request.endpoint, request.model ?? '', request.dialect, request.stream, request.prompt_tokens)} {answer.caller?.name && say.caller(answer.caller.name)}
          </p>
        </Section>
      )}
      <Section title={say.config}>
        <ConfigFound config={answer.config} />
      </Section>
      <Section title={say.decisions}>
        {answer.decisions.length === 0 ? (
          <Muted>{say.noDecisions}</Muted>
        ) : (
          <ol className={classes.decisions}>
            {answer.decisions.map((decision, i) => (
              <DecisionItem key={i} decision={decision} />
            ))}
          </ol>
        )}
      </Section>
      <Section title={say.targets}>{targets.length === 0 ? <Muted>{say.noTargets}</Muted> : <DataTable label={say.targets} columns={TARGET_COLUMNS} rows={targets} rowId={(target) => String(target.order)} />}</Section>
      {answer.impossible.length > 0 && (
        <Section title={say.impossible}>
          <ul className={classes.impossible}>
            {answer.impossible.map(({ option, code, reason }) => (
              <li key={option}>
                <Mono>{option}</Mono> {reason} <Muted>{code}</Muted>
              </li>
            ))}
          </ul>
        </Section>
      )}
      {!answer.refused && (
        <Section title={say.cache}>
          <Cache cache={answer.cache} />
        </Section>
      )}
      <details className={classes.whole} onToggle={(event) => setWhole(event.currentTarget.open)}>
        <summary>{say.whole}</summary>
        {whole && <CodeBlock label={say.whole} value={writeJson(answer.whole)} />}
      </details>
    </div>
  );
}
