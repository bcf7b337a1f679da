"""The preflight's report: parts, memory, rows, lengths and examples, in lines of at most `WIDTH` columns."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.errors import CPQAError
from cp_paraling_qa.training.encoding import Encoded, Encoder
from cp_paraling_qa.training.parts import PartCount
from cp_paraling_qa.training.rows import HeardRows
from cp_paraling_qa.training.sampler import padding_share

if TYPE_CHECKING:
    from cp_paraling_qa.training.preflight import Setting

WIDTH = 100
_SAMPLED = 200  # rows that the labelled share is taken from
_RUN = 4  # so many audio tokens in a row are written as a number


def heading(text: str) -> str:
    """A line that starts a part of the report."""
    return f"── {text} ".ljust(WIDTH, "─")


def part_lines(counts: Mapping[str, PartCount]) -> list[str]:
    """Parameters part by part, and in all."""
    lines = [f"  {'part':16s}{'trained':>16s}{'parameters':>18s}{'share':>9s}"]
    whole = PartCount(sum(part.trained for part in counts.values()), sum(part.total for part in counts.values()))
    for name, part in [*counts.items(), ("in all", whole)]:
        share = f"{part.trained / part.total:.2%}" if part.total else "–"
        lines.append(f"  {name:16s}{part.trained:16,d}{part.total:18,d}{share:>9s}")
    return lines


def memory_lines(setting: Setting, batch: Mapping[str, Any] | None) -> list[str]:
    """The estimate, and how it compares with the GPU that is there."""
    import torch

    from cp_paraling_qa.training.memory import describe, estimate

    if batch is None:
        return ["  no estimate without a batch"]
    model, args, ours = setting.model_args, setting.trainer.args, setting.cpqa_args
    try:
        found = estimate(
            setting.trainer.model.config,
            train_parts=ours.train_parts,
            batch=_estimated(setting, batch),
            dtype=_dtype(model.dtype),
            quantised="4bit" if model.load_in_4bit else "8bit" if model.load_in_8bit else None,
            lora_r=model.lora_r,
            lora_dropout=model.lora_dropout,
            lora_targets=model.lora_target_modules,
            modules_to_save=model.lora_modules_to_save,
            gradient_checkpointing=bool(args.gradient_checkpointing),
            optimizer=getattr(args.optim, "value", args.optim),
            autocast=bool(args.bf16 or args.fp16),
            accumulates=args.gradient_accumulation_steps > 1,
            tower="cached" if ours.cache_tower else "trimmed",
            device="cuda" if torch.cuda.is_available() and not args.use_cpu else "cpu",
        )
    except (CPQAError, RuntimeError, ValueError, AttributeError, KeyError) as error:
        return wrapped(f"no estimate for this setting ({error})")
    lines = [part for line in describe(found).splitlines() for part in ([f"  {line}"] if len(line) <= WIDTH - 2 else wrapped(line))]
    if setting.trainer.model.device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        verdict = ": it may not fit" if found.peak > 0.95 * total else ""
        lines.append(f"  this GPU has {total / 1e9:.1f} GB, {free / 1e9:.1f} GB of it free now{verdict}")
    return lines


def _estimated(setting: Setting, batch: Mapping[str, Any]) -> Any:
    """The longest batch as the estimate wants it."""
    from cp_paraling_qa.training.batches import IGNORED
    from cp_paraling_qa.training.memory import Batch

    ids = batch["input_ids"]
    audio = int((ids == setting.family.audio_token_id(setting.processor)).sum(-1).max())
    answers = -(-int((batch["labels"] != IGNORED).sum()) // len(ids))
    mask = "blocks" if "blocks" in batch else "none" if bool(batch["attention_mask"].all()) else "padding"
    return Batch(sequences=len(ids), audio_positions=audio, text_tokens=ids.shape[1] - audio, answer_tokens=answers, mask=mask)


def _dtype(name: str | None) -> str:
    return "float32" if name in (None, "auto") else str(name).removeprefix("torch.")


def row_lines(setting: Setting) -> list[str]:
    """Rows, clips and hours by config, component and kind; of a stream nothing is known beforehand."""
    rows, lengths = setting.trainer.train_dataset, setting.lengths
    if lengths is None:
        return ["  a stream: rows are read while training"]
    names = [name for name in ("config", "component", "kind") if name in rows.column_names and any(rows[name])]
    if "component" in names and "kind" in names and list(rows["component"]) == list(rows["kind"]):
        names.remove("component")
    per_second = Encoder(setting.processor, setting.family).positions_per_second()
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, key in enumerate(zip(*(rows[name] for name in names), strict=True) if names else [()] * len(rows)):
        groups.setdefault(tuple(value or "–" for value in key), []).append(number)
    widths = [max([len(name), *(len(key[n]) for key in groups)]) + 2 for n, name in enumerate(names)]
    lines = ["  " + "".join(f"{name:{width}s}" for name, width in zip(names, widths, strict=True)) + f"{'rows':>12s}{'clips':>10s}{'seconds':>12s}"]
    whole = list(range(len(rows)))
    for key, numbers in [*sorted(groups.items()), *([(("in all",), whole)] if len(groups) > 1 else [])]:
        clips = {length.clip: length.audio for n in numbers if (length := lengths[n]).clip is not None}
        label = (
            "".join(f"{value:{width}s}" for value, width in itertools.zip_longest(key, widths, fillvalue=""))
            if len(key) == len(names)
            else f"{key[0]:{sum(widths)}s}"
        )
        lines.append(f"  {label}{len(numbers):12,d}{len(clips):10,d}{sum(clips.values()) / per_second:12,.0f}")
    return [line[:WIDTH] for line in lines]


def schedule_lines(setting: Setting) -> list[str]:
    """Lengths, padding, labelled share, and how many steps there will be."""
    trainer, lengths = setting.trainer, setting.lengths
    args = trainer.args
    if lengths is None:
        return [f"  {args.max_steps:,} steps of {args.per_device_train_batch_size} × {args.gradient_accumulation_steps} × {args.world_size} rows"]
    tokens = [length.audio + length.text for length in lengths]
    top = max(range(len(tokens)), key=tokens.__getitem__)
    row = trainer.train_dataset.select_columns(["id", "clip_id"])[top]
    batches = list(trainer.batches)
    steps = max(1, -(-len(batches) // args.gradient_accumulation_steps))
    total = args.max_steps if args.max_steps > 0 else int(-(-steps * args.num_train_epochs // 1))
    padding = "sequences hold several questions" if trainer.batches.share else f"{padding_share(batches, lengths):.1%} of a batch is padding"
    lines = [
        f"tokens of a row: median {median(tokens):.0f}, longest {tokens[top]:,} ({lengths[top].audio:,} audio; row {row['id']}, clip {row['clip_id']})",
        f"{len(batches):,} batches an epoch on each of {args.world_size} processes; {padding}",
        f"{steps:,} steps an epoch, {total:,} steps in all, {total / steps:.2f} epochs",
        f"labelled: {labelled_share(setting):.1%} of the tokens (of {min(_SAMPLED, len(lengths))} rows)",
    ]
    return [part for line in lines for part in wrapped(line)]


def labelled_share(setting: Setting) -> float:
    """Share of answer and end tokens among all tokens, over the first rows: 0–1."""
    lengths = (setting.lengths or [])[:_SAMPLED]
    tokenizer = setting.processor.tokenizer
    answers = [answer or "" for answer in setting.trainer.train_dataset.select_columns(["answer"])[: len(lengths)]["answer"]]
    ends = len(lengths) * len(setting.family.encode(setting.processor, setting.family.end_of_turn(setting.processor)))
    labelled = ends + sum(map(len, tokenizer(answers, add_special_tokens=False)["input_ids"]))
    return labelled / sum(length.audio + length.text for length in lengths)


def example_lines(setting: Setting, count: int) -> list[str]:
    """Rows as token ids turned back into text: audio positions as a number, the labelled part in brackets. One of each config and kind, as far as they go."""
    rows = _examples(setting, count)
    encoder = Encoder(setting.processor, setting.family)
    names, samples = encoder.clips(rows)
    counts = dict(zip(names, encoder.features(samples).counts, strict=True))
    lines = []
    for number, (row, encoded) in enumerate(zip(rows, encoder.answered(rows, counts), strict=True), start=1):
        about = [f"row {row['id']}", *(str(row[name]) for name in ("config", "kind", "type") if row.get(name)), f"clip {row['clip_id']}"]
        lines += wrapped(f"{number}. {', '.join(about)}", indent="")
        lines += [part for line in rendered(encoded, setting.processor, encoder.audio_id).splitlines() for part in wrapped(line, indent="     ")]
    return lines


def _examples(setting: Setting, count: int) -> list[dict[str, Any]]:
    """The first row of every config and kind, then first rows."""
    rows = setting.trainer.train_dataset
    if setting.lengths is None:
        return [row for row in itertools.islice(iter(rows), count) if row["answer"]]
    names = [name for name in ("config", "kind") if name in rows.column_names]
    first: dict[Any, int] = {}
    for number, (answer, *key) in enumerate(zip(rows["answer"], *(rows[name] for name in names), strict=True)):
        if answer and answer.strip():
            first.setdefault(tuple(key), number)
            first.setdefault(number, number) if number < count else None
    numbers = list(dict.fromkeys([n for key, n in first.items() if isinstance(key, tuple)] + [n for key, n in first.items() if isinstance(key, int)]))[:count]
    return HeardRows(rows).__getitems__(numbers)


def rendered(encoded: Encoded, processor: Any, audio_id: int) -> str:
    """Token ids as text: "<|AUDIO|> × 92" for runs of audio positions, ⟦ ⟧ around what is learnt."""
    tokenizer = processor.tokenizer
    parts: list[str] = []
    for is_audio, group in itertools.groupby(encoded.prompt, key=lambda token: token == audio_id):
        ids = list(group)
        token = tokenizer.decode(ids[:1])
        parts.append(f"{token} × {len(ids)}" if is_audio and len(ids) >= _RUN else tokenizer.decode(ids))
    return "".join(parts) + f"⟦{tokenizer.decode(encoded.answer)}⟧"


def wrapped(line: str, indent: str = "  ") -> list[str]:
    """A line in as many lines as it takes; a blank one stays."""
    return textwrap.wrap(line, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ", break_on_hyphens=False, drop_whitespace=True) or [""]
