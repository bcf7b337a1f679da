"""`cpqa demo`: the main job from speech to scores on the bundled sample, on any laptop, with models that packages carry.

unpack the sample → build (questions written live for some clips) → write a tiny Qwen2-Audio → predict before training → for each arm: fine-tune with
`accelerate launch trainer/sft.py`, predict on voices it has not heard → judge → one table. Run again after a stop: finished steps are not done twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from cp_paraling_qa.benchmark.arms import ARMS, Arm, ArmScore, is_direct_emotion, score_arm
from cp_paraling_qa.errors import CPQAError
from cp_paraling_qa.progress import Screen
from cp_paraling_qa.stage import Row, write_json

PACKAGE = Path(__file__).parents[1]
MAX_NEW_TOKENS = 40


def run_demo(run: Path, *, live_clips: int = 24, steps: int = 300, judged: int = 16, seed: int = 0, screen: Screen) -> dict[str, Any]:
    """Runs the whole way and prints the table.

    Args:
        run: where everything goes.
        live_clips: clips whose questions the embedded LLM writes now; the others take theirs from the committed dataset.
        steps: training steps of each arm.
        judged: contextual answers of each arm that the embedded LLM judges.
        seed: of the tiny model and of training; one seed for each arm.
        screen: where progress goes.

    Returns:
        the scores, as in RUN/scores.json.

    Raises:
        CPQAError: outside a checkout, or whatever stopped a step.
    """
    script = PACKAGE.parent / "trainer" / "sft.py"
    if not script.is_file():
        raise CPQAError("the demo needs a checkout of the project, with trainer/sft.py: clone it and run `make demo` there")
    from cp_paraling_qa.building import build
    from cp_paraling_qa.corpora.sample import unpack
    from cp_paraling_qa.labels import INVENTORIES
    from cp_paraling_qa.training.loading import quiet
    from cp_paraling_qa.training.tiny import write_tiny_model

    started = time.perf_counter()
    screen.title("1/4  build: from speech to a dataset")
    clips = unpack(PACKAGE, run / "corpus")
    screen.say(f"  the bundled sample: {clips} synthetic clips")
    dataset = build(
        {
            "run": run / "build",
            "corpora": [{"name": "sample", "root": run / "corpus"}],
            "annotate": {"annotators": ["prosody"]},
            "questions": {"reuse": PACKAGE, "live_clips": live_clips, "per_clip": 1, "rounds": 2, "forms": ["word", "sentence"]},
        },
        screen=screen,
    )
    screen.title("2/4  a tiny Qwen2-Audio, before training")
    model = run / "tiny-model"
    if not (model / "processor_config.json").is_file():
        write_tiny_model(model, seed=seed)
    before = {
        arm.test: _predict(model, None, dataset, arm, run / "predictions" / f"untrained-{'with' if arm.leaks else 'without'}-metadata.jsonl", screen)
        for arm in ARMS[:2]
    }
    after, shuffled = {}, {}
    for number, arm in enumerate(ARMS, 1):
        screen.title(f"3/4  arm {number} of {len(ARMS)}, {arm.name}: fine-tune on {arm.train}, answer {arm.test}")
        adapter = run / "arms" / arm.name
        if not (adapter / "adapter_model.safetensors").is_file():
            _train(script, model, dataset, arm, adapter, steps, seed)
        after[arm.name] = _predict(model, adapter, dataset, arm, run / "predictions" / f"{arm.name}.jsonl", screen)
        if not arm.leaks:
            shuffled[arm.name] = _predict(model, adapter, dataset, arm, run / "predictions" / f"{arm.name}-shuffled-audio.jsonl", screen, shuffle=seed + 1)
    screen.title("4/4  judge")
    labels = INVENTORIES["sample"]
    with quiet():
        scores, untrained, judge_name = _score(after, before, shuffled, labels, run, judged, screen)
    result = {
        "arms": {score.arm: {"before": _plain(untrained[next(a.test for a in ARMS if a.name == score.arm)]), "after": _plain(score)} for score in scores},
        "judge": judge_name,
        "caption": CAPTION,
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_json(run / "scores.json", result)
    screen.console.print(arms_table(scores, untrained))
    for line in CAPTION:
        screen.say(line)
    screen.say(f"\nThe judge is {judge_name}, which shows that the way works. {judge_against_labels(scores, untrained)}")
    screen.say(f"dataset      {dataset}   load_dataset({str(dataset)!r}, 'implicit')")
    screen.say(f"adapters     {run / 'arms'}")
    screen.say(f"predictions  {run / 'predictions'}   cpqa score FILE")
    screen.say(f"scores       {run / 'scores.json'}")
    screen.say(f"done in {result['seconds']:.0f} s")
    return result


CAPTION = [
    "A tiny model (random weights but for its adapter) on synthetic speech, one seed an arm, tested on voices it has not heard. The numbers show that every part works;",
    "they say nothing about human speech or about the paper's claims.",
    "Direct questions of explicit and combined (marked *) have their answer in the prompt: that accuracy is reading, not listening.",
]


def _train(script: Path, model: Path, dataset: Path, arm: Arm, adapter: Path, steps: int, seed: int) -> None:
    """One arm, by the same command that a user would type."""
    command = [_beside_python("accelerate"), "launch", "--config_file", str(script.parent / "accelerate" / "cpu.yaml"), "--num_cpu_threads_per_process", "1"]
    command += [str(script), "--config", str(script.parent / "recipes" / "tiny.yaml"), "--model_name_or_path", str(model), "--dataset_name", str(dataset)]
    command += ["--dataset_config", arm.train, "--output_dir", str(adapter), "--max_steps", str(steps), "--seed", str(seed)]
    done = subprocess.run(command, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        raise CPQAError(f"fine-tuning the arm {arm.name} failed with exit code {done.returncode}; its words stand above. Run the same command again to go on.")


def _beside_python(program: str) -> str:
    """A program of this environment, whether or not the environment is activated."""
    here = Path(sys.executable).with_name(program)
    return str(here) if here.exists() else program


def _predict(model: Path, adapter: Path | None, dataset: Path, arm: Arm, out: Path, screen: Screen, shuffle: int | None = None) -> list[Row]:
    """An arm's answers to the test questions; with `shuffle`, to other clips than the questions are about."""
    import json

    from cp_paraling_qa.training.predict import predict_file

    predict_file(
        str(model),
        adapter=str(adapter) if adapter else None,
        dataset=str(dataset),
        config=arm.test,
        out=out,
        max_new_tokens=MAX_NEW_TOKENS,
        shuffle_audio=shuffle,
        say=lambda line: screen.say(f"  {out.stem}: {line}"),
    )
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def _score(
    after: dict[str, list[Row]], before: dict[str, list[Row]], shuffled: dict[str, list[Row]], labels: Sequence[str], run: Path, judged: int, screen: Screen
) -> tuple[list[ArmScore], dict[str, ArmScore], str]:
    """Scores every arm with the embedded LLM as judge."""
    from cp_paraling_qa.embedded import EMBEDDED_MODEL
    from cp_paraling_qa.judge.endpoint import judge_for

    with judge_for(None, None, embedded=True, cache=run / "cache" / "judge.sqlite") as judge, screen.bar("judging", len(ARMS) + len(before)) as tick:
        untrained = {}
        for arm in ARMS[:2]:
            untrained[arm.test] = score_arm("untrained", before[arm.test], labels, judge=judge, judged=judged)
            tick(1, "untrained")
        scores = []
        for arm in ARMS:
            score = score_arm(arm.name, after[arm.name], labels, judge=judge, judged=judged)
            if arm.name in shuffled:
                score.shuffled = score_arm(arm.name, [row for row in shuffled[arm.name] if is_direct_emotion(row)], labels).direct["accuracy"]
            scores.append(score)
            tick(1, arm.name)
    return scores, untrained, EMBEDDED_MODEL


