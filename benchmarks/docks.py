"""How long it takes to import the package and to open each dock once napari is up.

    xvfb-run -a -s "-screen 0 1280x800x24" python benchmarks/docks.py

Each in a process of its own, so that every dock pays for all of its imports; the median of five.
A dock is open when it has been drawn. Settings and runs of the user are left alone.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.hand import hand

PLUGIN = "napari-unet-mindspore"
IMPORT = "import napari_unet"
REPETITIONS = 5
LIMIT = 0.5  # seconds
ENGINES = {"mindspore", "openvino"}


def main() -> None:
    if len(sys.argv) == 2:
        print(measure(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory(prefix="docks-", ignore_cleanup_errors=True) as home:
        for kind in ("CONFIG", "DATA", "CACHE"):
            os.environ[f"XDG_{kind}_HOME"] = home
        run_once(IMPORT)  # napari makes its caches
        for what in (IMPORT, *dock_names()):
            seconds = statistics.median(run_once(what) for _ in range(REPETITIONS))
            print(f"{what:<20}{seconds:>6.2f} s  {'kept' if seconds < LIMIT else 'exceeded'}")


def dock_names() -> list[str]:
    """The docks that the manifest names."""
    from npe2 import PluginManager

    manager = PluginManager.instance()
    manager.discover()
    return [dock.display_name for dock in manager.get_manifest(PLUGIN).contributions.widgets or ()]


def run_once(what: str) -> float:
    command = [sys.executable, __file__, what]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(output.splitlines()[-1])


def measure(what: str) -> float:
    """Seconds from the call until a dock is drawn, or until the package is imported."""
    import napari
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer(show=True, show_welcome_screen=False)
    hand().qWait(1000)
    begin = time.perf_counter()
    if what == IMPORT:
        __import__("napari_unet")
    else:
        viewer.window.add_plugin_dock_widget(PLUGIN, what)
        QApplication.processEvents()
    seconds = time.perf_counter() - begin
    imported = ENGINES & set(sys.modules)
    if imported:
        raise RuntimeError(f"{what} imports {', '.join(imported)}.")
    viewer.close()
    return seconds


if __name__ == "__main__":
    main()
