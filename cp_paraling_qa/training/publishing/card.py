"""The model card: README.md of a run's folder, made from what the run measured. No number in it is written by hand, and none that was not measured stands in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from cp_paraling_qa.errors import StorageError
from cp_paraling_qa.judge.scorefile import LEAKING
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.parts import TRAIN_PARTS
from cp_paraling_qa.training.publishing.card_facts import RunFacts

_NON_COMMERCIAL = re.compile(r"(?<![a-z])nc(?![a-z])|non-?\s?commercial|research|academic", re.IGNORECASE)
_SCORES = (
    ("label_accuracy", "label accuracy"),
    ("balanced_accuracy", "balanced accuracy (UAR)"),
    ("f1_macro", "macro F1"),
    ("f1_weighted", "weighted F1"),
)
_PAPER = "[Incorporating Contextual Paralinguistic Understanding in Large Speech-Language Models](https://arxiv.org/abs/2508.07273)"
CITATION = """@misc{wang2025incorporating,
  title = {Incorporating Contextual Paralinguistic Understanding in Large Speech-Language Models},
  author = {Wang, Qiongqiong and Sailor, Hardik B. and Wong, Jeremy H. M. and Liu, Tianchi and Sun, Shuo and Zhang, Wenyu and Huzaifah, Muhammad and Chen, Nancy and Aw, Ai Ti},
  year = {2025},
  eprint = {2508.07273},
  archivePrefix = {arXiv}
}"""


def write_card(folder: Path, facts: RunFacts) -> Path:
    """Writes README.md, beside and then into place.

    Raises:
        StorageError: it cannot be written.
    """
    path = folder / "README.md"
    beside = folder / f"README.md.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside.write_text(card_text(facts), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; free some space and run again: it goes on from its last checkpoint") from error
    return path


class CardAtSave(TrainerCallback):  # type: ignore[misc]
    """Puts our card in every checkpoint, where PEFT writes one with the base model's path on this machine.

    Args:
        facts: of the run as it is then.
    """

    def __init__(self, facts: Callable[[], RunFacts]) -> None:
        self.facts = facts

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Writes it, on the first process."""
        if args.process_index == 0:
            write_card(Path(args.output_dir) / f"checkpoint-{state.global_step}", self.facts())


