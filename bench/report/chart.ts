/**
 * The verdicts as a picture: one horizontal bar each, with its threshold as a line across it. Word and colour both tell
 * whether a threshold was met. The colours (of Okabe and Ito's palette) differ for colour-blind eyes too.
 */
import type { Results } from './results.ts';
import type { Verdict } from './verdict.ts';

const WIDTH = 1016;
const LABEL_WIDTH = 460;
const VALUE_WIDTH = 176;
const MARGIN = 24;
const BAR_WIDTH = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH;
const LINE_HEIGHT = 30;
const BAR_HEIGHT = 16;
const HEAD_HEIGHT = 64;
const PANEL_HEAD_HEIGHT = 40;
const FOOT_HEIGHT = 44;

const INK = '#1f2328';
const QUIET = '#59636e';
const TRACK = '#eef1f4';
const MET = '#0072b2';
const MISSED = '#d55e00';
const NOT_JUDGED = '#8c959f';

type Panel = { readonly title: string; readonly verdicts: readonly Verdict[] };

export function chart({ at, machine, options, verdicts }: Results): string {
  const panels = panelsOf(verdicts);
  const lines: string[] = [];
  let y = HEAD_HEIGHT;
  for (const { title, verdicts: shown } of panels) {
    lines.push(text(MARGIN, y + 24, title, 'class="head"'));
    y += PANEL_HEAD_HEIGHT;
    const scale = Math.max(...shown.flatMap(({ value, limit, spread }) => [value, limit, spread?.high ?? 0])) * 1.1;
    for (const verdict of shown) {
      lines.push(...bar(verdict, y, scale));
      y += LINE_HEIGHT;
    }
  }
  const height = y + FOOT_HEIGHT;
  const { processor, cores, workerd } = machine;
  const rounds = `${options.rounds} rounds, medians, thin lines: quartiles`;
  const foot = `${at.slice(0, 10)}, ${processor}, ${cores} cores, workerd ${workerd}; ${rounds}`;
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="Keystead benchmark">
<style>
  text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: ${INK}; }
  .title { font-size: 20px; font-weight: 600; }
  .head { font-weight: 600; }
  .quiet { font-size: 12px; fill: ${QUIET}; }
  .value { font-variant-numeric: tabular-nums; }
</style>
<rect width="100%" height="100%" fill="#ffffff"/>
${text(MARGIN, 38, 'Keystead: what it costs, beside what it must cost', 'class="title"')}
${lines.join('\n')}
${text(MARGIN, height - 18, foot, 'class="quiet"')}
</svg>
`;
}

function panelsOf(verdicts: readonly Verdict[]): Panel[] {
  const of = (unit: Verdict['unit'], bound?: Verdict['bound']) =>
    verdicts.filter((verdict) => verdict.unit === unit && (bound === undefined || verdict.bound === bound));
  return [
    { title: 'Share of the floor: higher is better, 1 is as cheap as a server that decides nothing', verdicts: of('') },
    {
      title: 'Growth with the number of keys and with the length of a list: lower is better, 1 is none',
      verdicts: of('x', 'at most'),
    },
    { title: 'Beside better-auth: higher is better', verdicts: of('x', 'at least') },
    { title: 'Bytes on disk: lower is better', verdicts: of('bytes') },
  ].filter((panel) => panel.verdicts.length > 0);
}

function bar({ what, bound, limit, unit, value, spread, met }: Verdict, y: number, scale: number): string[] {
  const left = MARGIN + LABEL_WIDTH;
  const at = (amount: number) => (left + (amount / scale) * BAR_WIDTH).toFixed(1);
  const middle = y + LINE_HEIGHT / 2;
  const top = middle - BAR_HEIGHT / 2;
  const digits = unit === 'bytes' ? 0 : 2;
  const width = ((value / scale) * BAR_WIDTH).toFixed(1);
  const threshold = `stroke-dasharray="3 2"><title>${bound} ${limit}</title></path>`;
  const shown = `${value.toFixed(digits)}${unit === 'x' ? '×' : ''} ${wordOf(met)}`;
  return [
    text(left - 12, middle + 5, what, 'text-anchor="end"'),
    `<rect x="${left}" y="${top}" width="${BAR_WIDTH}" height="${BAR_HEIGHT}" fill="${TRACK}"/>`,
    `<rect x="${left}" y="${top}" width="${width}" height="${BAR_HEIGHT}" fill="${colourOf(met)}"/>`,
    ...(spread === null
      ? []
      : [`<path d="M${at(spread.low)} ${middle}H${at(spread.high)}" stroke="${INK}" stroke-width="1.5"/>`]),
    `<path d="M${at(limit)} ${top - 4}V${top + BAR_HEIGHT + 4}" stroke="${INK}" stroke-width="2" ${threshold}`,
    text(left + BAR_WIDTH + 12, middle + 5, `${shown} (${bound === 'at least' ? '≥' : '≤'} ${limit})`, 'class="value"'),
  ];
}

const wordOf = (met: Verdict['met']) => (met === null ? 'not judged' : met ? 'met' : 'missed');
const colourOf = (met: Verdict['met']) => (met === null ? NOT_JUDGED : met ? MET : MISSED);

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}
