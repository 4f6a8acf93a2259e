"""Programs that hold a lock, or write under it, in processes of their own."""

HOLD = """
import sys
from pathlib import Path
from training.files.file_locks import hold_lock
with hold_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
COUNT = """
import sys
from pathlib import Path
from training.files.atomic_files import write_atomically
from training.files.file_locks import hold_lock
path = Path(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with hold_lock(path):
        write_atomically(path, str(int(path.read_bytes()) + 1).encode())
"""
