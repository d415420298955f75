"""Synthesis: what a design takes of a part, and which clock it reaches there."""

from gan2hls.synth.result import (
    ESTIMATE,
    PLACED,
    SYNTHESIZED,
    Clock,
    LoopTiming,
    MemoryUsage,
    StageUsage,
    SynthResult,
    Usage,
)
from gan2hls.synth.seeds import LIMIT_S
from gan2hls.synth.synthesis import TOOLS, Design, synthesize
from gan2hls.synth.vitis import read_csynth

__all__ = [
    "ESTIMATE",
    "LIMIT_S",
    "PLACED",
    "SYNTHESIZED",
    "TOOLS",
    "Clock",
    "Design",
    "LoopTiming",
    "MemoryUsage",
    "StageUsage",
    "SynthResult",
    "Usage",
    "read_csynth",
    "synthesize",
]
