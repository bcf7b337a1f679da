"""The bundled sample: acted speech that the project makes itself, for trying and testing, not for science.

    python -m cp_paraling_qa.sample OUT

writes a folder corpus (metadata.jsonl and audio/*.flac). It repeats exactly, sample for sample, with the same version of espeak-ng, numpy and scipy.
Speaking needs the extra `sample`; the plan does not. espeak-ng is a GPL program and its output is not bound by that licence; sentences, voices
and recordings are given away under CC0.
"""

from __future__ import annotations

from cp_paraling_qa.sample.design import Planned, metadata, plan

__all__ = ["Planned", "metadata", "plan"]
