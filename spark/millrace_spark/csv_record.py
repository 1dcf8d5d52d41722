"""One CSV record into cells: src/decode/csv_reader.cpp."""

from .cells import Misfit, cell_of
from .json_record import has_json, read_value

MARK = b"\0header:"


class CsvReader:
    def __init__(self, schema, unknown_fields, delimiter, null_text):
        self.schema, self.delimiter, self.null_text = schema, delimiter, null_text
        self.cells = [None if kind.kind in ("struct", "list") or has_json(kind) else cell_of(kind) for _, kind in schema]
        self.keeps_unknown = unknown_fields == "keep"

    def read(self, record):
        try:
            text = record.decode()
        except UnicodeDecodeError:
            raise Misfit("invalid_utf8", "the record is not UTF-8") from None
        at = record.find(b"\0")
        if at >= 0:
            if record[at : at + len(MARK)] == MARK and record[at + len(MARK) :].isdigit():
                raise Misfit("column_count", f"the header has {int(record[at + len(MARK):])} fields")
            raise Misfit("malformed", f"not CSV in UTF-8: a NUL at byte {at}")
        fields = split(text, self.delimiter)
        if len(fields) != len(self.schema):
            raise Misfit("column_count", f"{len(fields)} fields instead of {len(self.schema)}")
        cells = []
        for (value, is_quoted), (column, kind), cell in zip(fields, self.schema, self.cells):
            if not is_quoted and value == self.null_text:
                cells.append(None)
                continue
            try:
                cells.append(cell(value) if cell else read_value(value, kind))
            except Misfit as error:
                raise Misfit(error.reason, f"field '{column}': {error.detail}") from None
        # A row has no unknown fields.
        return cells + [None] if self.keeps_unknown else cells


def split(text, delimiter):
    """(field, whether it was quoted)"""
    if '"' not in text:
        return [(field, False) for field in text.split(delimiter)]
    fields, at = [], 0
    while True:
        if text[at : at + 1] == '"':
            start, parts = at, []
            at += 1
            while True:
                end = text.find('"', at)
                if end < 0:
                    raise wrong(text, start)
                parts.append(text[at:end])
                at = end + 1
                if text[at : at + 1] != '"':
                    break
                parts.append('"')
                at += 1
            if at < len(text) and text[at] != delimiter:
                raise wrong(text, at)
            fields.append(("".join(parts), True))
        else:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            quote = text.find('"', at, end)
            if quote >= 0:
                raise wrong(text, quote)
            fields.append((text[at:end], False))
            at = end
        if at == len(text):
            return fields
        at += 1


def wrong(text, at):
    return Misfit("malformed", f"not CSV: a quote is wrong at byte {len(text[:at].encode())}")
