"""What the packages print, and that they print in no other way."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import HOSTILE, SHOWN
from tests.test_imports import modules
from training.console import format_duration, printable, say, set_up_console

PRINTING_CALLS = {"print", "echo", "secho", "print_exc", "print_exception", "print_stack", "tqdm",
                  "trange", "sys.stdout.write", "sys.stderr.write", "pprint"}  # fmt: skip
PRINTING_PLACES = {"training.console"}


def test_a_text_is_printed_without_its_controls(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"a\tb\n{HOSTILE}")
    say(HOSTILE, end="", to_stderr=True)
    assert capsys.readouterr() == (f"a\tb\n{SHOWN}\n", SHOWN)
    assert printable("membrane 膜 é ±\ud800") == r"membrane 膜 é ±\xd800"
    ends = "\0\x08\x0b\x1f\x7f\x9f\u061c\u200e\u200f\u202a\u202e\u2066\u2069\ud800\udfff"
    assert printable(ends) == "".join(f"\\x{ord(control):02x}" for control in ends)


def test_a_log_is_printed_without_controls(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own
    set_up_console()
    logging.getLogger("tifffile").warning("a tag says %s", HOSTILE)
    assert capfd.readouterr().err == f"a tag says {SHOWN}\n"


@pytest.mark.parametrize("module", sorted(modules().keys() - PRINTING_PLACES))
def test_nothing_is_printed_in_another_way(module: str) -> None:
    calls = {*printing_calls(modules()[module])}
    assert not calls, f"{module} prints past training.console.say"


def printing_calls(path: Path) -> set[str]:
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    return {name for name in called if {name, name.rpartition(".")[2]} & PRINTING_CALLS}


def test_output_is_written_again_once_there_is_room(tmp_path: Path) -> None:
    """A full disk loses lines; those that come later are complete."""
    code = (
        "import os\n"
        "from training.console import lossy_output, say\n"
        "reader, writer = os.pipe()\n"
        "os.close(reader)\n"
        "with lossy_output(os.fdopen(writer, 'wb', buffering=0)):\n"  # the log is lost too
        "    say('lost')\n"
        f"    os.dup2(os.open({str(tmp_path / 'output')!r}, os.O_WRONLY | os.O_CREAT), 1)\n"
        "    say('kept')"
    )
    with Path("/dev/full").open("wb") as full:
        subprocess.run([sys.executable, "-c", code], stdout=full, check=True)
    assert (tmp_path / "output").read_text() == "kept\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (4.6, "5 s"), (125, "2 min 5 s"), (4200, "1 h 10 min")]
)
def test_durations_are_reported_in_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
