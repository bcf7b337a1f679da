"""Fine-tuning runs in several processes of one process group, one after the other: `torchrun … distributed_runs.py CASES.json OUT.json`.

CASES.json: a list of runs, {"name", "argv" (of trainer/sft.py), "environment" (of accelerate), "forget" (checkpoints after this step are taken away first, as if
the run had been killed there)}. OUT.json: name → the log of its last checkpoint, and the lines that it told. Where the environment asks for FSDP, the CPU is made to
pass for an accelerator: accelerate 1.15 shards on those alone, while torch's gloo does it on CPUs as well.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path

import torch.distributed
from accelerate.state import PartialState
from accelerate.utils import DistributedType

from cp_paraling_qa.training.options import parse
from cp_paraling_qa.training.sft import train

_unsharded = PartialState._prepare_backend


def _backend(self, *args, **kwargs):
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
    return ("gloo", DistributedType.MULTI_GPU) if sharded else _unsharded(self, *args, **kwargs)


def checkpoints(out: Path) -> list[Path]:
    """In order."""
    return sorted(out.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))


def history(out: Path) -> list[dict[str, float]]:
    """What the last checkpoint knows of the run."""
    return json.loads((checkpoints(out)[-1] / "trainer_state.json").read_text())["log_history"]


def forget(out: Path, step: int) -> None:
    """Takes away what a kill at this step would not have left."""
    for path in [*out.glob("*.safetensors"), *(folder for folder in checkpoints(out) if int(folder.name.rpartition("-")[2]) > step)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    PartialState._prepare_backend = _backend
    PartialState.destroy_process_group = lambda self, group=None: None  # the next run needs it
    torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=60))  # a process that waits for another in vain fails
    told, rank = {}, torch.distributed.get_rank()
    for case in json.loads(Path(sys.argv[1]).read_text()):
        os.environ.pop("ACCELERATE_USE_FSDP", None)
        os.environ |= case.get("environment", {})
        arguments = parse(case["argv"])
        if "forget" in case and rank == 0:
            forget(Path(arguments[1].output_dir), case["forget"])
        torch.distributed.barrier()
        lines: list[str] = []
        trained = train(*arguments, say=lines.append)
        told[case["name"]] = {"log": history(trained.adapter), "lines": lines}
    if rank == 0:
        Path(sys.argv[2]).write_text(json.dumps(told))
    torch.distributed.destroy_process_group()
