#!/usr/bin/env bash
# Run the tests with a given Python, in a virtual screen. Further arguments go to pytest; without
# any, every test runs, those of the window in a process of their own.
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
window=(tests/napari_unet/widgets tests/faults/window)
failed=0
run "${window[@]}" || failed=1
run "${window[@]/#/--ignore=}" || failed=1
exit $failed
