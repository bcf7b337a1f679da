"""What the annotators that run anywhere say of real speech whose words, speakers and intensities are known.

    python benchmarks/ravdess.py RAVDESS [--quick] [--run DIR] [--workers 2]

RAVDESS (licence: CC BY-NC-SA 4.0, to be fetched by yourself) goes through `cpqa corpus ravdess` and three annotators: silero-vad, the embedded Whisper tiny.en on every
clip, and librosa's prosody. Then: word error rate against the two known sentences, median pitch by gender, loudness and syllable rate by acted intensity (compared
within speaker and emotion, since actors differ more than intensities do). The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

ANNOTATORS = ("speech", "asr", "prosody")


def annotated(root: Path, run: Path, *, workers: int, clips: int | None) -> list[dict[str, Any]]:
    """Each clip with what was said of it: measures by name, the text that was heard, the acted labels."""
    from cp_paraling_qa.annotate import AnnotatorOptions
    from cp_paraling_qa.annotate.base import annotate
    from cp_paraling_qa.annotate.chosen import choose
    from cp_paraling_qa.corpora.manifest import make_manifest
    from cp_paraling_qa.stage import locked, read_rows

    with locked(run):
        make_manifest(run, [("ravdess", subset(root, run, clips))], workers=workers)
        for name in ANNOTATORS:
            began = time.perf_counter()
            annotate(run, choose(run, [name], AnnotatorOptions(retranscribe=True)), workers=workers)
            print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)
    rows = {row["clip_id"]: row | {"measures": {}, "heard": None} for row in read_rows(run / "manifest")}
    for said in read_rows(run / "annotations"):
        row = rows[said["clip_id"]]
        row["measures"] |= {measure["name"]: measure["value"] for measure in said["measures"]}
        if said["annotator"].startswith("asr"):
            row["heard"] = next((o["value"] for o in said["opinions"] if o["field"] == "text"), "")
    for row in rows.values():
        row |= {o["field"]: o["value"] for o in row["opinions"]}
    return list(rows.values())


def subset(root: Path, run: Path, clips: int | None) -> Path:
    """The corpus, or a folder of links to the clips of its first speakers."""
    from cp_paraling_qa.corpora.base import audio_files

    files = audio_files(root)
    if clips is None or len(files) <= clips:
        return root
    for path in files[:clips]:
        link = run / "corpus" / path.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(path.resolve())
    return run / "corpus"


def error_rate(rows: Iterable[dict[str, Any]]) -> float:
    """Word error rate: (substitutions + deletions + insertions) / words of the known sentences, case and punctuation aside."""
    import jiwer
    from transformers.models.whisper.english_normalizer import BasicTextNormalizer

    plain = BasicTextNormalizer()
    pairs = [(plain(row["transcript"]).strip(), plain(row["heard"]).strip()) for row in rows]
    return float(jiwer.wer([known for known, _ in pairs], [heard for _, heard in pairs]))


def paired(rows: list[dict[str, Any]], measure: str) -> tuple[float, float, int]:
    """Mean difference strong − normal within (speaker, emotion), its share above 0, and the number of pairs."""
    groups: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if measure in row["measures"]:
            groups[row["speaker_id"], row["emotion"]][row["intensity"]].append(row["measures"][measure])
    differences = [statistics.mean(g["strong"]) - statistics.mean(g["normal"]) for g in groups.values() if g["strong"] and g["normal"]]
    return statistics.mean(differences), sum(d > 0 for d in differences) / len(differences), len(differences)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder with Actor_01, Actor_02, …")
    parser.add_argument("--quick", action="store_true", help="the first 90 clips")
    parser.add_argument("--run", type=Path, help="run folder to keep (default: a temporary one)")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = annotated(arguments.root, arguments.run or Path(folder), workers=arguments.workers, clips=90 if arguments.quick else None)
    figures: dict[str, Any] = {"clips": len(rows), "wer": error_rate(rows), "nothing_heard": sum(not row["heard"] for row in rows)}
    figures["speech_share_median"] = statistics.median(row["measures"]["speech_share"] for row in rows)
    figures["no_speech_found"] = sum(row["measures"]["speech_share"] == 0 for row in rows)
    print(
        f"\n{len(rows)} clips; word error rate {figures['wer']:.3f}; nothing heard in {figures['nothing_heard']}; no speech found in {figures['no_speech_found']}"
    )
    print("\n| emotion | clips | WER |\n|---|---|---|")
    for emotion in sorted({row["emotion"] for row in rows}):
        mine = [row for row in rows if row["emotion"] == emotion]
        print(f"| {emotion} | {len(mine)} | {error_rate(mine):.3f} |")
    for intensity in ("normal", "strong"):
        figures[f"wer_{intensity}"] = error_rate([row for row in rows if row["intensity"] == intensity])
        print(f"| intensity {intensity} | {sum(row['intensity'] == intensity for row in rows)} | {figures[f'wer_{intensity}']:.3f} |")
    print("\n| gender | median f0 (Hz) | quartiles | clips |\n|---|---|---|---|")
    for gender in ("female", "male"):
        pitch = [row["measures"]["f0_median"] for row in rows if row["gender"] == gender and "f0_median" in row["measures"]]
        low, middle, high = statistics.quantiles(pitch, n=4)
        figures[f"f0_{gender}"] = middle
        print(f"| {gender} | {middle:.0f} | {low:.0f}–{high:.0f} | {len(pitch)} |")
    print("\n| strong − normal, within speaker and emotion | mean difference | share above 0 | pairs |\n|---|---|---|---|")
    for measure, unit in (("loudness", "dB"), ("loudness_range", "dB"), ("f0_median", "Hz"), ("rate", "syllables/s"), ("pause_share", "share")):
        difference, above, pairs = paired(rows, measure)
        figures[f"{measure}_strong_minus_normal"] = difference
        print(f"| {measure} ({unit}) | {difference:+.2f} | {above:.2f} | {pairs} |")
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
