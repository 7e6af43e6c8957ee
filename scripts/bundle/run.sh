#!/bin/sh
# Runs a notebook from top to bottom without a browser, in the place where the bundle was installed.
#
#   run.sh                        a run on the vLLM of the bundle, or on the engine that DAY007_... names
#   run.sh --replay RUN_FOLDER    the same from a saved run: no server, no GPU
#   run.sh --notebook FILE        another notebook of the project (default: notebooks/day-007.ipynb)
#   run.sh --out DIR              where notebook and page go (default: the run folder)
#
# Every field of the notebook's first cell can be set as DAY007_... in the environment.
set -eu

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PROJECT=$HERE/day-007
STATE=$PROJECT/.cache/jupyter
OUT=''
NOTEBOOK=notebooks/day-007.ipynb

stop() {
  printf '%s\n' "$*" >&2
  exit 1
}

absolute() {
  case $1 in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$(pwd)" "$1" ;; esac
}

while [ $# -gt 0 ]; do
  case $1 in
    --replay | --notebook | --out)
      [ $# -ge 2 ] || stop "$1 needs a value."
      case $1 in
        --replay) DAY007_REPLAY=$2 ;;
        --notebook) NOTEBOOK=$2 ;;
        --out) OUT=$(absolute "$2") ;;
      esac
      shift 2
      ;;
    -h | --help)
      sed -n '2,9s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *) stop "$1 is not known. Known: --replay RUN_FOLDER, --notebook FILE, --out DIR." ;;
  esac
done

[ -d "$PROJECT/node_modules" ] && [ -x "$HERE/node/bin/node" ] && [ -x "$HERE/venv/bin/python" ] ||
  stop "$HERE holds no whole installation: run install.sh --to $HERE again."

# The notebooks import ./lib/index.js from the project: one of another place is not run.
case $NOTEBOOK in "$PROJECT"/*) NOTEBOOK=${NOTEBOOK#"$PROJECT"/} ;; esac
[ -f "$PROJECT/$NOTEBOOK" ] ||
  stop "$NOTEBOOK is not below $PROJECT. There are: $(cd "$PROJECT" && echo notebooks/*.ipynb)."

if [ -n "${DAY007_REPLAY:-}" ]; then
  DAY007_REPLAY=$(absolute "$DAY007_REPLAY")
  [ -f "$DAY007_REPLAY/run.json" ] || stop "$DAY007_REPLAY is not a run folder (it has no run.json)."
  export DAY007_REPLAY
  OUT=${OUT:-$DAY007_REPLAY/rendered}
else
  # Sorts by time, names a folder, and is not met twice.
  DAY007_RUN_ID=${DAY007_RUN_ID:-$(date -u +%Y-%m-%dT%H%M%SZ)-$(od -An -N2 -tx1 /dev/urandom | tr -d ' ')}
  export DAY007_RUN_ID
  OUT=${OUT:-$PROJECT/data/runs/$DAY007_RUN_ID}
  if [ -z "${DAY007_VLLM:-}" ] && [ -z "${DAY007_URL:-}" ] && [ -x "$HERE/venv/bin/vllm" ]; then
    case ${DAY007_ENGINE:-auto} in auto | vllm) export DAY007_VLLM="$HERE/venv/bin/vllm" ;; esac
  fi
fi

# The kernel is found, and nothing is read from or written to the home folder.
PATH=$HERE/node/bin:$HERE/venv/bin:$PATH
JUPYTER_PATH=$PROJECT/.jupyter${JUPYTER_PATH:+:$JUPYTER_PATH}
JUPYTER_CONFIG_DIR=$STATE/config
JUPYTER_DATA_DIR=$STATE/data
JUPYTER_RUNTIME_DIR=$STATE/runtime
IPYTHONDIR=$STATE/ipython
export PATH JUPYTER_PATH JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR IPYTHONDIR
mkdir -p "$IPYTHONDIR"
cd "$PROJECT"
printf 'Paths are below %s\n' "$PROJECT"
# Options, not variables: the server would inherit PYTHON... variables, and start differently for them.
exec "$HERE/venv/bin/python" -u -B scripts/run_notebook.py "$NOTEBOOK" --out "$OUT" --root "$PROJECT"
