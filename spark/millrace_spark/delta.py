"""Delta tables through Delta's own transactions: one commit carries files, removals and any number of positions.

A position is a `txn` action. Reading it within the transaction makes the commit a compare-and-set: who commits it in between makes
ours fail. What millrace says in `commitInfo.millrace` stands in `commitInfo.tags.millrace` here, as text.
"""

import json
import re

from py4j.protocol import Py4JJavaError

from .errors import Refused

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.compression.codec": "zstd",
    # Dates before 1582 and times before 1900 are what they are, in files that are not of an old Spark.
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}


SPARK_LEAST = (3, 5)


class Conflict(Exception):
    """Somebody else changed what this change rests on."""


def prepare(spark):
    """Errors: Refused, if this Spark has no Delta, or is too old."""
    if tuple(int(part) for part in re.findall(r"\d+", spark.version)[:2]) < SPARK_LEAST:
        raise Refused(f"this is Spark {spark.version}; Spark 3.5 with Delta Lake 3.3 is the oldest that is known to work, newer is fine")
    try:
        spark._jvm.java.lang.Class.forName(
            "org.apache.spark.sql.delta.DeltaLog", True, spark._jvm.java.lang.Thread.currentThread().getContextClassLoader()
        )
    except Py4JJavaError:
        raise Refused(
            f"there is no Delta Lake for this Spark {spark.version}: give it the jars, "
            "`spark-submit --packages io.delta:delta-spark_2.12:3.3.2` (Spark 3.5) "
            "or io.delta:delta-spark_4.1_2.13:4.2.0 (Spark 4.1); in Glue `--datalake-formats delta`"
        ) from None
    for key, value in (
        ("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension"),
        ("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog"),
    ):
        if value not in (spark.conf.get(key, None) or ""):
            raise Refused(f"Delta Lake is there, but not switched on: spark-submit --conf {key}={value}")
    for key, value in SETTINGS.items():
        spark.conf.set(key, value)


def spark_path(root):
    """As Hadoop's file systems have it."""
    return "s3a://" + root[len("s3://") :] if root.startswith("s3://") else root


def has_folder(spark, root):
    path = spark._jvm.org.apache.hadoop.fs.Path(spark_path(root))
    return path.getFileSystem(spark._jsc.hadoopConfiguration()).exists(path)


class Snapshot:
    """A table at one version."""

    def __init__(self, table, inner):
        self.table, self.inner = table, inner
        self.version = inner.version()
        metadata = inner.metadata()
        self.id = metadata.id()
        self.partition_columns = [str(metadata.partitionColumns().apply(i)) for i in range(metadata.partitionColumns().size())]

    @property
    def schema(self):
        from pyspark.sql.types import StructType

        return StructType.fromJson(json.loads(self.inner.schema().json()))

    def positions(self):
        """app id -> where it stands; there may be thousands, so they come as one text, and once for a version."""
        known = self.table.positions
        if known.get("at") != (self.id, self.version):
            text = self.inner.transactions().mkString("\0")  # app id -> position
            pairs = (pair.rsplit(" -> ", 1) for pair in text.split("\0") if pair)
            known.update(at=(self.id, self.version), found={app_id: int(value) for app_id, value in pairs})
        return known["found"]

    def position(self, app_id):
        return self.positions().get(app_id)

    def read(self):
        reader = self.table.spark.read.format("delta").option("versionAsOf", self.version)
        return reader.load(self.table.path)


class Table:
    """One Delta table at a path."""

    def __init__(self, spark, root):
        self.spark, self.root, self.path = spark, root, spark_path(root)
        self.jvm = spark._jvm
        self.delta = self.jvm.org.apache.spark.sql.delta
        self.positions = {}  # of the last snapshot that was asked for them

    def none(self):
        return self.jvm.scala.Option.empty()

    def log(self):
        return self.delta.DeltaLog.forTable(self.spark._jsparkSession, self.path)

    def exists(self):
        return self.log().tableExists()

    def snapshot(self):
        return Snapshot(self, self.log().update(False, self.none(), self.none()))

    def create(self, schema, partition_columns):
        """Makes it, of protocol (1,2), if there is none. `schema`: as Spark writes it."""
        if self.exists():
            return self
        by = f" PARTITIONED BY ({', '.join(partition_columns)})" if partition_columns else ""
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS delta.`{self.path}` ({schema}) USING delta{by} "
            "TBLPROPERTIES('delta.minReaderVersion'='1','delta.minWriterVersion'='2')"
        )
        return self

    def begin(self):
        return Change(self)

    def history(self):
        """The commits that are still kept, newest first: what was said of each."""
        folder = self.jvm.org.apache.hadoop.fs.Path(self.path + "/_delta_log")
        system = folder.getFileSystem(self.spark._jsc.hadoopConfiguration())
        names = sorted((str(one.getPath().getName()) for one in system.listStatus(folder)), reverse=True)
        for one in names:
            if one.endswith(".json") and one[:20].isdigit():
                yield int(one[:20]), self.actions(int(one[:20]))

    def actions(self, version):
        """The actions of one commit; None if it is no longer kept."""
        path = self.jvm.org.apache.hadoop.fs.Path(f"{self.path}/_delta_log/{version:020}.json")
        try:
            lines = self.log().store().read(path, self.spark._jsc.hadoopConfiguration())
        except Py4JJavaError:
            return None
        return [json.loads(lines.apply(i)) for i in range(lines.size())]


