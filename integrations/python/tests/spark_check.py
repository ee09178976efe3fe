"""Classifies small pictures on a master and two workers of Spark, parts of which die midway.

    pip install pyspark==4.3.0 pyarrow==26.0.1 pandas==3.1.1    (and Java 17 or newer)
    python integrations/python/tests/spark_check.py [COUNT]

A Python worker process and an executor are killed, and a process of the worker is halted, so that
speculation has a straggler to run again. The rows must be those of one process, bit for bit, each
once. All that is started ends with the script; everything listens on loopback.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

MODULE = Path(__file__).resolve().parents[1] / "vgg16_worker.py"
sys.path[:0] = [str(MODULE.parent)]

import pyspark  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from checking import (  # noqa: E402
    COMMAND,
    MODEL,
    classified_alone,
    compare,
    end_on_signals,
    make_pictures,
    say,
)
from vgg16_worker import (  # noqa: E402
    SPARK_EMBEDDING,
    Worker,
    answer_of_line,
    map_in_arrow,
    map_in_pandas,
    request_line,
)

#: Two hosts, both loopback: a straggler is run again on another host only.
HOSTS = ("127.0.0.1", "127.0.0.2")
SCHEMA = "path string, label string, score double, predictions string, error string"


def processes() -> Dict[int, List[int]]:
    """The children of each process."""
    children: Dict[int, List[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    return children


def has(pid: int, word: str) -> bool:
    """Whether a process has a word in its command."""
    with contextlib.suppress(OSError):
        return word in Path(f"/proc/{pid}/cmdline").read_text()
    return False


def below(pid: int, word: str) -> List[int]:
    """Descendants of a process that have a word in their command."""
    children, found, left = processes(), [], [pid]
    while left:
        for child in children.get(left.pop(), []):
            left.append(child)
            if has(child, word):
                found.append(child)
    return found


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def wait_for(is_so: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = is_so()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"{what}: not within {seconds:g} s")


class Spark:
    """A master and two workers, processes of this one."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.home = Path(pyspark.__file__).parent
        port = free_port()
        self.url = f"spark://127.0.0.1:{port}"
        self._environment = {
            **os.environ,
            **{"SPARK_HOME": str(self.home), "PYSPARK_PYTHON": sys.executable},
            **{"SPARK_WORKER_DIR": str(folder / "work"), "SPARK_LOCAL_DIRS": str(folder / "local")},
        }
        kind = "org.apache.spark.deploy."
        ports = ["--webui-port", "0"]
        arguments = ["--host", HOSTS[0], "--port", str(port), *ports]
        self._start(stack, [f"{kind}master.Master", *arguments], HOSTS[0], folder / "master.log")
        wait_for(lambda: self._answers(port), "the master")
        self.workers = []
        for host in HOSTS:
            arguments = ["--host", host, "--cores", "1", "--memory", "1g", *ports, self.url]
            command = [f"{kind}worker.Worker", *arguments]
            self.workers.append(self._start(stack, command, host, folder / f"{host}.log"))

    def _start(self, stack: contextlib.ExitStack, words: List[str], host: str, log: Path) -> int:
        with log.open("wb") as output:
            child = subprocess.Popen(
                [str(self.home / "bin/spark-class"), *words],
                env={**self._environment, "SPARK_LOCAL_IP": host},
                stdout=output,
                stderr=output,
            )

        def end() -> None:
            executors = below(child.pid, "")
            child.terminate()
            child.wait()
            for pid in executors:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        stack.callback(end)
        return child.pid

    @staticmethod
    def _answers(port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False


class Killer(threading.Thread):
    """Kills and halts, once so many tasks of the job are done."""

    def __init__(self, spark: Spark, session: SparkSession, tasks: int) -> None:
        super().__init__(daemon=True)
        self.spark, self.session, self.tasks = spark, session, tasks
        self.halted: Optional[int] = None
        self.error: Optional[BaseException] = None

    def run(self) -> None:
        try:
            self._at(0.1)
            python = wait_for(lambda: self._python_worker(0), "a Python worker")
            self._signal("killing Python worker", python)
            self._at(0.3)
            executor = below(self.spark.workers[1], "CoarseGrainedExecutorBackend")[-1]
            self._signal("killing executor", executor)
            self._at(0.6)
            self.halted = wait_for(lambda: below(self.spark.workers[0], "--threads"), "a process")[
                -1
            ]
            self._signal("halting process of the worker", self.halted, signal.SIGSTOP)
        except BaseException as error:
            self.error = error

    def _signal(self, what: str, pid: int, how: signal.Signals = signal.SIGKILL) -> None:
        say(f"{self._done()} of {self.tasks} tasks: {what} {pid}")
        os.kill(pid, how)

    def _python_worker(self, number: int) -> Optional[int]:
        """One that has a process `vgg16 worker`; Spark's daemon forks them, and has none."""
        children = processes()
        for pid in below(self.spark.workers[number], "pyspark"):
            if any(has(child, "--threads") for child in children.get(pid, [])):
                return pid
        return None

    def _done(self) -> int:
        tracker = self.session.sparkContext.statusTracker()
        stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
        return sum(stage.numCompletedTasks for stage in stages if stage is not None)

    def _at(self, part: float) -> None:
        wait_for(lambda: self._done() >= part * self.tasks, f"{part:.0%} of the tasks", 180)


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "pictures").mkdir()
        pictures = make_pictures(folder / "pictures", count)
        alone = classified_alone(folder / "pictures")
        # Spark's reader leaves out files of no bytes.
        alone = {name: it for name, it in alone.items() if pictures[name]}
        say(f"one process: {len(alone)} pictures")
        spark = Spark(stack, folder)
        (folder / "events").mkdir()
        os.environ.update({"SPARK_LOCAL_IP": HOSTS[0], "PYSPARK_PYTHON": sys.executable})
        session = (
            SparkSession.builder.master(spark.url)
            .config("spark.driver.host", HOSTS[0])
            .config("spark.driver.bindAddress", HOSTS[0])
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.executor.memory", "512m")
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "20")
            .config("spark.speculation", "true")
            .config("spark.speculation.interval", "500ms")
            .config("spark.speculation.quantile", "0.5")
            .config("spark.speculation.minTaskRuntime", "3s")
            .config("spark.eventLog.enabled", "true")
            .config("spark.eventLog.compress", "false")
            .config("spark.eventLog.dir", (folder / "events").as_uri())
            .getOrCreate()
        )
        stack.callback(session.stop)
        session.sparkContext.setLogLevel("OFF")
        session.sparkContext.addPyFile(str(MODULE))
        wait_for(
            lambda: len(below(os.getpid(), "CoarseGrainedExecutorBackend")) >= 2, "executors", 180
        )
        say(f"spark {pyspark.__version__}: a master and two workers")
        worker = Worker(MODEL, command=COMMAND)
        frame = session.read.format("binaryFile").load(str(folder / "pictures"))
        tasks = frame.rdd.getNumPartitions()

        killer = Killer(spark, session, tasks)
        killer.start()
        function = map_in_arrow(worker, "content", ["path"], all_labels=True)
        rows = frame.mapInArrow(function, SCHEMA).collect()
        killer.join(10)
        if killer.halted is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(killer.halted, signal.SIGCONT)
        if killer.error is not None or killer.halted is None:
            sys.exit(f"not all was killed: {killer.error}")
        compare(
            "mapInArrow", ((Path(row.path).name, row.predictions, row.error) for row in rows), alone
        )

        function = map_in_pandas(worker, "content", ["path"], all_labels=True)
        few = frame.filter(frame.path.rlike("/000[24]"))
        rows = few.mapInPandas(function, SCHEMA).collect()
        part = {name: it for name, it in alone.items() if name.startswith(("0002", "0004"))}
        compare(
            "mapInPandas", ((Path(row.path).name, row.predictions, row.error) for row in rows), part
        )

        words = [*COMMAND, "worker", "--base64", "--threads", "1", "--model", MODEL]
        environment = {
            it: os.environ[it] for it in ("PATH", "HOME", "DENO_DIR") if it in os.environ
        }
        lines = (
            few.rdd.map(lambda row: request_line(row.path.split("/")[-1], bytes(row.content)))
            .pipe(" ".join(words), env=environment, checkCode=True)
            .collect()
        )
        compare("rdd.pipe", piped(lines), part)
        embedder = Worker(MODEL, command=COMMAND, embed="fc6")
        with embedder:
            given = [(name, pictures[name]) for name in part]
            vectors = {it.id: it.embedding for it in embedder.classify(given)}
        schema = f"path string, {SPARK_EMBEDDING}"
        for frame in (
            few.mapInArrow(map_in_arrow(embedder, "content", ["path"]), schema),
            few.mapInPandas(map_in_pandas(embedder, "content", ["path"]), schema),
        ):
            found = {Path(row.path).name: row.embedding for row in frame.collect()}
            if found != {name: None if it is None else list(it) for name, it in vectors.items()}:
                sys.exit("embeddings differ")
        say(f"embeddings, by Arrow and by pandas: {len(vectors)} rows, equal to one process'")
        session.stop()
        tell_tasks(folder / "events")


def piped(lines: List[str]) -> Iterator[Any]:
    for line in lines:
        answer = answer_of_line(line)
        if answer is not None:
            predictions = json.dumps(json.loads(line).get("predictions"))
            error = None if answer.error is None else str(answer.error)
            yield answer.id, None if error else predictions, error


def tell_tasks(folder: Path) -> None:
    """What Spark's own log says of its tasks."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    lines = [line for path in files for line in path.read_text().splitlines()]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    ends = [it for it in events if it["Event"] == "SparkListenerTaskEnd"]
    reasons: Dict[str, int] = {}
    for end in ends:
        reason = end["Task End Reason"]["Reason"]
        reasons[reason] = reasons.get(reason, 0) + 1
    speculative = sum(end["Task Info"]["Speculative"] for end in ends)
    lost = sum(it["Event"] == "SparkListenerExecutorRemoved" for it in events)
    say(f"tasks: {reasons}; speculative: {speculative}; executors removed: {lost}")


if __name__ == "__main__":
    end_on_signals()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
