#!/usr/bin/env bash
# Run the tests with a given Python, in a virtual screen. Further arguments go to pytest; without
# any, every test runs, those of the window with a process for each file: Qt and OpenGL keep
# something of every viewer that a process has closed, and a later one can crash on it.
# Usage: run_tests.sh PYTHON [PYTEST ARGUMENT...]
set -uo pipefail

run() {
    "$(dirname "$0")/with_screen.sh" "$@"
}

python=$1
shift
if [ $# -gt 0 ]; then
    run "$python" -m pytest "$@"
    exit
fi
failed=0
for file in tests/napari_unet/widgets/test_*.py tests/napari_unet/servers/test_window.py; do
    run "$python" -m pytest "$file" || failed=1
done
run "$python" -m pytest --ignore tests/napari_unet/widgets \
    --ignore tests/napari_unet/servers/test_window.py || failed=1
exit $failed
