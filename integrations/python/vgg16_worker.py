"""Labels or embeddings of many pictures, by the process `vgg16 worker`, for Ray, Spark and others.

    from vgg16_worker import Worker

    with Worker(model="vgg16-imagenet") as worker:
        for answer in worker.classify(pictures):  # (id, bytes) each
            print(answer.id, answer.label, answer.score, answer.error)

There is exactly one answer for each picture, in the order of the pictures. A picture that is no
picture has an answer with an `error`; exceptions are for what is wrong with the whole: no such
program, no such model, another version of the protocol. The process is started once, and again when
it dies.

This one file needs Python 3.9 or newer and nothing else. numpy, pyarrow, pandas, Ray and Spark are
imported nowhere but in the functions made for them.

`python3 vgg16_worker.py FILE …` prints requests for `vgg16 worker --base64`, a line for each file.

Threads: a `Worker` may be made and used in any thread, by one at a time.
Forks: a forked child has the `Worker`, but not its process; it starts its own when it needs one.
Pickling: a pickled `Worker` is its settings; where it is loaded, it starts a process of its own.
"""

from __future__ import annotations

import array
import base64
import contextlib
import copy
import dataclasses
import importlib
import inspect
import json
import logging
import math
import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
import types
import weakref
from collections import deque
from typing import (
    IO,
    Any,
    Callable,
    Deque,
    Dict,
    Generator,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
)

__all__ = [
    "Answer",
    "Failure",
    "Prediction",
    "ProtocolError",
    "RayWorker",
    "SPARK_EMBEDDING",
    "SPARK_LABELS",
    "StartError",
    "Worker",
    "WorkerError",
    "answer_of_line",
    "map_in_arrow",
    "map_in_pandas",
    "request_line",
    "shared",
]

#: The version of the protocol that this file speaks.
PROTOCOL = 1

#: The code of the failure of a picture at whose turn the process died each time.
WORKER_DIED = "WORKER_DIED"

#: A picture: any contiguous buffer of an encoded file, or, where the worker may fetch, its URL.
#: `None` is an empty file.
Picture = Union[bytes, bytearray, memoryview, str, None, Any]

_T = TypeVar("_T")
_LOG = logging.getLogger("vgg16_worker")
#: Lines of standard error that an exception shows.
_LAST_LINES = 20
#: No line of an answer is longer: one that is comes from another program.
_MAX_LINE = 1 << 24
#: Bytes of a request before those of its picture: a longer line would end the process.
_MAX_HEADER = 1 << 16
#: Pictures that may be lost to deaths one after another, and deaths of a process that has no
#: picture: then it is not the pictures.
_MAX_LOST = 10
#: What an iterator gives at its end, and at no other time.
_END: Any = object()
#: Seconds in which what is about to end should have ended.
_GRACE = 5.0


class WorkerError(RuntimeError):
    """What is wrong with the worker and not with a picture."""


class StartError(WorkerError):
    """The process could not be started, or ended before its first line, or never wrote one."""


class ProtocolError(WorkerError):
    """The process wrote what the protocol does not have, or speaks another version of it."""


@dataclasses.dataclass(frozen=True)
class Prediction:
    """One of the labels of a picture."""

    label: str
    #: The class' position in the model's output, from 0 on.
    index: int
    #: 0 to 1, the very number that the process wrote.
    score: float
    #: Of a first prediction: whether the score is high enough; `None` if the model does not say.
    sure: Optional[bool] = None
    #: The class' WordNet id, where the model has them.
    id: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a picture has no predictions. `str()` of it is `code: message`."""

    #: Those of the library, such as `image-damaged`, or `WORKER_DIED`.
    code: str
    message: str
    #: Whether the same picture may succeed later.
    retryable: bool = False

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a picture: `predictions` or an `embedding`, or otherwise an `error`."""

    #: What the picture was given with.
    id: Any
    #: Best first. Empty if there is an error, or if no score reached `--score-threshold`.
    predictions: Tuple[Prediction, ...] = ()
    error: Optional[Failure] = None
    #: float32 in this machine's byte order, row-major; `numpy.frombuffer(it, "f4")` copies nothing.
    embedding: Optional[array.array[float]] = None
    #: The embedding's shape.
    shape: Tuple[int, ...] = ()

    @property
    def label(self) -> Optional[str]:
        """The best label, `None` if there is none."""
        return self.predictions[0].label if self.predictions else None

    @property
    def score(self) -> Optional[float]:
        """The best label's score, `None` if there is none."""
        return self.predictions[0].score if self.predictions else None


