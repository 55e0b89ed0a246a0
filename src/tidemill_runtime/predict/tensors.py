"""Tensors of the Open Inference Protocol: JSON data and the binary extension, to arrays and back."""

from __future__ import annotations

import struct
from typing import Any, Dict, List, Optional, Tuple

import numpy

from tidemill_runtime.model_package import NUMPY_TYPES, Tensor
from tidemill_runtime.predict.refusal import bad_request
from tidemill_runtime.predict.schema import check_values, product


class BinaryTail:
    """The raw bytes after the JSON of a request, taken tensor by tensor."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, size: Any, place: str) -> bytes:
        """The next `size` bytes."""
        if type(size) is not int or size < 0:
            raise bad_request(f"{place}: binary_data_size is not a number of bytes")
        end = self._position + size
        if end > len(self._data):
            raise bad_request(f"{place}: binary_data_size is {size}, {len(self._data) - self._position} bytes are left")
        found = self._data[self._position : end]
        self._position = end
        return found

    def finish(self) -> None:
        """Refuse bytes that no tensor names."""
        left = len(self._data) - self._position
        if left:
            raise bad_request(f"{left} bytes follow the last binary tensor")


def read_tensor(item: Dict[str, Any], tail: BinaryTail) -> Tuple[str, Any]:
    """The datatype and the array (of the request's shape) of one entry of `inputs`."""
    place = f"input {item['name']!r}"
    datatype = item.get("datatype")
    if type(datatype) is not str or datatype not in NUMPY_TYPES:
        raise bad_request(f"{place} has the unknown datatype {datatype!r}")
    shape = item.get("shape")
    if type(shape) is not list or not shape or not all(type(size) is int and size >= 0 for size in shape):
        raise bad_request(f"{place} has no shape: a list of numbers")
    parameters = item.get("parameters")
    if type(parameters) is dict and "binary_data_size" in parameters:
        if "data" in item:
            raise bad_request(f"{place} has both data and binary_data_size")
        flat = _from_bytes(tail.take(parameters["binary_data_size"], place), datatype, place)
    else:
        flat = _from_json(item, datatype, place)
    if len(flat) != product(tuple(shape)):
        raise bad_request(f"{place} has {len(flat)} values, its shape {shape} wants {product(tuple(shape))}")
    return datatype, flat.reshape(shape)


def write_tensor(tensor: Tensor, values: List[Any], binary: bool) -> Tuple[Dict[str, Any], Optional[bytes]]:
    """One entry of `outputs`, and its bytes when it is binary; `values` has one item per row."""
    width = len(values[0]) if values and type(values[0]) is list else 1
    shape = [len(values)] if len(tensor.shape) == 1 and width == 1 else [len(values), width]
    flat = [item for row in values for item in row] if values and type(values[0]) is list else values
    described: Dict[str, Any] = {"name": tensor.name, "shape": shape, "datatype": tensor.datatype}
    if not binary:
        described["data"] = [str(item) for item in flat] if tensor.datatype == "BYTES" else flat
        return described, None
    data = _to_bytes(flat, tensor.datatype)
    described["parameters"] = {"binary_data_size": len(data)}
    return described, data


def _from_json(item: Dict[str, Any], datatype: str, place: str) -> Any:
    if datatype == "FP16":
        raise bad_request(f"{place} is FP16, which travels as binary data only")
    data = item.get("data")
    if type(data) is not list:
        raise bad_request(f"{place} has no data: a list")
    while data and type(data[0]) is list:
        if not all(type(part) is list for part in data):
            raise bad_request(f"{place} has data of uneven depth")
        data = [value for part in data for value in part]
    check_values(data, datatype, place)
    try:
        return numpy.array(data, dtype=NUMPY_TYPES[datatype])
    except OverflowError:
        raise bad_request(f"{place} holds a number too large for {datatype}") from None


def _from_bytes(data: bytes, datatype: str, place: str) -> Any:
    if datatype == "BYTES":
        return numpy.array(_split_bytes(data, place), dtype="object")
    kind = numpy.dtype(NUMPY_TYPES[datatype]).newbyteorder("<")
    if len(data) % kind.itemsize:
        raise bad_request(f"{place}: {len(data)} bytes are no whole number of {datatype} values")
    if datatype == "BOOL" and data.strip(b"\x00\x01"):
        raise bad_request(f"{place}: a BOOL byte is neither 0 nor 1")
    return numpy.frombuffer(data, dtype=kind)


def _split_bytes(data: bytes, place: str) -> List[str]:
    """BYTES elements: each a little-endian length of 4 bytes and as many bytes of UTF-8."""
    values, position = [], 0
    while position < len(data):
        if position + 4 > len(data):
            raise bad_request(f"{place}: a BYTES element has no whole length")
        (size,) = struct.unpack_from("<I", data, position)
        position += 4
        if position + size > len(data):
            raise bad_request(f"{place}: a BYTES element is longer than the data")
        try:
            values.append(data[position : position + size].decode("utf-8"))
        except UnicodeDecodeError:
            raise bad_request(f"{place}: a BYTES element is not UTF-8") from None
        position += size
    return values


def _to_bytes(flat: List[Any], datatype: str) -> bytes:
    if datatype == "BYTES":
        encoded = (str(item).encode("utf-8") for item in flat)
        return b"".join(struct.pack("<I", len(item)) + item for item in encoded)
    kind = numpy.dtype(NUMPY_TYPES[datatype]).newbyteorder("<")
    return bytes(numpy.asarray(flat, dtype=kind).tobytes())
