"""Fine-tuning and prediction of Qwen2-Audio-style speech LLMs.

    families        what differs between kinds of models, one entry each
    loading         model + processor, with the exact fast mel and the trimmed tower put in
    mel             log-mel of the clip instead of 30 s of silence, the same numbers
    trimmed_tower   the audio tower on the clip instead of on 30 s, the same outputs
    rows            dataset rows for training and prediction, the length check, metadata and audio controls
    collator        rows → batches with labels on the answer alone
    tiny            a tiny Qwen2-Audio from a config, for trying and testing
    options         the options of a fine-tuning run and their defaults
    sft, predict    the two programs behind `trainer/`

What differs between kinds of models stands in `families` alone.
"""

from __future__ import annotations

import logging

# PEFT imports bitsandbytes where it is installed, which reports a missing optional CPU kernel on every start.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
