"""Reading checkpoints and modules into a `FloatModel`."""
