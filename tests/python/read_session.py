"""Read a session's series from Python: the code of docs/data-format.md, run by tests/it/record.rs.

    python read_session.py growing  METRICS_DIR   # needs pyarrow
    python read_session.py sealed   METRICS_DIR   # needs polars
    python read_session.py tensorboard EVENTS_DIR # needs tensorboard

Prints one JSON object; exits with 77 when the library is missing.
"""

import json
import sys
from pathlib import Path


# --- growing (docs/data-format.md) ---
def read_growing(path):
    """All whole batches of a stream that is still being written, or that a crash cut short."""
    import pyarrow as pa

    batches = []
    with open(path, "rb") as file:
        try:
            with pa.ipc.open_stream(file) as stream:
                for batch in stream:
                    batches.append(batch)
        except (pa.ArrowInvalid, OSError) as torn:  # half a batch at the end: what came before it is whole
            print(f"{path}: {torn}", file=sys.stderr)
    return pa.Table.from_batches(batches) if batches else None


# --- end ---


# --- sealed (docs/data-format.md) ---
def read_sealed(folder):
    """All sealed segments of a folder as one frame, in the order of recording."""
    import polars as pl

    return pl.read_parquet(f"{folder}/*.parquet").sort("generation", "time", maintain_order=True)


# --- end ---


def growing(folder):
    tables = [read_growing(path) for path in sorted(Path(folder).glob("*.arrows"))]
    tables = [table for table in tables if table is not None]
    schema = {field.name: str(field.type) for field in tables[0].schema} if tables else {}
    rows = []
    for table in tables:
        place = table.schema.get_field_index("time")
        rows += table.set_column(place, "time", table["time"].cast("int64")).to_pylist()
    return {"schema": schema, "rows": rows}


def sealed(folder):
    frame = read_sealed(folder)
    schema = {name: str(dtype) for name, dtype in frame.schema.items()}
    return {"schema": schema, "rows": [dict(row, time=None) for row in frame.to_dicts()]}


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    tags = events.Tags()["scalars"]
    return {tag: [[event.step, event.wall_time, str(event.value)] for event in events.Scalars(tag)] for tag in tags}


if __name__ == "__main__":
    try:
        answer = {"growing": growing, "sealed": sealed, "tensorboard": tensorboard}[sys.argv[1]](sys.argv[2])
    except ImportError as missing:
        print(missing, file=sys.stderr)
        sys.exit(77)
    print(json.dumps(answer))
