#!/usr/bin/env bash
# Predict the membranes of a stack by a checkpoint. Further options, such as --devices 8, go to
# python -m training.predict.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "Usage: bash run_predict.sh STACK CHECKPOINT MASK [OPTION...]" >&2
    exit 2
fi
stack=$(realpath "$1")
checkpoint=$(realpath "$2")
mask=$3
shift 3
export PYTHONPATH="$(realpath "$(dirname "$0")/../..")${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m training.predict --input="$stack" --ckpt="$checkpoint" --output="$mask" "$@"
