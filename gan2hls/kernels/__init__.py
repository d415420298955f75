"""Kernels: what an op, and what lies between two ops, is in hardware; each is one class here, said once.

A kernel knows its module's parameters and memories, its ports, its busy cycles, its multipliers, the buffers of it that
may grow, and its rule of time.
"""

from gan2hls.kernels.base import Choice, Fold, Kernel, Memory, Port
from gan2hls.kernels.fifo import Fifo
from gan2hls.kernels.fork import Fork
from gan2hls.kernels.iterations import Iterations
from gan2hls.kernels.regroup import WidthConverter

__all__ = ["Choice", "Fifo", "Fold", "Fork", "Iterations", "Kernel", "Memory", "Port", "WidthConverter"]
