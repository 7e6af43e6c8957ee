import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chartFontsOf } from '../../lib/report/picture.js';
import {
  deliveriesOf,
  evaluate,
  hostPython,
  install,
  makeBundle,
  pythonVersion,
  readParts,
  type Part,
} from './bundles.js';
import { projectRoot, removeFolder, run, temporaryFolder } from './programs.js';

let place: string;
let whole: string;
let deliveries: string[];
beforeAll(async () => {
  place = temporaryFolder();
  whole = join(place, 'whole');
  await makeBundle(whole, join(place, 'work'), { partBytes: 6_000 });
  await makeBundle(join(place, 'parted'), join(place, 'work'), { partBytes: 6_000, deliveryBytes: 64 * 1024 + 9_000 });
  deliveries = deliveriesOf(join(place, 'parted'));
});
afterAll(() => removeFolder(place));

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const newTarget = (name: string) => join(place, `target-${name}`);
const copyOfWhole = (name: string) => {
  const copy = join(place, `copy-${name}`);
  cpSync(whole, copy, { recursive: true });
  return copy;
};
const second = (parts: readonly Part[]): Part => {
  const part = parts.filter(({ archive }) => archive === 'project.tar.xz')[1];
  if (!part) throw new Error('the project should have several parts');
  return part;
};
const damage = (file: string) => {
  const bytes = readFileSync(file);
  bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
  writeFileSync(file, bytes);
};

describe('the parts', () => {
  test('are no larger than asked, hashed in the manifest, and give the archive when joined', () => {
    const parts = readParts(whole);
    for (const { name, bytes, sha256: expected } of parts) {
      const contents = readFileSync(join(whole, name));
      expect([contents.length, sha256(contents)]).toEqual([bytes, expected]);
      expect(bytes).toBeLessThanOrEqual(6_000);
    }
    const project = parts.filter(({ archive }) => archive === 'project.tar.xz');
    expect(project.length).toBeGreaterThan(3);
    const joined = Buffer.concat(project.map(({ name }) => readFileSync(join(whole, name))));
    expect(readFileSync(join(whole, 'MANIFEST'), 'utf8')).toContain(
      `archive project.tar.xz project ${sha256(joined)} ${joined.length} `,
    );
  });

  test('fill deliveries that keep their limit, each with manifest and installer', () => {
    expect(deliveries.length).toBeGreaterThan(2);
    for (const delivery of deliveries) {
      const files = readdirSync(delivery);
      expect(files).toEqual(expect.arrayContaining(['MANIFEST', 'install.sh']));
      const bytes = files.reduce((sum, file) => sum + statSync(join(delivery, file)).size, 0);
      expect(bytes).toBeLessThanOrEqual(64 * 1024 + 9_000);
    }
    const carried = deliveries.flatMap((delivery) => readdirSync(delivery)).filter((name) => name.includes('.tar.xz.'));
    const [first = ''] = deliveries;
    expect(carried.sort()).toEqual(
      readParts(first)
        .map(({ name }) => name)
        .sort(),
    );
  });

  test('are the same when the files are', async () => {
    const again = join(place, 'again');
    rmSync(join(place, 'work', 'archives'), { recursive: true });
    const before = readParts(whole);
    const { stdout } = await evaluate(`
      const { packArchive } = await import('./scripts/bundle/archive.mjs');
      console.log((await packArchive('project', ${JSON.stringify(join(place, 'work', 'project'))}, ${JSON.stringify(again)})).sha256);
    `);
    const joined = before.filter(({ archive }) => archive === 'project.tar.xz');
    expect(stdout.trim()).toBe(sha256(Buffer.concat(joined.map(({ name }) => readFileSync(join(whole, name))))));
  });
});

