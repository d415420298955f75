"""Runs a yosys script with pyosys, the yosys that is a Python module: `python run_pyosys.py script.ys`.

Run as a program of its own, so that what yosys holds is gone afterwards, and a crash of it is not one of gan2hls.
"""

import sys
from pathlib import Path

from pyosys import libyosys

design = libyosys.Design()
for line in Path(sys.argv[1]).read_text().splitlines():
    if line and not line.startswith("#"):
        libyosys.run_pass(line, design)
sys.stdout.flush()
