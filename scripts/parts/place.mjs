// Where things are: every path of the doors, and the environment that keeps Jupyter inside the project.
import { mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const cache = join(root, '.cache');
export const venv = join(root, '.venv');
export const vllmVenv = join(root, '.venv-vllm');

const jupyterHome = join(cache, 'jupyter');

/** The environment for Jupyter programs: our kernel is found, and nothing is read from or written to the home folder. */
export function jupyterEnvironment(base = process.env) {
  const ipython = join(jupyterHome, 'ipython');
  mkdirSync(ipython, { recursive: true });
  return {
    ...base,
    PATH: [join(venv, 'bin'), base.PATH].filter(Boolean).join(delimiter),
    JUPYTER_PATH: [join(root, '.jupyter'), base.JUPYTER_PATH].filter(Boolean).join(delimiter),
    JUPYTER_CONFIG_DIR: join(jupyterHome, 'config'),
    JUPYTER_DATA_DIR: join(jupyterHome, 'data'),
    JUPYTER_RUNTIME_DIR: join(jupyterHome, 'runtime'),
    JUPYTERLAB_SETTINGS_DIR: join(jupyterHome, 'lab', 'user-settings'),
    JUPYTERLAB_WORKSPACES_DIR: join(jupyterHome, 'lab', 'workspaces'),
    IPYTHONDIR: ipython,
  };
}
