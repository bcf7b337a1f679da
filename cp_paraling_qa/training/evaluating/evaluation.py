"""Evaluation while a model trains: it answers held-out rows as they are and with other clips' audio, is scored, and the best step is kept.

`settle` turns our options into the trainer's. `Evaluation` is the callback: its scores go into the metrics by which transformers chooses the best checkpoint, and through
the trainer's log to every tracker. Rows are shared out over the processes, scored on the first, and the figures go to all, which have to agree on the best step.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from cp_paraling_qa.audio import decode_audio
from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.judge.judging import JudgeConfig
from cp_paraling_qa.training.evaluating.held_out import HeldOut
from cp_paraling_qa.training.evaluating.held_out_scores import Scored, lines_of, score_answers
from cp_paraling_qa.training.evaluating.trackers import Shown, show
from cp_paraling_qa.training.options import AudioSFTConfig, CPQAArguments
from cp_paraling_qa.training.predict import predict
from cp_paraling_qa.training.rows import AudioSwapped, shuffled_audio

DEFAULT_ROWS = 100
SHOWN_ROWS = 12
"""Rows of the table with audio."""
FOLDER = "evaluation"
"""In the output folder: the answers of every evaluation, in the form of predictions.jsonl."""
_JUDGE_ATTEMPTS, _JUDGE_TIMEOUT = 3, 60.0


def settle(training_args: AudioSFTConfig, cpqa_args: CPQAArguments) -> bool:
    """Turns our options into those of the trainer, in place. Returns whether held-out rows are to be answered.

    Keeping the best step needs a checkpoint at every evaluation: transformers would otherwise remember a best step of which no checkpoint exists, and keep an older one.

    Raises:
        RecipeError: options that do not go together.
    """
    wanted = cpqa_args.eval_rows is not None or cpqa_args.eval_every is not None
    if not wanted:
        if named := [name for name in ("best_by", "eval_split", "judge_base_url", "judge_model") if getattr(cpqa_args, name) is not None]:
            raise RecipeError(f"{named[0]} needs held-out rows to be answered: pass --eval_rows N or --eval_every STEPS, too")
        return False
    cpqa_args.eval_rows = DEFAULT_ROWS if cpqa_args.eval_rows is None else cpqa_args.eval_rows
    every = cpqa_args.eval_every if cpqa_args.eval_every is not None else int(training_args.save_steps)
    for name, value in (("eval_rows", cpqa_args.eval_rows), ("eval_every", every), ("eval_batch_size", cpqa_args.eval_batch_size)):
        if value < 1:
            raise RecipeError(f"{name} is {value}: give 1 or more")
    judge_of(cpqa_args)
    training_args.eval_strategy, training_args.eval_steps, training_args.do_eval = IntervalStrategy.STEPS, every, True
    training_args.per_device_eval_batch_size = cpqa_args.eval_batch_size
    if cpqa_args.best_by is not None:
        _keep_best(training_args, cpqa_args.best_by, every, judged=cpqa_args.judge_base_url is not None)
    return True


def _keep_best(training_args: AudioSFTConfig, best_by: str, every: int, *, judged: bool) -> None:
    if best_by == "judge" and not judged:
        raise RecipeError("best_by judge needs a judge: pass --judge_base_url and --judge_model")
    if training_args.save_only_model:
        raise RecipeError("best_by cannot be used with save_only_model: leave one of them away")
    training_args.load_best_model_at_end, training_args.metric_for_best_model = True, best_by
    training_args.greater_is_better = best_by != "loss"
    training_args.save_strategy, training_args.save_steps = SaveStrategy.STEPS, every
    if training_args.save_total_limit is not None:
        training_args.save_total_limit = max(2, training_args.save_total_limit)  # the best one and the last one, from which a killed run goes on


def judge_of(cpqa_args: CPQAArguments) -> JudgeConfig | None:
    """The judge that the options name: patient enough for a busy endpoint, not for a dead one, as training waits.

    Raises:
        RecipeError: an endpoint without a model, or a model without an endpoint.
        LLMError: an address that is none, or holds a secret.
    """
    from cp_paraling_qa.llm_access import address

    url, model = cpqa_args.judge_base_url, cpqa_args.judge_model
    if (url is None) != (model is None):
        raise RecipeError("a judge needs its endpoint and its model: pass both --judge_base_url and --judge_model")
    if url is None or model is None:
        return None
    address(url)
    return JudgeConfig(url, model, attempts=_JUDGE_ATTEMPTS, timeout=_JUDGE_TIMEOUT)


@dataclass
class _Random:
    """The state of all random numbers, so that an evaluation takes none away from training."""

    state: tuple[Any, ...]

    @classmethod
    def now(cls) -> _Random:
        import numpy as np
        import torch

        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
        return cls((random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda))

    def restore(self) -> None:
        import numpy as np
        import torch

        plain, array, cpu, cuda = self.state
        random.setstate(plain)
        np.random.set_state(array)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


class Evaluation(TrainerCallback):  # type: ignore[misc]
    """Answers and scores held-out rows at every evaluation of a trainer.

    Training with it gives the same weights as training without it: generation is greedy, and the state of random numbers is put back.

    Args:
        trainer: to whose log the scores go.
        held_out: the rows.
        processor: of the model.
        batch_size: rows answered at a time.
        max_new_tokens: most tokens of an answer.
        judge: an endpoint, or a callable as `judge.compute` takes it; None for no judge.
        folder: where the answers are written; None for nowhere.
        seed: of the choice of other clips.
        tell: takes a line of text.
    """

    def __init__(
        self,
        trainer: Any,
        held_out: HeldOut,
        processor: Any,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 64,
        judge: Any = None,
        folder: Path | None = None,
        seed: int = 0,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.trainer, self.held_out, self.processor, self.judge = trainer, held_out, processor, judge
        self.batch_size, self.max_new_tokens, self.folder, self.tell = batch_size, max_new_tokens, folder, tell
        self.swap = shuffled_audio(held_out.rows, seed)
        self._random: _Random | None = None
        self._showed = False

    # What transformers calls

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Finds the best checkpoint again in a folder that was moved since."""
        if args.load_best_model_at_end and state.best_model_checkpoint is None and state.best_global_step:
            here = Path(args.output_dir) / f"checkpoint-{state.best_global_step}"
            if here.is_dir():
                state.best_model_checkpoint = str(here)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Keeps the state of random numbers before an evaluation."""
        self._random = _Random.now() if control.should_evaluate else None

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Answers, scores, logs; and adds the scores to the metrics by which the best checkpoint is chosen."""
        rows: Any = self.held_out.rows
        answers, swapped = self._answers(rows), self._answers(AudioSwapped(rows, self.swap))
        figures = self._agreed(answers, swapped, state.global_step)
        self.trainer.log(dict(figures))
        if metrics is not None:
            metrics.update(figures)
            if (wanted := args.metric_for_best_model) is not None:
                metrics.setdefault(wanted if wanted.startswith("eval_") else f"eval_{wanted}", float("nan"))  # not scored: never the best
        if self._random is not None:
            self._random.restore()
            self._random = None

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Says which step was kept."""
        if args.load_best_model_at_end:
            self.tell(kept_line(state, args.metric_for_best_model, self.held_out))

    # How it does it

    def _answers(self, rows: Any) -> list[str]:
        """An answer to every row, on every process: shared out; where the weights are, all processes have to run every batch together."""
        from accelerate.utils import gather_object

        rank, world = self.trainer.args.process_index, self.trainer.args.world_size
        together = self.trainer.is_fsdp_enabled or self.trainer.is_deepspeed_enabled
        mine = range(len(rows)) if together else range(rank, len(rows), world)
        texts = (
            predict(self.trainer.model, self.processor, [rows[n] for n in mine], batch_size=self.batch_size, max_new_tokens=self.max_new_tokens) if mine else []
        )
        if together or world == 1:
            return texts
        found = dict(gather_object(list(zip(mine, texts, strict=True))))
        return [found[n] for n in range(len(rows))]

    def _agreed(self, answers: list[str], swapped: list[str], step: int) -> dict[str, float]:
        """The figures, computed by the first process and known to all."""
        from accelerate.utils import broadcast_object_list

        box: list[dict[str, float]] = [{}]
        if self.trainer.args.process_index == 0:
            scored = self._scored(answers, swapped, step)
            box = [{f"eval_{name}": value for name, value in scored.figures.items()}]
        return dict(broadcast_object_list(box)[0]) if self.trainer.args.world_size > 1 else box[0]

    def _scored(self, answers: list[str], swapped: list[str], step: int) -> Scored:
        rows = self.held_out.rows.select_columns([name for name in self.held_out.rows.column_names if name != "audio"])
        about = [rows[n] for n in range(len(rows))]
        scored = score_answers(about, answers, swapped, label_spaces=self.held_out.label_spaces, judge=self.judge)
        for line in lines_of(step, scored.figures, scored.unscored):
            self.tell(line)
        if self.folder is not None:
            _write(self.folder / f"step-{step:06d}.jsonl", about, answers, swapped, self.swap, self.tell)
        self._show(about, answers, swapped, step)
        return scored

    def _show(self, about: Sequence[Mapping[str, Any]], answers: Sequence[str], swapped: Sequence[str], step: int) -> None:
        callbacks = [callback for callback in self.trainer.callback_handler.callbacks if callback is not self]
        if not {"WandbCallback", "TrackioCallback", "TensorBoardCallback"} & {type(callback).__name__ for callback in callbacks}:
            return
        rows = [
            Shown(row["question"], row["answer"], answers[n], swapped[n], row.get("label"), decode_audio(self.held_out.rows[n]["audio"])[0])
            for n, row in enumerate(about[:SHOWN_ROWS])
        ]
        show(callbacks, rows, step, self.tell, first=not self._showed)
        self._showed = True


def kept_line(state: Any, best_by: str, held_out: HeldOut) -> str:
    """Which step a finished run keeps, by which score, and on whose rows that was chosen."""
    name = best_by.removeprefix("eval_")
    if state.best_model_checkpoint is None:
        return f"kept the last step: no evaluation could be scored by {name}"
    where = f"on {held_out.described}"
    return "; ".join([f"kept step {state.best_global_step}, the best of the evaluated steps by {name} ({state.best_metric:.4g}) {where}", *held_out.warnings])


def _write(
    path: Path, rows: Sequence[Mapping[str, Any]], answers: Sequence[str], swapped: Sequence[str], swap: Mapping[str, str], tell: Callable[[str], None]
) -> None:
    """One line a row, as predict.py writes it, with the answer to the other clip; written beside and renamed. A full disk is told, and stops nothing."""
    columns = ("id", "clip_id", "config", "question", "prompt", "label", "type", "kind", "speaker_id", "corpus", "emotion")
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as file:
            for row, answer, other in zip(rows, answers, swapped, strict=True):
                line = {name: row.get(name) for name in columns} | {"prediction": answer, "reference": row["answer"]}
                line |= {"prediction_swapped": other, "swapped_clip": swap[row["clip_id"]]}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        tell(f"{path} could not be written ({error.strerror})")