class _Request:
    """A picture on its way. What is sent is a number for an id, so that an id may be anything."""

    __slots__ = ("deaths", "header", "id", "number", "picture", "refusal")

    def __init__(self, number: int, id: Any, picture: Picture) -> None:
        header: Dict[str, Any] = {"id": number}
        if isinstance(picture, str):
            header["url"], self.picture = picture, memoryview(b"")
        else:
            self.picture = _bytes_of(picture)
            header["bytes"] = len(self.picture)
        self.number, self.id = number, id
        self.header = json.dumps(header).encode() + b"\n"
        #: Why it is not sent at all.
        self.refusal: Optional[Failure] = None
        if len(self.header) > _MAX_HEADER:
            text = f"at most {_MAX_HEADER} bytes, found {len(self.header)}"
            self.refusal = Failure("image-fetch", f"Expected a URL whose request has {text}")
            self.header = b""
        #: How often the process died while it had this picture and no other.
        self.deaths = 0


def _bytes_of(picture: Picture) -> memoryview:
    """The bytes of a buffer, of whatever type its elements are. `TypeError` if it is none."""
    if picture is None:
        return memoryview(b"")
    try:
        view: memoryview = memoryview(picture)  # type: ignore[arg-type] # What is no buffer raises.
    except TypeError:
        raise TypeError(
            f"A picture must be a buffer, a URL or None, and is {type(picture).__name__}"
        ) from None
    return view.cast("B") if view.c_contiguous else memoryview(view.tobytes())


