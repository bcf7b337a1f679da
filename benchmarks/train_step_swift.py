"""A training step: ms-swift against ours, on a real 170 M speech LLM.

    python benchmarks/train_step_swift.py [--quick] [--model FOLDER] [--repeats N] [--swift-env FOLDER]

ms-swift gets an environment of its own, made where it is missing: ms-swift, the newest transformers that its model list names for Qwen2-Audio (4.45–4.48), and the torch of
this environment, so that both compute with the same one. What runs there is `swift sft` as its command line runs it: `SwiftSft` with its arguments, its dataset loader on a
JSON-lines file, its Qwen2-Audio template and collator, its LoRA, its `Seq2SeqTrainer`. What runs here is our `AudioSFTTrainer` with our collator, model and processor, put
together as `trainer/sft.py` does. Both are told the same: float32, LoRA r = 16 on the language model by the same regular expression, projector and tower frozen, AdamW, clipping
at 1, no gradient checkpointing (swift's default is on: it would only make swift slower), no loader workers, learning rate 0, so that every step has the same loss.

8 clips of 3–5 s, written as WAV, one question each; an epoch is one batch of all 8. A callback in either trainer waits for its turn before each epoch and says what the turn
took: from there to the trainer's `on_step_begin` is making the batch (reading, features, tokens), from there to `on_step_end` is the step: forward, backward, clipping,
optimiser. Start-up counts for nobody, the first turn of each warms up, sides take turns, the figures are medians.

Three things of swift's are set right so that the work is the same: it is given the system prompt that the model's own chat template writes (its template has another by
default); its template's suffix is the end token alone (by default it trains on the newline behind it as well); and the model's folder gets the settings that transformers 4 reads
and 5 no longer writes. Then token ids and labels of both batches have to be the same, and are compared (swift leaves one audio token a clip, which the model's forward
spreads out), as are the number of trained parameters and of threads. With transformers 5 (`--swift-env` with one) swift only warns, and works as well.

The last line is JSON: ratio_vs_swift (their step ÷ ours), ratio_vs_swift_with_batch (batch and step), cpu_ratio_vs_swift (the step's processor time: with OMP_NUM_THREADS=1
the figure that other work on the machine disturbs least), loss_difference (largest difference of a step's loss, nats a token), swift, transformers (versions over there).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

PEER = ("ms-swift==4.6.0", "transformers==4.48.3", "librosa", "soundfile")
"""With the newest transformers that its model list names for Qwen2-Audio."""
ROWS = 8
SECONDS = (3.0, 5.0)


class Side:
    """A trainer in a process of its own; a context manager. `turn()` is one step."""

    def __init__(self, name: str, python: str, task: Path, folder: Path) -> None:
        self.name, self._log = name, folder / f"{name}.log"
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}
        with open(self._log, "w") as log:
            command = [python, str(ROOT / "benchmarks" / "trainers_in_turns.py"), name, str(task)]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)

    def turn(self) -> dict[str, Any]:
        """What a step took.

        Raises:
            RuntimeError: the trainer ended; with the end of what it said.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it ended: the empty line below says so
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}:\n{self._log.read_text()[-3000:]}")
        found: dict[str, Any] = json.loads(line)
        return found

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


def write_task(folder: Path, model: Path, steps: int) -> Path:
    """Clips, rows in both forms, and what either side has to know."""
    import soundfile
    from train_step import rows_about

    from cp_paraling_qa.training.families import family_of
    from cp_paraling_qa.training.loading import load_config, load_processor, quiet

    with quiet():
        processor = load_processor(model)
    family = family_of(load_config(model))
    system = re.match(r"<\|im_start\|>system\n(.*?)<\|im_end\|>", family.render(processor, "?"), re.DOTALL)
    rows, lines = [], []
    for row in rows_about(ROWS, 1, SECONDS, seed=0):
        place = str(folder / f"{row['id']}.wav")
        soundfile.write(place, row["audio"]["array"], row["audio"]["sampling_rate"])
        rows.append({**row, "audio": place})
        turns = [{"role": "user", "content": f"<audio>{row['prompt']}"}, {"role": "assistant", "content": row["answer"]}]
        lines.append(json.dumps({"messages": turns, "audios": [place]}))
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    task = {
        "folder": str(folder),
        "model": str(model),
        "theirs": str(older_form(model, folder / "theirs")),
        "rows": rows,
        "jsonl": str(folder / "rows.jsonl"),
        "system": system[1] if system else "",
        "end": family.end_of_turn(processor),
        "targets": family.lora_targets,
        "steps": steps,
    }
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    return folder / "task.json"


