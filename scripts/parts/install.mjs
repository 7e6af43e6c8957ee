// Runs an installer: its whole output into a log, one line with the seconds on the terminal, one sentence on failure.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Stop, stopForInstall } from './stop.mjs';
import { cache, root } from './place.mjs';

const KEPT_OUTPUT = 200_000;

/**
 * `what` names the step for the person ("npm ci"). Resolves with the seconds it took; throws a Stop when the program
 * is missing or fails. SIGINT reaches the installer through the terminal; SIGTERM is passed on.
 */
export async function install(what, command, args, { place, env = process.env } = {}) {
  mkdirSync(join(cache, 'setup'), { recursive: true });
  const logFile = join(cache, 'setup', `${what.replace(/[^a-z0-9]+/gi, '-')}.log`);
  const startedMs = performance.now();
  process.stderr.write(`${what} ...`);
  const { exit, output, failed } = await runLogged(command, args, logFile, env);
  const seconds = (performance.now() - startedMs) / 1000;
  process.stderr.write(failed ? ' failed\n' : ` ${seconds.toFixed(1)} s\n`);
  if (failed) throw stopForInstall(what, place ?? root, { exit, output, logFile: relative(root, logFile) });
  return seconds;
}

function runLogged(command, args, logFile, env) {
  return new Promise((resolve, reject) => {
    const log = createWriteStream(logFile);
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const passOn = () => child.kill('SIGTERM');
    process.on('SIGTERM', passOn);
    let output = '';
    const keep = (text) => {
      log.write(text);
      output = (output + text).slice(-KEPT_OUTPUT);
    };
    child.stdout.on('data', (bytes) => keep(bytes.toString()));
    child.stderr.on('data', (bytes) => keep(bytes.toString()));
    child.on('error', (error) => {
      process.stderr.write(' failed\n');
      reject(new Stop(`${command} could not be started (${error.code}): is it installed and on PATH?`));
    });
    child.on('close', (code, signal) => {
      process.off('SIGTERM', passOn);
      log.end();
      resolve({ failed: code !== 0, exit: signal ?? `exit code ${code}`, output });
    });
  });
}