class Worker:
    """A process `vgg16 worker`, which is started when it is first needed, and again when it dies.

    :param model: id of the catalog, path or URL; `None` is the program's own default.
    :param command: the program and what comes before `worker`, such as
        `["deno", "run", "--allow-read", "cli.ts"]`; `None` is `VGG16_COMMAND`, split as a shell
        does, or `["vgg16"]`.
    :param threads: of the process. One each, and as many processes as cores, is the fastest.
    :param embed: a layer, such as `"fc7"`: answers then have embeddings instead of predictions.
    :param fetch: whether a picture may be the text of a URL, which the process then fetches.
    :param options: other options of `vgg16 worker`, such as `["--top-k", "1"]`.
    :param window: pictures that may be on their way at once.
    :param window_bytes: bytes of pictures that may be so; one picture may always be.
    :param attempts: deaths that a picture is tried for: see `classify`.
    :param start_timeout: seconds in which the process must have opened its model.
    :param timeout: seconds in which the next answer must come while one is waited for: a process
        that says nothing for so long is killed, and counts as one that died.
    :raises ValueError: if a number is out of its range.
    """

    def __init__(
        self,
        model: Optional[str] = None,
        *,
        command: Optional[Sequence[str]] = None,
        threads: int = 1,
        embed: Optional[str] = None,
        fetch: bool = False,
        options: Sequence[str] = (),
        window: int = 64,
        window_bytes: int = 1 << 26,
        attempts: int = 2,
        start_timeout: float = 300.0,
        timeout: float = 600.0,
    ) -> None:
        if isinstance(command, str) or isinstance(options, str):
            raise TypeError("command and options are lists of words: use shlex.split(text)")
        if min(threads, window, window_bytes, attempts) < 1 or min(start_timeout, timeout) <= 0:
            raise ValueError(
                "threads, window, window_bytes, attempts and timeouts must be positive"
            )
        self._command = None if command is None else tuple(command)
        words = ["worker", "--threads", str(threads)]
        for flag, value in (("--model", model), ("--embed", embed)):
            words += [] if value is None else [flag, value]
        self._arguments = (*words, *(["--fetch"] if fetch else []), *options)
        self._window, self._window_bytes, self._attempts = window, window_bytes, attempts
        self._start_timeout, self._timeout = start_timeout, timeout
        self._set_up()

    def _set_up(self) -> None:
        self._process: Optional[_Process] = None
        self._finalizer: Callable[[], object] = lambda: None
        self._hello: Optional[Mapping[str, Any]] = None
        self._iteration: Callable[[], Optional[Generator[Answer, None, None]]] = lambda: None
        self._owner = os.getpid()
        #: How often a process died and another took its place.
        self.restarts = 0

    def _settings(self) -> Tuple[Any, ...]:
        return (
            *(self._command, self._arguments, self._window, self._window_bytes),
            *(self._attempts, self._start_timeout, self._timeout),
        )

    def __getstate__(self) -> Tuple[Any, ...]:
        return self._settings()

    def __setstate__(self, settings: Tuple[Any, ...]) -> None:
        self._command, self._arguments, self._window, self._window_bytes, *rest = settings
        self._attempts, self._start_timeout, self._timeout = rest
        self._set_up()

    def __enter__(self) -> Worker:
        self._started()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[types.TracebackType],
    ) -> None:
        self.close()

    @property
    def hello(self) -> Mapping[str, Any]:
        """What the process said first: `protocol`, `version`, `model`, `labels`, and its settings.

        Starts the process.

        :raises StartError: if it does not start.
        :raises ProtocolError: if it speaks another version, or has another model than before.
        """
        self._started()
        assert self._hello is not None
        return self._hello

    @property
    def embeds(self) -> bool:
        """Whether answers have embeddings, as the process says. Starts it if none ever was."""
        hello = self.hello if self._hello is None else self._hello
        return "shape" in hello

    @property
    def pid(self) -> Optional[int]:
        """The process' number, `None` while there is none."""
        process = self._process
        return process.pid if process is not None and process.is_running() else None

    def classify(self, pictures: Iterable[Tuple[Any, Picture]]) -> Generator[Answer, None, None]:
        """Answers one for each picture, in their order.

        `pictures` are pairs of an id, which may be anything and is only handed back, and a buffer
        with an encoded picture, which must not change before its answer. They are taken in the
        caller's thread, up to `window` ahead of the answers; so with pictures that come slowly, an
        answer may wait for later pictures: `Worker(window=1)` answers each before it takes more.

        If the process dies, what was not answered is sent to a new one, one picture at a time until
        all of it is answered. If that dies, too, it is this picture's death, and with the
        `attempts`-th of them its answer is an error, `WORKER_DIED`. A picture of which the process
        has read nothing, as it was dead before, is not what it died of.

        An iterator that is closed, dropped or left by an exception before its end ends the process;
        the next call starts another.

        :raises WorkerError: if another iteration of this worker is under way.
        :raises StartError: if the process does not start (or start again).
        :raises ProtocolError: if it answers what was not asked.
        :raises WorkerError: if ten pictures are lost one after another, or ten processes die
            without one.
        """
        running = self._iteration()
        is_own = self._owner == os.getpid()  # Otherwise it is that of the process that was forked.
        if is_own and running and inspect.getgeneratorstate(running) != inspect.GEN_CLOSED:
            raise WorkerError(
                "An iteration is under way: end it, close() it, or use another Worker"
            )
        iteration = self._classify(iter(pictures))
        self._iteration, self._owner = weakref.ref(iteration), os.getpid()
        return iteration

    def _classify(self, source: Iterator[Tuple[Any, Picture]]) -> Generator[Answer, None, None]:
        waiting: Deque[_Request] = deque()  # Taken and not answered, oldest first.
        sent = 0  # How many of them the present process has.
        held = 0  # Their bytes.
        careful = 0  # How many of them go alone, as one of them may be what the process died of.
        lost = idle = number = 0
        is_over = False
        process = self._started()
        try:
            while True:
                while not (is_over or careful) and (
                    not waiting or len(waiting) < self._window and held < self._window_bytes
                ):
                    pair = next(source, _END)
                    if pair is _END:
                        is_over = True
                        break
                    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                        raise TypeError(f"Expected pairs of an id and a picture, found {pair!r:.80}")
                    request = _Request(number, *pair)
                    number += 1
                    waiting.append(request)
                    held += len(request.picture)
                    process.send(request)
                    sent += 1
                if not waiting:
                    break
                if sent == 0:
                    process.send(waiting[0])
                    sent = 1
                first = waiting[0]
                answer = process.answer(first, self._timeout)
                if answer is None:
                    how = process.died()
                    if sent == 1 and process.has_read(first):
                        first.deaths += 1
                    elif sent == 1:
                        idle += 1
                        if idle >= _MAX_LOST:
                            raise WorkerError(
                                f"The worker {how} before it had a picture, {idle} times."
                                f" {process.last_words()}"
                            )
                    _LOG.warning("the worker %s; %d pictures go to a new one", how, len(waiting))
                    sent, careful = 0, len(waiting)
                    if first.deaths >= self._attempts:
                        text = f"The worker {how} at this picture, {first.deaths} times"
                        answer = Answer(first.id, error=Failure(WORKER_DIED, text))
                        lost += 1
                        if lost >= _MAX_LOST:
                            raise WorkerError(
                                f"The worker {how} at each of {lost} pictures, one after another:"
                                f" that is not the pictures. {process.last_words()}"
                            )
                    self.restarts += 1
                    process = self._started()
                    if answer is None:
                        continue
                else:
                    sent -= 1
                    if first.refusal is None:
                        lost = idle = 0
                waiting.popleft()
                held -= len(first.picture)
                careful = max(0, careful - 1)
                del first
                yield answer
        except BaseException:
            process.discard()
            raise

    def _started(self) -> _Process:
        process = self._process
        if process is not None and process.is_running():
            return process
        self._finalizer()
        command = self._command
        if command is None:
            command = tuple(shlex.split(os.environ.get("VGG16_COMMAND", ""))) or ("vgg16",)
        process = _Process([*command, *self._arguments])
        try:
            hello = process.hello(self._start_timeout)
            before = self._hello or hello
            for name in ("model", "sha256", "modelSha256"):
                if hello.get(name) != before.get(name):
                    raise ProtocolError(
                        f"The worker's {name} was {before.get(name)} and is {hello.get(name)} after"
                        " a restart: the answers would be of two models"
                    )
        except BaseException:
            process.discard()
            raise
        self._process, self._hello = process, hello
        # Whoever drops the worker, or leaves the program, leaves no process.
        self._finalizer = weakref.finalize(self, process.discard)
        return process

    def _end_iteration(self) -> None:
        iteration = self._iteration()
        if iteration is not None:
            iteration.close()

    def close(self) -> None:
        """Ends the process: at once if an iteration is under way, which it then ends, too.

        The worker can be used again, by a new process.
        """
        self._end_iteration()
        process = self._process
        if process is not None:
            process.close()
        self._finalizer()
        self._process = None


