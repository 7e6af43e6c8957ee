// The stages of the story, in order: a module imports only from its own stage and from earlier ones.
const STAGES = [
  'clock',
  'statistics',
  'archive',
  'freeze',
  'launch',
  'rehearsal',
  'snapshot',
  'probe',
  'experiment',
  'interpret',
  'causes',
  'report',
  'bench',
  'notebook',
  'index',
];

const place = (stage) => (stage === 'clock' || stage === 'index' ? `^lib/${stage}\\.ts$` : `^lib/${stage}/`);

const stageOrder = STAGES.slice(0, -1).map((stage, at) => ({
  name: `${stage}-knows-no-later-stage`,
  severity: 'error',
  comment: `${stage} comes before ${STAGES.slice(at + 1).join(', ')} and must not import from there.`,
  from: { path: place(stage) },
  to: { path: STAGES.slice(at + 1).map(place) },
}));

module.exports = {
  forbidden: [
    ...stageOrder,
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Two modules that need each other are one module, or a third one is missing.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'lib-stands-alone',
      severity: 'error',
      comment: 'lib knows nothing of its tests and of the doors.',
      from: { path: '^lib/' },
      to: { path: '^(test|scripts)/' },
    },
    {
      name: 'declared-dependencies',
      severity: 'error',
      comment: 'What lib imports stands in "dependencies".',
      from: { path: '^lib/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
