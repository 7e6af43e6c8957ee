/** Tables, charts and live lines -> one output of the notebook each, with several MIME types; plain text where there is no notebook. */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Chart, NoChart } from './chart.js';
import { renderPng, type ChartFonts } from './picture.js';
import { escapeMarkdown, plainBlock } from './text.js';

/** One output by MIME type. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** Where outputs go. With a `displayId` an output can be replaced later by sending again with `isUpdate`. */
export interface DisplayPort {
  send(bundle: MimeBundle, options?: Placement): void;
}

/** Which output is meant: with an id it can be replaced later, from any cell. */
export interface Placement {
  readonly displayId?: string;
  readonly isUpdate?: boolean;
}

/** Runs `action` once, later; the returned function cancels it. */
export type Schedule = (action: () => void, afterMs: number) => () => void;

export interface DisplayPorts {
  readonly port: DisplayPort;
  readonly fonts: ChartFonts;
  readonly clock: Clock;
  readonly schedule?: Schedule;
}

/** A line that replaces itself while something long goes on. */
export interface Progress {
  update(text: string): void;
  /** The last word; later calls change nothing. */
  done(text: string): void;
}

export interface Display {
  /** Markdown (as made by the table functions), a chart, or the reason there is none. */
  show(thing: string | Chart | NoChart, placement?: Placement): Promise<void>;
  progress(label: string): Progress;
}

/** Live lines change at most this often. */
export const progressIntervalMs = 100;

const afterTimeout: Schedule = (action, afterMs) => {
  const timer = setTimeout(action, afterMs);
  timer.unref();
  return () => clearTimeout(timer);
};

export function createDisplay({ port, fonts, clock, schedule = afterTimeout }: DisplayPorts): Display {
  return {
    show: async (thing, placement) => port.send(await bundleOf(thing, fonts), placement),
    progress: (label) => startProgress(label, port, clock, schedule),
  };
}

async function bundleOf(thing: string | Chart | NoChart, fonts: ChartFonts): Promise<MimeBundle> {
  if (typeof thing === 'string') return markdownBundle(thing);
  if (thing.kind === 'no-chart') return markdownBundle(`No chart: ${escapeMarkdown(thing.why)}`);
  const png = await renderPng(thing.spec, fonts);
  return {
    'application/vnd.vegalite.v5+json': thing.spec,
    'image/png': png.toString('base64'),
    'text/plain': plainBlock(`${thing.title}\n${thing.subtitle}`),
  };
}

function markdownBundle(markdown: string): MimeBundle {
  return { 'text/markdown': markdown, 'text/plain': plainBlock(markdown) };
}

function startProgress(label: string, port: DisplayPort, clock: Clock, schedule: Schedule): Progress {
  const displayId = randomUUID();
  let sentAtMs = clock.nowMs();
  let latest: string | undefined;
  let cancel: (() => void) | undefined;
  let isDone = false;
  const send = (text: string, isUpdate: boolean): void => {
    sentAtMs = clock.nowMs();
    latest = undefined;
    // Only text/plain: as Markdown, server text would be markup and line ends would vanish.
    port.send({ 'text/plain': plainBlock(text === '' ? label : `${label}: ${text}`) }, { displayId, isUpdate });
  };
  const sendLatest = (): void => {
    cancel = undefined;
    if (latest !== undefined && !isDone) send(latest, true);
  };
  send('', false);
  return {
    update: (text) => {
      if (isDone) return;
      latest = text;
      const waitMs = sentAtMs + progressIntervalMs - clock.nowMs();
      if (waitMs <= 0) sendLatest();
      else cancel ??= schedule(sendLatest, waitMs);
    },
    done: (text) => {
      if (isDone) return;
      cancel?.();
      isDone = true;
      send(text, true);
    },
  };
}

interface TslabHook {
  readonly lastWriteDisplayData: ((content: object, isUpdate: boolean) => void) | null;
}

/**
 * The notebook's port when this process is a tslab kernel, else the fallback. tslab's public API sends one MIME
 * type per output; its inner hook, renewed for each cell, sends a bundle.
 */
export function notebookPort(projectRoot: string, fallback: DisplayPort): DisplayPort {
  const require = createRequire(join(projectRoot, 'package.json'));
  return {
    send: (bundle, options = {}) => {
      const write = kernelHook(require)?.lastWriteDisplayData;
      if (!write) return fallback.send(bundle, options);
      const transient = options.displayId === undefined ? {} : { display_id: options.displayId };
      return write({ data: bundle, metadata: {}, transient }, options.isUpdate ?? false);
    },
  };
}

/** tslab's module if the kernel has loaded it; it is never loaded from here. */
function kernelHook(require: NodeJS.Require): TslabHook | undefined {
  try {
    return require.cache[require.resolve('tslab/dist/jupyter.js')]?.exports as TslabHook | undefined;
  } catch {
    return undefined; // tslab is not installed: this is not a notebook.
  }
}

/** A port for plain terminals and tests: the text/plain of each output, a line each. */
export function textPort(write: (text: string) => void): DisplayPort {
  return { send: (bundle) => write(`${typeof bundle['text/plain'] === 'string' ? bundle['text/plain'] : ''}\n`) };
}
