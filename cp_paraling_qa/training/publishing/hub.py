"""`--push_to_hub`: the adapter or model, its processor and its card, and nothing else of the output folder.

The trainer's own push uploads all that lies there: predictions, logs, and `training_args.bin`, a pickle in which the token stands. So it is switched off here, and the
token is taken out of the arguments before anything is written.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from cp_paraling_qa.errors import RecipeError, TrainingError
from cp_paraling_qa.training.options import AudioSFTConfig
from cp_paraling_qa.training.publishing.card import card_text
from cp_paraling_qa.training.publishing.card_facts import RunFacts

PUBLISHED = (
    *(
        "README.md",
        "adapter_config.json",
        "adapter_model*.safetensors",
        "config.json",
        "generation_config.json",
        "model*.safetensors",
        "model.safetensors.index.json",
    ),
    *(
        "processor_config.json",
        "preprocessor_config.json",
        "tokenizer*.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.*",
        "merges.txt",
    ),
    *("chat_template.json", "chat_template.jinja", "tekken.json"),
)
"""Files of the output folder that are pushed, by pattern."""
STRATEGIES = ("end", "every_save")


@dataclass
class Hub:
    """Where a run is pushed to.

    Attributes:
        repo: NAMESPACE/NAME.
        every_save: at every checkpoint too, not at the end alone.
        revision: branch; None for the main one.
        api: of huggingface_hub, with the token.
    """

    repo: str
    every_save: bool
    revision: str | None
    api: Any = field(repr=False)
    _under_way: Any = field(default=None, repr=False)

    def push(self, folder: Path, card: str, base: str, message: str, *, wait: bool = True) -> None:
        """Pushes what is published of a folder, in one commit.

        Args:
            folder: of the run or of a checkpoint.
            card: text of the model card.
            base: the base model. Where that is a local folder, its path is cut to its name in what is pushed.
            message: of the commit.
            wait: False goes on while it uploads, and does nothing while an earlier upload is under way.

        Raises:
            TrainingError: the Hub did not take it.
        """
        from huggingface_hub import CommitOperationAdd

        if not wait and self._under_way is not None and not self._under_way.done():
            return
        files = {path.name: public(path, base) for path in sorted(folder.iterdir()) if path.is_file() and published(path.name)}
        files["README.md"] = card.encode()
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in files.items()]
        try:
            if wait and self._under_way is not None:
                self._under_way.exception()  # one that failed was only on the way
            done = self.api.create_commit(self.repo, operations, commit_message=message, revision=self.revision, run_as_future=not wait)
        except Exception as error:  # huggingface_hub, its HTTP client and its uploader each have their own
            raise TrainingError(
                f"pushing to {self.repo} failed ({_first_line(error)}); everything is in {folder}: run the same command again, which trains nothing anew and pushes"
            ) from error
        self._under_way = None if wait else done


def hub_of(training_args: AudioSFTConfig) -> Hub | None:
    """The repository to push to, made where it does not exist; None where nothing is pushed. Before training, so that nobody trains for hours and has no token then.

    In place: the trainer's own push is switched off, and the token moves from the arguments into this process's environment.

    Raises:
        RecipeError: a strategy that would upload optimiser states.
        TrainingError: no token, no network, or no permission.
    """
    from huggingface_hub import HfApi, get_token

    token = training_args.hub_token
    if token:
        os.environ["HF_TOKEN"], training_args.hub_token = token, None
    if not training_args.push_to_hub:
        return None
    training_args.push_to_hub = False
    strategy = getattr(training_args.hub_strategy, "value", training_args.hub_strategy)
    if strategy not in STRATEGIES:
        raise RecipeError(f"hub_strategy {strategy}: checkpoints are not pushed, as they hold pickled optimiser states; pass --hub_strategy end or every_save")
    if not get_token():
        raise TrainingError("push_to_hub needs a token with write permission: set HF_TOKEN, or run `hf auth login`")
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise TrainingError("push_to_hub needs the network, and HF_HUB_OFFLINE is set: leave one of them away")
    name = training_args.hub_model_id or Path(str(training_args.output_dir)).absolute().name
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="cp-paraling-qa")
    repo = _made(api, name, training_args) if training_args.process_index == 0 else name
    return Hub(repo, strategy == "every_save", training_args.hub_revision, api)


def _made(api: Any, name: str, training_args: AudioSFTConfig) -> str:
    try:
        repo = str(api.create_repo(name, private=training_args.hub_private_repo, exist_ok=True).repo_id)
        if training_args.hub_revision:
            api.create_branch(repo, branch=training_args.hub_revision, exist_ok=True)
    except Exception as error:  # huggingface_hub and its HTTP client each have their own
        raise TrainingError(
            f"push_to_hub: {name} cannot be made or written to ({_first_line(error)}); look at the token's permissions and at --hub_model_id"
        ) from error
    return repo


def published(name: str) -> bool:
    """Whether a file of this name is pushed.

    Example:
        >>> published("adapter_model.safetensors"), published("training_args.bin"), published("predictions.jsonl")
        (True, False, False)
    """
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in PUBLISHED)


def public(path: Path, base: str) -> bytes | str:
    """What is pushed of a file: its path, or its content where the path of a local base model is cut out of it."""
    if path.suffix != ".json" or not Path(base).is_dir():
        return str(path)
    text = content = path.read_text(encoding="utf-8")
    for written in sorted({base, str(Path(base)), str(Path(base).absolute())}, key=len, reverse=True):
        content = content.replace(f'"{written}"', f'"{Path(base).name}"')
    return str(path) if content == text else content.encode()


class PushAtSave(TrainerCallback):  # type: ignore[misc]
    """Pushes every checkpoint's adapter while training goes on. A push that fails is told, and stops nothing.

    Args:
        hub: where to.
        facts: of the run, for its card.
        base: the base model.
        tell: takes a line of text.
    """

    def __init__(self, hub: Hub, facts: Callable[[], RunFacts], base: str, tell: Callable[[str], None]) -> None:
        self.hub, self.facts, self.base, self.tell = hub, facts, base, tell

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Pushes from the checkpoint that was just written."""
        if args.process_index != 0:
            return
        try:
            self.hub.push(
                Path(args.output_dir) / f"checkpoint-{state.global_step}", card_text(self.facts()), self.base, f"Step {state.global_step}", wait=False
            )
        except TrainingError as error:
            self.tell(str(error))


def _first_line(error: BaseException) -> str:
    """Of an error's message, without the token should it stand there."""
    from huggingface_hub import get_token

    causes = [error, *([error.__cause__] if error.__cause__ else [])]
    line = ": ".join((str(cause).strip().splitlines() or [type(cause).__name__])[0][:300] for cause in causes)
    token = get_token()
    return line.replace(token, "***") if token else line