class _Process:
    """A process with three threads: one writes, one reads standard error, one watches the time.

    None of them is the caller's, who only reads answers: so however full a pipe is, someone is
    reading at its other end.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._name = shlex.join(command)
        try:
            # Without Python's buffers: nothing is left in them to be written by a forked child.
            self._child = subprocess.Popen(
                command,
                bufsize=0,
                # The program warns of variables with its name that it does not know.
                env={name: it for name, it in os.environ.items() if name != "VGG16_COMMAND"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # A group of its own, so that what a launcher such as npx started ends with it, and
                # Control-C at a terminal is this process' to handle.
                start_new_session=os.name == "posix",
            )
        except OSError as error:
            raise StartError(
                f'"{self._name}" could not be started: {error}. Give command=[…] or VGG16_COMMAND'
            ) from error
        self.pid, self._owner = self._child.pid, os.getpid()
        assert self._child.stdin and self._child.stdout and self._child.stderr
        self._stdin, self._stdout, self._stderr = (
            *(self._child.stdin, self._child.stdout, self._child.stderr),
        )
        self._buffer = bytearray()
        self._lines: Deque[str] = deque(maxlen=_LAST_LINES)
        self._queue: queue.SimpleQueue[Optional[_Request]] = queue.SimpleQueue()
        self._last: Optional[_Request] = None  # What is written, or was last,
        self._written = 0  # and the bytes of it.
        self._time = threading.Condition()
        self._deadline = self._alarm = math.inf
        self._is_late = self._is_over = False
        self._threads = [
            threading.Thread(target=work, name=f"vgg16-worker-{name}", daemon=True)
            for name, work in (("write", self._write), ("log", self._log), ("watch", self._watch))
        ]
        _PROCESSES.add(self)
        for thread in self._threads:
            thread.start()

    def is_running(self) -> bool:
        return self._is_mine() and self._child.poll() is None

    def send(self, request: _Request) -> None:
        """Puts a request in the writer's line. If the process is dead, the next answer says so."""
        if request.refusal is None:
            self._queue.put(request)

    def hello(self, timeout: float) -> Mapping[str, Any]:
        line = self._in_time(self._line, timeout)
        if line is None:
            how = self.died()
            if self._is_late:
                how = f"was not ready within {timeout:g} s"
            raise StartError(f'"{self._name}" {how} instead of saying hello. {self.last_words()}')
        hello = self._object(line)
        if hello.get("protocol") != PROTOCOL:
            raise ProtocolError(
                f'"{self._name}" speaks protocol {hello.get("protocol")!r}, this file speaks'
                f" {PROTOCOL}: take both from one version. {self.last_words()}"
            )
        return hello

    def answer(self, request: _Request, timeout: float) -> Optional[Answer]:
        """The next answer, which must be that of `request`; `None` if the process died before."""
        if request.refusal is not None:
            return Answer(request.id, error=request.refusal)
        return self._in_time(lambda: self._read_answer(request), timeout)

    def _read_answer(self, request: _Request) -> Optional[Answer]:
        line = self._line()
        if line is None:
            return None
        head = self._object(line)
        try:
            error = head.get("error")
            failure = None if error is None else _failure_of(error)
            if head["id"] is None and failure is not None:
                raise ProtocolError(f"The worker did not understand: {failure}")
            if head["id"] != request.number:
                raise ProtocolError(
                    f"The worker answered {head['id']!r} instead of {request.number}"
                )
            if failure is None and "bytes" in head:
                shape = tuple(int(extent) for extent in head["shape"])
                if int(head["bytes"]) != 4 * math.prod(shape):
                    raise ProtocolError(f"The worker wrote {head['bytes']} bytes for shape {shape}")
                data = self._exactly(int(head["bytes"]))
                if data is None:
                    return None
                return Answer(request.id, embedding=_floats_of(data), shape=shape)
            return _answer_of(request.id, head, failure)
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"The worker wrote what is no answer: {line[:200]!r}") from error

    def _object(self, line: bytes) -> Dict[str, Any]:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ProtocolError(
                f'"{self._name}" wrote what is no line of a worker: {line[:200]!r}.'
                f" {self.last_words()}"
            )
        return value

    def _line(self) -> Optional[bytes]:
        """The next line without its end; `None` if the output ends before it."""
        seen = 0
        while True:
            end = self._buffer.find(b"\n", seen)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return line
            seen = len(self._buffer)
            if seen > _MAX_LINE:
                raise ProtocolError(f'"{self._name}" wrote a line of over {_MAX_LINE} bytes')
            if not self._fill():
                return None

    def _exactly(self, count: int) -> Optional[bytes]:
        while len(self._buffer) < count:
            if not self._fill():
                return None
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _fill(self) -> bool:
        try:
            data = self._stdout.read(1 << 16)
        except (OSError, ValueError):  # A ValueError is that of a pipe that discard() closed.
            return False
        self._buffer += data
        return len(data) > 0

    def _in_time(self, read: Callable[[], Optional[_T]], timeout: float) -> Optional[_T]:
        with self._time:
            self._deadline = time.monotonic() + timeout
            if self._deadline < self._alarm:
                self._time.notify_all()
        try:
            return read()
        finally:
            # The watch need not be woken: it looks again at what was the deadline.
            self._deadline = math.inf

    def _watch(self) -> None:
        with self._time:
            while not self._is_over:
                self._alarm = self._deadline
                left = self._alarm - time.monotonic()
                if left > 0:
                    self._time.wait(None if left == math.inf else left)
                    continue
                self._is_late, self._deadline = True, math.inf
                self._kill()

    def _write(self) -> None:
        try:
            for request in iter(self._queue.get, None):
                self._last, self._written = request, 0
                for part in (request.header, request.picture):
                    view = memoryview(part)
                    while view:
                        count = self._stdin.write(view)
                        self._written += count
                        view = view[count:]
        except OSError:
            pass  # Dead, which the reader sees as the end of its answers.
        finally:
            self._written -= _unread_bytes(self._stdin)
            self._stdin.close()

    def _log(self) -> None:
        rest = b""
        for data in iter(lambda: self._stderr.read(1 << 16), b""):
            *lines, rest = (rest + data).split(b"\n")
            self._take_lines(lines)
            rest = rest[-_MAX_LINE:]
        self._take_lines([rest] if rest else [])
        self._stderr.close()

    def _take_lines(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            self._lines.append(text)
            _LOG.debug("%s", text)

    def last_words(self) -> str:
        """The last lines of standard error, as a sentence of an exception."""
        if not self._lines:
            return "It wrote nothing on standard error."
        return "Its last lines on standard error:\n  " + "\n  ".join(self._lines)

    def close(self) -> None:
        """Lets the process end by itself, for some seconds, as there are no more pictures."""
        if self._is_mine():
            self._queue.put(None)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_GRACE)
            self.discard()

    def died(self) -> str:
        """Says how a process ended that closed its output, as a predicate, and clears up."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(0 if self._is_late else _GRACE)
        code = self._child.poll()
        self.discard()
        if self._is_late:
            return "said nothing for too long"
        if code is None:
            return "closed its output"
        return f"ended by {_signal_name(-code)}" if code < 0 else f"ended with {code}"

    def has_read(self, request: _Request) -> bool:
        """Of a process that died, and had answered all before: whether it read any of a request."""
        return self._last is request and self._written > 0

    def discard(self) -> None:
        """Kills the process if it runs, and waits for its threads."""
        if not self._is_mine():
            return
        self._kill()
        self._child.wait()
        with self._time:
            self._is_over = True
            self._time.notify_all()
        self._queue.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_GRACE)
        self._stdout.close()

    def _is_mine(self) -> bool:
        return not self._is_over and os.getpid() == self._owner

    def _kill(self) -> None:
        if self._child.returncode is not None:
            return  # Its number may be another process' by now.
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        self._child.kill()

    def forget(self) -> None:
        """In a forked child: gives up the pipes, so that the process sees its own parent's end."""
        self._is_over = True
        self._child.returncode = 0  # Not this process' to wait for.
        for pipe in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                pipe.close()


