import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor, type Identity } from '../../lib/report/redact.js';
import { isSecretName, secretsOfEnvironment } from '../../lib/report/secrets.js';

const identity: Identity = {
  userName: 'carol',
  hostName: 'node-17.lab.example',
  home: '/home/carol',
  projectRoot: '/home/carol/day-007',
  paths: ['/scratch/models/qwen'],
  secrets: ['correct horse/battery'],
};
const redactor = createRedactor(identity);
const plain = (text: string): string => redactor.redact(text, 'plain');

describe('redact', () => {
  it.each([
    ['user and host', 'carol@node-17 ran on NODE-17.lab.example', '<user>@<host> ran on <host>'],
    ['a user inside an escaped or encoded text', 'a\\ncarol %3Dcarol', 'a\\n<user> %3D<user>'],
    ['home', '/home/carol/.cache/hub x /home/carol y', '<home>/hub x <home> y'],
    [
      'the project, whose inner names stay',
      'in /home/carol/day-007/data/runs/1/server.log',
      'in <project>/data/runs/1/server.log',
    ],
    [
      'a known path, however escaped',
      '/scratch/models/qwen \\/scratch\\/models\\/qwen %2Fscratch%2Fmodels%2Fqwen &#x2F;scratch&#x2F;models&#47;qwen',
      '<path>/qwen <path>/qwen <path>/qwen <path>/qwen',
    ],
    ['an unknown path', "model='/mnt/x/y', '/v1/models'", "model='<path>/y', '/v1/models'"],
    ['a home in a URL-encoded query', 'f=%2Fhome%2Fcarol%2Fday-007%2Fx.log', 'f=<project>%2Fx.log'],
    [
      'tokens by their shape',
      'hf_abcdefghijklmnopqrst sk-proj-abc123DEF ghp_0123456789abcdefghij',
      '<secret> <secret> <secret>',
    ],
    ['a bearer token', 'Authorization: Bearer abc.def-123', 'Authorization: Bearer <secret>'],
    ['a basic header', '"authorization": "Basic Y2Fyb2w6eA"', '"authorization": "Basic <secret>"'],
    ['a key flag', 'vllm serve x --api-key s3cr3t --port 8000', 'vllm serve x --api-key <secret> --port 8000'],
    ['a key in a python list', "'api_key': ['s3cr3t'], 'port': 1", "'api_key': ['<secret>'], 'port': 1"],
    ['a nested JSON key', '{\\"password\\": \\"hunter22\\"}', '{\\"password\\": \\"<secret>\\"}'],
    [
      'environment lines',
      'HF_TOKEN=abc\nAWS_SECRET_ACCESS_KEY=q/w+e\nSESSION=0123456789abcdef0123456789abcdef',
      'HF_TOKEN=<secret>\nAWS_SECRET_ACCESS_KEY=<secret>\nSESSION=<secret>',
    ],
    ['credentials of a URL', 'https://carol:pw@example.org/x', 'https://<credentials>@example.org/x'],
    ['e-mail', 'write to carol.smith@example.org.', 'write to <email>.'],
    [
      'addresses, but not loopback',
      '10.1.2.3 127.0.0.1 0.0.0.0 fe80::1ff:fe23:4567:890a ::1 ip-10-0-0-5',
      '<ip> 127.0.0.1 0.0.0.0 <ip> ::1 <host>',
    ],
    ['a literal secret, URL-encoded too', 'correct horse/battery correct%20horse%2Fbattery', '<secret> <secret>'],
    ['a private key', 'x -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- y', 'x <secret> y'],
  ])('replaces %s', (_what, text, expected) => {
    expect(plain(text)).toBe(expected);
    expect(plain(expected)).toBe(expected);
  });
  it.each([
    "the probe's first-token stamp: ± 0.045 ms, a non-secret value",
    'first token: 812 ms, total_tokens=73, max_tokens: 64',
    "tokenizer='tiny', tokenizer_mode=auto, eos_token: '</s>', hf_overrides={}, hf_token: None",
    '23:11:03 [decorators.py:333] c10::Error std::vector torch 2.13.0 driver 580.65.06',
    'nvidia-cudnn-cu12==9.10.2.21',
    'task-based disk-cache-size skill',
    'caroline and scarol',
    'sha256 a1b2c3d4e5f60718a1b2c3d4e5f60718a1b2c3d4e5f60718a1b2c3d4e5f60718',
    'VLLM_CACHE_ROOT=vllm-cache VLLM_CPU_KVCACHE_SPACE=1 DAY007_RUN_ID=2026-11-24T234316Z-dc47',
    '"GET /health HTTP/1.1" 200 OK',
  ])('leaves %s as it is', (text) => {
    expect(plain(text)).toBe(text);
  });
  it('finds what is hidden in base64 text and keeps base64 that is none', () => {
    const hidden = Buffer.from('the user is carol').toString('base64');
    const bytes = Buffer.from(Array.from({ length: 48 }, (_, i) => (i * 37) % 256)).toString('base64');
    expect(Buffer.from(plain(`data:text/html;base64,${hidden}`).split(',')[1] ?? '', 'base64').toString()).toBe(
      'the user is <user>',
    );
    expect(plain(bytes)).toBe(bytes);
  });
  it('does not touch a picture inside a page', () => {
    const page = `<p>carol</p><img src="data:image/png;base64,AAAA/home/carol/BBBB+/a/b/c=="><p>`;
    expect(redactor.redact(page, 'markup')).toBe(page.replace('<p>carol', '<p>&lt;user&gt;'));
  });
  it('writes placeholders that a page shows instead of taking them for tags', () => {
    expect(redactor.redact('<td>/home/carol</td>', 'markup')).toBe('<td>&lt;home&gt;</td>');
  });
  it('leaves the code of scripts and styles working, but not with a name in it', () => {
    const page =
      '<style>a{background:url(/x/y.css)}</style><script>const r = /a/b/.test(s); // carol "/tmp/y/z"</script>';
    expect(redactor.redact(page, 'markup')).toBe(
      page.replace('carol', '&lt;user&gt;').replace('/tmp/y/z', '&lt;path&gt;/z'),
    );
  });
  it('does not take names that every machine has out of the log', () => {
    const root = createRedactor({
      ...identity,
      userName: 'root',
      hostName: 'localhost',
      home: '/root',
      projectRoot: '/root/x',
    });
    expect(root.redact('the root cause on localhost in /root/x/y and a/root/b', 'plain')).toBe(
      'the root cause on localhost in <project>/y and a/root/b',
    );
  });
  it('never leaves a literal in, whatever surrounds it, and changes nothing the second time', () => {
    const surroundings = fc.string({
      unit: fc.constantFrom(' ', '"', "'", '\\n', '=', ':', ',', '(', ')', '<', '>', '&', '%20', '/', 'x', '1', '\n'),
      maxLength: 8,
    });
    const needle = fc.constantFrom(
      '/home/carol/secret/model',
      '/scratch/models/qwen',
      'hf_abcdefghijklmnopqrst',
      'correct horse/battery',
    );
    fc.assert(
      fc.property(surroundings, needle, surroundings, (before, literal, after) => {
        const clean = plain(`${before} ${literal} ${after}`);
        expect(clean).not.toContain(literal);
        expect(clean).not.toMatch(/carol|scratch/);
        expect(plain(clean)).toBe(clean);
      }),
    );
  });
});

