// The one way a door ends early: a sentence for the person, saying what is wrong and what to do.

export class Stop extends Error {
  name = 'Stop';
}

const CAUSES = [
  {
    pattern: /ENOSPC|No space left on device|Disk quota exceeded|EDQUOT/i,
    sentence: (what, place) =>
      `${what} stopped because the disk that holds ${place} is full: free some space and run the command again.`,
  },
  {
    pattern:
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|NewConnectionError|ConnectTimeoutError|Temporary failure in name resolution|Network is unreachable|ProxyError|ENOTCACHED/i,
    sentence: (what) =>
      `${what} could not reach the package registry: check the network or proxy settings and run the command again (what is already installed is kept).`,
  },
  {
    pattern: /No matching distribution found|Requires-Python|E404|ETARGET|notarget/i,
    sentence: (what) =>
      `${what} did not find a pinned package for this machine (operating system, processor or Python version): see the log.`,
  },
  {
    pattern: /EACCES|EPERM|Permission denied/i,
    sentence: (what, place) =>
      `${what} may not write below ${place}: make the folder yours (chown) and run the command again.`,
  },
];

/** A failed install as one sentence: the known causes by what the tool printed, otherwise its exit and where its log is. */
export function stopForInstall(what, place, { exit, output, logFile }) {
  const cause = CAUSES.find(({ pattern }) => pattern.test(output));
  const sentence = cause ? cause.sentence(what, place) : `${what} failed (${exit}).`;
  return new Stop(`${sentence} Its output is in ${logFile}.`);
}
