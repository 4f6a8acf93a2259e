"""The same stack as other programs, detectors and cameras give it."""

import numpy as np

# Other dtypes and ranges, with a few pixels that are far off: all look like the stack itself.
ALIKE = (
    "12 bit",
    "12 bit, hot",
    "16 bit, offset",
    "16 bit, offset, hot and dead",
    "15 bit",
    "signed",
    "signed, hot",
    "float to 1",
    "float to 1, hot",
    "float, normalized",
    "8 bit in 16",
    "int32",
    "float64 to 65535",
)
# In the stack's own dtype, and so much changed that a model can't be trusted.
DIFFERENT = {
    "inverted": "is inverted",
    "half as bright": "is much darker",
    "bright": "is much brighter",
    "low contrast": "has much less contrast",
}


def pixel_kind(images: np.ndarray, kind: str) -> np.ndarray:
    """A stack (Z, Y, X) of uint8 as another kind; hot and dead pixels are in its first slice."""
    plain, hot, dead = kind.partition(", hot")
    wide = images.astype(np.float64)
    stack = {
        "12 bit": lambda: (wide * 16).astype(np.uint16),
        "16 bit, offset": lambda: (20000 + wide * 40).astype(np.uint16),
        "15 bit": lambda: (wide * 128).astype(np.uint16),
        "signed": lambda: ((wide - 128) * 100).astype(np.int16),
        "float to 1": lambda: (wide / 255).astype(np.float32),
        "float, normalized": lambda: ((wide - wide.mean()) / wide.std()).astype(np.float32),
        "8 bit in 16": lambda: images.astype(np.uint16),
        "int32": lambda: images.astype(np.int32),
        "float64 to 65535": lambda: wide * 257,
        "inverted": lambda: 255 - images,
        "half as bright": lambda: images // 2,
        "bright": lambda: (150 + wide * 0.4).astype(np.uint8),
        "low contrast": lambda: (100 + wide * 60 / 255).astype(np.uint8),
    }[plain]()
    middle = images.shape[1] // 4 * 2
    if hot:
        stack[0, middle, middle] = 1e6 if stack.dtype.kind == "f" else np.iinfo(stack.dtype).max
    if dead:
        stack[0, middle, middle + 8] = 0
    return stack
