/** What the sampler reads of the node and of the server that server.json names, tick by tick. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { readBootOffsetMs, readProcUnits } from '../launch/processes.js';
import { openHostReader } from './procfs.js';
import type { HostTick } from './samples.js';
import type { ServerFile } from './sampler-protocol.js';
import { createTreeSums, watchProcessTree, type TreeSums, type TreeWatch } from './tree.js';

export interface HostSampling {
  /** Reads now. Several readings at one instant do no harm: sums only grow. */
  read(): HostTick;
  /** The launch that rows belong to from now on, where no server.json says it: a server that was running already. */
  beginLaunch(launch: number): void;
  close(): void;
}

interface Watched {
  readonly server: ServerFile;
  readonly watch: TreeWatch;
  readonly sums: TreeSums;
}

/** Launch 0 is the time before the first server; after a server has ended its rows go on under its number. */
export function openHostSampling(runDir: string, clock: Clock, procDir = '/proc'): HostSampling {
  const units = readProcUnits(procDir);
  const bootOffsetMs = readBootOffsetMs(clock, procDir);
  const host = openHostReader(procDir);
  let watched: Watched | undefined;
  let launch = 0;

  const follow = () => {
    const server = readServerFile(runDir);
    if (
      server === 'unreadable' ||
      (server && server.launch === watched?.server.launch && server.pid === watched.server.pid)
    )
      return;
    watched?.watch.close();
    watched = server && {
      server,
      watch: watchProcessTree(server.pid, server.sid, units, bootOffsetMs, procDir),
      sums: createTreeSums(),
    };
    launch = server?.launch ?? launch;
  };
  return {
    read: () => {
      const atMs = clock.nowMs();
      follow();
      const reading = host.read();
      const tree = watched?.sums.add(watched.watch.read());
      const { user, system } = process.cpuUsage();
      return { launch, atMs, tookMs: clock.nowMs() - atMs, host: reading, tree, samplerCpuMs: (user + system) / 1000 };
    },
    beginLaunch: (begun) => (launch = begun),
    close: () => {
      watched?.watch.close();
      host.close();
    },
  };
}

/** Absent: no server. A file caught half-written reads as unreadable, and the next tick sees it whole. */
export function readServerFile(runDir: string): ServerFile | 'unreadable' | undefined {
  let text: string;
  try {
    text = readFileSync(join(runDir, 'server.json'), 'utf8');
  } catch {
    return undefined;
  }
  try {
    const { launch, pid, sid } = JSON.parse(text) as Partial<ServerFile>;
    return launch !== undefined && pid !== undefined && sid !== undefined ? { launch, pid, sid } : 'unreadable';
  } catch {
    return 'unreadable';
  }
}
