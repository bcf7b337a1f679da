"""How many questions a second does `trainer/predict.py` answer? Ours against stock transformers, one question at a time.

    python benchmarks/predict.py [--quick] [--clips FOLDER] [--count N] [--model FOLDER]

Both answer the same rows with the same weights in float32, greedily, with exactly 16 new tokens each, from the encoded audio to the text:

- stock: `AutoModelForMultimodalLM`, `AutoProcessor`, and for each row the chat template, `processor(text, audio)` and `model.generate`, which is what model cards show;
- ours: `predict` of training/answering/generation.py in batches of 16, with everything that `load_model` and `load_processor` put in.

The model is the 171 M one of training/small.py (Whisper tiny.en + SmolLM2-135M; written to a temporary folder, 690 MB). Its projector is random, so it talks about anything but
the clip, fluently. Two cases: one question about each of 32 clips (`ratio_vs_single`), and seven questions about each of a few (`ratio_shared`; without --quick clips of
30 s, joined from the others). After each batch of ours, stock answers its rows, so both meet the same moments of the machine. One thread (OMP_NUM_THREADS overrides it).

Batches add up floats in another order than single rows do, so where two tokens are as good as equally probable either may be chosen. Each output that differs is shown with
the lead, in nats, that stock's token had over ours where they part: a lead of more than 0.01 would be a bug.

The last line is JSON: ratio_vs_single, ratio_shared (rows a second of ours ÷ stock's), cpu_ratio_… (the same in processor time, which other work on the machine disturbs
less), rows_per_second_…, differing_outputs (of both cases), largest_lead.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

RATE = 16_000
TOKENS = 16
QUESTIONS = (
    "How does the speaker feel?",
    "Why might the speaker feel that way?",
    "What is said, in a few words?",
    "Does the voice sound calm or excited, and what tells you so?",
    "Is the speaker a woman or a man?",
    "What would be a kind answer to the speaker?",
    "Do the words and the voice agree?",
)


def samples_of(folder: Path | None) -> list[Any]:
    """Clips as float32 samples: of a folder's WAV and FLAC files, or of the bundled sample."""
    from cp_paraling_qa.audio import decode_audio
    from cp_paraling_qa.training.rows import BUNDLED, load_config

    if folder is None:
        return [decode_audio(row["audio"])[0] for split in ("test", "train") for row in load_config(BUNDLED, "clips", split)]
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".wav", ".flac"))
    if not files:
        raise SystemExit(f"{folder}: no WAV or FLAC files there")
    return [decode_audio(str(file))[0] for file in files]


def rows_of(clips: list[Any], questions: int) -> list[dict[str, Any]]:
    """So many questions about each clip; one about each goes through all of them."""
    from cp_paraling_qa.audio import encode_flac

    rows = []
    for number, samples in enumerate(clips):
        audio = {"bytes": encode_flac(samples), "path": f"{number}.flac"}
        asked = QUESTIONS[:questions] if questions > 1 else (QUESTIONS[number % len(QUESTIONS)],)
        rows += [{"id": f"{number}/{place}", "clip_id": str(number), "audio": audio, "prompt": question} for place, question in enumerate(asked)]
    return rows


def joined(clips: list[Any], seconds: float, count: int) -> list[Any]:
    """Clips of one length, cut from the clips one behind the other."""
    import numpy as np

    size = round(seconds * RATE)
    whole = np.concatenate(clips)
    return [np.resize(whole[size * n % max(1, len(whole) - size) :], size) for n in range(count)]


