"""`python -m cp_paraling_qa.sample OUT`: write the sample as a folder corpus."""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cp_paraling_qa.errors import CPQAError
from cp_paraling_qa.sample.design import metadata, plan
from cp_paraling_qa.sample.synthesis import render
from cp_paraling_qa.schema import SAMPLING_RATE


def write(out: Path) -> int:
    """Write the whole sample into the folder `out` and return the number of clips. metadata.jsonl is written last."""
    import soundfile

    clips = plan()
    (out / "audio").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for clip, samples in zip(clips, pool.map(render, clips), strict=True):
            soundfile.write(out / "audio" / f"{clip.name}.flac", samples, SAMPLING_RATE, subtype="PCM_16", compression_level=1.0)
    lines = [json.dumps(metadata(clip), ensure_ascii=False) + "\n" for clip in clips]
    (out / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    return len(clips)


def main() -> None:
    """Parse the one argument and say what was written."""
    parser = argparse.ArgumentParser(prog="python -m cp_paraling_qa.sample", description="Speak the bundled sample and write it as a folder corpus.")
    parser.add_argument("out", type=Path, help="folder for metadata.jsonl and audio/")
    out = parser.parse_args().out
    try:
        count = write(out)
    except CPQAError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    size = sum(path.stat().st_size for path in (out / "audio").glob("*.flac"))
    sys.stdout.write(f"{count} clips, {size / 1e6:.2f} MB of FLAC, in {out}\n")


if __name__ == "__main__":
    main()
