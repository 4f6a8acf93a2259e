#!/usr/bin/env bash
# Train on several devices, as in the model zoo. The rank table of old only chooses the
# devices; without one, the first eight free ones are taken. Further options go to
# python -m training.launch_8p.
set -euo pipefail

if [ $# -lt 1 ]; then
    echo "Usage: bash run_distribute_train.sh [RANK_TABLE_FILE] DATASET [OPTION...]" >&2
    exit 2
fi
devices=()
if [ -f "$1" ]; then
    if [ $# -lt 2 ]; then
        echo "The rank table is given, but no DATASET." >&2
        exit 2
    fi
    # The ids in the table's order: "device_id": "3"
    ids=$(grep -o '"device_id" *: *"[0-9]*"' "$1" | grep -o "[0-9]*" | paste -sd , || true)
    if [ -z "$ids" ]; then
        echo "$1 is no rank table: it names no device_id." >&2
        exit 2
    fi
    devices=(--device_ids="$ids")
    shift
fi
dataset=$(realpath "$1")
shift
export PYTHONPATH="$(realpath "$(dirname "$0")/../..")${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m training.launch_8p --data_url="$dataset" "${devices[@]}" "$@"
