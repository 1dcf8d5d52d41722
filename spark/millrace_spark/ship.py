"""Brings this package to the tasks, where it need not be installed; duckdb and pyarrow must be."""

import pathlib
import tempfile
import zipfile

from . import __version__


def ship(spark):
    context = spark.sparkContext
    if getattr(context, "_has_millrace", False):
        return
    folder = pathlib.Path(__file__).parent
    path = pathlib.Path(tempfile.mkdtemp(prefix="millrace_spark_")) / f"millrace_spark-{__version__}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for source in sorted(folder.glob("*.py")):
            archive.write(source, f"millrace_spark/{source.name}")
    context.addPyFile(str(path))
    context._has_millrace = True