def _unread_bytes(pipe: IO[bytes]) -> int:
    """Bytes in a pipe that nobody has read, by its end that is written; 0 if no one can tell."""
    try:
        fcntl, termios = importlib.import_module("fcntl"), importlib.import_module("termios")
        count = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    except (ImportError, OSError):
        return 0
    return int.from_bytes(count, sys.byteorder)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _failure_of(error: Mapping[str, Any]) -> Failure:
    return Failure(str(error["code"]), str(error["message"]), bool(error.get("retryable", False)))


def _answer_of(id: Any, head: Mapping[str, Any], failure: Optional[Failure]) -> Answer:
    if failure is not None:
        return Answer(id, error=failure)
    if "embedding" in head:
        floats = _floats_of(base64.b64decode(head["embedding"], validate=True))
        return Answer(id, embedding=floats, shape=tuple(head["shape"]))
    predictions = tuple(
        Prediction(it["label"], it["index"], it["score"], it.get("sure"), it.get("id"))
        for it in head["predictions"]
    )
    return Answer(id, predictions)


def _floats_of(data: bytes) -> array.array[float]:
    """Little-endian float32 in this machine's byte order."""
    floats = array.array("f", data)
    if sys.byteorder == "big":
        floats.byteswap()
    return floats


_PROCESSES: weakref.WeakSet[_Process] = weakref.WeakSet()
_POOL: Dict[Tuple[Any, ...], List[Worker]] = {}
_POOL_LOCK = threading.Lock()


