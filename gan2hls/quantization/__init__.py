"""Quantization: from a float model to integer weights, scales and types, with a fake-quantized proxy in torch."""
