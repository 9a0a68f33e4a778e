"""Makes the pictures of README and of the site from the work folder of a demo, with Chromium and Rich.

    ser demo --work demo
    python docs/tools/pictures.py demo

The report is drawn as it lies in the folder, MLflow's pages are served by ``ser ui``, and commands of the terminal are
run and drawn as SVG. Files are small: PNG of few colours, SVG without fonts of a server.
"""

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

from ser.runs import links

PICTURES = Path(__file__).resolve().parents[1] / "pictures"
CHROMIUM = "/usr/bin/chromium"
FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
COLOURS = 128
WIDTH = 112  # characters of the terminal
BAR = "━"  # of progress, which is drawn over and over


def draw_page(address: str, name: str, size: tuple[int, int], wait_ms: int) -> None:
    """Draws an address as ``name`` of ``size`` pixels, after ``wait_ms`` milliseconds of its scripts' time."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder, "shot.png")
        command = [
            CHROMIUM,
            *FLAGS.split(),
            f"--user-data-dir={folder}/profile",
            f"--screenshot={shot}",
            "--hide-scrollbars",
        ]
        command += [f"--window-size={size[0]},{size[1]}", f"--virtual-time-budget={wait_ms}"]
        subprocess.run([*command, address], check=True, capture_output=True, timeout=180)
        image = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURES / name, optimize=True)


def draw_terminal(commands: Sequence[str], name: str, title: str) -> None:
    """Runs commands and draws what they print, in colours, as ``name``."""
    record = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    environment = os.environ | {"COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    for command in commands:
        record.print(Text(f"$ {command}", style="bold"))
        words = [sys.executable, "-m", *command.split()]
        done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        shown = done.stdout.replace(os.getcwd(), "~").replace(str(Path.home()), "~")
        lines = [Text.from_ansi(line) for line in shown.splitlines() if BAR not in line]
        before = ["", *(line.plain.strip() for line in lines)]
        for line, previous in zip(lines, before, strict=False):
            if line.plain.strip() or previous:  # no two empty lines
                record.print(line, soft_wrap=True)
        record.print()
    svg = record.export_svg(title=title)
    svg = re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.S)  # fonts of a server
    (PICTURES / name).write_text(svg, encoding="utf-8")


@contextmanager
def pages_of(work: str) -> Iterator[str]:
    """The address at which ``ser ui`` serves the runs of a work folder, and what it prints."""
    command = [sys.executable, "-m", "ser", "ui", "--work", work, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = None
            while found is None:
                line = server.stdout.readline()
                if not line:
                    raise SystemExit("ser ui ended before it had an address")
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
            yield found[0]
        finally:
            server.terminate()


def main(work: str) -> None:
    """Makes all pictures from the work folder of a demo of ``interaffection``."""
    PICTURES.mkdir(exist_ok=True)
    report = Path(work, "reports", "interaffection", "report.html").resolve()
    draw_page(report.as_uri(), "report.png", (1180, 860), 4000)
    commands = [f"ser corpora --corpora ravdess={work}/corpora/ravdess", f"ser status interaffection --work {work}"]
    draw_terminal(commands, "terminal.svg", "ser")
    with pages_of(work) as address:
        draw_page(links.runs_page(address, "1"), "mlflow.png", (1360, 760), 20000)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["demo"]))