def _after_fork() -> None:
    global _POOL_LOCK
    _POOL_LOCK = threading.Lock()
    for process in list(_PROCESSES):
        process.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def shared(worker: Worker) -> Iterator[Worker]:
    """Lends a worker with the same settings that this Python process has already, or a new one.

    It stays, with its process, for the next that asks: for engines that call a function for each
    part of the pictures, in Python processes which they keep. `worker` itself is not started. An
    iteration that is under way at the end is closed, also where somebody still holds the iterator.
    """
    key = worker._settings()
    with _POOL_LOCK:
        kept = _POOL.setdefault(key, [])
        lent = kept.pop() if kept else copy.copy(worker)
    try:
        yield lent
    finally:
        lent._end_iteration()
        with _POOL_LOCK:
            _POOL.setdefault(key, []).append(lent)


def request_line(id: Union[str, int], picture: Picture) -> str:
    """A request as a line without its end, for `vgg16 worker --base64`; `id` is text or int."""
    data = base64.b64encode(_bytes_of(picture)).decode()
    return json.dumps({"id": id, "data": data})


def _main() -> None:
    """Prints a request line of each file that is named: what xargs and GNU parallel pipe on.

    One that cannot be read has an empty picture, whose answer is an error, and is told on standard
    error; the exit code is 1 then.
    """
    code = 0
    for name in sys.argv[1:]:
        picture = b""
        try:
            with open(name, "rb") as file:
                picture = file.read()
        except OSError as error:
            print(error, file=sys.stderr)
            code = 1
        print(request_line(name, picture))
    sys.exit(code)


