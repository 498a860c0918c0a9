"""Numbers, lists, arrays and tensors as tensors that rules can be evaluated on, or why that cannot be."""

from typing import Any, NoReturn, cast

import numpy as np
import torch
from torch import Tensor

ONE_DEVICE = "move them to one, with .to(device)"
LARGER = "value.float(), or value.bfloat16()"


class RefusalError(Exception):
    """A value that cannot be bound: a code, what is wrong, and a mend."""

    def __init__(self, code: str, message: str, help: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.help = help


def refuse(code: str, message: str, help: str | None = None) -> NoReturn:
    """Raise a `RefusalError`."""
    raise RefusalError(code, message, help)


def type_name(value: object) -> str:
    """Return what a message calls the type of a value."""
    return type(value).__name__


def fitting(name: str, value: Tensor) -> Tensor:
    """Return a tensor that rules can be evaluated on: the value itself.

    Raises:
        RefusalError: it is complex, sparse, nested, quantized, or of too small a range (ASR072).
    """
    wrong: str | None = None
    help: str | None = None
    if value.is_complex():
        wrong = "complex"
    elif value.is_nested:
        wrong, help = "a nested tensor", 'give it padded, with a mask: {"value": ..., "mask": ...}'
    elif value.is_quantized:
        wrong, help = "a quantized tensor", "give value.dequantize()"
    elif value.layout != torch.strided:
        wrong, help = "a sparse tensor", "give value.to_dense()"
    elif (small := too_small(value)) is not None:
        wrong, help = small, f"give {LARGER}"
    if wrong is not None:
        refuse("ASR072", f"the value of `{name}` is {wrong}", help)
    return value


def as_tensor(name: str, value: object) -> Tensor:
    """Return a number, a list or an array as a tensor.

    Raises:
        RefusalError: it is none of these (ASR072), or a list of tensors that differ in shape (ASR073).
    """
    if isinstance(value, list | tuple) and any(isinstance(part, Tensor) for part in cast(list[object], value)):
        parts = [
            fitting(name, part) if isinstance(part, Tensor) else as_tensor(name, part)
            for part in cast(list[object], value)
        ]
        if len({part.shape for part in parts}) > 1:
            refuse("ASR073", f"the tensors in the list given for `{name}` differ in shape")
        if len({part.device for part in parts}) > 1:
            refuse("ASR072", f"the tensors in the list given for `{name}` are on several devices", ONE_DEVICE)
        return torch.stack(parts)
    if isinstance(value, np.ma.MaskedArray):
        mend = f'give {{"{name}": {{"value": array.data, "mask": ~numpy.ma.getmaskarray(array)}}}}'
        refuse("ASR072", f"the value of `{name}` is a masked array, whose mask would be lost", mend)
    given: object = cast(object, value)
    try:
        array: np.ndarray[tuple[int, ...], np.dtype[Any]] = np.asarray(given)
    except (ValueError, TypeError) as error:
        refuse("ASR072", f"the value of `{name}` is not an array of numbers: {error}")
    if isinstance(value, int) and array.dtype.kind in "uO":
        refuse("ASR072", f"the value of `{name}` is too large to be held exactly", "give it as a float")
    if array.dtype.kind not in "biuf":
        refuse("ASR072", f"the value of `{name}` is a {type_name(given)}, not a number, an array or a tensor")
    # NumPy reads a Python float as float64, which says nothing about the precision that is wanted.
    python = array.dtype.kind == "f" and isinstance(value, float | int | list | tuple)
    native = _native(name, array)
    return fitting(name, torch.tensor(native, dtype=torch.get_default_dtype() if python else None))


def too_small(value: Tensor) -> str | None:
    """Return what is wrong with a tensor whose dtype has too small a range: it is named.

    1/x at 0 and its slope, exp, log: what rules do at their boundaries needs the range of float32.
    """
    if value.dtype == torch.float16 or (value.is_floating_point() and value.element_size() == 1):
        return f"{str(value.dtype).removeprefix('torch.')}, which has too small a range for rules"
    return None


def several_devices(tensors: dict[str, Tensor]) -> str | None:
    """Return what is wrong where tensors lie on several devices; single numbers of the CPU go anywhere."""
    places = {name: tensor.device for name, tensor in tensors.items() if tensor.ndim or tensor.device.type != "cpu"}
    if len(set(places.values())) < 2:
        return None
    return "the values are on several devices: " + ", ".join(f"`{name}` on {place}" for name, place in places.items())


def _native(name: str, array: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> object:
    """Return an array that torch takes, with the same numbers: neither turned round nor of another byte order."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "u" and size > 1:  # torch knows larger unsigned numbers by name only
        if array.size and int(array.max()) > np.iinfo(np.int64).max:
            refuse("ASR072", f"a number in the value of `{name}` is too large for an int64", "give it as floats")
        return np.ascontiguousarray(array, dtype=np.int64)
    if kind == "f" and size > 8:
        refuse("ASR072", f"the value of `{name}` is a {array.dtype}, which torch does not have", "give it as float64")
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
