"""What a run can say of itself: the facts of its model card. Paths of this machine are cut to their last part."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cp_paraling_qa.training.evaluating.held_out import HeldOut
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.parts import PartCount, count_parts

_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")

ARGUMENTS = (
    *("learning_rate", "lr_scheduler_type", "warmup_steps", "optim", "weight_decay", "max_grad_norm", "num_train_epochs", "max_steps"),
    *("per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "bf16", "fp16", "seed"),
)
MODEL_ARGUMENTS = (
    "dtype",
    "load_in_4bit",
    "load_in_8bit",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "use_rslora",
    "use_dora",
    "lora_target_modules",
    "lora_modules_to_save",
)
OUR_ARGUMENTS = (
    "arm",
    "mixture_size",
    "mixture_temperature",
    "match_arm",
    "metadata_dropout",
    "metadata_shuffle",
    "max_rows",
    "share_clips",
    "cache_tower",
    "token_budget",
)


@dataclass(frozen=True)
class DataGroup:
    """Rows that share dataset, config, component and kind."""

    dataset: str
    config: str
    component: str
    kind: str
    rows: int
    clips: int


@dataclass
class RunFacts:
    """Everything that a card says.

    Attributes:
        name: of the model: the repository's, or the folder's.
        repo: on the Hub; None where it is not pushed.
        base: Hub id of the base model, or the name of its folder.
        base_on_hub: whether `base` is a Hub id.
        base_path: how the base is found from the run's folder, for the snippet.
        family: of the model.
        train_parts: what was trained.
        counts: parameters part by part.
        settings: option → value.
        data: what was trained on.
        datasets: Hub ids among the datasets.
        licenses: licence of the clips → rows; "" for rows that do not say.
        languages: ISO codes.
        steps: done; 0 before the first.
        planned: steps in all.
        losses: (step, nats an answer token), as logged.
        evaluations: what was logged at every evaluation, with its step.
        held_out: the rows of the evaluations; None where there were none.
        best_by: score by which the step was chosen; None for the last step.
        best_step: that step; None where none could be scored.
        judge: name of the judge.
        versions: package → version.
        checkpoint: whether this is about a checkpoint on the way, not about what a run kept.
    """

    name: str
    base: str
    base_on_hub: bool
    family: Family
    train_parts: str
    counts: dict[str, PartCount]
    settings: dict[str, str]
    data: list[DataGroup]
    repo: str | None = None
    base_path: str = ""
    datasets: list[str] = field(default_factory=list)
    licenses: dict[str, int] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    steps: int = 0
    planned: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    evaluations: list[dict[str, float]] = field(default_factory=list)
    held_out: HeldOut | None = None
    best_by: str | None = None
    best_step: int | None = None
    judge: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    checkpoint: bool = False

    @property
    def adapter(self) -> bool:
        """Whether the folder holds a PEFT adapter, not a whole model."""
        return self.train_parts != "full"

    @property
    def kept(self) -> int:
        """The step whose weights lie in the folder."""
        return self.best_step if self.best_step and not self.checkpoint else self.steps


def facts_of(
    trainer: Any,
    *,
    base: str,
    family: Family,
    cpqa_args: Any,
    model_args: Any,
    dataset_name: str | None = None,
    dataset_config: str | None = None,
    held_out: HeldOut | None = None,
    repo: str | None = None,
    checkpoint: bool = False,
) -> RunFacts:
    """What a trainer's run can say of itself now.

    Args:
        trainer: with its model and state.
        base: path or Hub id of the base model.
        family: of the model.
        cpqa_args: ours.
        model_args: TRL's.
        dataset_name: of the run, for rows that do not say where they are from.
        dataset_config: likewise.
        held_out: rows of the evaluations.
        repo: where it is pushed to.
        checkpoint: about the weights as they are now, not about what the run keeps.
    """
    args, state, rows = trainer.args, trainer.state, trainer.train_dataset
    out, local = Path(args.output_dir), Path(base).is_dir()
    data, datasets = _data(rows, dataset_name, dataset_config)
    return RunFacts(
        name=(repo or out.absolute().name).rpartition("/")[2],
        repo=repo,
        base=Path(base).absolute().name if local else base,
        base_on_hub=not local,
        base_path=_from_folder(Path(base), out) if local else base,
        family=family,
        train_parts=cpqa_args.train_parts,
        counts=count_parts(trainer.model, family),
        settings=_settings(trainer, model_args, cpqa_args),
        data=data,
        datasets=datasets,
        licenses=_counted(rows, "license"),
        languages=sorted(code for code in _counted(rows, "language") if _LANGUAGE.fullmatch(code)),
        steps=state.global_step,
        planned=state.max_steps,
        losses=[(int(entry["step"]), float(entry["loss"])) for entry in state.log_history if "loss" in entry],
        evaluations=_evaluations(state.log_history),
        held_out=held_out,
        best_by=str(args.metric_for_best_model).removeprefix("eval_") if args.load_best_model_at_end else None,
        best_step=state.best_global_step if args.load_best_model_at_end and state.best_model_checkpoint else None,
        judge=cpqa_args.judge_model,
        versions=_versions(),
        checkpoint=checkpoint,
    )


def shown(name: str | None) -> str:
    """A dataset's or model's name without the folders in which it lies on this machine.

    Example:
        >>> shown("/home/me/runs/a/dataset"), shown("MERaLiON/CPQA-Evaluation-Set"), shown("text@/home/me/chat.jsonl")
        ('dataset', 'MERaLiON/CPQA-Evaluation-Set', 'text@chat.jsonl')
    """
    if not name:
        return "–"
    what, at, place = name.rpartition("@")
    local = place.startswith(("/", "~", ".", "\\")) or place.count("/") > 1 or "\\" in place or Path(place).exists()
    return what + at + (re.split(r"[/\\]", place.rstrip("/\\"))[-1] if local else place)


def _data(rows: Any, name: str | None, config: str | None) -> tuple[list[DataGroup], list[str]]:
    """Rows and clips of every dataset, config, component and kind; and the Hub ids among the datasets. Nothing is known of a stream's rows."""
    if not hasattr(rows, "select"):
        return [], [name] if name and _on_hub(name) else []
    columns = [rows[column] if column in rows.column_names else [None] * len(rows) for column in ("dataset", "config", "component", "kind", "clip_id")]
    groups: dict[tuple[str, ...], list[str]] = {}
    for dataset, part, component, kind, clip in zip(*columns, strict=True):
        groups.setdefault((str(dataset or name or ""), str(part or config or ""), str(component or ""), str(kind or "")), []).append(clip)
    found = [
        DataGroup(shown(dataset), shown(part), shown(component) if component != kind else "", kind, len(clips), len(set(clips)))
        for (dataset, part, component, kind), clips in sorted(groups.items())
    ]
    return found, sorted({dataset for dataset, *_ in groups if _on_hub(dataset)})


