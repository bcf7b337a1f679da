"""The two sides of `train_step_swift.py`, which starts this file in either environment with `swift` or `ours`: a real trainer that does one step for every line on stdin."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

ROWS = 8
LORA = {"r": 16, "alpha": 32}


def take_turns(trainer: Any, say: Callable[[Mapping[str, Any]], None], about: Mapping[str, Any]) -> None:
    """Lets a trainer do an epoch, which is one step, for every line on stdin; says after each what it took, and after the first what it learnt from, too."""
    import torch
    from transformers import TrainerCallback

    noted: dict[str, Any] = {}
    training_step = trainer.training_step

    def noting(model: Any, inputs: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        if "rows" not in noted:
            noted["rows"] = learnt_from(inputs, model.config)
        loss = training_step(model, inputs, *args, **kwargs)
        noted["loss"] = float(loss)
        return loss

    class Turns(TrainerCallback):  # type: ignore[misc]
        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not sys.stdin.readline():
                raise SystemExit("nobody asks for steps any more")
            noted["began"] = time.perf_counter()

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            noted["made"], noted["cpu"] = time.perf_counter(), time.process_time()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            took = {"step": time.perf_counter() - noted["made"], "cpu": time.process_time() - noted["cpu"]}
            took |= {"batch": noted["made"] - noted["began"], "loss": noted["loss"]}
            first = {"rows": noted["rows"], "threads": torch.get_num_threads(), "torch": torch.__version__, **about} if state.global_step == 1 else {}
            say(took | first)

    trainer.training_step = noting
    trainer.add_callback(Turns())


def learnt_from(inputs: Mapping[str, Any], config: Any) -> list[list[list[int]]]:
    """Token ids and labels of every sequence of a batch, without padding, a clip's positions as one: the model's forward spreads what swift hands it."""
    rows = []
    for ids, labels, mask in zip(inputs["input_ids"].tolist(), inputs["labels"].tolist(), inputs["attention_mask"].tolist(), strict=True):
        seen = [(token, label) for token, label, there in zip(ids, labels, mask, strict=True) if there]
        kept = [pair for number, pair in enumerate(seen) if not (number and pair[0] == seen[number - 1][0] == config.audio_token_id)]
        rows.append([list(part) for part in zip(*kept, strict=True)])
    return sorted(rows)


def trained(model: Any) -> int:
    """Parameters that are trained."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def swift_side(task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> None:
    """`swift sft`, which takes turns."""
    import swift
    import transformers
    from swift.pipelines import SwiftSft

    class Taking(SwiftSft):  # type: ignore[misc]
        def _prepare_template(self) -> None:
            super()._prepare_template()
            self.template.template_meta.suffix = [task["end"]]

        def train(self, trainer: Any) -> Any:
            versions = {"swift": swift.__version__, "transformers": transformers.__version__}
            take_turns(trainer, say, {"trained": trained(trainer.model), **versions})
            return super().train(trainer)

    options = {
        "model": task["theirs"],
        "model_type": "qwen2_audio",
        "template": "qwen2_audio",
        "system": task["system"],
        "dataset": task["jsonl"],
        "output_dir": f"{task['folder']}/swift",
        "tuner_type": "lora",
        "target_regex": task["targets"],
        "lora_rank": LORA["r"],
        "lora_alpha": LORA["alpha"],
        "lora_dropout": 0.0,
        "torch_dtype": "float32",
        "bf16": "false",
        "fp16": "false",
        "gradient_checkpointing": "false",
        "per_device_train_batch_size": ROWS,
        "gradient_accumulation_steps": 1,
        "num_train_epochs": task["steps"],
        "learning_rate": 0.0,
        "lr_scheduler_type": "constant",
        "warmup_ratio": 0.0,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch",
        "dataloader_num_workers": 0,
        "split_dataset_ratio": 0.0,
        "save_strategy": "no",
        "logging_steps": 1000,
        "report_to": "none",
        "check_model": "false",
        "add_version": "false",
    }
    Taking([text for name, value in options.items() for text in (f"--{name}", str(value))]).main()


def our_side(task: Mapping[str, Any], say: Callable[[Mapping[str, Any]], None]) -> None:
    """`AudioSFTTrainer`, put together as `training/sft.py` does, which takes turns."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import ModelConfig

    from cp_paraling_qa.training.collator import AudioQACollator
    from cp_paraling_qa.training.families import family_of
    from cp_paraling_qa.training.loading import load_model, load_processor, quiet
    from cp_paraling_qa.training.options import AudioSFTConfig
    from cp_paraling_qa.training.parts import adapter_config
    from cp_paraling_qa.training.rows import row_lengths
    from cp_paraling_qa.training.sampler import ClipBatches
    from cp_paraling_qa.training.trainer import AudioSFTTrainer

    with quiet():
        processor, model = load_processor(task["model"]), load_model(task["model"])
        family = family_of(model.config)
        collator = AudioQACollator(processor, family)
        rows = Dataset.from_list([{**row, "audio": {"path": row["audio"]}} for row in task["rows"]])
        trainer = AudioSFTTrainer(
            model=model,
            args=AudioSFTConfig(
                output_dir=f"{task['folder']}/ours",
                gradient_checkpointing=False,
                bf16=False,
                per_device_train_batch_size=ROWS,
                num_train_epochs=task["steps"],
                learning_rate=0.0,
                lr_scheduler_type="constant",
                max_grad_norm=1.0,
                optim="adamw_torch",
                save_strategy="no",
                logging_steps=1000,
            ),
            train_dataset=rows,
            processing_class=processor,
            data_collator=collator,
            peft_config=adapter_config(family, "lora", ModelConfig(lora_r=LORA["r"], lora_alpha=LORA["alpha"], lora_dropout=0.0)),
            family=family,
            batches=ClipBatches(row_lengths(rows, collator.encoder), batch_size=ROWS),
        )
        trainer.remove_callback(PrinterCallback)
        take_turns(trainer, say, {"trained": trained(trainer.model)})
        trainer.train()


def main() -> None:
    """This process as one of the sides: what trainers print goes where their complaints go, what a turn took to stdout."""
    name, task = sys.argv[1], Path(sys.argv[2])
    shown = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(found: Mapping[str, Any]) -> None:
        print(json.dumps(found), file=shown, flush=True)

    {"swift": swift_side, "ours": our_side}[name](json.loads(task.read_text(encoding="utf-8")), say)


if __name__ == "__main__":
    main()
