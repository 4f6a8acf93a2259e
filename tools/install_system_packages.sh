#!/usr/bin/env bash
# Install what napari's window and the tests need from Debian or Ubuntu: as root at once,
# else by the one line to run. Asks nothing where all is there already.
set -euo pipefail

packages=(
    python3-venv git
    # the window, on a screen or a virtual one
    xvfb libgl1 libegl1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
    libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
    libxcb-xfixes0 libxcb-xinerama0
    # tests of servers
    openssh-server iproute2 slurm-wlm munge fish tcsh zsh
)

if ! command -v apt-get >/dev/null; then
    echo "Not Debian or Ubuntu: install what these packages hold, if it is missing: ${packages[*]}"
    exit 0
fi
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" ||
        missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "Some system packages are missing. If the next steps fail, run:"
    echo "  sudo apt-get install -y ${missing[*]}"
    exit 0
fi
echo "Installing system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