def _on_hub(name: str) -> bool:
    return _HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def _counted(rows: Any, column: str) -> dict[str, int]:
    """Values of a column and how many rows have them, the most frequent first; "" for rows that have none."""
    if not hasattr(rows, "select") or column not in rows.column_names:
        return {}
    return dict(Counter(value or "" for value in rows[column]).most_common())


def _settings(trainer: Any, model_args: Any, cpqa_args: Any) -> dict[str, str]:
    """Options that are set, by name; those of LoRA only where there is LoRA."""
    args = trainer.args
    lora = "lora" in cpqa_args.train_parts
    sources = [
        (args, ARGUMENTS),
        (model_args, [name for name in MODEL_ARGUMENTS if lora or not name.startswith("lora_") or name == "lora_modules_to_save"]),
        (cpqa_args, OUR_ARGUMENTS),
    ]
    found = {name: getattr(source, name, None) for source, names in sources for name in names}
    found["processes"] = args.world_size
    plain = {name: getattr(value, "value", value) for name, value in found.items()}
    del plain["num_train_epochs" if args.max_steps > 0 else "max_steps"]
    return {name: str(value) for name, value in plain.items() if value is not None and value is not False and value != ""}


def _evaluations(history: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """One entry for every step that was evaluated: the loss and the scores are logged one after the other, and a step that was run again counts as it came last."""
    steps: dict[int, dict[str, float]] = {}
    for entry in history:
        scores = {name.removeprefix("eval_"): float(value) for name, value in entry.items() if name.startswith("eval_") and isinstance(value, int | float)}
        if scores:
            steps.setdefault(int(entry["step"]), {}).update(scores | {"step": float(entry["step"])})
    return [steps[step] for step in sorted(steps)]


def _from_folder(base: Path, out: Path) -> str:
    """A local base model as seen from the run's folder, where it lies inside; else its name alone."""
    base, out = base.absolute(), out.absolute()
    return base.relative_to(out).as_posix() if base.is_relative_to(out) else base.name


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("cp-paraling-qa", "transformers", "trl", "peft", "torch", "datasets")}
