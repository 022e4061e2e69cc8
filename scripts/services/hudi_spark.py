"""Works on Hudi tables with Spark: the reference implementation. One JSON line for each operation.

Usage: hudi_spark.py BUNDLE.jar OPERATIONS.json

OPERATIONS is a list of objects, carried out in order in one session:
  {"read": TABLE, "since": INSTANT, "asOf": INSTANT, "columns": [..], "order": COLUMN}
      rows, distinct sequence numbers, sum of `amount`, and the values of some columns as text
  {"write": TABLE, "name": TABLE NAME, "operation": "insert"|"upsert"|.., "select": SQL, "options": {..}}
      leaves the version and the metadata table alone, unless "careless"
  {"sql": STATEMENT}
      up to 1000 rows as text; ${table:NAME=PATH} in the statement registers a table first
"""
import json
import os
import re
import sys

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

# Version 6 and no metadata table, in the words of all releases.
SAFE = {
    "hoodie.metadata.enable": "false",
    "hoodie.write.table.version": "6",
    "hoodie.write.auto.upgrade": "false",
    "hoodie.index.bloom.num_entries": "100",
}


def open_session(bundle):
    builder = (
        SparkSession.builder.master("local[2]")
        .config("spark.jars", bundle)
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
        .config("spark.kryo.registrator", "org.apache.spark.HoodieSparkKryoRegistrar")
        .config("spark.sql.extensions", "org.apache.spark.sql.hudi.HoodieSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.hudi.catalog.HoodieCatalog")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", os.path.join(os.getcwd(), "warehouse"))
    )
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def read(spark, operation):
    reader = spark.read.format("hudi").option("hoodie.metadata.enable", "false")
    if "asOf" in operation:
        reader = reader.option("as.of.instant", operation["asOf"])
    if "since" in operation:
        reader = reader.option("hoodie.datasource.query.type", "incremental")
        reader = reader.option("hoodie.datasource.read.begin.instanttime", operation["since"])
    frame = reader.load(operation["read"])
    wanted = [F.count("*"), F.countDistinct("_hoodie_commit_seqno"), F.sum("amount").cast("string")]
    rows, names, total = frame.agg(*wanted).collect()[0]
    out = {"rows": rows, "distinctKeys": names, "sum": total}
    out["schema"] = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    if "columns" in operation:
        columns = [F.col(name).cast("string") for name in operation["columns"]]
        found = frame.orderBy(operation["order"]).select(columns).collect()
        out["columns"] = {name: [row[at] for row in found] for at, name in enumerate(operation["columns"])}
    return out


def write(spark, operation):
    writer = spark.sql(operation["select"]).write.format("hudi").mode("append")
    options = {
        **({} if operation.get("careless") else SAFE),
        "hoodie.table.name": operation["name"],
        "hoodie.datasource.write.operation": operation["operation"],
        **operation.get("options", {}),
    }
    writer.options(**options).save(operation["write"])
    return {}


def sql(spark, operation):
    def register(match):
        name, path = match.groups()
        spark.sql(f"CREATE TABLE IF NOT EXISTS {name} USING hudi LOCATION '{path}'")
        return name

    statement = re.sub(r"\$\{table:([a-z_]+)=([^}]+)\}", register, operation["sql"])
    found = spark.sql(statement).limit(1000).collect()
    return {"table": [[None if value is None else str(value) for value in row] for row in found]}


def main():
    bundle, operations = sys.argv[1:]
    spark = open_session(bundle)
    for key, value in SAFE.items():
        spark.sql(f"SET {key}={value}")
    with open(operations) as file:
        for operation in json.load(file):
            kind = next(kind for kind in ("read", "write", "sql") if kind in operation)
            try:
                result = {"read": read, "write": write, "sql": sql}[kind](spark, operation)
            except Exception as failed:  # the caller decides what a failure means
                result = {"error": f"{type(failed).__name__}: {str(failed)[:9000]}"}
            print(json.dumps(result), flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
