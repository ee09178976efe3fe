"""Speaks the protocol of `vgg16 worker`, and misbehaves as the pictures and its first argument say.

The first argument is JSON: what replaces fields of the hello, and `start`, which is how it starts:
`die`, `stall`, `garbage`, `endless`, `leave`. A picture is answered with a label that is its SHA-256,
unless its bytes are one of the words below.
"""

import base64
import hashlib
import json
import os
import queue
import signal
import struct
import sys
import threading
from pathlib import Path


def write(*parts: bytes) -> None:
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def stall() -> None:
    """Forever: nothing but a signal ends it."""
    while True:
        signal.pause()


def start(how: str) -> None:
    if how == "die":
        for number in range(50):
            print(f"line {number}", file=sys.stderr)
        sys.exit("error: no such model")
    if how == "stall":
        print("still at it", file=sys.stderr, flush=True)
        stall()
    if how == "garbage":
        write(b"Welcome to another program\n")
        stall()
    if how == "endless":
        while True:
            write(b"x" * (1 << 20))


def is_first(path: Path) -> bool:
    try:
        path.touch(exist_ok=False)
        return True
    except FileExistsError:
        return False


def answer(id: object, picture: bytes, embeds: bool) -> None:
    word, _, rest = picture.partition(b" ")
    if word == b"bad":
        error = {"code": "image-damaged", "retryable": False, "message": "cut short"}
        write(line({"id": id, "error": error}))
    elif word == b"half":
        write(line({"id": id, "predictions": []})[:9])
        os._exit(0)
    elif word == b"stall":
        stall()
    elif word == b"close":
        os.close(1)
        stall()
    elif word == b"lie":
        write(line({"id": "other", "predictions": []}))
    elif word == b"garbage":
        write(b"warning: something\n")
    elif word == b"wrong":
        write(line({"id": id, "predictions": [{"score": 1}]}))
    elif word == b"short":
        write(line({"id": id, "shape": [2, 3], "bytes": 23}), bytes(23))
    elif word == b"refuse":
        write(line({"id": None, "error": {"code": "PROTOCOL", "message": "no id"}}))
        sys.exit(1)
    elif embeds:
        floats = struct.pack(f"<{len(picture)}f", *picture)
        head = {"id": id, "shape": [len(picture)]}
        if "--base64" in sys.argv:
            write(line({**head, "embedding": base64.b64encode(floats).decode()}))
        else:
            write(line({**head, "bytes": len(floats)}), floats)
    else:
        label = hashlib.sha256(picture).hexdigest()
        rows = [{"label": label, "score": 0.1, "index": 7, "sure": True, "id": "n1"}]
        rows += [{"label": "other", "score": 1e-7, "index": 8}]
        write(line({"id": id, "predictions": rows, "unheard": "of"}))


def main() -> None:
    how = json.loads(sys.argv[1])
    kind = how.pop("start", "")
    start(kind)
    if kind == "leave":
        os.close(0)
    told = {"command": os.environ.get("VGG16_COMMAND")}
    hello = {"protocol": 1, "model": "fake", "modelSha256": "00", "labels": ["a"]}
    embeds = any(word.split("=")[0] == "--embed" for word in sys.argv)
    if embeds:
        hello["shape"] = [1]
    write(line({**hello, "arguments": sys.argv[2:], "pid": os.getpid(), **told, **how}))
    if kind == "leave":
        os._exit(3)
    requests: "queue.Queue[tuple[object, bytes]]" = queue.Queue(8)

    def work() -> None:
        try:
            while True:
                answer(*requests.get(), embeds)
                requests.task_done()
        except BrokenPipeError:
            os._exit(0)
        except SystemExit:
            os._exit(1)

    threading.Thread(target=work, daemon=True).start()
    # Read ahead of the answers, as the worker does: it may die of a picture before its turn.
    for text in sys.stdin.buffer:
        if len(text) > 1 << 16:
            write(line({"id": None, "error": {"code": "PROTOCOL", "message": "too long"}}))
            os._exit(1)
        head = json.loads(text)
        if "url" in head:
            picture = head["url"].encode()
        else:
            picture = sys.stdin.buffer.read(head["bytes"])
        word, _, rest = picture.partition(b" ")
        if word == b"die" or word == b"once" and is_first(Path(os.fsdecode(rest))):
            os.kill(os.getpid(), signal.SIGKILL)
        if word == b"exit":
            os._exit(0)
        requests.put((head["id"], picture))
    requests.join()


main()