def answer_of_line(line: str) -> Optional[Answer]:
    """The answer in a line of `vgg16 worker --base64`; `None` for its first line, the hello.

    :raises ProtocolError: if it is neither.
    """
    try:
        head = json.loads(line)
        if "protocol" in head:
            return None
        error = head.get("error")
        return _answer_of(head["id"], head, None if error is None else _failure_of(error))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"This is no line of a worker: {line[:200]!r}") from error


#: What the functions for Spark add to what is kept, in Spark's words.
SPARK_LABELS = "label string, score double, error string"
#: The same of a worker with `embed`.
SPARK_EMBEDDING = "embedding array<float>, error string"


def _columns(worker: Worker, answers: Sequence[Answer], all_labels: bool) -> Dict[str, List[Any]]:
    """Columns of the answers: `None` where there is nothing to say."""
    columns: Dict[str, List[Any]] = {}
    if worker.embeds:
        columns["embedding"] = [answer.embedding for answer in answers]
    else:
        columns["label"] = [answer.label for answer in answers]
        columns["score"] = [answer.score for answer in answers]
        if all_labels:
            columns["predictions"] = [_json_of(answer) for answer in answers]
    columns["error"] = [None if answer.error is None else str(answer.error) for answer in answers]
    return columns


def _json_of(answer: Answer) -> Optional[str]:
    if answer.error is not None:
        return None
    rows = (vars(one).items() for one in answer.predictions)
    return json.dumps([{name: it for name, it in row if it is not None} for row in rows])


def _arrow_columns(columns: Mapping[str, List[Any]]) -> Dict[str, Any]:
    """The same as Arrow's arrays, each of its own type even if all of it is null."""
    pa = importlib.import_module("pyarrow")
    arrays = {}
    for name, values in columns.items():
        if name == "embedding":
            floats = b"".join(b"" if value is None else value.tobytes() for value in values)
            offsets: List[Optional[int]] = [0]
            end = 0
            for value in values:
                end += 0 if value is None else len(value)
                offsets.append(end)
            # A null at an offset makes that list null.
            starts = [None if it is None else at for it, at in zip(values, offsets)] + [end]
            flat = pa.Array.from_buffers(pa.float32(), end, [None, pa.py_buffer(floats)])
            arrays[name] = pa.ListArray.from_arrays(pa.array(starts, pa.int32()), flat)
        else:
            arrays[name] = pa.array(values, pa.float64() if name == "score" else pa.string())
    return arrays


def _check_columns(names: Iterable[Any], wanted: Sequence[str]) -> None:
    """`ValueError` unless each that is wanted is the name of one column."""
    found = list(names)
    for name in wanted:
        count = found.count(name)
        if count != 1:
            are = f"are {count} columns" if count else "is no column"
            raise ValueError(f"There {are} {name!r}: the columns are {', '.join(map(repr, found))}")


class RayWorker:
    """What `map_batches` of Ray Data takes: one process in each actor.

        dataset.map_batches(
            RayWorker,
            fn_constructor_kwargs={"worker": Worker(model="vgg16-imagenet"), "picture": "bytes"},
            concurrency=8, num_cpus=1, batch_size=64, batch_format="pyarrow",
        )

    :param worker: its settings; the actor starts a process of its own.
    :param picture: the column of pictures: bytes, or URLs if the worker has `fetch`.
    :param keep: the columns that are handed on; `None` is all but the pictures.
    :param all_labels: whether there is a column `predictions`, too: JSON.
    """

    def __init__(
        self,
        worker: Worker,
        picture: str = "bytes",
        keep: Optional[Sequence[str]] = None,
        all_labels: bool = False,
    ) -> None:
        self._worker, self._picture = worker, picture
        self._keep, self._all_labels = keep, all_labels

    def __call__(self, batch: Any) -> Any:
        """Answers a batch: a dict of columns, or a table of Arrow's or of pandas'.

        :returns: a table of Arrow's, its rows in the same order: the columns that are kept, then
            `label` and `score`, or `embedding`, and `error`, of which one is null.
        :raises ValueError: if a column is not there, or there twice.
        :raises WorkerError: as `Worker.classify` does.
        """
        pa = importlib.import_module("pyarrow")
        rows, answers = self.columns(batch)
        table = batch if isinstance(batch, pa.Table) else pa.table(rows)
        if table is batch:
            table = table.select(list(rows))
        for name, column in _arrow_columns(answers).items():
            table = table.append_column(name, column)
        return table

    def columns(self, batch: Any) -> Tuple[Dict[str, Any], Dict[str, List[Any]]]:
        """The columns that are kept, as they are, and lists of what is answered."""
        names = list(getattr(batch, "column_names", batch))
        keep = (
            [name for name in names if name != self._picture] if self._keep is None else self._keep
        )
        _check_columns(names, [self._picture, *keep])
        pictures = ((None, _plain(value)) for value in batch[self._picture])
        answers = list(self._worker.classify(pictures))
        kept = {name: batch[name] for name in keep}
        return kept, _columns(self._worker, answers, self._all_labels)


