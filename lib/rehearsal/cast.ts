/** The processes of the engine: this one, which speaks for the API server, and the children it starts and directs. */
import { fork, type ChildProcess } from 'node:child_process';
import type { Clock } from '../clock.js';
import type { Answer, Order } from './engine-core.js';
import type { RecordedLine, RecordedProcess, Role } from './recording.js';

/** Names that ps and the samples show, within their 15 bytes: nobody shall take one of these for a vLLM. */
export const titles: Readonly<Record<Role, string>> = {
  server: 'rehearsal-api',
  engine: 'rehearsal-core',
  worker: 'rehearsal-work',
};

type OrderOf<Kind extends Order['order']> = Omit<Extract<Order, { order: Kind }>, 'id'>;

export interface Cast {
  /** Start a child; the instant just before, in ms. */
  bear(process: Pick<RecordedProcess, 'role'>): number;
  /** Resolves when the process can speak. Rejects when it was never started, or died. */
  up(role: Role): Promise<unknown>;
  /** Absent before its birth. */
  pidOf(role: Role): number | undefined;
  /** Let a process write a line; the instant just before the write. */
  write(role: Role, stream: RecordedLine['stream'], text: string): Promise<number>;
  /** Let a process read files from end to end. Rejects when one cannot be read. */
  read(role: Role, files: readonly string[], bytesPerS: number | undefined): Promise<Answer>;
  /** End the children, at once. */
  end(): void;
}

interface Child {
  readonly process: ChildProcess;
  ask(order: OrderOf<'write'> | OrderOf<'read'>): Promise<Answer>;
  readonly up: Promise<Answer>;
}

/** `program` is engine-core.ts; a child gets this process's flags, environment, output and clock. */
export function createCast(program: string, clock: Clock): Cast {
  const children = new Map<Role, Child>();
  const childOf = (role: Role): Child => {
    const child = children.get(role);
    if (!child) throw new Error(`the recording lets ${role} speak before its birth`);
    return child;
  };
  return {
    bear: ({ role }) => {
      const atMs = clock.nowMs();
      children.set(role, startChild(program, titles[role], clock));
      return atMs;
    },
    up: async (role) => (role === 'server' ? undefined : childOf(role).up),
    pidOf: (role) => (role === 'server' ? process.pid : children.get(role)?.process.pid),
    write: async (role, stream, text) => {
      if (role !== 'server') return (await childOf(role).ask({ order: 'write', stream, text })).atMs;
      const atMs = clock.nowMs();
      (stream === 'out' ? process.stdout : process.stderr).write(`${text}\n`);
      return atMs;
    },
    read: async (role, files, bytesPerS) => {
      const answer = await childOf(role).ask({ order: 'read', files, bytesPerS });
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    end: () => {
      for (const child of children.values()) child.process.kill('SIGKILL');
    },
  };
}

function startChild(program: string, title: string, clock: Clock): Child {
  const child = fork(program, [title], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, DAY007_CLOCK_ORIGIN_NS: String(clock.originNs) },
  });
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  let asked = 0;
  const expect = (id: number) => {
    const answer = new Promise<Answer>((resolve, reject) => waiting.set(id, { resolve, reject }));
    // Nobody may be waiting when it dies: that is no error of its own.
    answer.catch(() => undefined);
    return answer;
  };
  const fail = (why: string) => {
    for (const { reject } of waiting.values()) reject(new Error(`${title} (pid ${child.pid ?? 'none'}) ${why}`));
    waiting.clear();
  };
  const up = expect(0);
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.resolve(answer);
    waiting.delete(answer.id);
  });
  child.on('error', (error) => fail(`failed: ${error.message}`));
  child.on('exit', (code, signal) => fail(`ended with ${signal ?? `exit code ${code}`}`));
  return {
    process: child,
    up,
    ask: (order) => {
      asked += 1;
      const answer = expect(asked);
      if (child.connected) child.send({ id: asked, ...order });
      else fail('is gone');
      return answer;
    },
  };
}
