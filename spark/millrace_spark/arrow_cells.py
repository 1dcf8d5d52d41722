"""Cells of `cells.py` as Arrow columns of the types that DuckDB then sees."""

import pyarrow as pa

LONG_DIGITS = 18


def arrow_type(kind):
    plain = {
        "varchar": pa.string(),
        "json": pa.string(),
        "boolean": pa.bool_(),
        "tinyint": pa.int8(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", "UTC"),
        "timestamp": pa.timestamp("us"),
    }
    if kind.kind == "decimal":
        return pa.decimal128(kind.precision, kind.scale)
    if kind.kind == "list":
        return pa.list_(pa.field("element", arrow_type(kind.fields[0][1])))
    if kind.kind == "struct":
        return pa.struct([pa.field(field, arrow_type(inner)) for field, inner in kind.fields])
    return plain[kind.kind]


def column(kind, cells):
    """One column; `cells`: a list, None is NULL."""
    if kind.kind == "decimal":
        return decimals(kind, cells)
    if kind.kind == "float":
        return pa.array(cells, pa.string()).cast(pa.float32())
    return pa.array(cells, arrow_type(kind))


def decimals(kind, cells):
    """From units, which an Arrow decimal is made of: 16 bytes each, the lower half first."""
    import numpy as np

    wanted = arrow_type(kind)
    if kind.precision > LONG_DIGITS:
        from decimal import Decimal
        from .cells import EXACT

        return pa.array([None if units is None else Decimal(units).scaleb(-kind.scale, EXACT) for units in cells], wanted)
    units = pa.array(cells, pa.int64())
    values = units.fill_null(0).to_numpy(zero_copy_only=False)
    halves = np.empty((len(cells), 2), dtype=np.int64)
    halves[:, 0], halves[:, 1] = values, values >> 63
    buffers = [units.is_valid().buffers()[1] if units.null_count else None, pa.py_buffer(halves.tobytes())]
    return pa.Array.from_buffers(wanted, len(cells), buffers, units.null_count)
