"""The interpreter runs where neither torch nor numpy is: in a browser, say."""

import subprocess
import sys

PROGRAM = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "pyro", "numpy"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
from asrppl.reference import Reference

(outcome,) = Reference("forall i != j: nonoverlap(box[i], box[j])", {"box": [[10, 10, 8], [14, 12, 8]]}).violations()
print(outcome.name, outcome.cost, outcome.holds)
"""


def test_neither_torch_nor_numpy_is_imported() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert found.stdout == "line 1 8.0 False\n"
