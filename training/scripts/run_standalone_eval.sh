#!/usr/bin/env bash
# Evaluate a checkpoint on one device, as in the model zoo. Further options go to
# python -m training.eval.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "Usage: bash run_standalone_eval.sh DATASET CHECKPOINT [OPTION...]" >&2
    exit 2
fi
dataset=$(realpath "$1")
checkpoint=$(realpath "$2")
shift 2
export PYTHONPATH="$(realpath "$(dirname "$0")/../..")${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m training.eval --data_url="$dataset" --ckpt_path="$checkpoint" "$@"
