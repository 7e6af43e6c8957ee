#!/bin/sh
# Installs a Day 007 bundle on a Linux machine without internet, Node or Jupyter.
# It needs a shell, coreutils, GNU tar, xz and Python.
#
#   sh install.sh --to DIR [--from DIR]   verify every part (beside this file, or in --from), then install
#   sh install.sh --to DIR --add DIR      take over the parts of one delivery, and say what is still missing
#   sh install.sh --to DIR --finish       install from the parts that were taken over
#   --python PATH                         the Python whose packages are to be seen (default: the active environment's,
#                                         else the first on PATH of the version that the bundle is for)
#
# It may be run again: what is installed already is left as it is.
set -eu
LC_ALL=C
export LC_ALL

HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
STARTED_S=$(date +%s)

stop() {
  printf '%s\n' "$*" >&2
  exit 1
}

main() {
  read_arguments "$@"
  require_tools
  mkdir -p -- "$TO" || stop "$TO cannot be made: give --to a folder you may write."
  TO=$(CDPATH='' cd -- "$TO" && pwd)
  STATE=$TO/.installed
  read_manifest
  require_machine
  if [ -n "$ADD" ]; then
    add_delivery
  else
    find_python
    verify_all
    require_space
    install_all
  fi
}

read_arguments() {
  TO='' FROM=$HERE ADD='' FINISH='' PYTHON=''
  while [ $# -gt 0 ]; do
    case $1 in
      --to | --from | --add | --python)
        [ $# -ge 2 ] || stop "$1 needs a value."
        case $1 in
          --to) TO=$2 ;;
          --from) FROM=$2 ;;
          --add) ADD=$2 ;;
          --python) PYTHON=$2 ;;
        esac
        shift 2
        ;;
      --finish)
        FINISH=yes
        shift
        ;;
      -h | --help)
        sed -n '2,12s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
      *) stop "$1 is not known. Known: --to DIR, --from DIR, --add DIR, --finish, --python PATH." ;;
    esac
  done
  [ -n "$TO" ] || stop "Say where to install: sh install.sh --to DIR"
  [ -d "$FROM" ] || stop "There is no folder $FROM: give --from the folder that holds the parts."
  [ -z "$ADD" ] || [ -d "$ADD" ] || stop "There is no folder $ADD: give --add the folder of a delivery."
  [ -z "$ADD" ] || [ -z "$FINISH" ] || stop "Give --add or --finish, one at a time."
}

require_tools() {
  for tool in tar xz sha256sum; do
    command -v "$tool" >/dev/null || stop "$tool was not found: install it (Debian, Ubuntu: apt-get install tar xz-utils coreutils)."
  done
}

# The manifest of the target, where parts may lie from before, and the one that came must be the same.
read_manifest() {
  MANIFEST=$TO/parts/MANIFEST
  arrived=
  for folder in ${ADD:+"$ADD"} "$FROM" "$HERE"; do
    if [ -f "$folder/MANIFEST" ]; then
      arrived=$folder/MANIFEST
      break
    fi
  done
  if [ -n "$arrived" ]; then
    [ "$(head -n 1 "$arrived")" = 'day-007-bundle 1' ] || stop "$arrived is not the manifest of a bundle that this installer knows."
    if [ ! -f "$MANIFEST" ]; then
      mkdir -p "$TO/parts"
      cp "$arrived" "$MANIFEST.tmp"
      mv "$MANIFEST.tmp" "$MANIFEST"
    elif [ "$(bundle_of "$arrived")" != "$(bundle_of "$MANIFEST")" ]; then
      if [ -n "$ADD" ] || [ -n "$FINISH" ]; then
        stop "$arrived is of bundle $(bundle_of "$arrived"), but $TO/parts holds parts of bundle $(bundle_of "$MANIFEST"): use another --to, or remove $TO/parts and add every delivery of the new one."
      fi
      cp "$arrived" "$MANIFEST.tmp"
      mv "$MANIFEST.tmp" "$MANIFEST"
    fi
  fi
  [ -f "$MANIFEST" ] || stop "No MANIFEST was found in $FROM or $TO/parts: it lies in every folder that npm run bundle makes."
  WANTED_PYTHON=$(fact python)
  WANTED_GLIBC=$(fact glibc)
}

bundle_of() {
  while read -r kind id _; do
    if [ "$kind" = bundle ]; then
      printf '%s' "$id"
      return
    fi
  done <"$1"
}

fact() {
  while read -r kind name value; do
    if [ "$kind $name" = "set $1" ]; then
      printf '%s' "$value"
      return
    fi
  done <"$MANIFEST"
}

