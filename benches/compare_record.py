#!/usr/bin/env python3
"""Write the same values with Atelier, TensorBoard and W&B (offline), side by side, and print the ratios.

    python3 -m venv /tmp/compare && /tmp/compare/bin/pip install tensorboard wandb polars
    /tmp/compare/bin/python benches/compare_record.py [--steps 20000] [--rounds 3]

Each step logs ten values. Per tool: `caller` is the time that the training loop spends in the log calls, `total` until
everything is closed and on disk (Atelier: sealed), `cpu` the processor time of all processes and threads meanwhile (the
fairer measure on a busy machine), `read` the time to get all values back in Python. The tools take turns; the best
round of each counts. With torch installed TensorBoard is written through torch.utils.tensorboard's
SummaryWriter, else through the EventFileWriter beneath it (which flatters TensorBoard).
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = [
    "loss/g", "loss/d", "loss/feature_matching", "loss/perceptual", "loss/l1",
    "lr/g", "grad_norm/g", "grad_norm/d", "time/step_s", "images_per_s",
]  # fmt: skip


def values(step):
    return {name: math.sin(step * 0.001 * (i + 1)) / (i + 1) for i, name in enumerate(NAMES)}


def cpu():
    """Processor seconds of this process and of its children that ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def size(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink())


def tensorboard(steps, folder):
    # The values are made beforehand: only logging is measured.
    rows = [values(step) for step in range(1, steps + 1)]
    try:
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(folder)
        start, used = time.perf_counter(), cpu()
        for step, row in enumerate(rows, 1):
            for name, value in row.items():
                writer.add_scalar(name, value, step)
    except ImportError:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(folder)
        start, used = time.perf_counter(), cpu()
        for step, row in enumerate(rows, 1):
            for name, value in row.items():
                summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    caller = time.perf_counter() - start
    writer.close()
    total, used = time.perf_counter() - start, cpu() - used

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    start = time.perf_counter()
    events = EventAccumulator(folder, size_guidance={"scalars": 0}).Reload()
    count = sum(len(events.Scalars(tag)) for tag in events.Tags()["scalars"])
    read = time.perf_counter() - start
    assert count == steps * len(NAMES), count
    return {"caller_s": caller, "total_s": total, "cpu_s": used, "read_s": read, "bytes": size(folder)}


def wandb(steps, folder):
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_CONSOLE="off", WANDB_DIR=folder)
    os.environ.update(WANDB_CACHE_DIR=folder, WANDB_CONFIG_DIR=folder, WANDB_DATA_DIR=folder)
    import wandb as wb

    rows = [values(step) for step in range(1, steps + 1)]
    used = cpu()  # before the start: the time of wandb's own process counts only as a whole
    run = wb.init(project="compare", dir=folder)
    start = time.perf_counter()
    for step, row in enumerate(rows, 1):
        run.log(row, step=step)
    caller = time.perf_counter() - start
    run.finish()
    total = time.perf_counter() - start
    wb.teardown()
    used = cpu() - used
    return {"caller_s": caller, "total_s": total, "cpu_s": used, "read_s": None, "bytes": size(folder)}


def atelier(steps, folder, binary):
    environment = dict(os.environ, ATELIER_APPEND_STEPS=str(steps), ATELIER_APPEND_INTO=folder)
    used = cpu()
    result = json.loads(subprocess.run([binary], env=environment, check=True, capture_output=True).stdout)

    used = cpu() - used

    import polars

    start = time.perf_counter()
    frame = polars.read_parquet(f"{folder}/*.parquet")
    read = time.perf_counter() - start
    assert frame.height == steps * len(NAMES), frame.height
    return dict(result, cpu_s=used, read_s=read, bytes=size(folder))


def build():
    command = ["cargo", "bench", "--profile", "dev", "--bench", "record", "--no-run", "--message-format=json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    built = [json.loads(line) for line in lines if line.startswith("{")]
    return next(b["executable"] for b in built if b.get("executable") and b["target"]["name"] == "record")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--atelier", help="the built benchmark; default: build it")
    parser.add_argument("--one", choices=["tensorboard", "wandb"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:  # each measurement in a process of its own
        with tempfile.TemporaryDirectory() as folder:
            print("RESULT" + json.dumps(globals()[options.one](options.steps, folder)))
        return

    binary = options.atelier or build()
    best = {}
    for _ in range(options.rounds):
        for tool in ["atelier", "tensorboard", "wandb"]:
            if tool == "atelier":
                with tempfile.TemporaryDirectory() as folder:
                    result = atelier(options.steps, folder, binary)
            else:
                command = [sys.executable, __file__, "--one", tool, "--steps", str(options.steps)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                result = json.loads(output[output.index("RESULT") + 6 :].splitlines()[0])
            known = best.setdefault(tool, result)
            for key, value in result.items():
                known[key] = value if value is None or known[key] is None else min(value, known[key])

    count = options.steps * len(NAMES)
    print(f"{count} values, {options.steps} steps of {len(NAMES)}; best of {options.rounds} rounds\n")
    print("| | caller, us a value | cpu, us a value | total, values/s | read, s | bytes a value |\n|---|---|---|---|---|---|")
    for tool, result in best.items():
        read = "-" if result["read_s"] is None else f"{result['read_s']:.3f}"
        caller, used, total = result["caller_s"] / count * 1e6, result["cpu_s"] / count * 1e6, count / result["total_s"]
        print(f"| {tool} | {caller:.3f} | {used:.3f} | {total:,.0f} | {read} | {result['bytes'] / count:.1f} |")
    print()
    ours = best.pop("atelier")
    for tool, result in best.items():
        times = {key: result[key] / ours[key] for key in ours if result[key] is not None}
        text = ", ".join(f"{key.removesuffix('_s')} {times[key]:.1f}x" for key in times)
        print(f"{tool} against atelier: {text}")


if __name__ == "__main__":
    main()
