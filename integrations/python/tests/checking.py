"""What the checks with real engines have in common: pictures, and what one process says of them."""

import json
import os
import random
import shlex
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

ROOT = Path(__file__).resolve().parents[3]
MODEL = str(ROOT / "weights/cifar10/vgg16-cifar10.safetensors")
#: The program: VGG16_COMMAND, or this checkout's.
COMMAND = shlex.split(os.environ.get("VGG16_COMMAND", "")) or [
    *("deno", "run", "--no-prompt", "--allow-read", "--allow-env", str(ROOT / "cli.ts")),
]
os.environ.pop("VGG16_COMMAND", None)  # The program does not know it.

_START = time.monotonic()


def say(text: str) -> None:
    """Prints a line with the seconds since the start."""
    print(f"{time.monotonic() - _START:6.1f} s  {text}", flush=True)


def end_on_signals() -> None:
    """SIGTERM, too, ends the script by an exception, so that what it has started is ended."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def make_pictures(folder: Path, count: int) -> Dict[str, bytes]:
    """PNG files of 32x32 pixels, the same each time; a few are cut short, empty or no pictures."""
    chance = random.Random(1)
    pictures = {}
    for number in range(count):
        picture = _png(chance)
        if number % 199 == 7:
            picture = [picture[:200], b"", b"no picture"][number % 3]
        name = f"{number:06}.png"
        (folder / name).write_bytes(picture)
        pictures[name] = picture
    return pictures


def _png(chance: random.Random, size: int = 32) -> bytes:
    """A gradient between two colors with a disk of a third and some noise."""
    colors = [[chance.randrange(256) for _ in range(3)] for _ in range(3)]
    x0, y0, radius = (chance.randrange(4, size - 4) for _ in range(3))
    rows = bytearray()
    for y in range(size):
        rows.append(0)
        for x in range(size):
            first, last, disk = colors
            inside = (x - x0) ** 2 + (y - y0) ** 2 < (radius / 2) ** 2
            for c in range(3):
                value = disk[c] if inside else (first[c] * (size - y) + last[c] * y) // size
                rows.append(min(255, max(0, value + chance.randrange(-20, 21))))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def classified_alone(folder: Path) -> Dict[str, Tuple[Optional[str], Optional[str]]]:
    """By `vgg16 classify --jsonl`: a picture's predictions as JSON, or the code of its error."""
    command = [*COMMAND, "classify", "--jsonl", "--threads", "1", "--model", MODEL, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        Path(row["file"]).name: (
            _canonical(row.get("predictions")),
            row.get("error", {}).get("code"),
        )
        for row in rows
        if "file" in row
    }


def _canonical(predictions: Optional[List[Any]]) -> Optional[str]:
    # repr of a float is that of no other float: equal texts are equal bits.
    return None if predictions is None else json.dumps(predictions, sort_keys=True)


def compare(
    what: str,
    rows: Iterable[Tuple[str, Optional[str], Optional[str]]],
    alone: Dict[str, Tuple[Optional[str], Optional[str]]],
) -> None:
    """Exits unless rows (name, predictions in JSON, error) are those of one process, each once."""
    found: Dict[str, Tuple[Optional[str], Optional[str]]] = {}
    count = 0
    for name, predictions, error in rows:
        count += 1
        code = None if error is None else error.split(":")[0]
        found[name] = (None if predictions is None else _canonical(json.loads(predictions)), code)
    differing = [name for name in alone.keys() | found.keys() if alone.get(name) != found.get(name)]
    if count != len(alone) or differing:
        sys.exit(
            f"{what}: {count} rows of {len(alone)}, {len(found)} names,"
            f" {len(differing)} differ: {[(n, alone.get(n), found.get(n)) for n in differing[:2]]}"
        )
    failed = sum(error is not None for _, error in found.values())
    say(f"{what}: {count} rows, each name once, all equal to one process'; {failed} with an error")