require_machine() {
  [ "$(uname -sm)" = 'Linux x86_64' ] || stop "The bundle is for Linux on x86-64, this is $(uname -sm)."
  found=$(getconf GNU_LIBC_VERSION 2>/dev/null || true)
  case $found in
    'glibc 2.'*)
      minor=${found#glibc 2.}
      [ "${minor%%.*}" -ge "${WANTED_GLIBC#2.}" ] || stop "The bundle needs glibc $WANTED_GLIBC, this machine has $found: make one with --glibc ${found#glibc }, or use a newer system."
      ;;
    *) stop "The bundle needs glibc $WANTED_GLIBC, and this machine has no glibc (getconf GNU_LIBC_VERSION says '$found')." ;;
  esac
}

# --- parts ---

# A part as it was taken over, or as it lies in the folder given, or in deliveries side by side there.
find_part() {
  for place in "$TO/parts/$1" "$FROM/$1" "$FROM"/d*/"$1" "$HERE/$1"; do
    if [ -f "$place" ]; then
      printf '%s' "$place"
      return
    fi
  done
}

# Prints what is wrong with a file that should be a part; nothing when it is as expected.
fault_of() { # name, expected sha256, expected bytes, file
  bytes=$(stat -c %s -- "$4")
  if [ "$bytes" -ne "$3" ]; then
    printf '%s has %s bytes instead of %s; expected sha256 %s (%s)\n' "$1" "$bytes" "$3" "$2" "$4"
    return
  fi
  actual=$(sha256sum <"$4")
  actual=${actual%% *}
  [ "$actual" = "$2" ] || printf '%s is corrupt: sha256 is %s, expected %s (%s)\n' "$1" "$actual" "$2" "$4"
}

add_delivery() {
  taken=0 faults='' missing='' missing_count=0 count=0
  while read -r kind name _ sha256 bytes; do
    [ "$kind" = part ] || continue
    count=$((count + 1))
    if [ -f "$ADD/$name" ] && [ ! -f "$TO/parts/$name" ]; then
      fault=$(fault_of "$name" "$sha256" "$bytes" "$ADD/$name")
      if [ -z "$fault" ]; then
        cp -- "$ADD/$name" "$TO/parts/$name.tmp"
        mv -- "$TO/parts/$name.tmp" "$TO/parts/$name"
        taken=$((taken + 1))
      else
        faults="$faults$fault
"
      fi
    fi
    if [ ! -f "$TO/parts/$name" ]; then
      missing_count=$((missing_count + 1))
      missing="$missing  $name  sha256 $sha256
"
    fi
  done <"$MANIFEST"
  printf '%s parts taken over from %s; %s of %s are there.\n' "$taken" "$ADD" $((count - missing_count)) "$count"
  [ -z "$missing" ] || printf 'Still missing:\n%s' "$missing"
  [ -z "$faults" ] || stop "Not taken over; carry again:
$faults"
  [ -n "$missing" ] || printf 'All parts are there: sh install.sh --to %s --finish\n' "$TO"
}

# Every part of what is still to be installed, then every archive as a whole, before anything is touched.
verify_all() {
  faults=''
  while read -r kind name archive sha256 bytes; do
    [ "$kind" = part ] || continue
    ! is_installed "$archive" || continue
    file=$(find_part "$name")
    if [ -z "$file" ]; then
      faults="$faults$name is missing; expected sha256 $sha256, $bytes bytes
"
    else
      fault=$(fault_of "$name" "$sha256" "$bytes" "$file")
      [ -z "$fault" ] || faults="$faults$fault
"
    fi
  done <"$MANIFEST"
  [ -z "$faults" ] || stop "Nothing was installed:
$faults"
  while read -r kind name _ sha256 _; do
    [ "$kind" = archive ] || continue
    ! is_installed "$name" || continue
    actual=$(join_parts "$name" | sha256sum)
    [ "${actual%% *}" = "$sha256" ] || stop "Nothing was installed: the parts of $name are as expected, but joined their sha256 is ${actual%% *} instead of $sha256. Make the bundle again."
  done <"$MANIFEST"
  say 'Verified'
}

join_parts() {
  while read -r kind name archive _; do
    [ "$kind $archive" = "part $1" ] || continue
    cat -- "$(find_part "$name")"
  done <"$MANIFEST"
}

say() {
  printf '%s (%s s)\n' "$1" $(($(date +%s) - STARTED_S))
}

# --- the place ---

