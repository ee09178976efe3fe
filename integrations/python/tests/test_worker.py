"""What the Python file does with workers that die, stall, lie and break off."""

import contextlib
import importlib
import hashlib
import json
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from array import array
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple
from unittest import mock

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import vgg16_worker  # noqa: E402
from vgg16_worker import (  # noqa: E402
    WORKER_DIED,
    Answer,
    Failure,
    Prediction,
    ProtocolError,
    RayWorker,
    StartError,
    Worker,
    WorkerError,
    answer_of_line,
    map_in_arrow,
    map_in_pandas,
    request_line,
    shared,
)

# Deaths are meant here; assertLogs() hears of them all the same.
logging.getLogger("vgg16_worker").setLevel(logging.ERROR)

FAKE = str(FOLDER / "fake_worker.py")


def fake(how: Optional[Dict[str, Any]] = None, **settings: Any) -> Worker:
    """A worker that is `fake_worker.py`."""
    return Worker(command=[sys.executable, FAKE, json.dumps(how or {})], **settings)


def label_of(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()


def numbered(count: int) -> List[Tuple[int, bytes]]:
    return [(number, b"picture %d" % number) for number in range(count)]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Looks again and again; the limit is only for a test that fails."""
    end = time.monotonic() + 30
    while not is_so():
        if time.monotonic() > end:
            raise AssertionError(f"it never came: {what}")
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Who is a zombie of another parent is dead.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def kill(worker: Worker) -> None:
    """Kills its process, and waits until it is dead."""
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: worker.pid is None, "its end")


class WorkerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.threads = set(threading.enumerate())
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def assert_gone(self, *pids: Optional[int]) -> None:
        """No process of these, and no thread that was not there before."""
        self.assertEqual([pid for pid in pids if pid is not None and is_alive(pid)], [])
        self.assertEqual(set(threading.enumerate()) - self.threads, set())

    def assert_labels(
        self, answers: Sequence[Answer], pictures: Sequence[Tuple[Any, bytes]]
    ) -> None:
        self.assertEqual([answer.id for answer in answers], [id for id, _ in pictures])
        labels = [label_of(picture) for _, picture in pictures]
        self.assertEqual([answer.label for answer in answers], labels)

    # What is answered

    def test_each_picture_is_answered_once_and_in_order_whatever_its_id(self) -> None:
        pictures: List[Tuple[Any, bytes]] = [
            *((("a", 1), b"one"), (None, b"two"), ("x" * 5000, b"three"), ("x" * 5000, b"three")),
            *numbered(500),
        ]
        with fake() as worker:
            answers = list(worker.classify(pictures))
            self.assert_labels(answers, pictures)
            first = Prediction(label_of(b"one"), 7, 0.1, True, "n1")
            self.assertEqual(answers[0].predictions, (first, Prediction("other", 8, 1e-7)))
            self.assertEqual((answers[0].score, answers[0].error), (0.1, None))
            self.assertEqual(list(worker.classify([])), [])
            self.assertEqual(worker.restarts, 0)
            pid = worker.pid
        self.assert_gone(pid)

    def test_the_process_stays_for_the_next_call(self) -> None:
        with fake() as worker:
            pid = worker.pid
            for _ in range(3):
                self.assert_labels(list(worker.classify(numbered(5))), numbered(5))
            self.assertEqual(worker.pid, pid)

    def test_settings_become_arguments_and_the_hello_is_handed_on(self) -> None:
        with fake(
            model="m", threads=3, embed="fc7", fetch=True, options=["--pooling", "max"]
        ) as it:
            self.assertEqual(
                it.hello["arguments"],
                ["worker", "--threads", "3", "--model", "m", "--embed", "fc7", "--fetch"]
                + ["--pooling", "max"],
            )
            self.assertEqual(it.hello["labels"], ["a"])
            self.assertTrue(it.embeds)

    def test_the_command_may_come_from_the_environment(self) -> None:
        command = f"'{sys.executable}' '{FAKE}' '{{}}'"
        with mock.patch.dict(os.environ, {"VGG16_COMMAND": command}), Worker() as worker:
            self.assertEqual(worker.hello["arguments"], ["worker", "--threads", "1"])
            # Which is this file's, and not the program's.
            self.assertIsNone(worker.hello["command"])
        with mock.patch.dict(os.environ, {"VGG16_COMMAND": "", "PATH": str(self.folder)}):
            with self.assertRaisesRegex(
                StartError, '"vgg16 worker --threads 1" could not be started'
            ):
                Worker().hello

    def test_pictures_are_any_buffers_none_or_urls(self) -> None:
        data = b"0123456789"
        pictures = [
            data,
            bytearray(data),
            memoryview(data),
            array("H", data),
            memoryview(data)[::2],
        ]
        with fake() as worker:
            labels = [it.label for it in worker.classify((None, picture) for picture in pictures)]
            self.assertEqual(labels, [label_of(data)] * 4 + [label_of(data[::2])])
            (none, url) = worker.classify([(1, None), (2, "https://example.org")])
            self.assertEqual(none.label, label_of(b""))
            self.assertEqual(url.label, label_of(b"https://example.org"))
            with self.assertRaisesRegex(TypeError, "must be a buffer, .* and is int"):
                list(worker.classify([(1, 5)]))
            self.assertIsNone(worker.pid)

    def test_a_bad_picture_is_an_answer_with_an_error(self) -> None:
        with fake() as worker:
            good, bad, other = worker.classify([(1, b"a"), (2, b"bad"), (3, b"b")])
        self.assertEqual(bad, Answer(2, error=Failure("image-damaged", "cut short")))
        self.assertEqual(str(bad.error), "image-damaged: cut short")
        self.assertEqual((bad.label, bad.score), (None, None))
        self.assertEqual((good.label, other.label), (label_of(b"a"), label_of(b"b")))

    def test_a_url_that_no_request_has_room_for_is_an_answer_with_an_error(self) -> None:
        longest = "https://example.org/".ljust(65_536 - len('{"id": 1, "url": ""}\n'), "x")
        pictures: List[Tuple[Any, Any]] = [
            *((0, b"a"), (1, longest), (2, longest + "x"), ("i" * 70_000, b"b")),
            *((4, "é" * 20_000), (5, b"c")),
        ]
        for window in (1, 64):
            with self.subTest(window), fake(window=window) as worker:
                first, fits, refused, *others = worker.classify(pictures)
                text = "Expected a URL whose request has at most 65536 bytes, found 65537"
                self.assertEqual(refused, Answer(2, error=Failure("image-fetch", text)))
                labels = [label_of(b"a"), label_of(longest.encode())]
                self.assertEqual([first.label, fits.label], labels)
                self.assertEqual(
                    [answer.label for answer in others], [label_of(b"b"), None, label_of(b"c")]
                )
                self.assertEqual(worker.restarts, 0)
        with fake() as worker:  # The only ones, and those before and after what it dies of.
            (alone,) = worker.classify([(1, longest + "xx")])
            self.assertEqual(alone.error and alone.error.code, "image-fetch")
            sent = [longest + "xx", b"die", longest + "xx", b"die", longest + "xx", b"a"]
            answers = list(worker.classify(enumerate(sent)))
        codes = [answer.error and answer.error.code for answer in answers]
        self.assertEqual(codes, ["image-fetch", WORKER_DIED] * 2 + ["image-fetch", None])

    def test_embeddings_are_floats_of_this_machine(self) -> None:
        with fake(embed="fc7") as worker:
            (answer,) = worker.classify([(1, bytes([1, 2, 255]))])
        self.assertEqual(answer.embedding, array("f", [1, 2, 255]))
        self.assertEqual((answer.shape, answer.predictions), ((3,), ()))
        self.assertEqual(memoryview(answer.embedding or b"").format, "f")
        swapped = array("f", [1, 2, 255])
        swapped.byteswap()
        other = "big" if sys.byteorder == "little" else "little"
        with mock.patch.object(sys, "byteorder", other):
            self.assertEqual(vgg16_worker._floats_of(swapped.tobytes()), array("f", [1, 2, 255]))

    def test_both_pipes_may_be_full(self) -> None:
        # 300 KB to it and 1.2 MB from it for each picture; a pipe holds 64 KB.
        with fake(embed="fc7") as worker:
            shapes = [it.shape for it in worker.classify((n, bytes(300_000)) for n in range(30))]
        self.assertEqual(shapes, [(300_000,)] * 30)

    def test_pictures_are_taken_no_further_ahead_than_the_window(self) -> None:
        cases: List[Tuple[Dict[str, Any], int]] = [
            *(({"window": 5}, 5), ({"window_bytes": 3000}, 3), ({"window": 1}, 1)),
        ]
        for settings, ahead in cases:
            taken = 0

            def endless() -> Iterator[Tuple[int, bytes]]:
                nonlocal taken
                while True:
                    taken += 1
                    yield taken, bytes(1000)

            with self.subTest(settings), fake(**settings) as worker:
                for answered, answer in enumerate(worker.classify(endless())):
                    self.assertEqual(taken - answered, ahead)
                    if answered == 50:
                        break
        with fake(window_bytes=1) as worker:
            self.assert_labels(list(worker.classify(numbered(3))), numbered(3))

    # Iterations that end early

    def test_an_iterator_that_is_closed_midway_leaves_no_process_and_no_thread(self) -> None:
        worker = fake(embed="fc7")
        iterator = worker.classify((n, bytes(300_000)) for n in range(10**9))
        next(iterator)
        pid = worker.pid
        self.assertIsNotNone(pid)
        iterator.close()
        self.assertIsNone(worker.pid)
        self.assert_gone(pid)
        # Dropped is closed, and the worker is of use.
        next(worker.classify((n, bytes(300_000)) for n in range(10**9)))
        self.assert_gone(worker.pid)
        self.assertEqual(len(list(worker.classify(numbered(9)))), 9)
        worker.close()
        self.assert_gone()

    def test_what_the_pictures_raise_is_raised_and_leaves_nothing(self) -> None:
        def pictures() -> Iterator[Tuple[int, bytes]]:
            yield from numbered(3)
            raise ZeroDivisionError

        worker = fake()
        pid = worker.hello["pid"]
        with self.assertRaises(ZeroDivisionError):
            list(worker.classify(pictures()))
        self.assert_gone(pid)

    def test_what_is_no_pair_is_an_error_and_not_an_end(self) -> None:
        for wrong in (None, b"picture", (1, b"", b"")):
            with self.assertRaisesRegex(TypeError, "Expected pairs"):
                self.assert_nothing_lost(wrong)
        self.assert_gone()

    def assert_nothing_lost(self, wrong: Any) -> None:
        pictures: List[Any] = [*numbered(2), wrong, *numbered(2)]
        with fake() as worker:
            list(worker.classify(pictures))

    def test_one_iteration_at_a_time(self) -> None:
        with fake() as worker:
            iterator = worker.classify(numbered(500))
            next(iterator)
            with self.assertRaisesRegex(WorkerError, "An iteration is under way"):
                worker.classify([])
            self.assertEqual(len(list(iterator)), 499)
            self.assertEqual(len(list(worker.classify(numbered(2)))), 2)
            iterator = worker.classify(numbered(500))
            next(iterator)
            pid = worker.pid
            worker.close()
            self.assertEqual(list(iterator), [])
            self.assert_gone(pid)

    def test_a_worker_that_is_dropped_leaves_nothing(self) -> None:
        worker = fake()
        pid = worker.hello["pid"]
        del worker
        self.assert_gone(pid)

    def test_the_process_ends_when_its_parent_is_killed(self) -> None:
        program = f"""
            import sys
            sys.path[:0] = [{str(FOLDER)!r}]
            from test_worker import fake
            worker = fake()
            iterator = worker.classify((n, bytes(1000)) for n in range(10**9))
            next(iterator)
            print(worker.pid, flush=True)
            sys.stdin.read()
        """
        command = [sys.executable, "-c", textwrap.dedent(program)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, **pipes) as parent:  # type: ignore[call-overload]
            pid = int(parent.stdout.readline())
            self.assertTrue(is_alive(pid))
            parent.kill()
        wait_until(lambda: not is_alive(pid), "the process' end")

    # Deaths

    def test_a_picture_that_kills_the_process_is_an_error_and_the_others_are_answered(self) -> None:
        pictures = numbered(100)
        for number in (20, 24, 99):
            pictures[number] = (number, b"die")
        with self.assertLogs("vgg16_worker", "WARNING") as logs, fake(window=16) as worker:
            answers = list(worker.classify(pictures))
            restarts = worker.restarts
        dead = [answer for answer in answers if answer.error is not None]
        text = "The worker ended by SIGKILL at this picture, 2 times"
        self.assertEqual(
            dead, [Answer(number, error=Failure(WORKER_DIED, text)) for number in (20, 24, 99)]
        )
        rest = [pair for pair in pictures if pair[1] != b"die"]
        self.assert_labels([answer for answer in answers if answer.error is None], rest)
        # 20 and 99 among others and twice alone, or twice where it was alone at once; 24 twice.
        self.assertIn(restarts, (6, 7, 8))
        self.assertEqual(len(logs.output), restarts)
        self.assert_gone()

    def test_a_process_that_dies_once_loses_nothing(self) -> None:
        pictures = numbered(60)
        for number in (0, 17, 59):
            pictures[number] = (number, b"once %s" % os.fsencode(self.folder / str(number)))
        with fake() as worker:
            self.assert_labels(list(worker.classify(pictures)), pictures)
            self.assertIn(worker.restarts, (1, 2, 3))

    def test_a_process_that_is_killed_from_outside_loses_nothing(self) -> None:
        with fake(window=8) as worker:
            answers = []
            for answer in worker.classify(numbered(200)):
                answers.append(answer)
                if answer.id in (30, 31, 100) and worker.pid is not None:
                    os.kill(worker.pid, signal.SIGKILL)
            self.assert_labels(answers, numbered(200))
            # 31 may have been answered by the one that was killed at 30.
            self.assertIn(worker.restarts, (2, 3))
            # Between two calls, too.
            kill(worker)
            self.assert_labels(list(worker.classify(numbered(5))), numbered(5))

    def test_a_picture_is_not_what_a_process_died_of_that_was_dead_before(self) -> None:
        with fake(window=1, attempts=1) as worker:
            answers = []
            for answer in worker.classify(numbered(6)):
                answers.append(answer)
                if len(answers) % 2 == 1:
                    kill(worker)
            self.assert_labels(answers, numbered(6))
            self.assertEqual(worker.restarts, 3)
            # Nor are those that are numbered as others were that it had.
            (first,) = worker.classify(numbered(1))
            pictures = iter(numbered(1))

            def late() -> Iterator[Tuple[int, bytes]]:
                kill(worker)
                yield from pictures

            self.assertEqual(list(worker.classify(late())), [first])
            self.assertEqual(worker.restarts, 4)

    @unittest.skipUnless(sys.platform == "linux", "it can be told what lies in a pipe")
    def test_a_picture_of_which_nothing_was_read_is_not_what_a_process_died_of(self) -> None:
        for size in (100, 300_000):  # Of which a pipe holds all, and a part.
            with self.subTest(size), fake(window=1, attempts=1) as worker:
                pid = worker.hello["pid"]
                os.kill(pid, signal.SIGSTOP)
                iteration = worker.classify([(1, bytes(size))])
                process = worker._process
                assert process is not None

                def kill_once_written(process: Any = process, pid: int = pid) -> None:
                    wait_until(lambda: process._written > 0, "the picture's bytes")
                    os.kill(pid, signal.SIGKILL)

                killer = threading.Thread(target=kill_once_written)
                killer.start()
                self.assert_labels(list(iteration), [(1, bytes(size))])
                killer.join()
                self.assertEqual(worker.restarts, 1)

    def test_a_process_that_dies_again_and_again_without_a_picture_is_given_up(self) -> None:
        for settings in ({}, {"window": 1}, {"attempts": 1}):
            worker = fake({"start": "leave"}, **settings)
            text = "ended with 3 before it had a picture, 10 times. It wrote nothing"
            with self.subTest(settings), self.assertRaisesRegex(WorkerError, text):
                list(worker.classify(numbered(3)))
        self.assert_gone()

    def test_half_an_answer_is_none(self) -> None:
        for word, how in (("half", "ended with 0"), ("exit", "ended with 0")):
            pictures = [(1, b"a"), (2, word.encode()), (3, b"b")]
            with self.subTest(word), fake() as worker:
                first, lost, last = worker.classify(pictures)
                text = f"The worker {how} at this picture, 2 times"
                self.assertEqual(lost, Answer(2, error=Failure(WORKER_DIED, text)))
                self.assertEqual((first.label, last.label), (label_of(b"a"), label_of(b"b")))

    def test_a_process_that_stalls_or_closes_its_output_is_one_that_died(self) -> None:
        with fake(timeout=1) as worker:
            first, lost, last = worker.classify([(1, b"a"), (2, b"stall"), (3, b"b")])
        text = "The worker said nothing for too long at this picture, 2 times"
        self.assertEqual(lost, Answer(2, error=Failure(WORKER_DIED, text)))
        self.assertEqual((first.label, last.label), (label_of(b"a"), label_of(b"b")))
        with mock.patch.object(vgg16_worker, "_GRACE", 0.1), fake(attempts=1) as worker:
            (lost,) = worker.classify([(1, b"close")])
        text = "The worker closed its output at this picture, 1 times"
        self.assertEqual(lost, Answer(1, error=Failure(WORKER_DIED, text)))

    def test_a_worker_that_dies_of_everything_is_given_up(self) -> None:
        worker = fake(attempts=1)
        with self.assertRaisesRegex(
            WorkerError, "SIGKILL at each of 10 pictures, one after another"
        ):
            list(worker.classify((number, b"die") for number in range(100)))
        self.assert_gone()

    # Starts, and lies

    def test_a_start_that_fails_says_why(self) -> None:
        with self.assertRaises(StartError) as caught:
            fake({"start": "die"}).__enter__()
        text = str(caught.exception)
        self.assertRegex(text, r'worker --threads 1" ended with 1 instead of saying hello')
        self.assertEqual(text.splitlines()[1], "  line 31")
        self.assertEqual(text.splitlines()[-1], "  error: no such model")
        self.assertEqual(len(text.splitlines()), 21)
        self.assert_gone()

    def test_a_process_that_never_says_hello_is_ended(self) -> None:
        with self.assertRaisesRegex(StartError, "not ready within 1 s .*\n  still at it"):
            fake({"start": "stall"}, start_timeout=1).__enter__()
        self.assert_gone()

    def test_another_protocol_or_another_program_is_refused(self) -> None:
        cases: List[Tuple[Dict[str, Any], str]] = [
            ({"protocol": 2}, "speaks protocol 2, this file speaks 1"),
            ({"protocol": None}, "speaks protocol None"),
            ({"start": "garbage"}, "no line of a worker: b'Welcome to another program'"),
            ({"start": "endless"}, "wrote a line of over 16777216 bytes"),
        ]
        for how, text in cases:
            with self.subTest(how), self.assertRaisesRegex(ProtocolError, text):
                list(fake(how).classify(numbered(2)))
        self.assert_gone()

    def test_an_answer_that_is_none_is_no_answer(self) -> None:
        cases = (
            (b"lie", "answered 'other' instead of 1"),
            (b"garbage", "no line of a worker: b'warning: something'"),
            (b"wrong", "what is no answer"),
            (b"short", r"wrote 23 bytes for shape \(2, 3\)"),
            (b"refuse", "did not understand: PROTOCOL: no id"),
        )
        for word, text in cases:
            with self.subTest(word), self.assertRaisesRegex(ProtocolError, text):
                list(fake().classify([(0, b"a"), (1, word), (2, b"b")]))
        self.assert_gone()

    def test_another_model_after_a_restart_is_refused(self) -> None:
        worker = fake()
        pid = worker.hello["pid"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: worker.pid is None, "its end")
        worker._command = (sys.executable, FAKE, json.dumps({"modelSha256": "01"}))
        with self.assertRaisesRegex(ProtocolError, "modelSha256 was 00 and is 01 after a restart"):
            list(worker.classify(numbered(1)))
        self.assert_gone(pid)

    def test_settings_out_of_range_are_refused(self) -> None:
        for settings in ({"threads": 0}, {"window": 0}, {"attempts": 0}, {"timeout": 0}):
            with self.subTest(settings), self.assertRaises(ValueError):
                Worker(**settings)  # type: ignore[arg-type]
        with self.assertRaisesRegex(TypeError, "lists of words"):
            Worker(command="vgg16")

    # Pickled, forked, shared

    def test_what_is_pickled_are_the_settings(self) -> None:
        with fake(model="m", window=3) as worker:
            other = pickle.loads(pickle.dumps(worker))
            with other:
                self.assertNotEqual(other.pid, worker.pid)
                self.assertEqual(other._settings(), worker._settings())
                self.assert_labels(list(other.classify(numbered(5))), numbered(5))
            self.assertIsNotNone(worker.pid)

    @unittest.skipUnless(hasattr(os, "fork"), "forks")
    def test_a_forked_child_has_a_process_of_its_own(self) -> None:
        with fake() as worker:
            iterator = worker.classify(numbered(200))
            answers = [next(iterator)]
            context = multiprocessing.get_context("fork")
            child = context.Process(
                target=_classify_in_child, args=(worker, worker.pid, self.folder)
            )
            child.start()
            child.join()
            self.assertEqual(child.exitcode, 0)
            pid = int((self.folder / "pid").read_text())
            wait_until(lambda: not is_alive(pid), "the end of the child's")
            answers += iterator
            self.assert_labels(answers, numbered(200))
            self.assertEqual(worker.restarts, 0)

    @unittest.skipUnless(hasattr(os, "fork"), "forks")
    def test_a_forked_child_does_not_keep_the_process_alive(self) -> None:
        worker = fake()
        pid = worker.hello["pid"]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.read(reader, 1)
            os._exit(0)
        try:
            start = time.monotonic()
            worker.close()  # It ends as its input does: if the child had that, it would be killed.
            self.assertLess(time.monotonic() - start, vgg16_worker._GRACE)
            self.assert_gone(pid)
        finally:
            os.write(writer, b"x")
            os.waitpid(child, 0)

    def test_a_shared_worker_stays(self) -> None:
        settings = fake(window=7)
        with shared(settings) as one, shared(settings) as two:
            pid = one.hello["pid"]
            self.assertIsNot(one, two)
        with shared(fake(window=7)) as three, shared(fake(window=8)) as other:
            three_or_two = {three.pid, three.hello["pid"]}
            self.assertIsNone(other.pid)
        self.assertIsNone(settings.pid)
        with shared(settings) as four, shared(settings) as five:
            self.assertIn(pid, (four.pid, five.pid))
            self.assertTrue(three_or_two & {four.pid, five.pid})
            four.close()
            five.close()

    def test_a_shared_worker_is_put_back_without_its_iteration(self) -> None:
        def task(pictures: Iterator[Tuple[int, bytes]]) -> None:
            with shared(fake(window=9)) as lent:
                workers.append(lent)
                iterator = lent.classify(pictures)
                next(iterator)
                raise ZeroDivisionError

        workers: List[Worker] = []
        try:
            task((n, bytes(1000)) for n in range(10**9))
        except ZeroDivisionError as error:
            # The error has the task's frame, and that the iterator.
            self.assertIsNotNone(error.__traceback__)
            with shared(fake(window=9)) as lent:
                self.assertIs(lent, workers[0])
                self.assert_labels(list(lent.classify(numbered(3))), numbered(3))
                lent.close()
        self.assert_gone()

    # Lines

    def test_lines_of_base64(self) -> None:
        lines = [request_line(1, b"\xff\x00"), request_line("a", None)]
        self.assertEqual(lines, ['{"id": 1, "data": "/wA="}', '{"id": "a", "data": ""}'])
        self.assertIsNone(answer_of_line('{"protocol":1,"model":"m"}'))
        answer = answer_of_line('{"id":1,"predictions":[{"label":"a","score":0.5,"index":3}]}')
        self.assertEqual(answer, Answer(1, (Prediction("a", 3, 0.5),)))
        answer = answer_of_line('{"id":1,"shape":[1],"embedding":"AACAPw=="}')
        self.assertEqual(answer, Answer(1, embedding=array("f", [1]), shape=(1,)))
        answer = answer_of_line('{"id":null,"error":{"code":"PROTOCOL","message":"m"}}')
        self.assertEqual(answer, Answer(None, error=Failure("PROTOCOL", "m")))
        for line in ("", "[]", "5", '{"id":1}', '{"id":1,"predictions":[{}]}'):
            with self.subTest(line), self.assertRaises(ProtocolError):
                answer_of_line(line)

    # Engines

    def test_a_file_that_cannot_be_read_is_a_request_as_well(self) -> None:
        good = self.folder / "good.png"
        good.write_bytes(b"a picture")
        names = [str(good), str(self.folder / "gone.png"), str(self.folder), str(good)]
        command = [sys.executable, vgg16_worker.__file__, *names]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        requests = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([request["id"] for request in requests], names)
        self.assertEqual([bool(request["data"]) for request in requests], [True, False, False, True])
        self.assertEqual(done.returncode, 1)
        self.assertIn("gone.png", done.stderr)

    def test_columns_of_a_batch_of_ray(self) -> None:
        batch = {"id": [1, 2, 3], "bytes": [b"a", b"bad", b"b"], "more": "xyz"}
        worker = fake()
        kept, answers = RayWorker(worker, all_labels=True).columns(batch)
        self.assertEqual(kept, {"id": [1, 2, 3], "more": "xyz"})
        self.assertEqual(answers["label"], [label_of(b"a"), None, label_of(b"b")])
        self.assertEqual(answers["score"], [0.1, None, 0.1])
        self.assertEqual(answers["error"], [None, "image-damaged: cut short", None])
        rows = [{"label": label_of(b"b"), "index": 7, "score": 0.1, "sure": True, "id": "n1"}]
        rows += [{"label": "other", "index": 8, "score": 1e-7}]
        self.assertEqual(json.loads(answers["predictions"][2]), rows)
        self.assertIsNone(answers["predictions"][1])
        ray = pickle.loads(pickle.dumps(RayWorker(fake(embed="fc7"), keep=["id"])))
        kept, answers = ray.columns(batch)
        self.assertEqual(kept, {"id": [1, 2, 3]})
        self.assertEqual(list(answers), ["embedding", "error"])
        self.assertEqual(answers["embedding"], [array("f", [97]), None, array("f", [98])])

    def test_a_column_that_is_not_there_is_named_and_so_are_those_there(self) -> None:
        batch = {"bytes": [b"a"], "id": [1]}
        text = "There is no column 'name': the columns are 'bytes', 'id'"
        for settings in ({"picture": "name"}, {"keep": ["id", "name"]}):
            worker: Any = fake()
            with self.subTest(settings), self.assertRaisesRegex(ValueError, text):
                RayWorker(worker, **settings).columns(batch)
            self.assertIsNone(worker.pid)

    def test_columns_are_those_of_embeddings_however_they_were_asked_for(self) -> None:
        for options in (["--embed=fc7"], ["--embed", "fc7"]):
            worker = fake(options=options)
            with self.subTest(options):
                _, answers = RayWorker(worker).columns({"bytes": [b"a"]})
                self.assertEqual(answers, {"embedding": [array("f", [97])], "error": [None]})
                worker.close()
                self.assertTrue(worker.embeds)  # Which starts no other.
                self.assertIsNone(worker.pid)
        with fake(options=["--pooling", "embed"]) as worker:
            self.assertFalse(worker.embeds)

    def test_parts_stay_parts_and_are_sent_ahead(self) -> None:
        sizes = (3, 0, 1, 200, 0, 2)
        taken: List[int] = []

        def parts() -> Iterator[Tuple[int, List[bytes]]]:
            for number, size in enumerate(sizes):
                taken.append(number)
                yield number, [b"%d %d" % (number, row) for row in range(size)]

        with fake(window=10) as worker:
            by_parts = vgg16_worker._by_parts(worker, parts())
            number, answers = next(by_parts)
            self.assertEqual(taken, [0, 1, 2, 3])
            found = [(number, answers), *by_parts]
        self.assertEqual(
            [(number, len(it)) for number, it in found], [(0, 3), (2, 1), (3, 200), (5, 2)]
        )
        for number, answers in found:
            labels = [label_of(b"%d %d" % (number, row)) for row in range(sizes[number])]
            self.assertEqual([answer.label for answer in answers], labels)


def _classify_in_child(worker: Worker, pid: int, folder: Path) -> None:
    assert worker.pid is None
    (folder / "pid").write_text(str(worker.hello["pid"]))
    assert worker.pid not in (None, pid)
    assert [it.label for it in worker.classify([(1, b"a")])] == [label_of(b"a")]


class ArrowTest(unittest.TestCase):
    """What needs pyarrow, and pandas; skipped where they are not."""

    def setUp(self) -> None:
        try:
            self.pa: Any = importlib.import_module("pyarrow")
            importlib.import_module("pandas")
        except ImportError:
            self.skipTest("pyarrow or pandas is not installed")

    def test_ray_gets_a_table_whose_types_do_not_hang_on_its_rows(self) -> None:
        good = self.pa.table({"id": [1, 2], "bytes": [b"a", b"b"]})
        bad = self.pa.table({"id": [3], "bytes": self.pa.array([b"bad"])})
        ray = RayWorker(fake())
        tables = [ray(good), ray(bad), ray({"id": [4], "bytes": [b"c"]}), ray(good.to_pandas())]
        names = ["id", "label", "score", "error"]
        for table in tables:
            self.assertEqual(table.schema.names, names)
            self.assertEqual(table.schema, tables[0].schema)
        self.assertEqual(
            self.pa.concat_tables(tables[:3]).select(["id", "label"]).to_pydict(),
            {"id": [1, 2, 3, 4], "label": [label_of(b"a"), label_of(b"b"), None, label_of(b"c")]},
        )

    def test_embeddings_are_lists_and_null_where_there_is_none(self) -> None:
        batch = {"id": [1, 2, 3], "bytes": [bytes([1, 2]), b"bad", b"\x09"]}
        table = RayWorker(fake(embed="fc7"))(batch)
        self.assertEqual(table.schema.field("embedding").type, self.pa.list_(self.pa.float32()))
        self.assertEqual(table["embedding"].to_pylist(), [[1, 2], None, [9]])

    def test_spark_gets_batches_of_arrow_and_frames_of_pandas(self) -> None:
        batches = [
            self.pa.record_batch({"n": [1, 2], "content": [b"a", b"bad"], "path": ["x", "y"]}),
            self.pa.record_batch(
                {"n": [3], "content": self.pa.array([None], "binary"), "path": ["z"]}
            ),
        ]
        function = pickle.loads(pickle.dumps(fake()))
        one, two = map_in_arrow(function, "content", ["path"])(iter(batches))
        self.assertEqual(one.schema, two.schema)
        self.assertEqual(one.schema.names, ["path", "label", "score", "error"])
        rows: List[Dict[str, Any]] = [
            {"path": "x", "label": label_of(b"a"), "score": 0.1, "error": None},
            {"path": "y", "label": None, "score": None, "error": "image-damaged: cut short"},
            {"path": "z", "label": label_of(b""), "score": 0.1, "error": None},
        ]
        self.assertEqual(one.to_pylist() + two.to_pylist(), rows)
        frames = map_in_pandas(fake(), "content", ["path"])(it.to_pandas() for it in batches)
        shown = [row for frame in frames for row in frame.to_dict("records")]
        labels = [row["label"] if isinstance(row["label"], str) else None for row in shown]
        self.assertEqual(labels, [row["label"] for row in rows])
        self.assertEqual([row["path"] for row in shown], ["x", "y", "z"])
        with shared(fake()) as worker:
            self.assertIsNotNone(worker.pid)
            worker.close()

    def test_a_column_that_is_not_there_is_no_other_column(self) -> None:
        batch = self.pa.record_batch({"content": [b"a"], "path": ["x"], "other": ["y"]})
        twice = batch.rename_columns(["content", "p", "p"])
        none = "There is no column '{}': the columns are 'content', 'path', 'other'"
        cases = [
            (batch, "content", ["paht"], none.format("paht")),
            (batch, "contnet", ["path"], none.format("contnet")),
            (twice, "content", ["p"], "are 2 columns 'p': the columns are 'content', 'p', 'p'"),
            (twice, "p", ["content"], "There are 2 columns 'p'"),
        ]
        for given, picture, keep, text in cases:
            with self.subTest(text), self.assertRaisesRegex(ValueError, text):
                list(map_in_arrow(fake(), picture, keep)(iter([given])))
            with self.subTest(text), self.assertRaisesRegex(ValueError, text):
                list(map_in_pandas(fake(), picture, keep)(iter([given.to_pandas()])))
            table = self.pa.Table.from_batches([given])
            for of_ray in (table, table.to_pandas()):
                with self.subTest(text), self.assertRaisesRegex(ValueError, text):
                    RayWorker(fake(), picture, keep)(of_ray)
        with shared(fake()) as worker:
            worker.close()


if __name__ == "__main__":
    unittest.main()
