"""`python -m gan2hls.cli`."""

from gan2hls.cli import main

main()
