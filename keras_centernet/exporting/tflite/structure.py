"""A TFLite file's tables as plain values; every offset and length is checked before it is followed.

The classes that flatbuffers generates for Python follow any offset that they find. Here the schema is a table of plain
values, {table: {number of the field: kind}}, and the walk stays inside the file and inside a budget.

| kind | what the field holds |
|---|---|
| an int | a number of that many bytes in the table itself |
| a NumPy type | a list of such numbers |
| TEXT | a text |
| "Table" | a table |
| ["Table"] | a list of tables |
| OPTIONS | a table of an operator's options, of the kind that the preceding field says |
| ABSENT | nothing: no detector has it |
"""

import struct

import numpy as np
from ai_edge_litert import schema_py_generated as schema

TEXT, OPTIONS, ABSENT = "text", "options", "absent"
OTHER_OPTIONS = "other options"  # that hold only numbers
SCHEMA = {
    "Model": {
        0: 4,
        1: ["OperatorCode"],
        2: ["SubGraph"],
        3: TEXT,
        4: ["Buffer"],
        5: np.int32,
        6: ["Metadata"],
        7: ["SignatureDef"],
        8: ABSENT,
        9: ABSENT,
    },
    "OperatorCode": {0: 1, 1: TEXT, 2: 4, 3: 4},
    "SubGraph": {0: ["Tensor"], 1: np.int32, 2: np.int32, 3: ["Operator"], 4: TEXT, 5: 4},
    "Tensor": {
        0: np.int32,
        1: 1,
        2: 4,
        3: TEXT,
        4: "Quantization",
        5: 1,
        6: ABSENT,
        7: np.int32,
        8: 1,
        9: ABSENT,
        10: 4,
    },
    "Quantization": {0: np.float32, 1: np.float32, 2: np.float32, 3: np.int64, 4: 1, 5: ABSENT, 6: 4},
    "Operator": {
        0: 4,
        1: np.int32,
        2: np.int32,
        3: 1,
        4: OPTIONS,
        5: np.uint8,
        6: 1,
        7: np.uint8,
        8: np.int32,
        9: 8,
        10: 8,
        11: 1,
        12: ABSENT,
        13: 4,
    },
    "Buffer": {0: np.uint8, 1: 8, 2: 8},
    "Metadata": {0: TEXT, 1: 4},
    "SignatureDef": {0: ["TensorMap"], 1: ["TensorMap"], 2: TEXT, 4: 4},
    "TensorMap": {0: TEXT, 1: 4},
    "ReshapeOptions": {0: np.int32},
    "SqueezeOptions": {0: np.int32},
    "BucketizeOptions": {0: np.float32},
    "ConcatEmbeddingsOptions": {0: 4, 1: np.int32, 2: np.int32},
    "FullyConnectedOptions": {0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: ABSENT},
    "WhileOptions": {0: 4, 1: 4},
    "IfOptions": {0: 4, 1: 4},
    "CallOptions": {0: 4},
    "CallOnceOptions": {0: 4},
}
_OPTION_NAMES = {code: name for name, code in vars(schema.BuiltinOptions).items() if not name.startswith("_")}
_SIGNED = {1: "<b", 2: "<h", 4: "<i", 8: "<q"}
_MOST_TABLES = 500_000
_FREE_BYTES = 1 << 22


def read_structure(content: bytes) -> dict:
    """Returns the model in a TFLite file as {number of a field: its value}, tables inside it likewise.

    Raises:
        ValueError: an offset or a length leads out of the file, a text is not UTF-8, or parts are used so often that
            the whole would be far larger than the file.
    """
    return _Walk(content).table(_root(content), "Model")


def _root(content: bytes) -> int:
    if len(content) < 8:
        raise ValueError("too few bytes")
    return struct.unpack_from("<I", content)[0]


class _Walk:
    def __init__(self, content: bytes):
        self._content, self._tables, self._bytes = content, _MOST_TABLES, 8 * len(content) + _FREE_BYTES

    def table(self, position: int, name: str) -> dict:
        """Returns the fields that a table has."""
        self._tables -= 1
        if self._tables < 0:
            raise ValueError(f"more than {_MOST_TABLES} tables")
        start = position - self._number(position, "<i", name)
        slots, size = self._number(start, "<H", name), self._number(start + 2, "<H", name)
        self._check(start, slots, name)
        self._check(position, size, name)
        kinds, fields = SCHEMA.get(name, {}), {}
        for slot in range((slots - 4) // 2):
            offset = self._number(start + 4 + 2 * slot, "<H", name)
            kind = kinds.get(slot)
            if offset >= max(size, 1) or (offset and kind is ABSENT):
                raise ValueError(f"field {slot} of a {name} that no detector has")
            if offset and kind is not None:
                fields[slot] = self._value(position + offset, kind, name, fields.get(slot - 1, 0))
        return fields

    def _value(self, position: int, kind, name: str, before):
        if isinstance(kind, int):
            return self._number(position, _SIGNED[kind], name)
        start = position + self._number(position, "<I", name)
        if kind is OPTIONS:
            # The kind of options is unsigned in the file.
            known = _OPTION_NAMES.get(before % 256, "")
            return self.table(start, known if known in SCHEMA else OTHER_OPTIONS)
        if isinstance(kind, str) and kind is not TEXT:
            return self.table(start, kind)
        if kind is TEXT:
            return self._list(start, np.uint8, name).tobytes().decode()
        if isinstance(kind, list):
            places = self._list(start, np.uint32, name).tolist()
            return [self.table(start + 4 + 4 * i + place, kind[0]) for i, place in enumerate(places)]
        return self._list(start, kind, name)

    def _list(self, start: int, dtype, name: str) -> np.ndarray:
        count, dtype = self._number(start, "<I", name), np.dtype(dtype)
        self._check(start + 4, count * dtype.itemsize, name)
        self._bytes -= count * dtype.itemsize
        if self._bytes < 0:
            raise ValueError("lists that use the same bytes again and again")
        return np.frombuffer(self._content, dtype, count, start + 4)

    def _number(self, position: int, form: str, name: str) -> int:
        self._check(position, struct.calcsize(form), name)
        return struct.unpack_from(form, self._content, position)[0]

    def _check(self, position: int, size: int, name: str) -> None:
        if position < 0 or position + size > len(self._content):
            raise ValueError(f"a {name} that leads out of the file")