def older_form(model: Path, beside: Path) -> Path:
    """The same model, its weights by link, with the settings that transformers 4 reads and 5 no longer writes; the model itself where 4 wrote it."""
    if not (model / "processor_config.json").exists():
        return model

    def read(name: str) -> Any:
        return json.loads((model / name).read_text(encoding="utf-8"))

    config, processor, tokenizer = read("config.json"), read("processor_config.json"), read("tokenizer_config.json")
    tokenizer |= {"tokenizer_class": "PreTrainedTokenizerFast", "additional_special_tokens": tokenizer.pop("extra_special_tokens", [])}
    config["text_config"]["rope_theta"] = config["text_config"]["rope_parameters"]["rope_theta"]
    new = {
        "config.json": {"ignore_index": -100, "torch_dtype": "float32", **config},
        "preprocessor_config.json": processor["feature_extractor"] | {"processor_class": "Qwen2AudioProcessor"},
        "tokenizer_config.json": tokenizer,
    }
    beside.mkdir()
    for file in model.iterdir():
        if file.name not in {*new, "processor_config.json"}:
            (beside / file.name).symlink_to(file)
    for name, content in new.items():
        (beside / name).write_text(json.dumps(content), encoding="utf-8")
    return beside


def check(firsts: Mapping[str, Mapping[str, Any]]) -> None:
    """That both do the same work.

    Raises:
        SystemExit: they do not, so there is nothing to compare.
    """
    ours, theirs = firsts["ours"], firsts["swift"]
    for what in ("trained", "threads"):
        if ours[what] != theirs[what]:
            raise SystemExit(f"{what}: {ours[what]} here, {theirs[what]} in swift")
    for mine, other in zip(ours["rows"], theirs["rows"], strict=True):
        if mine != other:
            raise SystemExit(f"ids and labels of a row differ: {mine} here, {other} in swift")


def compare(python: str, model: Path, folder: Path, repeats: int) -> dict[str, Any]:
    """Both sides, taking turns; the first turn of each warms up."""
    task = write_task(folder, model, repeats + 1)
    turns: dict[str, list[dict[str, Any]]] = {"swift": [], "ours": []}
    with Side("swift", python, task, folder) as swift, Side("ours", sys.executable, task, folder) as ours:
        for number in range(repeats + 1):
            for side in (swift, ours) if number % 2 else (ours, swift):
                turns[side.name].append(side.turn())
            if number == 0:
                check({name: of_side[0] for name, of_side in turns.items()})
            last = {name: of_side[-1]["step"] for name, of_side in turns.items()}
            print(f"turn {number} of {repeats}: swift {last['swift']:.2f} s, ours {last['ours']:.2f} s", file=sys.stderr, flush=True)
    firsts = {name: of_side[0] for name, of_side in turns.items()}
    took = {name: {what: statistics.median(turn[what] for turn in of_side[1:]) for what in ("step", "cpu", "batch")} for name, of_side in turns.items()}
    both = {name: statistics.median(turn["batch"] + turn["step"] for turn in of_side[1:]) for name, of_side in turns.items()}
    first = firsts["swift"]
    print(f"{ROWS} clips of {SECONDS[0]:g}–{SECONDS[1]:g} s, one question each, {first['trained']:,} trained parameters, {first['threads']} thread(s)")
    for name in turns:
        seconds = f"step {took[name]['step']:.3f} s ({took[name]['cpu']:.3f} s of CPU), batch {took[name]['batch']:.3f} s"
        print(f"  {name:<6} {seconds}, torch {firsts[name]['torch']}, loss {firsts[name]['loss']:.6f}")
    return {
        "ratio_vs_swift": took["swift"]["step"] / took["ours"]["step"],
        "ratio_vs_swift_with_batch": both["swift"] / both["ours"],
        "cpu_ratio_vs_swift": took["swift"]["cpu"] / took["ours"]["cpu"],
        "loss_difference": max(abs(one["loss"] - other["loss"]) for one in turns["swift"] for other in turns["ours"]),
        "swift": first["swift"],
        "transformers": first["transformers"],
    }


def environment(given: Path | None) -> str:
    """The Python of swift's environment."""
    import torch
    from llm_peers import set_up

    if given:
        return str(given / "bin" / "python")
    packages = (f"torch=={torch.__version__.split('+')[0]}", *PEER)
    return set_up("ms-swift", Path.home() / ".cache" / "cp-paraling-qa-peers", packages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a Qwen2-Audio-style model (default: the 170 M one, built for the occasion)")
    parser.add_argument("--repeats", type=int, default=9, help="steps of each side (default: 9)")
    parser.add_argument("--quick", action="store_true", help="3 steps of each side: under 2 minutes on 2 cores once the environment is there")
    parser.add_argument("--swift-env", type=Path, metavar="FOLDER", help="an environment with ms-swift (default: made under ~/.cache/cp-paraling-qa-peers)")
    given = parser.parse_args()
    try:
        python = environment(given.swift_env)
        with tempfile.TemporaryDirectory() as folder:
            model = given.model or Path(folder) / "model"
            if not given.model:
                from cp_paraling_qa.training.small import write_small_model

                write_small_model(model)
            found = compare(python, model.absolute(), Path(folder), 3 if given.quick else given.repeats)
    except RuntimeError as error:
        raise SystemExit(f"ms-swift cannot be compared: {error}") from error
    print(json.dumps({name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in found.items()}))


if __name__ == "__main__":
    main()
