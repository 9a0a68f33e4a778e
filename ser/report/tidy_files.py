"""Tidy rows as files for other tools: ``results.csv`` and ``results.parquet``."""

import csv
import io

from ser.report.tidy import Rows, Value


def csv_text(rows: Rows) -> str:
    """Returns a line of heads and one for each row; holes are empty, numbers have all their digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.columns)
    writer.writerows(zip(*rows.columns.values(), strict=True))
    return out.getvalue()


def parquet(text: str, rows: Rows) -> bytes:
    """Returns the CSV text of rows with types: integers, numbers, texts, yes and no; what is empty is null.

    By way of the text, as Arrow imports pandas where it is given Python's values, which takes half a second.
    """
    import pyarrow.csv
    import pyarrow.parquet  # later: a command that writes none does without

    types = {name: getattr(pyarrow, kind(values))() for name, values in rows.columns.items()}
    options = pyarrow.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    out = io.BytesIO()
    if len(rows):
        table = pyarrow.csv.read_csv(io.BytesIO(text.encode()), parse_options=parsing, convert_options=options)
    else:
        table = pyarrow.schema(types).empty_table()
    pyarrow.parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def files(rows: Rows) -> dict[str, bytes]:
    """Returns both by their names."""
    text = csv_text(rows)
    return {"results.csv": text.encode(), "results.parquet": parquet(text, rows)}


def kind(values: list[Value]) -> str:
    """Returns the type of a column, as Arrow calls it; a column of holes alone is of numbers."""
    types = {type(value) for value in values if value is not None}
    if types == {bool}:
        return "bool_"
    if types == {int}:
        return "int64"
    return "float64" if types <= {int, float} else "string"
