#!/usr/bin/env bash
# Checks baton.pml with Spin, then plants each of its bugs and wants it found.
# Called by ./dev model, which sees to the packages.
set -euo pipefail

model="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/baton.pml"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

# check PROPERTY [MACRO]...: prints Spin's verdict in one line; PROPERTY is
# "safety" or the name of an ltl formula. Returns whether there is no error.
check() {
  local property=$1 verdict
  shift
  local compile=(-O2 -DCOLLAPSE -DMEMLIM=6000) run=(-n -m100000) macros=("$@")
  if [[ "$property" == safety ]]; then
    compile+=(-DSAFETY -DNOCLAIM)
  else
    compile+=(-DNFAIR=3)
    run+=(-a -f -N "$property")
    macros+=(LIVENESS)
  fi
  spin "${macros[@]/#/-D}" -a "$model" >/dev/null
  gcc "${compile[@]}" -o pan pan.c
  ./pan "${run[@]}" >out 2>&1 || true
  verdict="$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' out)"
  if grep -q 'Search not completed' out && [[ "$verdict" == 0 ]]; then
    echo "the search was not completed" >&2
    return 2
  fi
  states="$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out)"
  seconds="$(sed -n 's/.*elapsed time \([0-9.]*\) seconds.*/\1/p' out)"
  found="$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' out)"
  [[ "$verdict" == 0 ]]
}

holds() {
  check "$@" || {
    printf 'BROKEN  %s: %s\n' "$*" "$found"
    exit 1
  }
  printf 'holds   %-34s %9s states, %s s\n' "$*" "$states" "$seconds"
}

# What each bug breaks is what must be found.
finds() {
  if check "$@"; then
    printf 'MISSED  %s\n' "$*"
    exit 1
  fi
  printf 'found   %-34s %s s: %.60s\n' "$*" "$seconds" "$found"
}

holds safety
holds ends EPOCHS=2 FAULTS=1
holds finishes EPOCHS=2 FAULTS=1
for bug in $(grep -o '#ifn*def BUG_[A-Z_]*' "$model" | sed 's/.* //' | sort -u); do
  case "$bug" in
    BUG_NOT_RESUMED) finds ends "$bug" FAULTS=1 EPOCHS=2 ;;
    BUG_NOT_REPEATED) finds finishes "$bug" FAULTS=1 EPOCHS=2 ;;
    *) finds safety "$bug" EPOCHS=2 ;;
  esac
done
