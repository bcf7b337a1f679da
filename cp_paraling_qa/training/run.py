"""One fine-tuning run, step by step: model, data, trainer, preflight, training, what is left behind."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, TrainerState
from transformers.integrations import is_deepspeed_zero3_enabled
from trl import ModelConfig, ScriptArguments

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.schema import Seconds
from cp_paraling_qa.training.collator import AudioQACollator
from cp_paraling_qa.training.evaluating.evaluation import FOLDER, Evaluation, judge_of, settle
from cp_paraling_qa.training.evaluating.held_out import HeldOut, hold_out, of_test_split
from cp_paraling_qa.training.families import Family, family_of
from cp_paraling_qa.training.hearing.tower_cache import TowerCache, fill, open_cache
from cp_paraling_qa.training.lines import Lines
from cp_paraling_qa.training.loading import fingerprint, load_config, load_model, load_processor, threads_for
from cp_paraling_qa.training.mixing.mixture import Mixture, load_pool
from cp_paraling_qa.training.mixing.streaming import StreamedMixture, stream_digest, stream_of
from cp_paraling_qa.training.options import AudioSFTConfig, CPQAArguments
from cp_paraling_qa.training.parts import FROZEN_TOWER, adapter_config, quantization
from cp_paraling_qa.training.preflight import Setting, check_targets, preflight
from cp_paraling_qa.training.publishing.card import CardAtSave, write_card
from cp_paraling_qa.training.publishing.card_facts import RunFacts, facts_of
from cp_paraling_qa.training.publishing.hub import PushAtSave, hub_of
from cp_paraling_qa.training.rows import ClipRows, content_hash, row_lengths
from cp_paraling_qa.training.runs import clear, identity, last_checkpoint
from cp_paraling_qa.training.sampler import ClipBatches
from cp_paraling_qa.training.tiny import write_tiny_model
from cp_paraling_qa.training.trainer import AudioSFTTrainer

Tell = Callable[[str], None]


@dataclass
class Trained:
    """What a run leaves behind: the folder with adapter and processor, the model it sits on, the loss of every log, seconds of training, rows (of the stream, those that were read)."""

    adapter: Path
    base: str
    losses: list[tuple[int, float]]
    seconds: float
    rows: int


class FineTuning:
    """A run.

    Args:
        script_args: dataset, configs (joined by commas) and split.
        training_args: everything of TRL's SFTConfig.
        model_args: model, dtype, LoRA, quantisation.
        cpqa_args: our own options.
        tell: takes one line of progress at a time.
    """

    def __init__(self, script_args: ScriptArguments, training_args: AudioSFTConfig, model_args: ModelConfig, cpqa_args: CPQAArguments, tell: Tell) -> None:
        self.script_args, self.training_args, self.model_args, self.cpqa_args, self.tell = script_args, training_args, model_args, cpqa_args, tell
        self.out = Path(str(training_args.output_dir))
        self.first_process = training_args.process_index == 0
        self.hub, self.evaluates = hub_of(training_args), settle(training_args, cpqa_args)
        if script_args.dataset_streaming:
            _refuse_with_stream(cpqa_args, model_args)
        self.held_out: HeldOut | None = None

    def __call__(self) -> Trained:
        """Everything, in order."""
        self.load()
        self.draw()
        checkpoint = self.resume_from()
        with threads_for(self.model):
            trainer = self.make_trainer()
            preflight(Setting(trainer, self.processor, self.family, self.cpqa_args, self.model_args, self.held_out), self.tell)
            if self.cpqa_args.preflight_only:
                trainer.end()
                return Trained(adapter=self.out, base=self.base, losses=[], seconds=0.0, rows=self.count)
            self.add_callbacks(trainer)
            if self.cpqa_args.cache_tower:
                self.collator.cache = self.cached_tower(trainer)
            began = time.perf_counter()
            if self.pool is None and checkpoint and _steps(checkpoint) >= self.training_args.max_steps:
                _take_up(trainer, checkpoint)
            else:
                trainer.train(resume_from_checkpoint=checkpoint)  # a finished run does no step here, and only saves again
            seconds = time.perf_counter() - began
            self.save(trainer)
            losses = [(int(entry["step"]), float(entry["loss"])) for entry in trainer.state.log_history if "loss" in entry]
            trainer.end()
        return Trained(adapter=self.out, base=self.base, losses=losses, seconds=seconds, rows=self.count)

    def load(self) -> None:
        """The model, a tiny one where none is named, and its processor."""
        streams = self.script_args.dataset_streaming
        with self.training_args.main_process_first():
            if self.cpqa_args.overwrite_output_dir and self.first_process:
                clear(self.out, tiny=not self.model_args.model_name_or_path)
            self.pool = None if streams else load_pool(self.script_args, self.cpqa_args)
            self.base = self.model_args.model_name_or_path or str(
                _tiny_model(self.out / "tiny-model", self.pool.texts() if self.pool else (), self.cpqa_args.tiny_seed, self.tell)
            )
        known = {"revision": self.model_args.model_revision, "trust_remote_code": self.training_args.trust_remote_code}
        self.processor = load_processor(self.base, **known)
        config = load_config(self.base, **known)
        self.model = load_model(
            self.base,
            dtype=self.model_args.dtype or "float32",
            attn_implementation=self.model_args.attn_implementation,
            **known,
            **quantization(self.model_args, config, family_of(config), self.cpqa_args.train_parts),
        )
        self.family = family_of(self.model.config)
        for name, parameter in self.model.named_parameters():
            if name.endswith("embed_positions.weight"):  # a Whisper tower's sinusoids: fixed by design, but loading makes them trainable
                parameter.requires_grad_(False)
        check_targets(self.model, self.family, self.cpqa_args.train_parts, self.model_args)

    def draw(self) -> None:
        """The rows to train on, and those to evaluate on."""
        if self.pool is None:
            self.mixture: Mixture = stream_of(self.script_args, self.training_args, self.cpqa_args, self.family, self.processor)
        else:
            self.mixture = self.pool.draw(self.training_args.seed, self.family, self.processor)
        _tell_mixture(self.mixture, self.tell)
        self.dataset = self.mixture.rows
        if self.evaluates:
            self.held_out, self.dataset = hold_out(
                self.dataset,
                self._whole_split,
                count=self.cpqa_args.eval_rows or 0,
                split=self.cpqa_args.eval_split,
                test_split=self.script_args.dataset_test_split,
                judged=self.cpqa_args.judge_base_url is not None,
                seed=self.training_args.seed,
            )
        elif self.training_args.eval_strategy != "no":
            split = self.script_args.dataset_test_split
            rows = self._whole_split(split)
            self.held_out = HeldOut(rows, f"split {split}", len(rows), warnings=(of_test_split(split),) if split.startswith("test") else ())
        self.count = sum(part.drawn for part in self.mixture.report) if self.pool is None else len(self.dataset)

    def _whole_split(self, split: str) -> Any:
        """All rows of another split, in their order."""
        return (
            load_pool(self.script_args, replace(self.cpqa_args, max_rows=None), split)
            .draw(self.training_args.seed, self.family, self.processor, whole=True)
            .rows
        )

    def resume_from(self) -> str | None:
        """The checkpoint to go on from; None for a fresh start."""
        data = stream_digest(self.mixture, self.script_args, self.training_args, self.cpqa_args) if self.pool is None else content_hash(self.dataset)
        run = identity(self.base, data, self.training_args, self.model_args, self.cpqa_args)
        with self.training_args.main_process_first():
            write = self.first_process and not self.cpqa_args.preflight_only
            checkpoint: str | None = self.training_args.resume_from_checkpoint or last_checkpoint(self.out, run, write=write)
        if checkpoint:
            self.tell(f"going on from {checkpoint}")
        return checkpoint

    def make_trainer(self) -> AudioSFTTrainer:
        """The trainer, with adapter, collator and batches in place.

        Raises:
            RecipeError: sharing or sharding that is asked for and cannot be had.
        """
        # Where projector or tower train, a step of text alone has to be a step for them too: Adam goes on with a gradient of 0, but not without one.
        always_audio = self.training_args.world_size > 1 or self.cpqa_args.train_parts != "lora"
        share = _may_share(self.cpqa_args, self.family, self.model)
        self.collator = AudioQACollator(self.processor, self.family, share=share, always_audio=always_audio)
        trainer = AudioSFTTrainer(
            model=self.model,
            args=self.training_args,
            train_dataset=self.dataset,
            eval_dataset=self.held_out.rows if self.held_out else None,
            processing_class=self.processor,
            data_collator=self.collator,
            peft_config=adapter_config(self.family, self.cpqa_args.train_parts, self.model_args),
            callbacks=[Lines(self.tell)],
            family=self.family,
            batches=None if self.pool is None else self._batches(),
        )
        trainer.remove_callback(PrinterCallback)
        if os.environ.get("ACCELERATE_USE_FSDP") == "true" and not trainer.is_fsdp_enabled:
            raise RecipeError("FSDP was asked for, but accelerate shards on GPUs only, and there are none: pass --config_file trainer/accelerate/cpu_ddp.yaml")
        return trainer

    def _batches(self) -> ClipBatches:
        args = self.training_args
        return ClipBatches(
            row_lengths(self.dataset, self.collator.encoder),
            batch_size=args.per_device_train_batch_size,
            accumulate=args.gradient_accumulation_steps,
            token_budget=self.cpqa_args.token_budget,
            share=self.collator.share,
            by_length=self.cpqa_args.length_grouped,
            seed=args.seed if args.data_seed is None else args.data_seed,
            rank=args.process_index,
            world=args.world_size,
        )

    def add_callbacks(self, trainer: AudioSFTTrainer) -> None:
        """Card, upload and evaluation."""

        def facts(*, checkpoint: bool = True) -> RunFacts:
            names = {
                "dataset_name": self.script_args.dataset_name,
                "dataset_config": self.script_args.dataset_config,
                "repo": self.hub.repo if self.hub else None,
            }
            about = {"base": self.base, "family": self.family, "cpqa_args": self.cpqa_args, "model_args": self.model_args, "held_out": self.held_out}
            return facts_of(trainer, checkpoint=checkpoint, **about, **names)

        self.facts = facts
        trainer.card = lambda: write_card(self.out, facts())
        trainer.add_callback(CardAtSave(facts))
        if self.hub and self.hub.every_save:
            trainer.add_callback(PushAtSave(self.hub, facts, self.base, self.tell))
        if self.held_out and self.evaluates:
            evaluation = Evaluation(
                trainer,
                self.held_out,
                self.processor,
                batch_size=self.cpqa_args.eval_batch_size,
                max_new_tokens=self.cpqa_args.eval_max_new_tokens,
                judge=judge_of(self.cpqa_args),
                folder=self.out / FOLDER,
                seed=self.training_args.seed,
                tell=self.tell,
            )
            trainer.add_callback(evaluation)

    def cached_tower(self, trainer: AudioSFTTrainer) -> TowerCache:
        """The tower's outputs for every clip of the run; each process computes its share.

        Raises:
            RecipeError: the tower trains, drops out, or is in shards.
        """
        if self.cpqa_args.train_parts not in FROZEN_TOWER:
            raise RecipeError(f"cache_tower cannot be used with train_parts {self.cpqa_args.train_parts}, which trains the audio tower: leave it away")
        if is_deepspeed_zero3_enabled():
            raise RecipeError(
                "cache_tower cannot be used with ZeRO-3, under which no process has the whole tower: use zero2.yaml or fsdp2.yaml, or leave it away"
            )
        if drops := [
            name
            for name, value in vars(self.family.tower_config(trainer.model.config)).items()
            if name.endswith(("dropout", "dropout_rate", "layerdrop")) and value
        ]:
            raise RecipeError(
                f"cache_tower cannot be used with a tower that drops out ({', '.join(drops)}): set these to 0 in the model's config.json, or leave it away"
            )
        autocast = ", autocast bfloat16" if trainer.args.bf16 else ", autocast float16" if trainer.args.fp16 else ""
        precision = f"{self.family.part(trainer.model, 'tower').dtype}{autocast}"
        folder = open_cache(
            Path(self.cpqa_args.tower_cache_dir).expanduser(),
            weights=fingerprint(self.base, self.model_args.model_revision),
            precision=precision,
            processor=self.processor,
        )
        parts = [self.dataset, *([self.held_out.rows] if self.held_out else [])]
        clips = ClipRows(parts)
        rank, world = trainer.args.process_index, trainer.args.world_size
        with trainer.accelerator.autocast():  # as in training, where accelerate puts it around the model's forward
            cache = fill(
                folder,
                clips,
                trainer.model,
                self.processor,
                self.family,
                rank=rank,
                world=world,
                tell=lambda done, total: self.tell(f"audio tower: {done}/{total} clips"),
            )
        trainer.accelerator.wait_for_everyone()
        return cache

    def save(self, trainer: AudioSFTTrainer) -> None:
        """Adapter (or model), processor and card into the output folder, and to the Hub where asked for."""
        _save_whole(trainer, self.out)
        if isinstance(self.mixture, StreamedMixture) and (left_out := self.mixture.left_out()):
            self.tell(_left_out(left_out))
        if not self.first_process:
            return
        card = write_card(self.out, self.facts(checkpoint=False)).read_text(encoding="utf-8")
        if self.hub:
            self.hub.push(self.out, card, self.base, "Fine-tuned with cp-paraling-qa")
            self.tell(f"pushed to {self.hub.repo}")


def _refuse_with_stream(cpqa_args: CPQAArguments, model_args: ModelConfig) -> None:
    """Options that need to know all rows before training.

    Raises:
        RecipeError: names the option.
    """
    for option in ("share_clips", "token_budget", "cache_tower"):
        if getattr(cpqa_args, option):
            raise RecipeError(f"{option} cannot be used with dataset_streaming: it needs to know all rows before training. Leave one of them away")
    if cpqa_args.eval_rows and cpqa_args.eval_split in (None, "speakers"):
        raise RecipeError("dataset_streaming cannot hold speakers of the training rows back: name a split with --eval_split")
    if not model_args.model_name_or_path:
        raise RecipeError("dataset_streaming needs --model_name_or_path; `cpqa tiny-model PATH` writes a small model to try with")


def _steps(checkpoint: str) -> int:
    """How many steps a checkpoint has behind it."""
    return int(TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json")).global_step)


def _take_up(trainer: AudioSFTTrainer, checkpoint: str) -> None:
    """Weights and history of a finished run. A stream has no end at which transformers would notice that nothing is left to do: it would take one more step."""
    trainer._load_from_checkpoint(checkpoint)
    trainer.state = TrainerState.load_from_json(str(Path(checkpoint) / "trainer_state.json"))


def _may_share(cpqa_args: CPQAArguments, family: Family, model: Any) -> bool:
    """Whether questions share sequences.

    Raises:
        RecipeError: asked for, where the family or the attention implementation cannot.
    """
    if not cpqa_args.share_clips:
        return False
    attention = getattr(model.config.get_text_config(), "_attn_implementation", None)
    if not family.can_share(model.config):
        raise RecipeError(f"share_clips: {family.model_type} cannot hold many questions in one sequence; leave it away")
    if attention not in ("sdpa", "eager", "flex_attention"):
        raise RecipeError(
            f"share_clips needs a mask that {attention} cannot take: pass --attn_implementation sdpa or flex_attention, or leave share_clips away"
        )
    return True


def _save_whole(trainer: AudioSFTTrainer, out: Path) -> None:
    """Adapter (or model), processor and card: written beside, then moved, so that a kill leaves nothing torn."""
    beside = out / ".saving"
    if trainer.args.should_save:
        shutil.rmtree(beside, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")  # checkpoints may be in shards; what is handed on may not
    trainer.save_model(str(beside))
    if trainer.args.should_save:
        for path in beside.iterdir():
            path.replace(out / path.name)
        beside.rmdir()
    trainer.accelerator.wait_for_everyone()


def _tiny_model(path: Path, texts: Sequence[str], seed: int, tell: Callable[[str], None]) -> Path:
    """The tiny model of a run that names none, its tokenizer trained on the run's own texts. Its done-marker is the processor's config, written last."""
    if (path / "processor_config.json").is_file():
        return path
    parameters = write_tiny_model(path, texts=texts, seed=seed)
    tell(f"no --model_name_or_path: wrote a tiny Qwen2-Audio of {parameters / 1e3:.0f} k random parameters to {path}; it is for trying things, not for science")
    return path


def _tell_mixture(mixture: Mixture, tell: Callable[[str], None]) -> None:
    """What is trained on, component by component, and what was left out."""
    for line in (*mixture.lines(), *mixture.notes):
        tell(line)
    if mixture.dropped:
        tell(_left_out(mixture.dropped))


def _left_out(clips: Mapping[str, Seconds]) -> str:
    named = ", ".join(f"{clip} ({length:.2f} s)" for clip, length in clips.items())
    return f"left out {len(clips)} clips that cannot be heard whole: {named}"
