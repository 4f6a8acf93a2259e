#!/usr/bin/env bash
# Make a Python environment with the package, all it can use, and the tools of tests and documents.
# Usage: make_environment.sh FOLDER [EXTRAS] [RESOLUTION]
# RESOLUTION lowest-direct takes the lowest versions that pyproject.toml allows; else the newest.
set -euo pipefail

folder=$1
extras=${2:-all,test,docs,bioimageio}
resolution=${3:-highest}
python=$folder/bin/python

usable() { # whether a Python is 3.11 or 3.12 and can make environments
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
        2>/dev/null
}

install() { # by uv, which unpacks in seconds what takes pip minutes, from the index that pip uses
    "$python" -m pip --disable-pip-version-check install --quiet "uv>=0.5"
    local index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
    "$folder/bin/uv" pip install --python "$python" --resolution "$resolution" "$@" 2>&1 |
        sed -u '/^ [+~-] /d'
}

for candidate in python3.12 python3.11 python3; do
    if usable "$candidate"; then
        echo "Making $folder with $("$candidate" --version); packages to load: up to 1 GB."
        "$candidate" -m venv "$folder"
        install -e ".[$extras]"
        exit 0
    fi
done
echo "Python 3.11 or 3.12 with its venv module is needed: apt-get install python3-venv" >&2
exit 1
