#!/usr/bin/env bash
# Run a command with a screen: a virtual one, so that no window comes up over one's work.
set -euo pipefail

if command -v xvfb-run >/dev/null; then
    exec xvfb-run --auto-servernum --server-args="-screen 0 1280x800x24" "$@"
fi
exec "$@"
