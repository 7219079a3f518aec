#!/usr/bin/env python3
"""Open the same million points in Atelier and in `wandb leet`, each in a pseudo-terminal of 160x45, and print how long
it takes and what it costs.

    python3 -m venv /tmp/compare && /tmp/compare/bin/pip install wandb
    /tmp/compare/bin/python benches/compare_dashboards.py [--steps 50000] [--rounds 5] [--atelier target/debug/atelier]

The data is 20 series x --steps steps: of Atelier what `just bench dashboard write DIR POINTS` writes, of W&B the same
values logged offline. `first chart` is the time from the start of the program to the first character of a curve on the
screen, `complete` to the last output before two seconds of silence; the programs take turns, and the best round counts.
`resident` is what the process that draws holds then (leet: `wandb-core`, without its Python parent), `written` what
went over the wire meanwhile. leet is started as its command is, and once more without the Python in front of it.
"""

import argparse
import fcntl
import math
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path

SERIES = 20
SIZE = (45, 160)
QUIET = 2.0
PATIENCE = 120.0
# Characters of 2x4 dots, which both draw curves with; the empty one is no curve.
CURVE = re.compile(rb"\xe2(?:\xa0[\x81-\xbf]|[\xa1-\xa3][\x80-\xbf])")


def log_offline(folder, steps):
    code = f"""
import math, wandb
run = wandb.init(project="bench", mode="offline", dir={str(folder)!r},
                 settings=wandb.Settings(x_disable_stats=True, console="off", silent=True))
for step in range(1, {steps} + 1):
    fall = math.exp(-3 * step / {steps})
    run.log({{f"loss/part{{s:02}}": fall + 0.1 * math.sin(step * (s + 1)) for s in range({SERIES})}}, step=step)
run.finish()
"""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return next(folder.glob("wandb/offline-run-*/*.wandb"))


def resident(pid, name):
    """MiB of the process of that name among `pid` and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for candidate in [str(pid), *children]:
        status = Path(f"/proc/{candidate}/status").read_text()
        if status.split("\n")[0].split("\t")[1].startswith(name):
            return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
    return math.nan


def show(command, name, folder):
    """Seconds to the first curve and to the last output, MiB, bytes."""
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    environment = dict(os.environ, TERM="xterm-256color", COLORTERM="truecolor", XDG_STATE_HOME=str(folder))
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=screen, stdout=screen, stderr=screen, cwd=folder, env=environment, start_new_session=True
    )
    os.close(screen)
    first, last, written = None, 0.0, b""
    while last < PATIENCE:
        ready, _, _ = select.select([keyboard], [], [], QUIET if first else PATIENCE)
        if not ready:
            break
        data = os.read(keyboard, 1 << 16)
        last = time.perf_counter() - begin
        written += data
        if first is None and CURVE.search(written):
            first = last
    held = resident(process.pid, name)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    os.close(keyboard)
    return first or math.nan, last, held, len(written)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--atelier", default="target/debug/atelier", type=Path)
    parser.add_argument("--sessions", type=Path, help="as `just bench dashboard write` made them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sessions = arguments.sessions
        if sessions is None:
            sessions = folder / "sessions"
            points = str(arguments.steps * SERIES)
            subprocess.run(["just", "bench", "dashboard", "write", sessions, points], check=True)
        run = log_offline(folder, arguments.steps)
        import wandb

        core = Path(wandb.__file__).parent / "bin/wandb-core"
        beside = Path(sys.executable).with_name("wandb")
        programs = {
            "atelier": ([arguments.atelier.resolve(), "--open", "last", "--root", sessions.resolve()], "atelier"),
            "wandb leet": ([beside, "leet", "run", run], "wandb-core"),
            "wandb-core leet": (
                [core, "leet", "run", "--no-observability", "-run-file", run, run.parent.parent],
                "wandb-core",
            ),
        }
        rounds = {name: [] for name in programs}
        for _round in range(arguments.rounds):
            for name, (command, process) in programs.items():
                rounds[name].append(show(list(map(str, command)), process, folder))
    print(f"{SERIES} series x {arguments.steps} steps, best of {arguments.rounds}")
    print(f"{'':>16} {'first chart':>13} {'complete':>10} {'resident':>10} {'written':>10}")
    for name, figures in rounds.items():
        first, last, held, written = (min(column) for column in zip(*figures))
        print(f"{name:>16} {first:>11.3f} s {last:>8.3f} s {held:>6.0f} MiB {written / 1e3:>7.0f} kB")


if __name__ == "__main__":
    main()
