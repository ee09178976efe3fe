"""Classifies small pictures on two nodes of Ray, one of which is removed midway.

    pip install ray==2.60.0 pyarrow==26.0.1 pandas==3.1.1
    python integrations/python/tests/ray_check.py [COUNT]

The process of one actor is killed, too. The rows must be those of one process, bit for bit, each
once. All that is started ends with the script; everything listens on loopback.
"""

import contextlib
import os
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]
os.environ["RAY_DISABLE_IMPORT_WARNING"] = "1"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Ray's own switch for staying on loopback; without it 127.0.0.1 becomes the machine's address.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
# A node that is gone is missed after seconds, not half a minute.
os.environ["RAY_health_check_period_ms"] = os.environ["RAY_health_check_timeout_ms"] = "1000"

import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from checking import (  # noqa: E402
    COMMAND,
    MODEL,
    classified_alone,
    compare,
    end_on_signals,
    make_pictures,
    say,
)
from vgg16_worker import RayWorker, Worker  # noqa: E402


class Observed(RayWorker):
    """Tells with each row where it was made."""

    def __call__(self, batch: Any) -> Any:
        table = super().__call__(batch)
        told = {
            "node": ray.get_runtime_context().get_node_id()[:8],
            "process": str(self._worker.pid),
            "restarts": str(self._worker.restarts),
        }
        for name, value in told.items():
            table = table.append_column(name, [[value] * len(table)])
        return table


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        make_pictures(folder, count)
        alone = classified_alone(folder)
        say(f"one process: {len(alone)} pictures")
        # One node alone must have room for both actors and for reading.
        node: Dict[str, Any] = {"num_cpus": 3, "object_store_memory": 200 << 20}
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        stack.callback(cluster.shutdown)
        other = cluster.add_node(**node)
        cluster.wait_for_nodes()
        path = os.pathsep.join(sys.path[:2])
        ray.init(
            address=cluster.address,
            log_to_driver=False,
            runtime_env={"env_vars": {"PYTHONPATH": path}},
        )
        stack.callback(ray.shutdown)
        nodes: Any = ray.nodes()  # type: ignore[no-untyped-call]
        ids = [it["NodeID"][:8] for it in nodes if it["Alive"]]
        gone = other.node_id[:8]
        say(f"ray {ray.__version__}: nodes {', '.join(ids)}")
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        pictures = ray.data.read_binary_files(
            str(folder), include_paths=True, override_num_blocks=count // 25
        )
        rows = pictures.map_batches(
            Observed,
            fn_constructor_kwargs={
                "worker": Worker(MODEL, command=COMMAND),
                "all_labels": True,
            },
            compute=ray.data.ActorPoolStrategy(size=2),
            num_cpus=1,
            batch_size=25,
            batch_format="pyarrow",
            scheduling_strategy="SPREAD",
        )
        found: List[Tuple[str, Optional[str], Optional[str]]] = []
        made: Counter[str] = Counter()
        restarts: Counter[str] = Counter()
        killed = removed = False
        batches: Any = rows.iter_batches(batch_size=25, batch_format="pyarrow", prefetch_batches=0)
        for batch in batches:
            for row in batch.to_pylist():
                found.append((Path(row["path"]).name, row["predictions"], row["error"]))
                made[row["node"]] += 1
                restarts[row["process"]] = max(restarts[row["process"]], int(row["restarts"]))
            is_there = made[gone] > 0
            if not killed and is_there and row["node"] != gone and len(found) >= count // 10:
                killed = True
                say(f"{len(found)} rows: killing process {row['process']} on node {row['node']}")
                os.kill(int(row["process"]), signal.SIGKILL)
            elif not removed and is_there and len(found) >= count // 4:
                removed = True
                say(f"{len(found)} rows: removing node {gone}, which made {made[gone]} of them")
                cluster.remove_node(other, allow_graceful=False)
        say(
            f"rows by node: {dict(made)}; processes that made them: {len(restarts)};"
            f" restarts by the actors themselves: {sum(restarts.values())}"
        )
        if not (killed and removed):
            sys.exit("too few pictures: it was over before anything was killed")
        compare("ray", found, alone)


if __name__ == "__main__":
    end_on_signals()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
