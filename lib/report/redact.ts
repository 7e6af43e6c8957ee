/**
 * Text of a run -> the same text without what identifies its machine: known names and paths in every escaped form,
 * credentials and addresses by shape, and all of that inside base64 text too.
 */
import { addressRule } from './addresses.js';
import { hidePaths, hidePathsInCode, lastNameOf } from './paths.js';
import { credentialRules, wordStart, type TextRule } from './secrets.js';

/** What the sharing machine is called. */
export interface Identity {
  readonly userName: string;
  readonly hostName: string;
  readonly home: string;
  readonly projectRoot: string;
  /** Other absolute paths known to be local: model, environments, caches. */
  readonly paths: readonly string[];
  /** Literal credentials, such as values of the environment. */
  readonly secrets: readonly string[];
}

/** Whether `<name>` may stand as it is, or must be an entity because the text is HTML or Markdown. */
export type TextStyle = 'plain' | 'markup';

export interface Redactor {
  redact(text: string, style: TextStyle): string;
  /** The kinds of what is still in the text, also once it is decoded. Empty: nothing was found. Never the finds themselves. */
  leaks(text: string): string[];
}

// Names that many machines share identify nobody, and replacing them would hide words of the log.
const commonNames =
  /^(?:root|user|ubuntu|debian|admin|runner|jovyan|nobody|node|docker|guest|test|app|localhost|localhost\.localdomain|vm|host|linux|vllm|server|model|launch|cold|warm|seed|long|none|unknown|.)$/i;
const images = /(data:image\/(?:png|jpe?g|gif|webp|x-icon)(?:;[\w=-]+)*;base64,[A-Za-z0-9+/]+={0,2})/;
const codeBlocks = /(<(script|style)\b[\s\S]*?<\/\2\s*>)/i;
const base64Run = /(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/_=-])/g;
const deepestBase64 = 2;

export function createRedactor(identity: Identity): Redactor {
  const known = knownRules(identity);
  const exact = [...known, ...credentialRules];
  const pathsIn = (hide: typeof hidePaths): TextRule => ({
    kind: 'absolute path',
    replace: (text, mark) => hide(text, mark('path')),
  });
  const [inText, inCode] = [pathsIn(hidePaths), pathsIn(hidePathsInCode)];
  const afterwards = nameRules(identity);
  const apply = (text: string, style: TextStyle, depth: number, isCode: boolean): string => {
    const mark = markOf(style);
    let result = text.replace(base64Run, (run) =>
      redactBase64(run, depth, (inner) => apply(inner, 'plain', depth + 1, false)),
    );
    for (const rule of [...exact, isCode ? inCode : inText, addressRule, ...afterwards])
      result = rule.replace(result, mark);
    return result;
  };
  const redact = (text: string, style: TextStyle): string =>
    outside(text, images, (part) =>
      style === 'markup'
        ? outsideCode(part, (inner, isCode) => apply(inner, style, 0, isCode))
        : apply(part, style, 0, false),
    );
  return {
    redact,
    leaks: (text) => {
      const kinds = new Set<string>();
      for (const decoded of decodings(text)) {
        for (const rule of [...exact, ...afterwards])
          if (rule.replace(decoded, markOf('plain')) !== decoded) kinds.add(rule.kind);
      }
      return [...kinds];
    },
  };
}

const markOf =
  (style: TextStyle) =>
  (name: string): string =>
    style === 'markup' ? `&lt;${name}&gt;` : `<${name}>`;

/** Literal secrets and paths, longest first, so that a path inside another does not break it. */
function knownRules(identity: Identity): TextRule[] {
  const secrets = identity.secrets
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length)
    .map((secret): TextRule => ({
      kind: 'known secret',
      replace: (text, mark) => text.replace(new RegExp(flexible(secret), 'g'), mark('secret')),
    }));
  const paths = [...new Set([identity.projectRoot, identity.home, ...identity.paths])]
    .map((path) => path.replace(/\/+$/, ''))
    .filter((path) => /^\/./.test(path))
    .sort((a, b) => b.length - a.length)
    .map((path) => pathRule(path, identity));
  return [...secrets, ...paths];
}