def arms_table(scores: Sequence[ArmScore], untrained: dict[str, ArmScore]) -> Table:
    """The arms side by side, before and after training, each number with its coverage and below it its 95 % interval."""
    table = Table(title="direct emotion questions by label, contextual questions by judge", title_justify="left")
    table.add_column("arm")
    table.add_column("training")
    for column in ("judge\n0–100", "judged", "accuracy", "weighted\nF1", "macro\nF1", "label\ncoverage", "accuracy,\nother audio"):
        table.add_column(column, justify="right")
    for score in scores:
        arm = next(a for a in ARMS if a.name == score.arm)
        for moment, side in (("before", untrained[arm.test]), ("after", score)):
            direct, contextual = side.direct, side.contextual
            table.add_row(
                arm.name + ("*" if arm.leaks else "") if moment == "before" else "",
                moment,
                _with_interval(contextual, "llm_judge", 0),
                f"{contextual['n_scored']}/{contextual['n']}",
                *(_with_interval(direct, key, 2) for key in ("accuracy", "f1_weighted", "f1_macro")),
                _shown(direct["label_coverage"]),
                _shown(side.shuffled),
                end_section=moment == "after",
            )
    return table


def _with_interval(scores: Mapping[str, Any], key: str, digits: int) -> str:
    ends = [scores[f"{key}_ci_{end}"] for end in ("low", "high")]
    return _shown(scores[key], digits) + ("" if None in ends else "\n" + "–".join(_shown(end, digits) for end in ends))


def _shown(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def judge_against_labels(scores: Sequence[ArmScore], untrained: dict[str, ArmScore]) -> str:
    """Whether the judge and the labels say the same of training: the least that a judge must get right before anyone reads its numbers."""
    arms = {arm.name: arm for arm in ARMS}
    pairs = [(untrained[arms[score.arm].test], score) for score in scores]
    known = [(a, b) for a, b in pairs if None not in (a.contextual["llm_judge"], b.contextual["llm_judge"], a.direct["accuracy"], b.direct["accuracy"])]
    agree = sum((b.contextual["llm_judge"] > a.contextual["llm_judge"]) == (b.direct["accuracy"] > a.direct["accuracy"]) for a, b in known)
    verdict = "Do not read its numbers as quality: use a larger one." if agree < len(known) else "That is the least one can ask of a judge, and no proof."
    return f"On whether training helped, the judge agrees with the labels in {agree} of {len(known)} arms. {verdict}"


def _plain(score: ArmScore) -> dict[str, Any]:
    return {"direct": score.direct, "contextual": score.contextual, "accuracy_shuffled_audio": score.shuffled}