# An archive's stamp holds its sha256; that of the environment also where its Python is.
stamp_of() {
  while read -r kind name into sha256 _; do
    if [ "$kind $name" = "archive $1" ]; then
      if [ "$into" = venv ]; then printf '%s %s' "$sha256" "$PYTHON"; else printf '%s' "$sha256"; fi
      return
    fi
  done <"$MANIFEST"
}

is_installed() {
  [ -f "$STATE/$1" ] && [ "$(cat "$STATE/$1")" = "$(stamp_of "$1")" ]
}

require_space() {
  needed=0
  while read -r kind name _ _ _ unpacked; do
    [ "$kind" = archive ] || continue
    is_installed "$name" || needed=$((needed + unpacked / 1024))
  done <"$MANIFEST"
  free=$(df -Pk -- "$TO" | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4)
  [ "$free" -gt "$needed" ] || stop "$TO has $((free / 1024)) MiB free, $((needed / 1024)) MiB are needed: free some space, or use another --to."
}

find_python() {
  if [ -n "$PYTHON" ]; then
    set -- "$PYTHON"
  else
    set -- ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin/python"} "python$WANTED_PYTHON" python3
  fi
  seen=''
  for candidate in "$@"; do
    version=$("$candidate" -c 'import venv, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    seen="$seen $candidate is $version."
    if [ "$version" = "$WANTED_PYTHON" ] || [ "$WANTED_PYTHON" = any ]; then
      PYTHON=$(command -v "$candidate")
      case $PYTHON in /*) ;; *) PYTHON=$(pwd)/$PYTHON ;; esac
      return
    fi
  done
  [ "$WANTED_PYTHON" = any ] && wanted='Python 3 with its venv module' || wanted="Python $WANTED_PYTHON with its venv module"
  stop "The bundle needs $wanted.${seen:- None was found.} Name one with --python PATH."
}

# The archives unpack at the same time: most of them are waited for by the largest.
install_all() {
  mkdir -p "$STATE"
  rm -rf "$TO"/.unpack-*
  jobs=''
  plan_venv
  while read -r kind name into _; do
    [ "$kind" = archive ] || continue
    if [ "$into" = venv ]; then
      [ -n "$NEW_VENV" ] || continue
    elif is_installed "$name"; then
      continue
    fi
    unpack "$name" "$into" &
    jobs="$jobs $!"
  done <"$MANIFEST"
  for job in $jobs; do
    wait "$job" || stop "An archive could not be unpacked (see above): is the disk full? Run the same command again when it is not."
  done
  say 'Unpacked'
  place_project
  [ -z "$NEW_VENV" ] || finish_venv
  place_run
  check
}

# Into a folder of its own, so that an interrupted run leaves nothing half done; the environment is marked when whole.
unpack() {
  if [ "$2" = venv ]; then target=$TO/venv; else target=$TO/.unpack-$2; fi
  mkdir -p "$target"
  join_parts "$1" | xz -dc -T0 | tar -xf - --no-same-owner -C "$target"
}

# Old files of the project go, its data stays.
place_project() {
  if [ -d "$TO/.unpack-node" ]; then
    rm -rf "$TO/node"
    mv "$TO/.unpack-node" "$TO/node"
    set_stamp_of_kind node
  fi
  mkdir -p "$TO/day-007"
  if [ -d "$TO/.unpack-project" ]; then
    for entry in "$TO/.unpack-project"/* "$TO/.unpack-project"/.[!.]*; do
      [ -e "$entry" ] || continue
      name=${entry##*/}
      if [ "$name" = data ] && [ -d "$TO/day-007/data" ]; then
        cp -R "$entry/." "$TO/day-007/data/"
      else
        rm -rf "$TO/day-007/${name:?}"
        mv "$entry" "$TO/day-007/$name"
      fi
    done
    rm -rf "$TO/.unpack-project"
    set_stamp_of_kind project
  fi
  if [ -d "$TO/.unpack-modules" ]; then
    rm -rf "$TO/day-007/node_modules"
    mv "$TO/.unpack-modules" "$TO/day-007/node_modules"
    set_stamp_of_kind modules
  fi
}

set_stamp_of_kind() {
  while read -r kind name into _; do
    if [ "$kind $into" = "archive $1" ]; then stamp_of "$name" >"$STATE/$name"; fi
  done <"$MANIFEST"
}

# --- the Python environment ---

