#!/usr/bin/env bash
# Run tests with a given Python, in a virtual screen of their own where there is none.
# Usage: run_tests.sh PYTHON PYTEST-ARGUMENT...
set -euo pipefail

exec "$(dirname "$0")/with_screen.sh" "$1" -m pytest "${@:2}"
