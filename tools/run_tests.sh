#!/usr/bin/env bash
# Run the tests with a given Python, in a virtual screen. Further arguments go to pytest; without
# any, every test runs: those of the window and the rest side by side, each in a process of its own.
# Usage: run_tests.sh PYTHON [PYTEST ARGUMENT...]
set -uo pipefail

python=$1
shift
run() {
    "$(dirname "$0")/with_screen.sh" "$python" -m pytest "$@"
}

if [ $# -gt 0 ]; then
    run "$@"
    exit
fi
window=(tests/napari_unet/widgets tests/napari_unet/servers/test_window.py tests/faults/window)
output=$(mktemp)
failed=0
echo "The window's tests run beside the others; what they say comes last."
set -m # a process group of its own, to end as a whole
run "${window[@]}" >"$output" 2>&1 </dev/null &
beside=$!
set +m
trap 'kill -- -$beside; rm "$output"' EXIT
run "${window[@]/#/--ignore=}" || failed=1
wait $beside || failed=1
trap 'rm "$output"' EXIT
cat "$output"
exit $failed
