"""Synthesis: what a design takes of a part, and which clock it reaches there."""

from gan2hls.synth.result import ESTIMATE, PLACED, SYNTHESIZED, Clock, MemoryUsage, StageUsage, SynthResult, Usage
from gan2hls.synth.synthesis import TOOLS, Design, synthesize

__all__ = [
    "ESTIMATE",
    "PLACED",
    "SYNTHESIZED",
    "TOOLS",
    "Clock",
    "Design",
    "MemoryUsage",
    "StageUsage",
    "SynthResult",
    "Usage",
    "synthesize",
]