// One installation, and what may happen to it afterwards, in this order: each takes seconds on a busy machine.
describe('an installation', () => {
  let target: string;
  beforeAll(async () => {
    target = newTarget('one folder');
    const installed = await install(whole, '--to', target);
    expect(installed).toMatchObject({ exitCode: 0, stderr: '' });
    expect(installed.stdout).toContain('Installed: Node v24.0.0');
  });

  test('has a run.sh that finds Node, kernel and replay', async () => {
    const saved = join(place, 'saved run');
    mkdirSync(saved, { recursive: true });
    writeFileSync(join(saved, 'run.json'), '{}');
    const { stdout } = await run([join(target, 'run.sh'), '--replay', saved], { command: 'sh' });
    const project = join(target, 'day-007');
    expect(stdout.split('\n')).toEqual(
      expect.arrayContaining([
        `arguments notebooks/day-007.ipynb --out ${saved}/rendered --root ${project}`,
        `node ${target}/node/bin/node`,
        `kernels ${project}/.jupyter`,
        'vllm none',
        `replay ${saved}`,
      ]),
    );
    const other = await run([join(target, 'run.sh'), '--notebook', 'notebooks/cold-start.ipynb', '--out', saved], {
      command: 'sh',
    });
    expect(other.stdout).toContain(`arguments notebooks/cold-start.ipynb --out ${saved} --root ${project}\n`);
    const wrong = await run([join(target, 'run.sh'), '--notebook', 'elsewhere.ipynb'], { command: 'sh' });
    expect(wrong.exitCode).toBe(1);
    expect(wrong.stderr).toContain('There are: notebooks/cold-start.ipynb notebooks/day-007.ipynb.');
    const script = execFileSync(join(target, 'venv/bin/vllm-bench'), { encoding: 'utf8' });
    expect(script).toBe(`ran by ${target}/venv/bin/python\n`);
  });

  test('is left as it is when it is asked for again', async () => {
    const inodes = () =>
      ['node/bin/node', 'day-007/lib/first.ts', 'venv/pyvenv.cfg'].map((file) => statSync(join(target, file)).ino);
    const before = inodes();
    // What is installed needs no parts any more.
    const withoutParts = copyOfWhole('without parts');
    for (const { name } of readParts(whole)) rmSync(join(withoutParts, name));
    expect(await install(withoutParts, '--to', target)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(inodes()).toEqual(before);
  });

  test('is taken up where it was interrupted', async () => {
    // As an interruption leaves it: an unpacked folder that was not put in place, an environment without its mark.
    mkdirSync(join(target, '.unpack-project'));
    for (const stamp of ['project.tar.xz', 'venv']) rmSync(join(target, '.installed', stamp));
    rmSync(join(target, 'venv', 'pyvenv.cfg'));
    expect(await install(whole, '--to', target)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(existsSync(join(target, 'venv', 'pyvenv.cfg'))).toBe(true);
    expect(readdirSync(target)).not.toContain('.unpack-project');
  });

  test('takes a newer project and keeps its runs', async () => {
    mkdirSync(join(target, 'day-007/data/runs/mine'), { recursive: true });
    const newer = join(place, 'newer');
    await makeBundle(newer, join(place, 'work'), { partBytes: 6_000, projectFile: 'lib/second.ts' });
    expect(await install(newer, '--to', target)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(readdirSync(join(target, 'day-007/lib'))).toEqual(['second.ts']);
    expect(existsSync(join(target, 'day-007/data/runs/mine'))).toBe(true);
    expect(existsSync(join(target, 'day-007/node_modules/undici/index.js'))).toBe(true);
  });
});

describe('install.sh', () => {
  test.each([
    ['corrupt', damage, /is corrupt: sha256 is [0-9a-f]{64}, expected /],
    ['incomplete', (file: string) => truncateSync(file, 100), /has 100 bytes instead of 6000; expected sha256 /],
    ['missing', (file: string) => rmSync(file), /is missing; expected sha256 /],
  ])('a part that is %s is named with its sha256, and nothing is installed', async (name, spoil, message) => {
    const source = copyOfWhole(name);
    const part = second(readParts(source));
    spoil(join(source, part.name));
    const target = newTarget(name);
    const { exitCode, stderr } = await install(source, '--to', target);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(part.name);
    expect(stderr).toContain(part.sha256);
    expect(readdirSync(target)).toEqual(['parts']);
  });

  test('takes over deliveries in any order, refuses a damaged part alone, and finishes when all are there', async () => {
    const target = newTarget('deliveries');
    const [first = '', ...others] = deliveries;
    const damaged = join(place, 'damaged delivery');
    cpSync(first, damaged, { recursive: true });
    const names = readdirSync(damaged).filter((name) => name.includes('.tar.xz.'));
    const spoiled = names[0] ?? '';
    damage(join(damaged, spoiled));

    const refused = await install(damaged, '--to', target, '--add', damaged);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(`${spoiled} is corrupt`);
    expect(refused.stdout).toContain(`${names.length - 1} parts taken over`);
    const early = await install(damaged, '--to', target, '--from', target, '--finish');
    expect(early.exitCode).toBe(1);
    expect(early.stderr).toContain('Nothing was installed');

    for (const delivery of others.reverse())
      expect((await install(delivery, '--to', target, '--add', delivery)).exitCode).toBe(0);
    const last = await install(first, '--to', target, '--add', first);
    expect(last.stdout).toContain('1 parts taken over');
    expect(last.stdout).toContain('All parts are there');
    expect(last.stdout).not.toContain('Still missing');
    expect(await install(first, '--to', target, '--finish')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(existsSync(join(target, 'day-007/node_modules/undici/index.js'))).toBe(true);
  });

  test('does not mix the deliveries of two bundles', async () => {
    const target = newTarget('mixed');
    const [first = ''] = deliveries;
    await install(first, '--to', target, '--add', first);
    const { exitCode, stderr } = await install(whole, '--to', target, '--add', whole);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/is of bundle [0-9a-f]{16}, but .* holds parts of bundle [0-9a-f]{16}/);
  });

  test('sees the packages of a Python that is itself in a virtual environment', async () => {
    const outer = join(place, 'outer');
    execFileSync(hostPython, ['-m', 'venv', '--without-pip', outer]);
    const outerSite = join(outer, `lib/python${pythonVersion}/site-packages`);
    writeFileSync(join(outerSite, 'torch_of_the_node.py'), 'version = "2.11"\n');
    writeFileSync(join(outerSite, 'nbclient.py'), 'raise ImportError("the outer one")\n');
    const target = newTarget('outer');
    const installed = await run([join(whole, 'install.sh'), '--to', target, '--python', join(outer, 'bin/python')], {
      command: 'sh',
    });
    expect(installed).toMatchObject({ exitCode: 0, stderr: '' });
    const program = 'import nbclient, torch_of_the_node; print(torch_of_the_node.version, nbclient.__file__)';
    const printed = execFileSync(join(target, 'venv/bin/python'), ['-c', program], { encoding: 'utf8' });
    expect(printed.trim()).toBe(`2.11 ${target}/venv/lib/python${pythonVersion}/site-packages/nbclient.py`);
  });

  test.each([
    [{ python: '3.99' }, /needs Python 3\.99 with its venv module\. .* is 3\.\d+\. Name one with --python/],
    [{ glibc: '2.99' }, /needs glibc 2\.99, this machine has glibc 2\.\d+/],
  ])('says what of the machine does not fit: %o', async (wish, message) => {
    const out = join(place, `unfit-${Object.keys(wish).join('')}`);
    await makeBundle(out, join(place, 'work'), { partBytes: 60_000, ...wish });
    const { exitCode, stderr } = await install(out, '--to', newTarget('unfit'));
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(message);
  });
});

describe('npm run bundle', () => {
  const bundle = (...args: readonly string[]) => run(['scripts/door.cjs', 'bundle', ...args]);

  test.each([
    [['--with', 'conda'], '--with conda is not known: give --with jupyter or --with vllm==VERSION'],
    [['--with', 'vllm'], '--with vllm is not known'],
    [['--part-size', '45X'], '--part-size 45X is not a size'],
    [['--part-size', '10'], 'at least 1K'],
    [['--python', '2.7'], '--python 2.7 is not a version'],
    [['--requirements', '/nowhere/list.txt'], 'There is no file /nowhere/list.txt'],
    [['--wish', 'x'], 'Known options: --out DIR'],
  ])('answers %j with what is allowed', async (args, message) => {
    const { exitCode, stderr } = await bundle(...args);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
  });

  test('does not empty a folder that holds something else', async () => {
    const own = join(place, 'thesis');
    mkdirSync(own);
    writeFileSync(join(own, 'thesis.txt'), 'mine');
    await expect(makeBundle(own, join(place, 'work'), { partBytes: 60_000 })).rejects.toThrow('holds thesis.txt');
    expect(readdirSync(own)).toEqual(['thesis.txt']);
  });

  test('the list of packages for vLLM 0.26.0 pins each once', () => {
    const names = readFileSync(join(projectRoot, 'requirements-vllm-0.26.0-extra.txt'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => /^([\w-]+)==[\w.]+$/.exec(line)?.[1]);
    expect(names).not.toContain(undefined);
    expect(new Set(names).size).toBe(names.length);
  });

  test('leaves out native builds of other systems, source maps and fonts, and keeps what zeromq and the charts load', async () => {
    const fonts = chartFontsOf('/p');
    const paths = [
      'zeromq/build/win32',
      'zeromq/build/linux/arm64',
      'zeromq/build/linux/x64/node/musl-127-Release',
      '@koromix/koffi-linux-x64/musl_x64',
      'vega/build/vega.js.map',
      'dejavu-fonts-ttf/ttf/DejaVuSerif.ttf',
      'zeromq/build/linux/x64/node/glibc-127-Release',
      '@koromix/koffi-linux-x64/linux_x64',
      '@esbuild/linux-x64',
      'cmake-ts',
      'd3-array/src/map',
      ...[fonts.regular, fonts.bold].map((file) => file.replace('/p/node_modules/', '')),
    ];
    const { stdout } = await evaluate(`
      const { isUnused } = await import('./scripts/bundle/modules.mjs');
      console.log(JSON.stringify(${JSON.stringify(paths)}.map(isUnused)));
    `);
    expect(JSON.parse(stdout)).toEqual([...Array<boolean>(6).fill(true), ...Array<boolean>(7).fill(false)]);
  });

  test('reads the glibc that the wheels need from their names', async () => {
    const { stdout } = await evaluate(`
      const { neededGlibc } = await import('./scripts/bundle/wheels.mjs');
      console.log(neededGlibc(['a-1-py3-none-any.whl']), neededGlibc(['b-1-cp312-cp312-manylinux_2_17_x86_64.manylinux_2_31_x86_64.whl']),
        neededGlibc(['a-1-py3-none-any.whl', 'c-1-cp312-cp312-manylinux2014_x86_64.whl', 'd-1-cp39-abi3-manylinux_2_31_x86_64.whl']));
    `);
    expect(stdout.trim()).toBe('2.0 2.17 2.31');
  });
});
