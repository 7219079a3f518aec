#!/usr/bin/env python3
"""Draw the figures of a report with Atelier and with matplotlib, side by side, and print the ratio.

    python3 -m venv /tmp/compare && /tmp/compare/bin/pip install matplotlib polars
    /tmp/compare/bin/python benches/compare_report.py [--rounds 3] [--atelier target/debug/atelier]

Two sessions of a million values each are made by the benchmark `report`. Both tools read them from their folders and
write the same figures, each as PNG of 1280x760 pixels and as SVG: every figure that `atelier report --list` names, which
is each series recorded and smoothed, losses per epoch, held-out metrics with their baseline, telemetry in panels, both
sessions over each other, and differences. Atelier writes the HTML page with its tables and sample pictures besides.
Whole processes are timed, started alternately; the best round of each counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HALF_LIFE = 20.0
SIZE = (1280 / 192, 760 / 192)


def matplotlib_figures(sessions, names, out):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import polars as pl

    frames = {}
    for session in sessions:
        parts = [pl.read_parquet(f"{session}/{store}/*.parquet") for store in ("metrics", "telemetry")]
        frame = pl.concat(parts).sort("step", maintain_order=True)
        frames[session] = {key[0]: part for key, part in frame.partition_by("series", as_dict=True).items()}

    slug = lambda series: series.replace("/", "-").replace("_", "-")
    series_of = {slug(series): series for series in frames[sessions[0]]}

    def smoothed(part):
        if part.height <= 64:
            return part["value"]
        return part["value"].ewm_mean(half_life=HALF_LIFE, adjust=True)

    def trace(axes, part, colour):
        axes.plot(part["step"], part["value"], color=colour, alpha=0.3, linewidth=0.5)
        axes.plot(part["step"], smoothed(part), color=colour, linewidth=1.2)

    def save(figure, name):
        figure.tight_layout()
        figure.savefig(out / f"{name}.png", dpi=192)
        figure.savefig(out / f"{name}.svg")
        plt.close(figure)

    drawn = 0
    for name in names:
        kind, _, rest = name.partition("-")
        session = sessions[int(kind) - 1] if kind.isdigit() else None
        if kind == "compare":
            figure, axes = plt.subplots(figsize=SIZE)
            for place, one in enumerate(sessions):
                part = frames[one][series_of[rest]]
                axes.plot(part["step"], smoothed(part), color=f"C{place}", linewidth=1.2, label=f"session {place}")
            axes.legend()
            axes.set_title(series_of[rest])
        elif kind == "difference":
            figure, axes = plt.subplots(figsize=SIZE)
            first, second = (frames[one][series_of[rest]] for one in sessions)
            both = pl.DataFrame({"step": first["step"], "a": smoothed(first)}).join(
                pl.DataFrame({"step": second["step"], "b": smoothed(second)}), on="step"
            )
            axes.plot(both["step"], both["b"] - both["a"], color="C1", linewidth=1.2)
            axes.set_title(f"{series_of[rest]}, difference")
        elif rest == "machine":
            panels = ["loss/g", "gpu0/utilization_percent", "gpu0/memory_used_bytes", "gpu0/power_watts"]
            figure, all_axes = plt.subplots(len(panels), sharex=True, figsize=(SIZE[0], 1.2 * len(panels) + 1))
            for axes, series in zip(all_axes, panels):
                trace(axes, frames[session][series], "C0")
                axes.set_title(series)
        elif rest.endswith("-epochs"):
            figure, axes = plt.subplots(figsize=SIZE)
            part = frames[session][series_of[rest.removesuffix("-epochs")]]
            epochs = part.group_by(pl.col("epoch").ceil()).agg(
                pl.col("value").mean().alias("mean"),
                pl.col("value").quantile(0.1).alias("low"),
                pl.col("value").quantile(0.9).alias("high"),
            ).sort("epoch")
            axes.fill_between(epochs["epoch"], epochs["low"], epochs["high"], alpha=0.2)
            axes.plot(epochs["epoch"], epochs["mean"])
            axes.set_title(rest)
        else:
            figure, axes = plt.subplots(figsize=SIZE)
            group = {"lr": "lr/", "grad-norm": "grad_norm/"}.get(rest)
            members = [s for s in frames[session] if s.startswith(group)] if group else [series_of[rest]]
            for place, series in enumerate(members):
                trace(axes, frames[session][series], f"C{place}")
            if members[0].startswith("val/"):
                baseline = frames[session][members[0].replace("val/", "val/identity_")]
                axes.plot(baseline["step"], baseline["value"], "--", color="grey")
            axes.set_title(rest)
        save(figure, name)
        drawn += 1
    return drawn


def build(name, kind):
    command = ["cargo", "bench", "--no-default-features", "--profile", "dev", "--bench", "report", "--no-run"]
    if kind == "bin":
        command = ["cargo", "build", "--no-default-features", "--bin", "atelier"]
    lines = subprocess.run([*command, "--message-format=json"], check=True, capture_output=True, text=True).stdout
    built = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    return next(b["executable"] for b in built if b.get("executable") and b["target"]["name"] == name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--atelier", help="the built program; default: build it")
    parser.add_argument("--bench", help="the built benchmark; default: build it")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:  # each measurement in a process of its own
        sessions, names, out = (json.loads(text) for text in options.one)
        print(matplotlib_figures(sessions, names, Path(out)))
        return

    atelier = options.atelier or build("atelier", "bin")
    bench = options.bench or build("report", "bench")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "sessions")
        environment = dict(os.environ, ATELIER_REPORT_INTO=str(root))
        made = subprocess.run([bench], env=environment, check=True, capture_output=True, text=True).stdout
        sessions = made.split()
        base = [atelier, "report", *sessions, "--root", str(root)]
        listed = json.loads(subprocess.run([*base, "--list", "--json"], check=True, capture_output=True).stdout)
        names = [figure["name"] for figure in listed]
        best = {}
        for _ in range(options.rounds):
            for tool in ["atelier", "matplotlib"]:
                out = Path(folder, tool)
                out.mkdir(exist_ok=True)
                command = [*base, "-o", str(out)]
                if tool == "matplotlib":
                    command = [sys.executable, __file__, "--one", *map(json.dumps, [sessions, names, str(out)])]
                start, used = time.perf_counter(), os.times()
                subprocess.run(command, check=True, capture_output=True)
                seconds, after = time.perf_counter() - start, os.times()
                cpu = sum(after[2:4]) - sum(used[2:4])
                known = best.get(tool, (seconds, cpu))
                best[tool] = (min(known[0], seconds), min(known[1], cpu))
        counts = {tool: len(list(Path(folder, tool).rglob("*.png"))) for tool in best}
        page = next(Path(folder, "atelier").glob("*.html")).stat().st_size

    print(f"{len(names)} figures of 2 sessions with a million values each; best of {options.rounds} rounds\n")
    print("| | seconds | processor seconds | PNG files |\n|---|---|---|---|")
    for tool, (seconds, cpu) in best.items():
        print(f"| {tool} | {seconds:.2f} | {cpu:.2f} | {counts[tool]} |")
    ratio = [best["matplotlib"][place] / best["atelier"][place] for place in (0, 1)]
    print(f"\nmatplotlib against atelier: {ratio[0]:.1f}x by the clock, {ratio[1]:.1f}x by processor time")
    print(f"the page besides: {page / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
