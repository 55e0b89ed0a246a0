"""The V1 protocol: `{"instances": [...]}` in, `{"predictions": [...]}` out."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import orjson

from tidemill_runtime.predict.query import Query
from tidemill_runtime.predict.refusal import bad_request
from tidemill_runtime.predict.schema import Schema
from tidemill_runtime.predict.unique_keys import demand_unique_keys, known_keys


class V1:
    """Reads and writes V1 bodies for one model."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def parse(self, body: bytes) -> Query:
        """The rows of a request: `instances` row by row, or `inputs` (the same, or an object of columns)."""
        document = parse_object(body)
        instances = document.get("instances")
        if instances is None:
            instances = document.get("inputs")
            if type(instances) is dict:
                instances = self._by_column(instances)
        if instances is None:
            raise bad_request('the request has no "instances"')
        if type(instances) is not list:
            raise bad_request('"instances" is not a list')
        if not instances:
            raise bad_request('"instances" is empty')
        row = self._schema.row
        if len(instances) == 1:
            return Query([row(instances[0], 0)], 1, instances)
        rows = [row(instance, number) for number, instance in enumerate(instances)]
        return Query(rows, len(rows), instances)

    def render(self, query: Query, outputs: List[List[Any]], prediction_id: str) -> Tuple[bytes, None]:
        """The body of the reply: the first output, and the id under which the prediction is logged."""
        return orjson.dumps({"predictions": outputs[0], "id": prediction_id}), None

    def _by_column(self, inputs: Dict[str, Any]) -> List[Dict[str, Any]]:
        lengths = set()
        columns = {}
        for name, values in inputs.items():
            if type(values) is not list:
                raise bad_request(f'the column {name!r} of "inputs" is not a list')
            flat = [value[0] if type(value) is list and len(value) == 1 else value for value in values]
            columns[name] = flat
            lengths.add(len(flat))
        if len(lengths) != 1:
            raise bad_request('the columns of "inputs" have different lengths, or there is none')
        return [dict(zip(columns, values)) for values in zip(*columns.values())]


def parse_object(body: bytes) -> Dict[str, Any]:
    """A JSON object from outside; NaN, infinities, depth beyond orjson's limit and keys that stand twice are 400."""
    try:
        document = orjson.loads(body)
    except ValueError as problem:
        raise bad_request(f"the body is not JSON: {problem}") from None
    if type(document) is not dict:
        raise bad_request("the body is not a JSON object")
    # each key has a colon: as many colons as keys that were kept means that none was dropped
    if body.count(b":") != known_keys(document):
        demand_unique_keys(body)
    return document
