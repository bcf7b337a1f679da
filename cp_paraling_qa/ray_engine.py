"""The same stages on a Ray cluster, through Ray Data.

Each part is one block of one row: its description (where the file lies), or its rows where they are light. Waveforms never travel: a worker reads them where it is, so
the run folder and the corpora must be seen under the same paths by every node, and this package must be installed there. Back come the rows of the part; this
process alone writes them, by the code that a local run uses, so that the folder is the same.

A worker is an actor with a copy of the stage: its models load once. When a node dies, Ray starts its actors elsewhere and gives them what they had in hand;
where the cluster has no place left for them, that happens when the other actors have finished. It does so without end, so that a part on which workers die again
and again (too little memory, a crash in a library) is noticed here.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import suppress
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from cp_paraling_qa.errors import MissingExtraError, StageError
from cp_paraling_qa.stage import Failure, Part, Stage, Worked, Workplace, worked

IN_HAND = 2
"""Parts that an actor has at once: one in work, one on its way."""

TRIES = 5
"""How often a part is begun before its workers' deaths are put down to itself."""


class RayEngine:
    """Works on a Ray cluster; see `stage.run`.

    Args:
        address: of the cluster's head ("10.0.0.1:6379"), or "auto" for the one that this machine belongs to; None for what RAY_ADDRESS says, else a cluster of this
            machine alone, started for the purpose. A connection that the program has already is used as it is.
        workers: actors; None or 0 for as many as fit on the nodes that are there.
        gpus: of each actor; 0.5 lets two share one.
        cpus: of each actor.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(self, address: str | None = None, workers: int | None = None, gpus: float = 0.0, cpus: float = 1.0) -> None:
        if find_spec("ray") is None:
            raise _missing()
        self.address, self.workers, self.gpus, self.cpus = address, workers, gpus, cpus
        self._depth, self._ours = 0, False

    def __enter__(self) -> RayEngine:
        """Keeps the cluster up for several stages; it starts with the first part that is to be made."""
        self._depth += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnects, and ends the cluster if it was started here; one that others use stays."""
        self._depth -= 1
        if self._depth == 0 and self._ours:
            import ray

            self._ours = False
            ray.shutdown()

    def results(self, stage: Stage, parts: Iterable[Part]) -> Generator[tuple[Part, Worked], None, None]:
        """Each part with what became of it, once, in the order in which they are finished. Yielded parts come without their rows.

        Raises:
            StageError: no node has the processors asked for, or a part was lost.
        """
        parts = iter(parts)
        first = next(parts, None)
        if first is None:
            return
        with self:
            ray = self._connect()
            room = self._room(ray)
            waiting: dict[str, Part] = {}
            here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            begun = ray.remote(num_cpus=0, scheduling_strategy=here)(Begun).remote()
            blocks = []
            for part in chain([first], parts):
                waiting[part.name] = Part(part.name, part.content, part.source if isinstance(part.source, Path) else [])
                blocks.append(ray.put(_block("part", part)))  # the object store spills what does not fit
            actors = min(room, len(waiting))
            data = ray.data.from_arrow_refs(blocks)
            del blocks
            _settle(data.context)
            made = data.map_batches(
                Worker,
                fn_constructor_args=(stage, os.getcwd(), begun, TRIES),
                batch_size=1,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=actors, max_size=actors, max_tasks_in_flight_per_actor=IN_HAND),
                num_cpus=self.cpus,
                num_gpus=self.gpus,
            )  # Ray Data's actors restart, and their tasks are tried again, without end (max_restarts and max_task_retries are -1)
            try:
                for batch in made.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                    for packed in batch.column("worked"):
                        name, result = pickle.loads(packed.as_buffer())
                        if name in waiting:  # a part that was made twice, since its first rows went down with a node, counts once
                            yield waiting.pop(name), worked(result)
            except ray.exceptions.RayTaskError:
                raise  # a fault in a stage, with its traceback
            except ray.exceptions.RayError as error:
                raise StageError(f"the Ray cluster gave up: {_last_line(error)}. {_REMEDY}") from error
            if waiting:
                raise StageError(f"the Ray cluster lost {len(waiting)} parts ({', '.join(list(waiting)[:3])} …). {_REMEDY}")

    def _connect(self) -> Any:
        """Ray, connected, and quiet."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray Data's own actors are complained about as errors otherwise
        try:
            import ray
            import ray.data
            import ray.util.scheduling_strategies
        except ImportError:
            raise _missing() from None
        if not ray.is_initialized():
            address = self.address or os.environ.get("RAY_ADDRESS") or "local"
            own = {"include_dashboard": False} if address == "local" else {}
            try:
                _knock(address)
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
            except (OSError, ValueError) as error:
                raise StageError(f"no Ray cluster answers at {address} ({error}): give the address that `ray start --head` printed") from None
            self._ours = True
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what it says of errors comes out with the error
        return ray

    def _room(self, ray: Any) -> int:
        """How many actors there is room for."""
        if self.workers:
            return self.workers
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        asked = [(name, amount) for name, amount in (("CPU", self.cpus), ("GPU", self.gpus)) if amount]
        fitting = sum(int(min((node.get(name, 0.0) / amount for name, amount in asked), default=1)) for node in nodes)
        if not fitting:
            raise StageError(
                f"no node of the Ray cluster has {self.cpus:g} CPUs and {self.gpus:g} GPUs: ask for less, or give the number of workers and wait for nodes"
            )
        return fitting


class Begun:
    """An actor beside this process that counts how often each part was begun."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()

    def count(self, part: str) -> int:
        """Once more."""
        self.times[part] += 1
        return self.times[part]


class Worker:
    """An actor: the stage, set up with the first part that it gets, in the folder that relative paths start from."""

    def __init__(self, stage: Stage, folder: str, begun: Any, tries: int) -> None:
        self.place, self.begun, self.tries = Workplace(stage), begun, tries
        with suppress(OSError):
            os.chdir(folder)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """A block with a part in, a block with its name and what became of it out."""
        import ray

        part: Part = pickle.loads(batch.column("part")[0].as_buffer())
        if ray.get(self.begun.count.remote(part.name)) > self.tries:
            result: Worked | Failure = Failure(StageError, (f"workers died {self.tries} times on part {part.name}. {_REMEDY}",), {})
        else:
            result = self.place(part)
        return _block("worked", (part.name, result))


_REMEDY = (
    "Every node needs this package and its extras, sees the run folder and the corpora under the same paths, and has memory for its workers' models; "
    "then run the same command again: it goes on from here."
)


def _last_line(error: Exception) -> str:
    """Ray's messages carry tracebacks; what happened stands at their end."""
    return next((line.strip().rstrip(".") for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


def _block(name: str, value: Any) -> pa.Table:
    return pa.table({name: pa.array([pickle.dumps(value, protocol=5)], pa.large_binary())})


def _knock(address: str) -> None:
    """Fails at once where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _settle(context: Any) -> None:
    """How Ray Data is to behave here: an error ends the run; the time that a part takes is nobody's business; nothing is printed."""
    context.max_errored_blocks = 0
    context.execution_no_progress_timeout_s = -1
    context.enable_progress_bars = context.enable_operator_progress_bars = False
    context.enable_auto_log_stats = context.print_on_execution_start = False


def _missing() -> MissingExtraError:
    return MissingExtraError("ray", "ray", "working on a cluster (--engine ray)")
