"""TRL's SFTTrainer with our loss and our batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import DistributedType
from accelerate.data_loader import prepare_data_loader
from peft import PeftModel
from torch.utils.data import DataLoader, IterableDataset
from trl import SFTTrainer

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.hearing.frozen_tower import keep_out_of_graph
from cp_paraling_qa.training.loss import answer_tokens, inner
from cp_paraling_qa.training.parts import layer_classes
from cp_paraling_qa.training.restoring import restore
from cp_paraling_qa.training.rows import HeardRows, row_lengths
from cp_paraling_qa.training.sampler import ClipBatches


class AudioSFTTrainer(SFTTrainer):  # type: ignore[misc]
    """Fine-tunes a speech LLM on batches of `AudioQACollator`.

    What TRL's own does otherwise: the loss is the sum over answer tokens divided by those of the whole step, over all processes and accumulated batches, whatever
    the model's class does (some ignore the count); the output layer is computed at answer positions only, on CPUs too; batches come from `ClipBatches`; the loss
    on held-out rows is per answer token, however they are batched.

    Args:
        args, kwargs: of SFTTrainer.
        family: of the model.
        batches: for training; None for a stream of rows, which comes in its own order.
        card: writes the model card, in place of TRL's; None keeps TRL's.
    """

    def __init__(self, *args: Any, family: Family, batches: ClipBatches | None = None, card: Callable[[], Any] | None = None, **kwargs: Any) -> None:
        self.family, self.batches, self.card = family, batches, card
        self._tally: dict[str, list[int]] = {}
        self._held_out_batches: ClipBatches | None = None
        find_unused = kwargs["args"].ddp_find_unused_parameters  # TRL sets it where the user does not
        if kwargs["args"].router_aux_loss_coef:
            raise RecipeError("router_aux_loss_coef is not used: the loss is that of the answers alone; leave it away")
        kwargs["args"].router_aux_loss_coef = 0.0  # else TRL has mixtures of experts return what nobody reads, and generation fails on it
        super().__init__(*args, **kwargs)
        self.find_unused: bool | None = find_unused
        keep_out_of_graph(family.part(inner(self.model), "tower"))
        self.model_accepts_loss_kwargs = True  # so that the trainer counts the answer tokens of a step for us, whatever the model's forward takes

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Before every checkpoint and push: our card in place of TRL's, on the first process."""
        if self.card is None:
            super().create_model_card(*args, **kwargs)
        elif self.is_world_process_zero():
            self.card()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The weights to go on from."""
        if self._whole():
            restore(self.model if model is None else model, resume_from_checkpoint, self.family)
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        """The weights of the best checkpoint."""
        if self._whole():
            restore(self.model, self.state.best_model_checkpoint, self.family)
        else:
            super()._load_best_model()

    def _whole(self) -> bool:
        """Whether a checkpoint holds a whole model in one piece, which has to be loaded by `restore`."""
        return not isinstance(self.model, PeftModel) and not self.is_fsdp_enabled and not self.is_deepspeed_enabled

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """Trains. Under DDP it first looks whether there are parameters without gradients, which DDP has to be told of; under FSDP it names the layers to shard by."""
        single = (DistributedType.NO, DistributedType.FSDP, DistributedType.DEEPSPEED)
        if self.accelerator.distributed_type not in single and self.find_unused is None and self.batches is not None:
            self.accelerator.ddp_handler.find_unused_parameters = self._leaves_unused()
        if self.is_fsdp_enabled and not self.accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap:
            self.accelerator.state.fsdp_plugin.transformer_cls_names_to_wrap = layer_classes(self.model, self.family)
        return super().train(*args, **kwargs)

    def _leaves_unused(self) -> bool:
        """Whether the first row leaves trained parameters without gradients: experts it is not sent to, layers that take another's keys.

        Every step hears some audio (`AudioQACollator.always_audio`), so where one row uses all parameters every batch does.
        """
        device = self.accelerator.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), self.accelerator.autocast():
            self.model.train()
            batch = self._prepare_inputs(self.data_collator([HeardRows(self.train_dataset)[0]]))
            answer_tokens(self.model, batch, self.family).losses.sum().backward()
        unused = any(parameter.requires_grad and parameter.grad is None for parameter in self.model.parameters())
        self.model.zero_grad(set_to_none=True)
        reentrant = bool((self.args.gradient_checkpointing_kwargs or {}).get("use_reentrant"))
        return unused and not reentrant  # which DDP refuses together

    def compute_loss(self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        """The mean −log p of an answer token over the step, in nats; and, for the log, the share of tokens that were right."""
        mode = "train" if self.model.training else "eval"
        sharded = self.is_fsdp_enabled or self.is_deepspeed_enabled
        tokens = answer_tokens(model, inputs, self.family, once=not sharded)
        count = len(tokens.losses) if num_items_in_batch is None else num_items_in_batch
        total = tokens.losses.sum()
        loss = total / torch.as_tensor(count, device=total.device).clamp(min=1)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP takes the mean over processes; the count is over all of them
        if mode == "eval":
            self._held_out += torch.stack([total.detach().double(), total.new_tensor(len(tokens.losses), dtype=torch.double)]).cpu()
        self._note(mode, tokens.right, inputs)
        return (loss, {"loss": loss}) if return_outputs else loss

    def _note(self, mode: str, right: torch.Tensor, inputs: Mapping[str, Any]) -> None:
        seen = inputs["blocks"] >= 0 if "blocks" in inputs else inputs["attention_mask"]
        sums = torch.tensor([int(right.sum()), len(right), int(seen.sum())], device=right.device)
        correct, answers, all_tokens = self.accelerator.reduce(sums, reduction="sum").tolist()
        tally = self._tally.setdefault(mode, [0, 0])
        tally[0] += correct
        tally[1] += answers
        if mode == "train":
            self._total_train_tokens += all_tokens
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Logs; the share of right tokens is over all of them since the last log."""
        mode = "train" if self.model.training else "eval"
        correct, answers = self._tally.pop(mode, [0, 0])
        if answers:
            self._metrics[mode]["mean_token_accuracy"] = [correct / answers]
        super().log(logs, start_time)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """The loss on held-out rows: the sum over all answer tokens of all processes, divided by their number."""
        self._held_out = torch.zeros(2, dtype=torch.double)
        output = super().evaluation_loop(*args, **kwargs)
        total, count = self.accelerator.reduce(self._held_out.to(self.accelerator.device), reduction="sum").tolist()
        if count:
            output.metrics[f"{kwargs.get('metric_key_prefix', 'eval')}_loss"] = total / count
        return output

    def get_train_dataloader(self) -> Any:
        """Batches of this process."""
        if self.batches is None or isinstance(self.train_dataset, IterableDataset):
            return super().get_train_dataloader()
        return self._loader(self.train_dataset, self.batches)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Held-out rows, in batches of rows alike in length or about one clip, always the same ones."""
        rows = self.eval_dataset
        if rows is None or isinstance(rows, IterableDataset | dict) or eval_dataset not in (None, rows):
            return super().get_eval_dataloader(eval_dataset)
        if self._held_out_batches is None:
            self._held_out_batches = ClipBatches(
                row_lengths(rows, self.data_collator.encoder),
                batch_size=self.args.per_device_eval_batch_size,
                share=self.data_collator.share,
                rank=self.args.process_index,
                world=self.args.world_size,
            )
        return self._loader(rows, self._held_out_batches)

    def _loader(self, rows: Any, batches: ClipBatches) -> Any:
        """Batches are shared out to the processes by `ClipBatches`, so accelerate is told of one process only."""
        workers = self.args.dataloader_num_workers
        loader: Any = DataLoader(
            HeardRows(rows, audio=self.data_collator.cache is None),
            batch_sampler=batches,
            collate_fn=self.data_collator,
            num_workers=workers,
            pin_memory=self.args.dataloader_pin_memory,
            persistent_workers=self.args.dataloader_persistent_workers and workers > 0,
            prefetch_factor=self.args.dataloader_prefetch_factor,
            worker_init_fn=_one_thread,
        )
        return prepare_data_loader(loader, device=self.accelerator.device, num_processes=1, process_index=0, put_on_device=True)


def _one_thread(worker: int) -> None:
    """A worker decodes on one thread: more of them take the cores from the training step."""
    torch.set_num_threads(1)
