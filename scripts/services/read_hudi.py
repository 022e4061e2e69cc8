"""Reads a Hudi table with hudi-rs and prints rows, distinct keys and a sum as one line of JSON.

Usage: read_hudi.py TABLE [--key COLUMN] [--sum COLUMN] [--columns A,B] [--since INSTANT | --as-of INSTANT]

Works with hudi 0.5 (builder API) and 0.4 (the last release that lists files without asking the timeline).
"""
import argparse
import json
import os
import sys

import pyarrow as pa


def batches(path, since, as_of):
    from hudi import HudiTableBuilder

    table = HudiTableBuilder.from_base_uri(path).build()
    if hasattr(table, "read_snapshot") and not hasattr(table, "read"):
        if as_of:
            return table.read_snapshot_as_of(as_of)
        return table.read_incremental_records(since) if since else table.read_snapshot()
    from hudi import HudiQueryType, HudiReadOptions

    if as_of:
        return table.read(HudiReadOptions().with_as_of_timestamp(as_of))
    if since:
        options = HudiReadOptions().with_query_type(HudiQueryType.Incremental).with_start_timestamp(since)
        return table.read(options)
    return table.read()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--key")
    parser.add_argument("--sum")
    parser.add_argument("--columns")
    parser.add_argument("--since")
    parser.add_argument("--as-of")
    args = parser.parse_args()
    # A relative path makes hudi-rs fail with "relative URL without a base".
    path = args.table if "://" in args.table else os.path.abspath(args.table)
    found = [pa.record_batch(b) if not isinstance(b, pa.RecordBatch) else b for b in batches(path, args.since, args.as_of)]
    table = pa.Table.from_batches(found) if found else None
    out = {"rows": table.num_rows if table is not None else 0}
    if table is not None:
        out["schema"] = {field.name: str(field.type) for field in table.schema}
    if args.key:
        out["distinctKeys"] = len(pa.compute.unique(table[args.key])) if table is not None else 0
    if args.sum:
        total = pa.compute.sum(table[args.sum]).as_py() if table is not None else None
        out["sum"] = str(total) if total is not None else None
    if args.columns and table is not None:
        out["columns"] = {name: [None if v is None else str(v) for v in table[name].to_pylist()] for name in args.columns.split(",")}
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    import pyarrow.compute  # noqa: F401  (pa.compute is a module of its own)

    main()
