"""What it costs to look for corpora in a folder of very many recordings that are of none. Run it with python.

Every loader asks for every file, and every file that no loader takes is listed with the reason: seconds of this process
for both, and for walking through the folder, which any of them needs.
"""

import argparse
import tempfile
import time
from pathlib import Path

from ser import registry
from ser.data import folders, scan

_IN_A_FOLDER = 500


def write(root: Path, files: int) -> None:
    """Empty recordings, named as those of a call centre are."""
    for number in range(files):
        folder = root / f"2024/{number // _IN_A_FOLDER:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"call_{number:07d}_agent.wav").touch()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    files = parser.parse_args().files
    loaders = [registry.find("corpora", name) for name in registry.names("corpora")]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), files)
        start = time.process_time()
        with folders.walked_once():
            folders.walk(Path(folder))
            walked = time.process_time()
            places = scan.corpora_below([Path(folder)])
            looked = time.process_time()
            scan.left_over([Path(folder)], places)
            listed = time.process_time()
    print(f"{files} recordings of no corpus, {len(loaders)} loaders")
    print(f"walk {walked - start:.2f} s, find {looked - walked:.2f} s, reasons {listed - looked:.2f} s")


if __name__ == "__main__":
    main()
