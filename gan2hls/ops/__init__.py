"""The integer ops; each is one file here, one in `hw/hls`, one in `hw/rtl` and one in `tests/ops`."""

from gan2hls.ops.add import Add
from gan2hls.ops.concat import Concat
from gan2hls.ops.constant import Constant
from gan2hls.ops.conv2d import Conv2d
from gan2hls.ops.conv_transpose2d import ConvTranspose2d
from gan2hls.ops.dense import Dense
from gan2hls.ops.lookup import Lookup
from gan2hls.ops.requantize import Requantize
from gan2hls.ops.reshape import Reshape
from gan2hls.ops.slice import Slice
from gan2hls.ops.sub import Sub
from gan2hls.ops.upsample import Upsample

__all__ = [
    "Add",
    "Concat",
    "Constant",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Lookup",
    "Requantize",
    "Reshape",
    "Slice",
    "Sub",
    "Upsample",
]