# Made anew when any of its archives or its Python changed: packages of an older bundle must not stay in it.
plan_venv() {
  NEW_VENV=''
  [ -f "$STATE/venv" ] && [ "$(cat "$STATE/venv")" = "$PYTHON" ] || NEW_VENV=yes
  while read -r kind name into _; do
    [ "$kind $into" = 'archive venv' ] || continue
    is_installed "$name" || NEW_VENV=yes
  done <"$MANIFEST"
  [ -n "$NEW_VENV" ] || return 0
  require_venv_parts
  rm -f "$STATE/venv"
  rm -rf "$TO/venv"
  make_venv || stop "$PYTHON could not make a virtual environment in $TO/venv (see above)."
}

# One changed archive of the environment needs the others' parts again.
require_venv_parts() {
  while read -r kind name archive sha256 bytes; do
    [ "$kind" = part ] || continue
    [ "$(into_of "$archive")" = venv ] || continue
    file=$(find_part "$name")
    [ -n "$file" ] || stop "$name is missing; expected sha256 $sha256, $bytes bytes. The environment is made anew and needs it."
    fault=$(fault_of "$name" "$sha256" "$bytes" "$file")
    [ -z "$fault" ] || stop "$fault"
  done <"$MANIFEST"
}

into_of() {
  while read -r kind name into _; do
    if [ "$kind $name" = "archive $1" ]; then
      printf '%s' "$into"
      return
    fi
  done <"$MANIFEST"
}

# A virtual environment made from another one falls through to the base Python: the other's packages are named in a
# .pth file. The path comes as plain text too, for programs that read the file without running it.
make_venv() {
  "$PYTHON" - "$TO/venv" <<'PYTHON'
import os
import re
import sys
import sysconfig
import venv

target = sys.argv[1]
outer = sys.prefix != sys.base_prefix
with_base = True
if outer:
    with open(os.path.join(sys.prefix, "pyvenv.cfg")) as file:
        with_base = bool(re.search(r"^include-system-site-packages\s*=\s*true", file.read(), re.I | re.M))
venv.EnvBuilder(system_site_packages=with_base, symlinks=True).create(target)
if outer:
    site = os.path.join(target, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
    folders = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    with open(os.path.join(site, "_node_python.pth"), "w") as file:
        for folder in folders:
            file.write("%s\nimport site; site.addsitedir(%r)\n" % (folder, folder))
PYTHON
}

# Scripts get their interpreter, and everything is compiled at once: a first import that compiles would count as a
# slow start of the server.
finish_venv() {
  "$TO/venv/bin/python" - "$TO/venv" <<'PYTHON'
import os
import sys

bin = os.path.join(sys.argv[1], "bin")
python = os.path.join(bin, "python")
line = "#!" + python
if len(line) > 127 or " " in line:  # what a kernel reads of such a line
    line = "#!/bin/sh\n'''exec' \"%s\" \"$0\" \"$@\"\n' '''" % python
for name in os.listdir(bin):
    path = os.path.join(bin, name)
    if os.path.islink(path) or not os.path.isfile(path):
        continue
    with open(path, "rb") as file:
        script = file.read()
    if script.startswith(b"#!@PYTHON@"):
        with open(path, "wb") as file:
            file.write(script.replace(b"#!@PYTHON@", line.encode(), 1))
        os.chmod(path, 0o755)
PYTHON
  # Some packages carry files that are no Python of this version; they are not imported either.
  "$TO/venv/bin/python" -m compileall -qq -j 0 "$TO/venv/lib" >/dev/null || true
  while read -r kind name into _; do
    if [ "$kind $into" = 'archive venv' ]; then stamp_of "$name" >"$STATE/$name"; fi
  done <"$MANIFEST"
  printf '%s' "$PYTHON" >"$STATE/venv"
  say 'Python environment'
}

# --- the command ---

place_run() {
  cp "$TO/day-007/scripts/bundle/run.sh" "$TO/run.sh"
  chmod 755 "$TO/run.sh"
}

check() {
  version=$("$TO/node/bin/node" --version) || stop "$TO/node/bin/node does not start (see above)."
  "$TO/venv/bin/python" -c 'import nbclient, nbconvert' 2>/dev/null ||
    printf 'No Jupyter: neither in the bundle nor seen from %s. run.sh needs one: make the bundle with --with jupyter.\n' "$PYTHON" >&2
  if [ -f "$TO/venv/bin/vllm" ]; then
    "$TO/venv/bin/python" - <<'PYTHON' || printf 'No torch is seen from %s: vLLM needs the one it was built for; name its Python with --python.\n' "$PYTHON" >&2
from importlib.metadata import version
print("vLLM %s beside torch %s" % (version("vllm"), version("torch")))
PYTHON
  fi
  say "Installed: Node $version, $("$TO/venv/bin/python" --version)"
  printf 'Run it: %s/run.sh\n' "$TO"
}

main "$@"
