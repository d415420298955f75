"""Backends: a folded `Pipeline` written out as Vitis-HLS C++ (`hls`) or as SystemVerilog (`rtl`).

They hold no knowledge of any op: a stage names its kernel, its parameters and its memories, and the templates loop.
"""
