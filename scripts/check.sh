#!/usr/bin/env bash
# Everything that can be said about the code without running it. All checks run, then the first failure decides.
set -uo pipefail
cd "$(dirname "$0")/.."
dev=scripts/in-env.sh
"$dev" dev true || exit 2
failed=()

check() {
    local name=$1
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

check format "$dev" dev ruff format --check --quiet .
check lint "$dev" dev ruff check --quiet .
check types "$dev" dev mypy
check contract "$dev" dev lint-imports --no-logo --cache-dir .cache/import-linter
check locks "$dev" dev python scripts/locks.py
check licences "$dev" dev python scripts/licences.py
check tracked "$dev" dev python scripts/tracked.py
check size "$dev" base python scripts/size.py 350

if [ ${#failed[@]} -gt 0 ]; then
    echo "check: FAILED: ${failed[*]}"
    exit 1
fi
echo "check: 8 of 8 passed"