class Stock:
    """transformers as it comes, a row at a time."""

    def __init__(self, folder: str) -> None:
        from transformers import AutoModelForMultimodalLM, AutoProcessor

        self.model = AutoModelForMultimodalLM.from_pretrained(folder, dtype="float32").eval()
        self.processor = AutoProcessor.from_pretrained(folder)

    def inputs(self, row: dict[str, Any]) -> Any:
        """What `generate` takes."""
        import soundfile

        samples, _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
        conversation = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": row["prompt"]}]}]
        text = self.processor.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
        return self.processor(text=[text], audio=[samples], sampling_rate=RATE, return_tensors="pt")

    def __call__(self, row: dict[str, Any], **more: Any) -> Any:
        """The new tokens; with more options of `generate`, its whole output."""
        import torch

        inputs = self.inputs(row)
        with torch.inference_mode():
            out = self.model.generate(**inputs, do_sample=False, min_new_tokens=TOKENS, max_new_tokens=TOKENS, **more)
        return out if more else out[0, inputs["input_ids"].shape[1] :].tolist()

    def lead(self, row: dict[str, Any], ours: list[int]) -> float:
        """Nats by which stock's token led over ours where the two outputs part."""
        out = self(row, output_scores=True, return_dict_in_generate=True)
        stock = out.sequences[0, -TOKENS:].tolist()
        place = next(n for n in range(TOKENS) if stock[n] != ours[n])
        chances = out.scores[place][0].log_softmax(-1)
        return float(chances[stock[place]] - chances[ours[place]])


class Clock:
    """Seconds on the wall and of the processor, summed over `with` blocks."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._began[0]
        self.cpu += time.process_time() - self._began[1]


def race(stock: Stock, ours: Any, rows: list[dict[str, Any]]) -> tuple[Clock, Clock, list[float]]:
    """What ours and stock took, and the leads of the outputs that differ."""
    mine, theirs, leads = Clock(), Clock(), []
    for numbers in ours.plan(rows, batch_size=16):
        with mine:
            found = ours.tokens([rows[number] for number in numbers])
        for number, answer in zip(numbers, found, strict=True):
            with theirs:
                alone = stock(rows[number])
            if alone != answer:
                leads.append(stock.lead(rows[number], answer))
                said = [ours.processor.tokenizer.decode(tokens) for tokens in (alone, answer)]
                print(f"row {rows[number]['id']} differs, stock's token led by {leads[-1]:.2g} nats: {said[0]!r}, {said[1]!r}")
    return mine, theirs, leads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="seven questions about short clips, not 30 s: under 2 minutes on 2 cores")
    parser.add_argument("--clips", type=Path, metavar="FOLDER", help="recordings of speech instead of the bundled sample's")
    parser.add_argument("--count", type=int, default=32, help="clips with one question (default 32)")
    parser.add_argument("--model", metavar="FOLDER", help="another Qwen2-Audio-style model than the small one")
    arguments = parser.parse_args()

    import torch

    from cp_paraling_qa.training.answering.generation import Answerer
    from cp_paraling_qa.training.loading import load_model, load_processor, quiet
    from cp_paraling_qa.training.small import write_small_model

    with tempfile.TemporaryDirectory() as home, quiet():
        folder = arguments.model or f"{home}/small"
        if not arguments.model:
            write_small_model(folder)
        every = samples_of(arguments.clips)
        step = max(1, len(every) // arguments.count)  # spread over the folder: other speakers, other feelings
        clips = every[::step][: arguments.count]
        stock, ours = Stock(folder), Answerer(load_model(folder), load_processor(folder), max_new_tokens=TOKENS, min_new_tokens=TOKENS)
        few = clips[:2] if arguments.quick else joined(every, 30.0, 4)
        cases = {"one question a clip": rows_of(clips, 1), "seven questions a clip": rows_of(few, len(QUESTIONS))}
        warm = rows_of(clips[:1], 1)[0]
        stock(warm), ours.tokens([warm])
        result: dict[str, float] = {}
        leads: list[float] = []
        for (name, rows), key in zip(cases.items(), ("vs_single", "shared"), strict=True):
            mine, theirs, off = race(stock, ours, rows)
            result |= {f"ratio_{key}": round(theirs.wall / mine.wall, 2), f"cpu_ratio_{key}": round(theirs.cpu / mine.cpu, 2)}
            result[f"rows_per_second_{key}"] = round(len(rows) / mine.wall, 2)
            leads += off
            print(f"{name}: {len(rows)} rows, stock {theirs.wall / len(rows):.2f} s a row, ours {mine.wall / len(rows):.2f} s, {len(off)} differ")
        print(f"{torch.get_num_threads()} thread(s)")
    print(json.dumps(result | {"differing_outputs": len(leads), "largest_lead": float(f"{max(leads, default=0.0):.2g}")}))


if __name__ == "__main__":
    main()
