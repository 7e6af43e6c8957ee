// Every `npm run ...` of this project enters here. Written so that even a Node far too old can parse it and answer
// with one sentence; the real work is in the .mjs file of the same name.
'use strict';

var REQUIRED = [20, 19];

var found = process.versions.node.split('.').map(Number);
var isOldEnough = found[0] > REQUIRED[0] || (found[0] === REQUIRED[0] && found[1] >= REQUIRED[1]);
var door = process.argv[2];

if (!isOldEnough) {
  console.error(
    'Node ' +
      process.versions.node +
      ' is too old: this project needs Node ' +
      REQUIRED.join('.') +
      ' or newer; install a current LTS (nodejs.org, nvm or your package manager) and run the command again.',
  );
  process.exitCode = 1;
} else {
  import('./' + door + '.mjs')
    .then(function (program) {
      return program.main(process.argv.slice(3));
    })
    .then(function (exitCode) {
      process.exitCode = exitCode;
    })
    .catch(function (error) {
      // A Stop is a sentence meant for the person; anything else is our own mistake and keeps its stack.
      console.error(error.name === 'Stop' ? error.message : error.stack);
      process.exitCode = 1;
    });
}