describe('leaks', () => {
  it('names the kind of what is left, also behind URL, JSON, HTML and base64 encoding, and never the find itself', () => {
    const hidden = Buffer.from('user carol here').toString('base64');
    expect(redactor.leaks('clean <user> <path>/x')).toEqual([]);
    for (const text of ['carol', '%63arol', '\\u0063arol', '&#99;arol', hidden])
      expect(redactor.leaks(text), text).toContain('user name');
    expect(redactor.leaks('hf_abcdefghijklmnopqrst')).toEqual(['token']);
  });
});

describe('secrets', () => {
  it('are picked from the environment by name, paths and short values apart', () => {
    expect(
      secretsOfEnvironment({
        MY_API_KEY: 'abcdefgh1',
        SSH_AUTH_SOCK: '/tmp/x/agent',
        TOKEN: 'short',
        HOME: '/home/carol',
        PASSWORD: undefined,
      }),
    ).toEqual(['abcdefgh1']);
  });
  it('are known by the name of their field', () => {
    expect(['api_key', '--api-key', 'HF_TOKEN', 'password'].map(isSecretName)).toEqual([true, true, true, true]);
    expect(['max_tokens', 'totalTokens', 'tokenizer', 'key'].map(isSecretName)).toEqual([false, false, false, false]);
  });
});
