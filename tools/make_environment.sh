#!/usr/bin/env bash
# Make a Python environment with the package, all it can use, and the tools of its tests.
# Usage: make_environment.sh FOLDER [EXTRAS]
set -euo pipefail

folder=$1
extras=${2:-all,test}

usable() { # whether a Python is 3.11 or 3.12 and can make environments
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
        2>/dev/null
}

install() { # pip install, told by a line a download, without the addresses
    "$folder/bin/python" -m pip --disable-pip-version-check install "$@" |
        sed -un -e '/\.metadata/d' -e 's#^ *\(Downloading\|Using cached\) \(.*/\)\?#  #p' \
            -e 's/^Installing collected.*/  Unpacking all, which takes a minute or two/p'
}

for python in python3.12 python3.11 python3; do
    if usable "$python"; then
        echo "Making $folder with $("$python" --version), and installing some 2 GB of packages."
        "$python" -m venv "$folder"
        install --upgrade pip
        install -e ".[$extras]"
        exit 0
    fi
done
echo "Python 3.11 or 3.12 with its venv module is needed: apt-get install python3-venv" >&2
exit 1
