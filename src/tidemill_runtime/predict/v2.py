"""The V2 protocol (Open Inference Protocol, HTTP/REST) with the binary tensor extension."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

import numpy
import orjson

from tidemill_runtime.model_package import NUMPY_TYPES, Tensor
from tidemill_runtime.predict.query import Query
from tidemill_runtime.predict.refusal import bad_request
from tidemill_runtime.predict.schema import Schema, compatible
from tidemill_runtime.predict.tensors import BinaryTail, read_tensor, write_tensor
from tidemill_runtime.predict.v1 import parse_object


class V2:
    """Reads and writes V2 bodies for one model."""

    def __init__(self, schema: Schema, model_name: str, version: str) -> None:
        self._schema = schema
        self._model_name = model_name
        self._version = version
        self._outputs: Dict[str, Tensor] = {item.name: item for item in schema.metadata.outputs}

    def parse(self, body: bytes, json_size: Optional[int] = None) -> Query:
        """The rows of a request; `json_size` is Inference-Header-Content-Length, after which binary data follows."""
        if json_size is None:
            json_size = len(body)
        elif json_size > len(body):
            raise bad_request(f"Inference-Header-Content-Length is {json_size}, the body has {len(body)} bytes")
        document = parse_object(body[:json_size])
        client_id = document.get("id")
        if client_id is not None and type(client_id) is not str:
            raise bad_request('"id" is not a string')
        inputs = document.get("inputs")
        if type(inputs) is not list or not inputs:
            raise bad_request('"inputs" is missing or empty')
        tail = BinaryTail(body[json_size:])
        tensors: Dict[str, Tuple[str, Any]] = {}
        for item in inputs:
            if type(item) is not dict or type(item.get("name")) is not str:
                raise bad_request('an entry of "inputs" is not an object with a name')
            if item["name"] in tensors:
                raise bad_request(f"the input {item['name']!r} stands twice")
            tensors[item["name"]] = read_tensor(item, tail)
        tail.finish()
        matrix = self._matrix(tensors)
        wanted, binary = self._wanted(document)
        rows = matrix if self._schema.uniform is not None else [list(row) for row in zip(*matrix)]
        logged = {name: array.tolist() for name, (_, array) in tensors.items()}
        count = len(matrix) if self._schema.uniform is not None else len(rows)
        return Query(rows, count, logged, client_id=client_id, outputs=wanted, binary_outputs=binary)

    def render(self, query: Query, outputs: List[List[Any]], prediction_id: str) -> Tuple[bytes, Optional[int]]:
        """The body, and the length of its JSON when binary data follows."""
        described, tail = [], []
        for tensor, values in zip(self._schema.metadata.outputs, outputs):
            if query.outputs and tensor.name not in query.outputs:
                continue
            item, data = write_tensor(tensor, values, tensor.name in query.binary_outputs)
            described.append(item)
            if data is not None:
                tail.append(data)
        head = orjson.dumps(
            {
                "model_name": self._model_name,
                "model_version": self._version,
                "id": query.client_id or prediction_id,
                "outputs": described,
            }
        )
        return (head + b"".join(tail), len(head)) if tail else (head, None)

    def _matrix(self, tensors: Dict[str, Tuple[str, Any]]) -> Any:
        """A 2-D array of one type, or a list of columns when the columns have several types."""
        declared = self._schema.metadata.inputs
        names = {item.name for item in declared}
        if len(tensors) == 1 and not names.issuperset(tensors) and self._schema.uniform is not None:
            return self._single(*next(iter(tensors.items())))
        for name in tensors:
            if name not in names:
                raise bad_request(f"unknown input {name!r}; the inputs are {', '.join(sorted(names)[:50])}")
        blocks = []
        for item in declared:
            if item.name not in tensors:
                raise bad_request(f"the input {item.name!r} is missing")
            blocks.append(self._block(item, *tensors[item.name]))
        if len({len(block) for block in blocks}) != 1:
            raise bad_request("the inputs have different numbers of rows")
        if self._schema.uniform is None:
            return [column for block in blocks for column in block.T.tolist()]
        return blocks[0] if len(blocks) == 1 else numpy.concatenate(blocks, axis=1)

    def _single(self, name: str, tensor: Tuple[str, Any]) -> Any:
        """All columns in one tensor [rows, columns] under a name of the client's own."""
        whole = Tensor(name, self._schema.types[0], (-1, self._schema.width))
        return self._block(whole, *tensor)

    def _block(self, item: Tensor, datatype: str, array: Any) -> Any:
        if not compatible(datatype, item.datatype):
            raise bad_request(f"input {item.name!r} is {datatype}, the model takes {item.datatype}")
        rows = array.shape[0]
        if rows == 0 or array.size != rows * item.width or (array.ndim == 1 and item.width != 1):
            raise bad_request(
                f"input {item.name!r} has the shape {list(array.shape)}, the model takes {[-1, *item.shape[1:]]}"
            )
        block = array.reshape(rows, item.width)
        if datatype == item.datatype:
            return block
        cast = block.astype(NUMPY_TYPES[item.datatype])
        if "INT" in item.datatype and not (cast == block).all():
            raise bad_request(f"input {item.name!r} holds a number that {item.datatype} cannot hold")
        return cast

    def _wanted(self, document: Dict[str, Any]) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
        """The names of the outputs asked for (none means all) and of those asked for as binary data."""
        parameters = document.get("parameters")
        everything = type(parameters) is dict and parameters.get("binary_data_output") is True
        asked = document.get("outputs")
        if asked is None or asked == []:
            return (), tuple(self._outputs) if everything else ()
        if type(asked) is not list:
            raise bad_request('"outputs" is not a list')
        names, binary = [], []
        for item in asked:
            if type(item) is not dict or item.get("name") not in self._outputs:
                name = item.get("name") if type(item) is dict else item
                raise bad_request(f"unknown output {name!r}; the outputs are {', '.join(self._outputs)}")
            own = item.get("parameters")
            names.append(item["name"])
            if (own.get("binary_data") if type(own) is dict and "binary_data" in own else everything) is True:
                binary.append(item["name"])
        return tuple(names), tuple(binary)
