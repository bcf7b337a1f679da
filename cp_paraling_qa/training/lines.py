"""Progress of a fine-tuning run on the screen, a line at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback


class Lines(TrainerCallback):  # type: ignore[misc]
    """One line a log: step, loss, share of answer tokens right, time left."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell, self.began, self.first = tell, 0.0, 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock."""
        self.began, self.first = time.perf_counter(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Tells the log."""
        if logs and "eval_loss" in logs:
            self.tell(f"step {state.global_step}/{state.max_steps}  loss on held-out rows {float(logs['eval_loss']):.3f}")
        if not logs or "loss" not in logs:
            return
        done = max(1, state.global_step - self.first)
        left = (time.perf_counter() - self.began) / done * (state.max_steps - state.global_step)
        accuracy = logs.get("mean_token_accuracy")
        right = f"  answer tokens right {float(accuracy):.2f}" if accuracy is not None else ""
        self.tell(f"step {state.global_step}/{state.max_steps}  loss {float(logs['loss']):.3f}{right}  {left:.0f} s left")
