"""Fine-tuning and prediction of speech LLMs.

    sft, predict    the two programs behind `trainer/`
    options         the options of a fine-tuning run and their defaults
    run, runs       one run, step by step; its output folder: identity, checkpoints
    families        what differs between kinds of models, one file each
    whisper_llm     a family of our own: any Whisper encoder, a projector, any causal language model
    loading         model + processor, with what makes them faster and changes nothing
    hearing         exact fast mel, trimmed towers, the cache of a frozen tower's outputs
    mixing          what is trained on: components, shares, the paper's arms, streams
    rows            dataset rows: loading, lengths, the controls on metadata and audio
    encoding, batches, sampler, collator    rows → token ids and features → sequences → batches
    loss, trainer   the loss at answer tokens; TRL's trainer with it
    parts           what of a model is trained
    preflight       checks and report before the first step; memory: the estimate in it
    evaluating      held-out rows while training, with the shuffled-audio control
    publishing      the card, the Hub
    answering       answers in memory: one prefill a clip, batches, journal, controls
    tiny, small     models to try with: random and tiny; real, 170 M

What differs between kinds of models stands in `families` alone.
"""

from __future__ import annotations

import logging

# PEFT imports bitsandbytes where it is installed, which reports a missing optional CPU kernel on every start.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