function pathRule(path: string, { projectRoot, home }: Identity): TextRule {
  // One name alone ("/root") is too short to be told from the middle of a relative path.
  const before = path.split('/').length > 2 ? '' : '(?:(?<![\\w.~-])|(?<=\\\\[nrt]))';
  const rest = `(?:(?:${slash})[\\w.@+~%=-]+)*`;
  const pattern = new RegExp(`${before}${flexible(path)}(?![\\w-])(${rest})`, 'gi');
  const kind = path === home ? 'home' : path === projectRoot ? 'project path' : 'known path';
  return {
    kind,
    replace: (text, mark) =>
      text.replace(pattern, (_whole, tail: string) => {
        // Below the project nothing but this project's own names follow; elsewhere folder names may tell a customer.
        if (path === projectRoot) return `${mark('project')}${tail}`;
        if (path === home) return tail === '' ? mark('home') : `${mark('home')}/${lastNameOf(tail)}`;
        return `${mark('path')}/${lastNameOf(tail === '' ? path : tail)}`;
      }),
  };
}

function nameRules({ userName, hostName }: Identity): TextRule[] {
  const shortHost = hostName.split('.')[0] ?? hostName;
  const named = (kind: string, name: string): TextRule[] => {
    if (name === '' || commonNames.test(name)) return [];
    const pattern = new RegExp(`${wordStart}${flexible(name)}(?![A-Za-z0-9])`, 'gi');
    return [{ kind: `${kind} name`, replace: (text, mark) => text.replace(pattern, mark(kind)) }];
  };
  return [
    ...named('host', hostName),
    ...(shortHost === hostName ? [] : named('host', shortHost)),
    ...named('user', userName),
  ];
}

const slash = '\\\\{0,4}\\/|%2[Ff]|%252[Ff]|&#x0*2[Ff];|&#0*47;|\\\\+u002[Ff]';

/** A pattern for a literal in all its escaped forms: JSON (nested too), URL, HTML entity, Markdown backslash. */
function flexible(literal: string): string {
  return [...literal]
    .map((character) => {
      if (/[A-Za-z0-9]/.test(character)) return character;
      if (character === '/') return `(?:${slash})`;
      const hex = (character.codePointAt(0) ?? 0).toString(16);
      const url = [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
      return `(?:\\\\{0,4}${character.replace(/[\\^$.*+?()[\]{}|-]/g, '\\$&')}|${url}|&#x0*${hex};|&#0*${parseInt(hex, 16)};|\\\\+u${hex.padStart(4, '0')}|${namedEntities[character] ?? '(?!)'})`;
    })
    .join('');
}

const namedEntities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** Apply `change` to what lies between the matches of `pattern` (which has one group, around all of it). */
function outside(text: string, pattern: RegExp, change: (part: string) => string): string {
  return text
    .split(pattern)
    .map((part, index) => (index % 2 === 0 ? change(part) : part))
    .join('');
}

/** Scripts and style sheets keep what merely looks like a path: replacing it would break them. */
function outsideCode(text: string, change: (part: string, isCode: boolean) => string): string {
  return text
    .split(codeBlocks)
    .flatMap((part, index) => (index % 3 === 2 ? [] : [change(part, index % 3 === 1)]))
    .join('');
}

function redactBase64(run: string, depth: number, redactInner: (text: string) => string): string {
  const inner = depth < deepestBase64 ? decodeBase64(run) : undefined;
  if (inner === undefined) return run;
  const clean = redactInner(inner);
  return clean === inner ? run : Buffer.from(clean).toString(/[-_]/.test(run) ? 'base64url' : 'base64');
}

/** The text a base64 run holds; undefined when it holds bytes that are no text. */
function decodeBase64(run: string): string | undefined {
  const text = Buffer.from(run, /[-_]/.test(run) ? 'base64url' : 'base64').toString('utf8');
  return text === '' || /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffd]/.test(text) ? undefined : text;
}

/** The text and what a reader could make of it: URL, JSON, HTML and base64 decoded. */
function decodings(text: string): string[] {
  const visible = text
    .split(images)
    .filter((_part, index) => index % 2 === 0)
    .join('\n');
  const url = visible.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) =>
    Buffer.from(run.replace(/%/g, ''), 'hex').toString('utf8'),
  );
  const json = visible
    .replace(/\\u([0-9A-Fa-f]{4})/g, (_whole, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    .replace(/\\+(["/])/g, '$1')
    .replace(/\\+n/g, '\n');
  const html = visible
    .replace(/&#x([0-9A-Fa-f]{1,6});/g, (_whole, hex: string) => safeCodePoint(parseInt(hex, 16)))
    .replace(/&#(\d{1,7});/g, (_whole, digits: string) => safeCodePoint(Number(digits)))
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&');
  const base64 = [...visible.matchAll(base64Run)].flatMap(([run]) => decodeBase64(run) ?? []);
  return [visible, url, json, html, ...base64];
}

function safeCodePoint(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
}
