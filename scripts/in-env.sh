#!/usr/bin/env bash
# Run a command inside a locked environment, and build that environment first when it is not there yet.
#
#   scripts/in-env.sh demo aie --help        requirements/demo.txt
#   PYTHON=python3.12 scripts/in-env.sh dev pytest
#
# Needs a bare Python >= 3.11 and nothing else. Each environment lives in .cache/envs under a name made of the lock's
# digest and the Python version: a changed lock makes a new one, an unchanged lock costs nothing.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
name=${1:?usage: scripts/in-env.sh base|demo|dev COMMAND...}
shift
lock=$top/requirements/$name.txt
[ -f "$lock" ] || { echo "error: no such environment: $name (requirements/$name.txt is missing)" >&2; exit 2; }
# What is compiled is kept, whatever the shell says: the tests start hundreds of processes.
unset PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_REQUIRE_VIRTUALENV

# Prints "3.12 0a1b2c3d4e5f" when $1 is a Python that will do.
suits() {
    "$1" - "$lock" 2>/dev/null <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(1)
import ensurepip, hashlib, venv
with open(sys.argv[1], "rb") as lock:
    print("%d.%d" % sys.version_info[:2], hashlib.sha256(lock.read()).hexdigest()[:12])
PY
}

for python in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    if traits=$(suits "$python"); then break; fi
    traits=
done
if [ -z "${traits:-}" ]; then
    echo "error: no Python >= 3.11 with venv and pip was found (tried: ${PYTHON:-python3.13 python3.12 python3.11 python3 python})" >&2
    echo "hint: install one, or name it: PYTHON=/path/to/python make ..." >&2
    exit 2
fi

env=$top/.cache/envs/$name-py${traits% *}-${traits#* }
if [ ! -f "$env/.ready" ]; then
    # One at a time: who comes second would take away what the first is making. The lock ends with this shell.
    mkdir -p "$top/.cache/envs"
    exec 9>>"$top/.cache/envs/.lock"
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
fi
if [ ! -f "$env/.ready" ]; then
    echo "Making the $name environment with $python ${traits% *} (once for each lock) ..." >&2
    rm -rf "$env"
    "$python" -m venv "$env"
    pip=("$env/bin/python" -m pip --disable-pip-version-check -qq install)
    "${pip[@]}" --require-hashes --only-binary :all: --requirement "$lock" >&2
    # The package itself: its build backend is in the lock, so nothing is fetched here.
    "${pip[@]}" --no-deps --no-build-isolation --no-index --editable "$top" >&2
    touch "$env/.ready"
fi
exec 9>&-

export VIRTUAL_ENV=$env PATH=$env/bin:$PATH
exec "$@"
