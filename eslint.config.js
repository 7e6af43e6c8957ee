import tseslint from 'typescript-eslint';

/** What Node understands and the notebook kernel does not: lib runs under both. */
const notInLib = [
  {
    selector: 'MetaProperty[meta.name="import"]',
    message: 'The notebook kernel has no import.meta: take the path as an argument.',
  },
  {
    selector: 'AwaitExpression:not(:function *)',
    message: 'The notebook kernel has no top-level await in modules: use a main().',
  },
];
const notInModules = ['__dirname', '__filename', 'require'].map((name) => ({
  name,
  message: 'Not in ES modules: take the path as an argument.',
}));

export default tseslint.config(
  { ignores: ['node_modules/', 'data/', '.venv/', '.venv-vllm/', '.cache/', 'test/fixtures/'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js', '*.cjs', '.*.cjs'] } },
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Our objects are records of closures; none of their methods knows `this`.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['lib/**/*.ts', 'test/**/*.ts'],
    rules: { 'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true, named: true } }] },
  },
  {
    // vitest's matchers (expect.any, toMatchObject) are typed any.
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-unsafe-assignment': 'off' },
  },
  {
    files: ['lib/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...notInModules],
      'no-restricted-syntax': ['error', ...notInLib],
    },
  },
  {
    // Programs that run before anything is installed: plain JavaScript, no types to check.
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { '@typescript-eslint/no-require-imports': 'off' },
  },
);