def map_in_arrow(
    worker: Worker, picture: str, keep: Sequence[str], all_labels: bool = False
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What `DataFrame.mapInArrow` of Spark takes.

        function = map_in_arrow(Worker(model="vgg16-imagenet"), "content", ["path"])
        frame.mapInArrow(function, f"path string, {SPARK_LABELS}")

    The process belongs to Spark's Python worker: it is one of each, stays from one partition to the
    next, and is started again if it is dead. Batches are not waited for: pictures of the next are
    sent while those of one are answered. A batch is held until it is answered, so
    `spark.sql.execution.arrow.maxRecordsPerBatch` should be some hundreds.

    :param worker: its settings; each Python worker starts a process of its own.
    :param picture: the column of pictures: binary, or URLs if the worker has `fetch`.
    :param keep: the columns that are handed on, in the order of the schema.
    :param all_labels: whether `predictions string`, JSON, stands before `error`.

    `ValueError` if a column is not there, or there twice.
    """
    names = list(keep)

    def answer(batches: Iterator[Any]) -> Iterator[Any]:
        pa = importlib.import_module("pyarrow")

        def parts() -> Iterator[Tuple[Any, Sequence[Picture]]]:
            for batch in batches:
                _check_columns(batch.schema.names, [picture, *names])
                kept = [batch.column(batch.schema.get_field_index(name)) for name in names]
                at = batch.schema.get_field_index(picture)
                yield kept, [_plain(value) for value in batch.column(at)]

        with shared(worker) as lent:
            for kept, answers in _by_parts(lent, parts()):
                columns = _arrow_columns(_columns(lent, answers, all_labels))
                yield pa.RecordBatch.from_arrays([*kept, *columns.values()], [*names, *columns])

    return answer


def map_in_pandas(
    worker: Worker, picture: str, keep: Sequence[str], all_labels: bool = False
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What `DataFrame.mapInPandas` of Spark takes; all as in `map_in_arrow`."""
    names = list(keep)

    def answer(frames: Iterator[Any]) -> Iterator[Any]:
        def parts() -> Iterator[Tuple[Any, Sequence[Picture]]]:
            for frame in frames:
                _check_columns(frame.columns, [picture, *names])
                yield frame[names], [_plain(value) for value in frame[picture]]

        with shared(worker) as lent:
            for kept, answers in _by_parts(lent, parts()):
                # Lists, as Spark turns what pandas holds into Arrow.
                columns = {
                    name: [list(it) if isinstance(it, array.array) else it for it in values]
                    for name, values in _columns(lent, answers, all_labels).items()
                }
                yield kept.assign(**columns)

    return answer


def _plain(value: Any) -> Picture:
    """A value of a column: of Arrow's, the bytes or the text that it holds."""
    return value.as_py() if hasattr(value, "as_py") else value


_K = TypeVar("_K")


def _by_parts(
    worker: Worker, parts: Iterator[Tuple[_K, Sequence[Picture]]]
) -> Iterator[Tuple[_K, List[Answer]]]:
    """Answers of parts, each with what is kept of it; parts of no pictures are left out."""
    waiting: Deque[Tuple[_K, int]] = deque()

    def pictures() -> Iterator[Tuple[None, Picture]]:
        for kept, of_part in parts:
            if len(of_part) > 0:
                waiting.append((kept, len(of_part)))
            for picture in of_part:
                yield None, picture

    answers: List[Answer] = []
    with contextlib.closing(worker.classify(pictures())) as iteration:
        for answer in iteration:
            answers.append(answer)
            if len(answers) == waiting[0][1]:
                yield waiting.popleft()[0], answers
                answers = []


if __name__ == "__main__":
    _main()