class Change:
    """A change of a table: all of it, or nothing."""

    def __init__(self, table):
        self.table, self.jvm, self.delta = table, table.jvm, table.delta
        self.inner = table.log().startTransaction()
        self.actions = self.jvm.java.util.ArrayList()
        self.snapshot = Snapshot(table, self.inner.snapshot())

    def position(self, app_id):
        """Where it stands; the commit fails if it moves meanwhile."""
        self.inner.txnVersion(app_id)
        return self.snapshot.position(app_id)

    def move(self, app_id, value):
        now = self.jvm.scala.Some(self.jvm.java.lang.System.currentTimeMillis())
        self.actions.add(self.delta.actions.SetTransaction(app_id, value, now))

    def write(self, frame):
        """Writes the rows; the files belong to the table once this is committed. Gives the added files."""
        return self._settle(self.inner.writeFiles(frame._jdf))

    def _settle(self, files):
        """Moves files of partitions by time into folders that mean the same in every zone, which Spark's do not."""
        metadata = self.inner.metadata()
        times = {field.name() for field in metadata.partitionSchema().fields() if field.dataType().typeName() == "timestamp"}
        files = [files.apply(i) for i in range(files.size())]
        return [self._moved(one, times) for one in files] if times else files

    def _moved(self, file, times):
        from urllib.parse import quote, unquote

        said = json.loads(file.json())["add"]
        folders = [
            f"{column}={value.replace(':', '%3A')}" if column in times and value else part
            for part in unquote(said["path"]).split("/")[:-1]
            for column, value in [(part.split("=")[0], said["partitionValues"].get(part.split("=")[0]))]
        ]
        path = "/".join([*folders, unquote(said["path"]).split("/")[-1]])
        make = self.jvm.org.apache.hadoop.fs.Path
        root = make(self.table.path)
        system = root.getFileSystem(self.table.spark._jsc.hadoopConfiguration())
        system.mkdirs(make(self.table.path + "/" + "/".join(folders)))
        if not system.rename(make(self.table.path + "/" + unquote(said["path"])), make(self.table.path + "/" + path)):
            raise OSError(f"{said['path']} cannot be moved to {path}")
        said["path"] = quote(path, safe="/=-_.~")
        return self.delta.actions.Action.fromJson(json.dumps({"add": said}))

    def add(self, files):
        for one in files:
            self.actions.add(one)

    def remove_partitions(self, partitions):
        """Takes out the files of partitions; a change of one by others makes the commit fail. None: all files."""
        if partitions is not None:
            filters = self.jvm.java.util.HashSet()
            for values in partitions:
                filters.add(self.jvm.PythonUtils.toScalaMap(values))
            found = self.inner.filterFiles(self.jvm.scala.collection.JavaConverters.asScalaSetConverter(filters).asScala().toSet())
        else:
            found = self.inner.filterFiles()
        for i in range(found.size()):
            self.actions.add(found.apply(i).remove())

    def read_files(self, files):
        """The rows of files that are not committed yet."""
        from pyspark.sql import DataFrame

        found = self.jvm.java.util.ArrayList()
        for one in files:
            found.add(one)
        rows = self.table.log().createDataFrame(self.inner.snapshot(), self.jvm.PythonUtils.toSeq(found), False, self.table.none())
        return DataFrame(rows, self.table.spark)

    def discard(self, files):
        """Deletes files that will not be committed; what cannot be deleted is left to a vacuum."""
        make = self.jvm.org.apache.hadoop.fs.Path
        for one in files:
            from urllib.parse import unquote

            path = make(self.table.path + "/" + unquote(json.loads(one.json())["add"]["path"]))
            try:
                path.getFileSystem(self.table.spark._jsc.hadoopConfiguration()).delete(path, False)
            except Py4JJavaError:
                pass

    def _write_operation(self, mode, predicate):
        """Delta's description of a write: mode, partition columns, predicate, and more that it leaves out, how much its version says."""
        jvm, name = self.jvm, "DeltaOperations$Write"
        made = jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass("org.apache.spark.sql.delta." + name)
        count = made.getConstructors()[0].getParameterCount()
        what = jvm.scala.Some(predicate) if predicate else self.table.none()
        rest = [self.table.none()] * (count - 3)
        return getattr(self.delta, name)(getattr(jvm.org.apache.spark.sql.SaveMode, mode), self.table.none(), what, *rest)

    def commit(self, mode, predicate=None, said=None):
        """Errors: Conflict, nothing was committed."""
        jvm = self.jvm
        operation = self._write_operation(mode, predicate)
        tags = jvm.PythonUtils.toScalaMap({"millrace": json.dumps(said)} if said else {})
        try:
            return self.inner.commit(jvm.PythonUtils.toSeq(self.actions), operation, tags)
        except Py4JJavaError as error:
            words = error.java_exception.getClass().getName()
            if "Concurrent" in words or "MetadataChanged" in words or "ProtocolChanged" in words:
                raise Conflict(f"another process changed {self.table.root}: {words.rsplit('.', 1)[-1]}") from None
            raise
