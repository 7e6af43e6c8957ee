// The words after `npm run bundle --` -> what to make. Wrong ones are answered with what is allowed.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../parts/place.mjs';
import { Stop } from '../parts/stop.mjs';

const KNOWN =
  '--out DIR, --part-size 45M, --delivery-size SIZE, --python 3.12, --glibc 2.31, --with jupyter, --with vllm==VERSION, --requirements FILE';
const UNITS = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
/** Less would make thousands of files of a real bundle. */
const SMALLEST_PART = 1024;

/** { out, partBytes, deliveryBytes?, python, glibc, jupyter, vllm?, requirements? }; paths are absolute, sizes in bytes. */
export function readOptions(args, defaultOut) {
  const values = parse(args);
  const options = {
    out: resolve(root, values.out ?? defaultOut),
    partBytes: readSize('--part-size', values['part-size'] ?? '45M'),
    deliveryBytes:
      values['delivery-size'] === undefined ? undefined : readSize('--delivery-size', values['delivery-size']),
    python: readVersion('--python', values.python ?? '3.12', 3),
    glibc: readVersion('--glibc', values.glibc ?? '2.31', 2),
    requirements: values.requirements === undefined ? undefined : resolve(root, values.requirements),
    ...readWith(values.with ?? []),
  };
  if (options.requirements && !existsSync(options.requirements))
    throw new Stop(`There is no file ${options.requirements}: give --requirements a list of pinned packages.`);
  return options;
}

function parse(args) {
  const text = { type: 'string' };
  const options = {
    out: text,
    'part-size': text,
    'delivery-size': text,
    python: text,
    glibc: text,
    requirements: text,
    with: { type: 'string', multiple: true },
  };
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new Stop(`${error.message}. Known options: ${KNOWN}.`);
  }
}

function readSize(option, text) {
  const [, digits, unit] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  const bytes = Number(digits) * UNITS[(unit ?? '').toUpperCase()];
  if (bytes >= SMALLEST_PART) return bytes;
  throw new Stop(
    `${option} ${text} is not a size: give a whole number with K, M or G (of 1024), at least 1K; for example 45M.`,
  );
}

function readVersion(option, text, major) {
  if (new RegExp(`^${major}\\.\\d+$`).test(text)) return text;
  throw new Stop(
    `${option} ${text} is not a version: give two numbers, for example ${option} ${major === 3 ? '3.12' : '2.31'}.`,
  );
}

function readWith(wishes) {
  const result = { jupyter: false, vllm: undefined };
  for (const wish of wishes) {
    const [, version] = /^vllm==([\w.+!-]+)$/.exec(wish) ?? [];
    if (wish === 'jupyter') result.jupyter = true;
    else if (version) result.vllm = version;
    else
      throw new Stop(
        `--with ${wish} is not known: give --with jupyter or --with vllm==VERSION, for example --with vllm==0.26.0.`,
      );
  }
  return result;
}

/** The pinned small packages that a vLLM of this version needs beside the wheel; absent when nobody has tried them. */
export function extraRequirements(vllm) {
  const file = join(root, `requirements-vllm-${vllm}-extra.txt`);
  return existsSync(file) ? file : undefined;
}
