"""How fast are manifests made, and does memory stay flat? A synthetic IEMOCAP and MSP-Podcast in their official layouts, and a million rows through a stage that does nothing.

    python benchmarks/manifest.py [--quick] [--turns N] [--rows N] [--million N] [--workers N] [--ray] [--folder DIR]

The corpora have every file that the readers read (votes, transcripts, alignments), and clips of 0.12 s, each with samples of its own: what is measured is the work
for each row; reading real clips (4 s of speech are 128 kB) comes on top and is the disk's. Each measurement runs in a process of its own, so that its peak memory is
its own; MSP-Podcast and the million are measured at two sizes, a quarter and the whole. With --ray the million goes through Ray on this machine as well, inputs and results travelling through its object
store. Reported then: this process's memory, with the pages of that store which it touched, and what all workers hold of their own.
The last line is JSON: rows_per_second_iemocap, rows_per_second_msp_podcast, peak_rss_mb (rows → MB, MSP-Podcast), rows_per_second_nothing, peak_rss_mb_nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cp_paraling_qa.corpora.base import record
from cp_paraling_qa.corpora.manifest import FIRST_PART, make_manifest
from cp_paraling_qa.schema import CLIP_SCHEMA, opinion, word
from cp_paraling_qa.stage import Drop, Part, Row, run

RATE, SAMPLES = 16_000, 1_920
"""Hz, and samples of a clip: 0.12 s."""

WAV = (
    b"RIFF"
    + struct.pack("<I", 36 + 2 * SAMPLES)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    + b"data"
    + struct.pack("<I", 2 * SAMPLES)
)
SPEECH = np.random.default_rng(0).integers(-3000, 3000, SAMPLES + 4, dtype="<i2")
TEXT = "And that is how they came to leave the house before anybody woke."
WORDS = TEXT.split()
GRID = "".join(
    [
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 0.12\ntiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n',
        f'        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n        xmax = 0.12\n        intervals: size = {len(WORDS)}\n',
        *(
            f'        intervals [{n + 1}]:\n            xmin = {n / 100}\n            xmax = {(n + 1) / 100 if n + 1 < len(WORDS) else 0.12}\n            text = "{text}"\n'
            for n, text in enumerate(WORDS)
        ),
    ]
)


def write_wav(path: Path, number: int) -> None:
    """A clip with samples of its own: its number stands in the first four."""
    samples = SPEECH[4:].copy()
    samples[:4] = [number >> 14 & 0x3FFF, number & 0x3FFF, 1, 2]
    path.write_bytes(WAV + samples.tobytes())


def iemocap(root: Path, turns: int) -> None:
    """The full release's layout: five sessions, dialogues of 66 turns, three outsiders' words, two outsiders' scores and a self-report for each turn."""
    emotions = ("Neutral", "Frustration", "Anger", "Sadness", "Excited", "Happiness")
    for dialogue in range(-(-turns // 66)):
        session, wearer = dialogue % 5 + 1, "FM"[dialogue // 5 % 2]
        name = f"Ses{session:02d}{wearer}_impro{dialogue // 10 + 1:03d}"
        folder = root / f"Session{session}"
        wavs = folder / "sentences" / "wav" / name
        for path in (wavs, folder / "dialog" / "EmoEvaluation", folder / "dialog" / "transcriptions"):
            path.mkdir(parents=True, exist_ok=True)
        labels, texts = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"], []
        for number in range(66 * dialogue, min(turns, 66 * (dialogue + 1))):
            turn = f"{name}_{'FM'[number % 2]}{number % 66:03d}"
            start = 4.5 * (number % 66)
            labels.append(f"[{start:.4f} - {start + 4:.4f}]\t{turn}\tneu\t[2.5000, 2.5000, 2.5000]")
            labels += [f"C-E{rater}:\t{emotions[(number + rater) % 6]};\t()" for rater in (1, 2, 4)]
            labels += [f"C-F1:\t{emotions[number % 6]};\t()", "A-E3:\tval 3; act 2; dom  4;\t()", "A-E4:\tval 2; act 3; dom  3;\t()", ""]
            texts.append(f"{turn} [{start:08.4f}-{start + 4:08.4f}]: {TEXT}")
            write_wav(wavs / f"{turn}.wav", number)
        (folder / "dialog" / "EmoEvaluation" / f"{name}.txt").write_text("\n".join(labels) + "\n")
        (folder / "dialog" / "transcriptions" / f"{name}.txt").write_text("\n".join(texts) + "\n")


def msp_podcast(root: Path, rows: int) -> None:
    """A release's layout: consensus table, labels.txt with five workers' votes a turn, transcripts, alignments."""
    emotions = ("Neutral", "Happy", "Angry", "Sad", "Surprise", "Contempt", "Disgust", "Fear")
    for folder in ("Audios", "Labels", "Transcripts", "ForceAligned"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    with open(root / "Labels" / "labels_consensus.csv", "w") as table, open(root / "Labels" / "labels.txt", "w") as votes:
        table.write("FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n")
        for number in range(rows):
            name = f"MSP-PODCAST_{number // 40 + 1:04d}_{number:06d}"
            split = ("Train", "Train", "Train", "Development", "Test1", "Test2")[number // 40 % 6]
            table.write(f"{name}.wav,N,4.2,3.8,4.0,{number // 40 % 2500},{('Female', 'Male')[number // 40 % 2]},{split}\n")
            lines = [f"WORKER{(number * 5 + k) % 12_000:08d}; {emotions[(number + k) % 8]}; ; A:{k + 2}.0; V:{6 - k}.0; D:4.0;\n" for k in range(5)]
            votes.write(f"{name}.wav; N; A:4.2; V:3.8; D:4.0;\n{''.join(lines)}\n")
            write_wav(root / "Audios" / f"{name}.wav", number)
            (root / "Transcripts" / f"{name}.txt").write_text(TEXT)
            (root / "ForceAligned" / f"{name}.TextGrid").write_text(GRID)


CORPORA = {"iemocap": iemocap, "msp_podcast": msp_podcast}


class Nothing:
    """A stage that passes clips on as they are."""

    name, version, schema = "nothing", 1, CLIP_SCHEMA

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.drops: list[Drop] = []

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The same rows."""
        return rows


def clip_parts(rows: int) -> Iterator[Part]:
    """Made-up clips in parts that grow as a manifest's do."""
    opinions = [
        opinion("emotion", "angry", source="human", rater="WORKER00000005"),
        opinion("arousal", source="human", score=0.75, rater="WORKER00000005"),
        opinion("emotion", "neutral", source="model", probability=0.5, rater="emotion2vec", revision="0" * 40),
    ]
    words = [word(text, n / 4, (n + 1) / 4, 0.9) for n, text in enumerate(WORDS[:4])]
    plain = {name: value for name, value in record("").items()}
    plain |= {"gender": "female", "language": "en", "split": "train", "license": "other", "words": words, "opinions": opinions}
    number = first = 0
    while first < rows:
        last = min(rows, first + FIRST_PART * (1 + number // 64))
        clips = [
            {
                "clip_id": f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}",
                "corpus": "msp_podcast",
                **plain,
                "audio_path": f"Audios/MSP-PODCAST_{n // 40:05d}_{n:07d}.wav",
                "start": 0.0,
                "end": 4.0 + n % 7,
                "duration": 4.0 + n % 7,
                "sampling_rate": RATE,
                "speaker_id": str(n // 40 % 2500),
                "dialogue_id": f"MSP-PODCAST_{n // 40:05d}",
                "transcript": f"{TEXT} {n}",
            }
            for n in range(first, last)
        ]
        yield Part(f"msp_podcast-{number:05d}", f"made up {first} {last}", clips)
        number, first = number + 1, last


def peak_mb() -> float:
    """The most memory that this process held, with that of its largest child, in MB."""
    kilo = 1 if sys.platform != "darwin" else 1024
    return own_peak_mb() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / kilo / 1024


def own_peak_mb() -> float:
    """The most memory that this process itself held, in MB. On Linux from /proc: what getrusage says begins with the peak of the process that started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def measure(what: str, place: Path, rows: int, workers: int) -> dict[str, Any]:
    """One measurement, in a process of its own.

    Args:
        what: a corpus, "nothing", or "ray".
        place: the corpus's folder; the run folder is made beside it.
        rows: how many there are.
        workers: processes that read audio; actors of Ray.

    Returns:
        rows, rows_per_second, peak_mb; with Ray workers_mb, all of its workers and actors together.
    """
    folder = place.with_name(f"run-{place.name}")
    others = Sampler() if what == "ray" else None
    started = time.perf_counter()
    if what in CORPORA:
        made = make_manifest(folder, [(what, place)], workers=workers)["rows_out"]
    else:
        engine = None
        if what == "ray":
            from cp_paraling_qa.ray_engine import RayEngine

            engine = RayEngine("local", workers=workers or None)
        made = run(Nothing(), clip_parts(rows), folder / "nothing", workers=workers, engine=engine).rows_out
    seconds = time.perf_counter() - started
    if made != rows:
        raise SystemExit(f"{what}: {made} rows of {rows}")
    found = {"rows": rows, "rows_per_second": round(rows / seconds), "peak_mb": round(peak_mb())}
    if others:
        found |= {"peak_mb": round(own_peak_mb()), "workers_mb": round(others.stop())}
    shutil.rmtree(folder)
    return found


class Sampler(threading.Thread):
    """Watches the memory of Ray's workers, without what they share: the object store, and libraries (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.over = 0.0, threading.Event()
        self.start()

    def run(self) -> None:
        """Until it is stopped, five times a second."""
        while not self.over.wait(0.2):
            self.most = max(self.most, sum(self._own(path) for path in Path("/proc").glob("[0-9]*/status")))

    def stop(self) -> float:
        """The most that they held together, in MB."""
        self.over.set()
        self.join()
        return self.most

    @staticmethod
    def _own(path: Path) -> float:
        try:
            lines = dict(line.split(":", 1) for line in path.read_text().splitlines())
            if not path.with_name("cmdline").read_bytes().startswith(b"ray::"):
                return 0.0
        except OSError:
            return 0.0
        return int(lines.get("RssAnon", "0").split()[0]) / 1024


def apart(what: str, place: Path, rows: int, workers: int) -> dict[str, Any]:
    """`measure` in another process."""
    command = [sys.executable, __file__, "--measure", what, str(place), str(rows), "--workers", str(workers)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{what} failed")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{what:12} {rows:9,} rows  {found['rows_per_second']:7,} rows/s  {found['peak_mb']:5} MB"
        + (f" and {found['workers_mb']} MB in workers" if "workers_mb" in found else "")
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows: under 2 minutes on 2 cores")
    parser.add_argument("--turns", type=int, help="of IEMOCAP (10,000; quick: 2,000)")
    parser.add_argument("--rows", type=int, help="of MSP-Podcast (200,000; quick: 12,000)")
    parser.add_argument("--million", type=int, help="rows through the stage that does nothing (1,000,000; quick: 200,000)")
    parser.add_argument("--workers", type=int, default=0, help="processes that read audio, beside the one that writes (default: 0)")
    parser.add_argument("--ray", action="store_true", help="the million through Ray as well")
    parser.add_argument("--folder", type=Path, help="where the corpora are made for the time being (MSP-Podcast: 12 kB a row)")
    parser.add_argument("--measure", nargs=3, metavar=("WHAT", "FOLDER", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        what, place, count = arguments.measure
        print(json.dumps(measure(what, Path(place), int(count), arguments.workers)))
        return
    turns, rows, million = (arguments.turns, arguments.rows, arguments.million)
    turns, rows, million = (
        given or (small if arguments.quick else full) for given, small, full in ((turns, 2_000, 10_000), (rows, 12_000, 200_000), (million, 200_000, 1_000_000))
    )
    found: dict[tuple[str, int], dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for what, count in (("iemocap", turns), ("msp_podcast", rows // 4), ("msp_podcast", rows)):
            CORPORA[what](Path(folder) / f"{what}-{count}", count)
            found[what, count] = apart(what, Path(folder) / f"{what}-{count}", count, arguments.workers)
            shutil.rmtree(Path(folder) / f"{what}-{count}")
        for count in (million // 4, million):
            found["nothing", count] = apart("nothing", Path(folder) / "nothing", count, 0)
        if arguments.ray:
            found["ray", million] = apart("ray", Path(folder) / "ray", million, arguments.workers)
    figures: dict[str, Any] = {
        "rows_per_second_iemocap": found["iemocap", turns]["rows_per_second"],
        "rows_per_second_msp_podcast": found["msp_podcast", rows]["rows_per_second"],
        "peak_rss_mb": {str(count): found["msp_podcast", count]["peak_mb"] for count in (rows // 4, rows)},
        "rows_per_second_nothing": found["nothing", million]["rows_per_second"],
        "peak_rss_mb_nothing": {str(count): found["nothing", count]["peak_mb"] for count in (million // 4, million)},
    }
    if arguments.ray:
        of_ray = found["ray", million]
        figures |= {"rows_per_second_ray": of_ray["rows_per_second"], "driver_mb_ray": of_ray["peak_mb"], "workers_mb_ray": of_ray["workers_mb"]}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
