/** The plot: for each metric a group of bars, a bar for each route, its length the ratio to the plain socket. */
import { metricById } from '../metrics.js';
import type { Results } from '../results.js';
import { ratioOf } from '../statistics.js';
import { shown } from './number.js';

interface Panel {
  readonly title: string;
  readonly metrics: readonly string[];
  readonly value: string;
}

const PANELS: readonly Panel[] = [
  {
    title: 'more is better: rate, by that of a plain socket',
    metrics: ['throughput-65536-1', 'throughput-65536-64', 'throughput-4096-1', 'connections-16'],
    value: 'rate',
  },
  {
    title: 'less is better: time, by that of a plain socket',
    metrics: ['roundtrip-64'],
    value: 'p50',
  },
];

const WIDTH = 860;
const LABELS = 250;
const BAR = 13;
const GAP = 10;
const NUMBERS = 60;
const OWN_COLOUR = '#0b6e4f';
const COLOUR = '#9aa5b1';

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`);

class Drawing {
  readonly #parts: string[] = [];
  y = 24;

  text(x: number, text: string, attributes = ''): void {
    this.#parts.push(`<text x="${x}" y="${this.y}" ${attributes}>${escaped(text)}</text>`);
  }
  bar(length: number, colour: string): void {
    this.#parts.push(
      `<rect x="${LABELS}" y="${this.y - BAR + 3}" width="${length.toFixed(1)}" height="${BAR - 2}" fill="${colour}"/>`,
    );
  }
  /** A mark at a length, beside the bars above it. */
  mark(length: number, from: number): void {
    const x = (LABELS + length).toFixed(1);
    this.#parts.push(
      `<line x1="${x}" x2="${x}" y1="${from}" y2="${this.y - BAR}" stroke="#444" stroke-dasharray="3 3"/>`,
    );
  }
  svg(): string {
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${this.y}" font-family="sans-serif" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
${this.#parts.join('\n')}
</svg>
`;
  }
}

function drawPanel(drawing: Drawing, results: Results, placement: string, panel: Panel): void {
  const routes = Object.entries(results.peers).filter(([id]) => id !== 'plain');
  const value = (metric: string, id: string) =>
    ratioOf(results, placement, metric, panel.value, id) ?? 0;
  const longest = Math.max(1, ...panel.metrics.flatMap(m => routes.map(([id]) => value(m, id))));
  const scale = (WIDTH - LABELS - NUMBERS) / longest;
  drawing.text(10, panel.title, 'font-weight="bold" font-size="13"');
  drawing.y += BAR + GAP;
  for (const metric of panel.metrics) {
    const top = drawing.y - BAR;
    drawing.text(10, metricById(metric).title);
    for (const [id, title] of routes) {
      const ratio = value(metric, id);
      drawing.text(LABELS - 8, title, 'text-anchor="end"');
      drawing.bar(ratio * scale, id === 'xsock' ? OWN_COLOUR : COLOUR);
      drawing.text(LABELS + ratio * scale + 5, ratio === 0 ? '-' : shown(ratio));
      drawing.y += BAR;
    }
    drawing.mark(scale, top);
    drawing.y += GAP;
  }
  drawing.y += GAP;
}

/** An SVG document. */
export function plot(results: Results, placement: string): string {
  const drawing = new Drawing();
  for (const panel of PANELS) drawPanel(drawing, results, placement, panel);
  return drawing.svg();
}
