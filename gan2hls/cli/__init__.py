"""The command line: each command is a stage of the flow, or runs it whole.

`options` has each option once, `app` the program and its screen; the other modules are the commands, which register
themselves. They import what they need when they run, so that help and `doctor` do not wait for torch.
"""

# In the order in which help lists the commands.
from gan2hls.cli import stages, hardware, demo, sweep, train, doctor  # noqa: F401, I001
from gan2hls.cli.app import app, main

__all__ = ["app", "main"]
