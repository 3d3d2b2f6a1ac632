#!/usr/bin/env bash
# Each show at full size. All run, then the first failure decides. The control of tampering is among the tests
# (tests/integration/records/test_tampering.py).
set -uo pipefail
cd "$(dirname "$0")/.."
seed=${1:-1}
failed=()

show() {
    echo "== $*"
    scripts/in-env.sh dev python -m "tests.shows.$@" --seed "$seed" || failed+=("$*")
}

show mutations --each 25
show tampering --count 1000
show same_id
show same_id --control
show pinning --pairs 20
show pinning --control

if [ ${#failed[@]} -gt 0 ]; then
    echo "shows: FAILED: ${failed[*]}"
    exit 1
fi
echo "shows: 6 of 6 passed"
