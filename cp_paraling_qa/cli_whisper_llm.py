"""`cpqa whisper-llm`: parsing and printing only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def whisper_llm(
    path: Annotated[Path, typer.Argument(help="Folder to write the model to; new or empty.")],
    whisper: Annotated[str, typer.Option("--whisper", help="Folder or Hub id of a Whisper checkpoint; its encoder is taken.")],
    language_model: Annotated[str, typer.Option("--language-model", help="Folder or Hub id of a causal language model with its tokenizer.")],
    projector: Annotated[str, typer.Option("--projector", help="mlp; meralion or meralion2, the adapters of MERaLiON-AudioLLM and MERaLiON-2.")] = "mlp",
    stack_size: Annotated[int, typer.Option("--stack-size", help="Encoder positions, 20 ms each, that make one embedding.")] = 15,
    mask_padding: Annotated[
        bool, typer.Option("--clip-only/--always-30-s", help="Hear the clip alone, or, as the papers do, 30 s of clip and silence: always 100 embeddings.")
    ] = True,
    seed: Annotated[int, typer.Option("--seed", help="Of the projector's random weights.")] = 0,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or float16.")] = "bfloat16",
) -> None:
    """Write a speech LLM made of a Whisper encoder, a fresh projector and a language model. It is deaf until its projector is trained.

    Example: cpqa whisper-llm runs/whisper-gemma --whisper openai/whisper-large-v3 --language-model google/gemma-2-9b-it --always-30-s
    """
    from cp_paraling_qa.training.whisper_llm import build_whisper_llm

    parameters = build_whisper_llm(
        path, whisper=whisper, language_model=language_model, projector=projector, stack_size=stack_size, mask_padding=mask_padding, seed=seed, dtype=dtype
    )
    typer.echo(f"{path}: " + ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in parameters.items()))
    typer.echo(f"next: accelerate launch trainer/sft.py --model_name_or_path {path} --train_parts projector")
