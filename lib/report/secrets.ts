/** The shapes of credentials: tokens by their prefix, values by the name before them. Pure; knows no machine. */

/** One kind of text that must not leave the machine, and how to replace it. */
export interface TextRule {
  readonly kind: string;
  replace(text: string, mark: (name: string) => string): string;
}

// What may stand before a name or a token: nothing of a word, or the end of an escape (%3D, \n, a colour code).
export const wordStart = '(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\\\[nrtbf])|(?<=(?:\\u001b|u001b)\\[[0-9;]*m))';

const tokenShapes: readonly string[] = [
  'hf_(?:[A-Za-z0-9]{16,}|(?=[A-Za-z0-9]*\\d)[A-Za-z0-9]{8,})',
  'sk-[A-Za-z0-9_-]{8,}',
  'gh[oprsu]_[A-Za-z0-9]{16,}',
  'github_pat_\\w{20,}',
  'glpat-[\\w-]{16,}',
  'xox[abeoprs]-[\\w-]{10,}',
  'A(?:KIA|SIA)[0-9A-Z]{16}',
  'AIza[\\w-]{30,}',
  'nvapi-[\\w-]{16,}',
  'npm_[A-Za-z0-9]{30,}',
  'pypi-[\\w-]{20,}',
  'eyJ[\\w-]{8,}\\.[\\w-]{8,}\\.[\\w-]*',
];

const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const token = new RegExp(`${wordStart}(?:${tokenShapes.join('|')})`, 'g');
const bearer = /\b(Bearer(?:\s|%20|\+)+)([^\s"',;\\<&]{4,})/gi;
const authorization =
  /(\bauthorization["'\\]*\s*[:=]\s*["'\\]*(?:(?:basic|token|digest)\s+)?)(?!(?:bearer|basic|token|digest)\b)([^\s"'\\,;})<&]{4,})/gi;
// Between a name and its value: quotes, brackets, escapes, and one : or = (or %3D).
const assigned = '["\'\\\\]*\\s*(?:=>|[:=]|%3[AaDd])\\s*[[("\'\\\\]*';
const value = '([^\\s"\'\\\\,;\\])}&<>]{3,})';
const secretName =
  '[\\w-]*(?:api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|secret|passw(?:or)?d|passphrase|credentials?|auth[_-]?token)';
const namedSecret = new RegExp(`(${wordStart}${secretName}${assigned})${value}`, 'gi');
const upperCaseSecret = new RegExp(`(${wordStart}[A-Z0-9_]*(?:KEY|TOKEN|PASS)${assigned})${value}`, 'g');
const namedToken = new RegExp(
  `(${wordStart}(?:[A-Za-z0-9]+[_-])*token${assigned})((?=[^\\s"'\\\\]*\\d)(?=[^\\s"'\\\\]*[A-Za-z])[\\w.~+/=-]{12,})`,
  'gi',
);
const flagValue = new RegExp(
  `((?<![A-Za-z0-9])--?(?:api[_-]key|(?:hf[_-])?token|password|secret)(?:=|\\s|["'\\\\,[\\]]|&quot;|&#39;)+)${value}`,
  'gi',
);
// NAME=long mixture of letters and digits, as env prints it; paths and version numbers are not meant.
const envSecret =
  /((?<![A-Za-z0-9_])[A-Z][A-Z0-9_]{2,}=["']?)((?=[^\s"']*\d)(?=[^\s"']*[A-Za-z])[A-Za-z0-9+_=-][A-Za-z0-9+/_=-]{23,})/g;
const urlCredentials =
  /(\b[a-z][a-z0-9+.-]*:(?:\\*\/){2}|\b[a-z][a-z0-9+.-]*%3A%2F%2F)(?!(?:<|&lt;)credentials)([^\s/@"'<>\\]+)(@|%40)/gi;
const email = new RegExp(`${wordStart}[A-Za-z0-9._+-]+(?:@|%40)[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)*\\.[A-Za-z]{2,}`, 'g');

/** Values that say nothing: what a configuration prints when there is no secret. */
const emptyValue = /^(?:none|null|undefined|true|false|auto|default|not|no|-?[\d.]+)$/i;

const keepName =
  (mark: (name: string) => string) =>
  (whole: string, name: string, secret: string): string =>
    emptyValue.test(secret) ? whole : `${name}${mark('secret')}`;

/** Every credential shape, in the order they must be applied. */
export const credentialRules: readonly TextRule[] = [
  { kind: 'private key', replace: (text, mark) => text.replace(privateKey, mark('secret')) },
  { kind: 'token', replace: (text, mark) => text.replace(token, mark('secret')) },
  { kind: 'bearer token', replace: (text, mark) => text.replace(bearer, keepName(mark)) },
  { kind: 'authorization header', replace: (text, mark) => text.replace(authorization, keepName(mark)) },
  { kind: 'key flag', replace: (text, mark) => text.replace(flagValue, keepName(mark)) },
  {
    kind: 'named secret',
    replace: (text, mark) => text.replace(namedSecret, keepName(mark)).replace(upperCaseSecret, keepName(mark)),
  },
  { kind: 'named token', replace: (text, mark) => text.replace(namedToken, keepName(mark)) },
  { kind: 'environment secret', replace: (text, mark) => text.replace(envSecret, keepName(mark)) },
  {
    kind: 'URL credentials',
    replace: (text, mark) =>
      text.replace(
        urlCredentials,
        (_whole, before: string, _who, at: string) => `${before}${mark('credentials')}${at}`,
      ),
  },
  { kind: 'e-mail', replace: (text, mark) => text.replace(email, mark('email')) },
];

/** Whether a field of this name (JSON key, flag, environment variable) holds a credential as its whole value. */
export function isSecretName(name: string): boolean {
  return (
    new RegExp(`^-{0,2}${secretName}$`, 'i').test(name) ||
    /^(?:-{1,2}(?:hf[_-])?token|[A-Z0-9_]*(?:_KEY|TOKEN|PASS))$/.test(name)
  );
}

/** Whether the value under a secret name is one: not empty, not "none", not a number. */
export function isSecretValue(secret: string): boolean {
  return secret.length >= 3 && !emptyValue.test(secret);
}

/** The values of environment variables that look like credentials, by their names. Paths and short values are not. */
export function secretsOfEnvironment(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(env).flatMap(([name, secret]) => {
    const hasName = /KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH/i.test(name);
    return hasName && secret !== undefined && secret.length >= 8 && !secret.startsWith('/') && isSecretValue(secret)
      ? [secret]
      : [];
  });
}
