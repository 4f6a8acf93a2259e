#!/usr/bin/env bash
# Make a Python environment with the package, all it can use, and the tools of tests and documents.
# Usage: make_environment.sh FOLDER [EXTRAS] [RESOLUTION] [PYTHON]
# RESOLUTION lowest-direct takes the lowest versions that pyproject.toml allows; else the newest.
# PYTHON 3.13 takes a Python of that version where there is one; else one that MindSpore runs in.
set -euo pipefail

folder=$1
extras=${2:-all,test,docs,bioimageio}
resolution=${3:-highest}
wanted=${4:-}
python=$folder/bin/python

usable() { # whether a Python is of a version that is asked for, and can make environments
    "$1" -c 'import sys, venv, ensurepip; sys.exit("%d.%d" % sys.version_info[:2] not in sys.argv)' \
        3.11 3.12 "$wanted" 2>/dev/null
}

install() { # by uv, which unpacks in seconds what takes pip minutes, from the index that pip uses
    "$python" -m pip --disable-pip-version-check install --quiet "uv>=0.5"
    local index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
    [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
    "$folder/bin/uv" pip install --python "$python" --resolution "$resolution" "$@" 2>&1 |
        sed -u '/^ [+~-] /d'
}

candidates=(python3.12 python3.11 python3)
if [ -n "$wanted" ]; then
    pyenv=${PYENV_ROOT:-$HOME/.pyenv}/versions
    candidates=("python$wanted" "$pyenv/$wanted".*/bin/python3 "${candidates[@]}")
fi
for candidate in "${candidates[@]}"; do
    if usable "$candidate"; then
        echo "Making $folder with $("$candidate" --version); packages to load: up to 1 GB."
        "$candidate" -m venv --clear "$folder"
        install -e ".[$extras]"
        exit 0
    fi
done
echo "Python 3.11 or 3.12 with its venv module is needed: apt-get install python3-venv" >&2
exit 1
