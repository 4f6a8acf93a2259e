#!/usr/bin/env bash
# Train on one device, as in the model zoo. Further options go to python -m training.train.
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "Usage: bash run_standalone_train.sh DATASET [OPTION...]" >&2
    exit 2
fi
dataset=$(realpath "$1")
shift
export PYTHONPATH="$(realpath "$(dirname "$0")/../..")${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m training.train --data_url="$dataset" "$@"