def card_text(facts: RunFacts) -> str:
    """The card of a run."""
    parts = [
        _yaml(facts),
        f"# {facts.name}",
        _about(facts),
        _trained(facts),
        _data(facts),
        _losses(facts),
        _evaluation(facts),
        _use(facts),
        _limits(facts),
        _settings(facts),
        _cite(facts),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _yaml(facts: RunFacts) -> str:
    """Metadata that the Hub reads. The licence is left out: it follows from the base model's and the data's, which only the publisher can weigh."""
    import yaml

    tags = ["audio", "speech", "paralinguistics", "speech-emotion-recognition", "question-answering", "cp-paraling-qa", "trl", "sft"]
    tags += ["lora"] if "lora" in facts.train_parts else []
    data: dict[str, Any] = {"library_name": "peft" if facts.adapter else "transformers", "pipeline_tag": "audio-text-to-text", "tags": tags}
    if facts.base_on_hub:
        data |= {"base_model": facts.base, "base_model_relation": "adapter" if facts.adapter else "finetune"}
    if facts.datasets:
        data["datasets"] = facts.datasets
    if facts.languages:
        data["language"] = facts.languages
    return f"---\n{yaml.safe_dump(data, sort_keys=False, allow_unicode=True)}---"


def _about(facts: RunFacts) -> str:
    base = f"[{facts.base}](https://huggingface.co/{facts.base})" if facts.base_on_hub else f"the local model `{facts.base}`"
    what = "An adapter for" if facts.adapter else "Fine-tuned from"
    state = f"after step {facts.kept} of {facts.planned}" if facts.steps else "before its first step"
    return (
        f"{what} {base} ({facts.family.model_type}), {state}, trained with cp-paraling-qa to answer questions about *how* something is said, not only what.\n"
        f"The method is that of {_PAPER}."
    )


def _trained(facts: RunFacts) -> str:
    trained, total = sum(part.trained for part in facts.counts.values()), sum(part.total for part in facts.counts.values())
    rows = [[name, f"{part.trained:,}", f"{part.total:,}"] for name, part in facts.counts.items()] + [["in all", f"{trained:,}", f"{total:,}"]]
    return f"## What was trained\n\n`{facts.train_parts}`: {TRAIN_PARTS[facts.train_parts]}.\n\n{_table(['part', 'trained parameters', 'parameters'], rows)}"


def _data(facts: RunFacts) -> str:
    lines = ["## Data", ""]
    if facts.data:
        rows = [[group.dataset, group.config or "–", group.component or "–", group.kind or "–", f"{group.rows:,}", f"{group.clips:,}"] for group in facts.data]
        lines.append(_table(["dataset", "config", "component", "kind", "rows", "clips"], rows))
    else:
        lines.append("The rows were streamed; they were not counted.")
    if facts.licenses:
        known = ", ".join(f"{name or 'not stated'} ({count:,} rows)" for name, count in facts.licenses.items())
        lines += ["", f"Licences of the clips, as the dataset states them: {known}."]
        if restricted := [name for name in facts.licenses if _NON_COMMERCIAL.search(name)]:
            lines += ["", f"**Non-commercial data:** rows under {', '.join(restricted)} were trained on. That may bind what this model can be used for."]
    return "\n".join(lines)


def _losses(facts: RunFacts) -> str:
    if not facts.losses:
        return ""
    (first, start), (last, end) = facts.losses[0], facts.losses[-1]
    return f"## Training loss\n\nNats an answer token, mean since the log before: {start:.4f} at step {first}, {end:.4f} at step {last}."


def _evaluation(facts: RunFacts) -> str:
    """Scores of the kept step alone, each with its n and coverage, and the shuffled-audio control; where nothing was measured, it says so."""
    lines = ["## Evaluation", ""]
    entry = next((entry for entry in facts.evaluations if entry["step"] == facts.kept), None)
    if entry is None:
        return "\n".join([*lines, "The kept weights were not evaluated during training."])
    lines.append(f"Step {facts.kept}, on {facts.held_out.described if facts.held_out else 'held-out rows'}. Answers were generated greedily.")
    for warning in facts.held_out.warnings if facts.held_out else ():
        lines += ["", f"**Note:** {warning}."]
    lines += ["", _table(["score", "value", "n", "coverage"], _score_rows(entry, facts.judge))]
    if "listens" in entry:
        error = f" ± {entry['listens_error']:.3f} (95 %, over clips)" if "listens_error" in entry else ""
        lines += [
            "",
            f"**Does it listen?** Label accuracy minus that of the same questions asked about another clip: {entry['listens']:.3f}{error}. A model that answers without listening gets 0.",
        ]
    lines += [
        "",
        "Coverage is the share of answers that map to a label, or that the judge scored. An answer that maps to no label counts as wrong; one that was not judged is left out.",
    ]
    if "judge" in entry:
        lines += ["", f"The judge is `{facts.judge}`, on a scale of 0 to 100." if facts.judge else "The judge's scale is 0 to 100."]
    return "\n".join(lines + _chosen(facts))


def _score_rows(entry: Mapping[str, float], judge: str | None) -> list[list[str]]:
    labelled = f"{entry.get('n_labelled', 0):,.0f}"
    rows = [[text, f"{entry[name]:.3f}", labelled, f"{entry['label_coverage']:.1%}"] for name, text in _SCORES if name in entry]
    for kind in sorted(name.removeprefix("label_accuracy_") for name in entry if name.startswith("label_accuracy_")):
        n, coverage = entry[f"n_labelled_{kind}"], entry[f"label_coverage_{kind}"]
        rows.append([f"label accuracy, {kind} questions", f"{entry[f'label_accuracy_{kind}']:.3f}", f"{n:,.0f}", f"{coverage:.1%}"])
    if "shuffled_label_accuracy" in entry:
        rows.append(
            ["label accuracy with other clips (control)", f"{entry['shuffled_label_accuracy']:.3f}", labelled, f"{entry['shuffled_label_coverage']:.1%}"]
        )
    if "judge_n_scored" in entry:
        rows.append(
            ["LLM judge", f"{entry['judge']:.1f}" if "judge" in entry else "not scored", f"{entry['judge_n_scored']:,.0f}", f"{entry['judge_coverage']:.1%}"]
        )
    if "loss" in entry:
        rows.append(["loss, nats an answer token", f"{entry['loss']:.4f}", f"{entry['n']:,.0f}" if "n" in entry else "–", "–"])
    return rows


def _chosen(facts: RunFacts) -> list[str]:
    """How the kept step was chosen: by a score on these rows, which makes that score a little too good; or as the last one."""
    if facts.checkpoint:
        return []
    if not facts.best_by:
        return ["", "The last step was kept; no step was chosen by these scores."]
    if not facts.best_step:
        return ["", f"The last step was kept: no evaluation could be scored by {facts.best_by}."]
    return [
        "",
        f"Of {len(facts.evaluations)} evaluated steps this one was kept for its {facts.best_by} on these very rows, so these scores are optimistic. Test on other rows.",
    ]


def _use(facts: RunFacts) -> str:
    """How to load it and ask it. The first way works for every family; the second needs nothing of ours, where the family's processor is called in the common way."""
    here = facts.repo or "."
    base = facts.base_path
    ours = f"""```python
from cp_paraling_qa.training.loading import load_model, load_processor
from cp_paraling_qa.training.predict import predict

{_where(facts, here)}
processor = load_processor({"base" if facts.adapter else "folder"})
model = load_model({"base, adapter=folder" if facts.adapter else "folder"})
row = {{"id": "1", "audio": {{"path": "clip.wav", "bytes": None}}, "prompt": "How does the speaker feel?"}}
print(predict(model, processor, [row])[0])
```"""
    lines = ["## How to use it", "", "With cp-paraling-qa, clips of any rate and format:", "", ours]
    if plain(facts.family):
        lines += ["", f"With transformers{' and peft' if facts.adapter else ''} alone, a mono clip of 16 kHz:", "", _snippet(facts, here)]
    name = f"--adapter {here}" if facts.adapter else ""
    model = json.dumps(base)[1:-1] if facts.adapter else here
    return "\n".join(
        [*lines, "", f"Many rows: `python trainer/predict.py --model {model} {name}".rstrip() + " --dataset DATASET --config CONFIG --out predictions.jsonl`."]
    )


def _where(facts: RunFacts, here: str) -> str:
    folder = f"folder = {json.dumps(here)}" + ("" if facts.repo else "  # of this card")
    if not facts.adapter:
        return folder
    remark = "" if facts.base_on_hub else "  # a local model: the path to it"
    return f"{folder}\nbase = {json.dumps(facts.base_path)}{remark}"


def plain(family: Family) -> bool:
    """Whether stock transformers can ask a model of this family as Qwen2-Audio is asked: nothing of loading, template or features is the family's own."""
    return all(
        getattr(type(family), name) is getattr(Family, name) for name in ("load", "load_processor", "messages", "render", "features", "extractor", "hears")
    )


def _snippet(facts: RunFacts, here: str) -> str:
    auto = facts.family.auto_class
    load = (
        f'model = {auto}.from_pretrained(base, dtype="auto")\nmodel = PeftModel.from_pretrained(model, folder).eval()'
        if facts.adapter
        else f'model = {auto}.from_pretrained(folder, dtype="auto").eval()'
    )
    return f"""```python
import soundfile
{"from peft import PeftModel" + chr(10) if facts.adapter else ""}from transformers import {auto}, AutoProcessor

{_where(facts, here)}
processor = AutoProcessor.from_pretrained(folder)
{load}
question = {{"role": "user", "content": [{{"type": "audio"}}, {{"type": "text", "text": "How does the speaker feel?"}}]}}
prompt = processor.apply_chat_template([question], add_generation_prompt=True, tokenize=False)
samples, rate = soundfile.read("clip.wav", dtype="float32")
assert rate == 16_000 and samples.ndim == 1
inputs = processor(text=prompt, audio=[samples], sampling_rate=rate, return_tensors="pt").to(model.device)
answer = model.generate(**inputs, max_new_tokens=64, do_sample=False)
print(processor.batch_decode(answer[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0].strip())
```"""


def _limits(facts: RunFacts) -> str:
    lines = [
        "## Limits",
        "",
        "- What a voice sounds like is not what a person feels. Emotion labels are opinions of listeners, actors or models. Do not use the model to judge people.",
        "- Clips longer than its encoder hears have to be split; cp-paraling-qa refuses them instead of cutting them.",
        "- It was evaluated, if at all, on the rows named above and on nothing else: other languages, accents, rooms and kinds of speech are untested.",
    ]
    if any(group.config in LEAKING for group in facts.data):
        lines.append("- It was trained with metadata in the prompt. Where the prompt says the emotion, an accurate answer may be reading, not listening.")
    return "\n".join(lines)


def _settings(facts: RunFacts) -> str:
    rows = [[f"`{name}`", f"`{value}`"] for name, value in facts.settings.items()]
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    return f"## Settings\n\n{_table(['option', 'value'], rows)}\n\n{versions}."


def _cite(facts: RunFacts) -> str:
    return f"## Citation\n\n```bibtex\n{CITATION}\n```"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; bars and line breaks in a cell would end it."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(head), "|" + " --- |" * len(head), *map(line, rows)])
