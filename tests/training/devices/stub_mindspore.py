"""A stand-in for MindSpore that writes down where it is to compute, and ends there.

With ``SAY`` in the environment it fails, and says that.
"""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

_MINDSPORE = """
    import json, os
    def set_device(target, id):
        seen = {"target": target, "id": id, "environment": dict(os.environ)}
        with open(os.path.join(os.environ["SEEN"], f"{os.getpid()}.json"), "w") as file:
            json.dump(seen, file)
        print(os.environ.get("SAY", ""), flush=True)
        os._exit("SAY" in os.environ)
    """
_MSRUN = """
    import argparse, os, subprocess, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker_num", type=int)
    options, rest = parser.parse_known_args()
    command = rest[rest.index("--join=True") + 2 :]
    for rank in range(options.worker_num):
        place = {"RANK_ID": rank, "RANK_SIZE": options.worker_num, "DEVICE_ID": rank}
        own = {name: str(value) for name, value in place.items()}
        subprocess.run(command, env={**os.environ, "MS_ROLE": "MS_WORKER", **own})
    """
_SET_ENV = """\
    export ASCEND_HOME_PATH={folder}
    export PYTHONPATH={folder}/site-packages:$PYTHONPATH
    """


class StubMindSpore:
    """What the processes that import MindSpore saw, and the environment to start them in."""

    def __init__(self, folder: Path) -> None:
        self._seen = folder / "seen"
        package = folder / "stub" / "mindspore"
        for file, text in (
            ("__init__.py", _MINDSPORE),
            ("communication.py", ""),
            ("parallel/__init__.py", ""),
            ("parallel/cluster/__init__.py", ""),
            ("parallel/cluster/run.py", _MSRUN),
        ):
            (package / file).parent.mkdir(parents=True, exist_ok=True)
            (package / file).write_text(textwrap.dedent(text))
        self._seen.mkdir()
        self.environment = {"SEEN": str(self._seen), "PYTHONPATH": str(package.parent)}

    def seen(self) -> list[dict[str, Any]]:
        """What each process gave to ``set_device``, and its environment, by the NPU's number."""
        found = [json.loads(path.read_text()) for path in self._seen.glob("*.json")]
        return sorted(found, key=lambda process: process["id"])


def install_cann(home: Path) -> Path:
    """A ``set_env.sh`` in a person's home folder that says what CANN's does."""
    script = home / "Ascend" / "cann" / "set_env.sh"
    script.parent.mkdir(parents=True)
    script.write_text(textwrap.dedent(_SET_ENV).format(folder=script.parent))
    return script


def path_with(folder: Path) -> str:
    """PATH with a folder first."""
    return f"{folder}{os.pathsep}{os.environ['PATH']}"
