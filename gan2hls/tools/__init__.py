"""External programs: `known` says which there are, `looking` which are here, and `running` runs them."""

from gan2hls.tools.known import TOOL_NAMES, DoctorRow, Tool, doctor_rows, find_tool, require_tool
from gan2hls.tools.running import environment_with, run_tool

__all__ = [
    "TOOL_NAMES",
    "DoctorRow",
    "Tool",
    "doctor_rows",
    "environment_with",
    "find_tool",
    "require_tool",
    "run_tool",
]
