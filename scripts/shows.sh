#!/usr/bin/env bash
# Each show at full size, then each with the thing it guards broken: that one must fail. All run, then the first failure
# decides. Short versions of all of them are among the tests; deaths are `make crash`, public data `make data-shows`.
set -uo pipefail
cd "$(dirname "$0")/.."
seed=${1:-1}
count=0
failed=()

show() {
    local name=$1
    shift
    count=$((count + 1))
    echo "== $name $*"
    scripts/in-env.sh dev python -m "tests.shows.$name" "$@" || failed+=("$name $*")
}

# A control that must end with status 1: that of a show which refuses, and not of one that broke down.
refused() {
    local name=$1 status=0
    shift
    count=$((count + 1))
    echo "== $name $* (must fail)"
    scripts/in-env.sh dev python -m "tests.shows.$name" "$@" || status=$?
    [ "$status" -eq 1 ] || failed+=("$name $*")
}

show mutations --each 25 --seed "$seed"
show tampering --count 1000 --seed "$seed"
refused tampering --count 100 --seed "$seed" --control
show same_id --seed "$seed"
show same_id --seed "$seed" --control
show pinning --seed "$seed"
show pinning --seed "$seed" --control
show overspend --seed "$seed"
refused overspend --seed "$seed" --store postgres --processes 6 --runs 20 --kills 0 --control
show faults --seed "$seed"
show faults --seed "$seed" --store postgres --runs 500
refused faults --seed "$seed" --runs 100 --control free
refused faults --seed "$seed" --runs 100 --control hidden
show rates
refused rates --store postgres --seconds 5 --control
show one_workflow --seed "$seed"
show one_workflow --seed "$seed" --control
show residency --seed "$seed"
show residency --seed "$seed" --control
show calendars
show calendars --control
show agent_obedience --seed "$seed"
refused agent_obedience --runs 60 --seed "$seed" --control
show templates
refused templates --control
show swapping --seed "$seed"
refused swapping --seed "$seed" --control

if [ ${#failed[@]} -gt 0 ]; then
    printf 'shows: FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo "shows: attempted $count, passed $count, failed 0, skipped 0"
