"""What the options of `cpqa` are called, take and say: one name for each, shared by the commands that have it; and how several of them become an entry of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cp_paraling_qa.errors import RecipeError
from cp_paraling_qa.generate.options import LLMOptions
from cp_paraling_qa.recipe import Recipe

RunArg = Annotated[Path, typer.Argument(help="The run folder, which holds manifest, annotations, clips, questions and dataset.")]
RunOpt = Annotated[Path | None, typer.Option("--run", help="The run folder; made where it is missing.")]
Workers = Annotated[int | None, typer.Option("--workers", min=0, help="Processes beside this one; 0 works in this one.")]
MinSeconds = Annotated[float | None, typer.Option("--min-seconds", help="Leave shorter clips behind (0.1).")]
MaxSeconds = Annotated[float | None, typer.Option("--max-seconds", help="Leave longer clips behind (30, what speech encoders hear).")]
AsrModel = Annotated[str | None, typer.Option("--asr-model", help="faster-whisper size or path for clips without a transcript; default: the embedded tiny.en.")]
ClipSeconds = Annotated[
    str | None,
    typer.Option("--clip-seconds", help="Cut longer recordings at pauses into clips of this length, e.g. 10-30 or 30-60; none leaves them behind (none)."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="For hf: OURS=THEIRS, e.g. transcript=text or emotion=label; repeat for several. Names that agree need none."),
]
Subset = Annotated[str | None, typer.Option("--subset", help="For hf, mnsc, cpqa_eval: the dataset's configuration.")]
Revision = Annotated[str | None, typer.Option("--revision", help="For a Hub id: commit, branch or tag.")]
Annotators = Annotated[
    list[str] | None,
    typer.Option(
        "--with", help="Annotator that joins: KIND or KIND=MODEL, e.g. emotion=emotion2vec_plus_large; repeat for several. `cpqa annotators` lists them."
    ),
]
Without = Annotated[list[str] | None, typer.Option("--without", help="Annotator that leaves, with all that it said.")]
Device = Annotated[str | None, typer.Option("--device", help="Where annotators' models run: cpu, cuda, cuda:1, mps (cpu).")]
Dtype = Annotated[str | None, typer.Option("--dtype", help="Of annotators' models: float32, float16, bfloat16 (float32).")]
Window = Annotated[float | None, typer.Option("--window", help="Seconds that emotion and affect are heard in at once (4); 0 hears each clip whole.")]
Hop = Annotated[float | None, typer.Option("--hop", help="Seconds from one window to the next (2).")]
Language = Annotated[str | None, typer.Option("--language", help="Of the speech, for the ASR (each clip's own).")]
Retranscribe = Annotated[bool | None, typer.Option("--retranscribe", help="Transcribe clips that have a transcript, too: one more opinion.")]
WhisperXPython = Annotated[str | None, typer.Option("--whisperx-python", help="Interpreter of the environment that WhisperX is installed in.")]
EngineOpt = Annotated[str, typer.Option("--engine", help="local, or ray (extra: ray).")]
RayAddress = Annotated[
    str | None, typer.Option("--ray-address", help="Of a running Ray cluster, e.g. auto or 10.0.0.1:6379; default: RAY_ADDRESS, else one on this machine.")
]
Gpus = Annotated[float, typer.Option("--gpus", min=0, help="With --engine ray: GPUs of each worker; fractions share one.")]
ReferenceOnly = Annotated[
    bool, typer.Option("--reference-only", help="Leave the audio's bytes out: path, span and hash stay, and attach_audio puts them back where the corpus is.")
]
Condense = Annotated[bool | None, typer.Option("--condense/--no-condense", help="Keep the informative and reliable clips alone, by the papers' thresholds.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--llm-base-url", help="OpenAI-compatible endpoint, e.g. http://localhost:8000/v1; its key comes from OPENAI_API_KEY. Default: the embedded model."
    ),
]
Model = Annotated[str | None, typer.Option("--llm-model", help="The endpoint's name of the model.")]
NoLlm = Annotated[
    bool | None,
    typer.Option(
        "--no-llm/--embedded-llm", help="No LLM-written questions: baseline, explicit and clips alone; or the embedded model again, after a run without it."
    ),
]
Concurrency = Annotated[int | None, typer.Option("--llm-concurrency", min=1, help="Requests in flight at most (16).")]
Timeout = Annotated[float | None, typer.Option("--llm-timeout", help="Seconds for one request (60).")]
PerClip = Annotated[
    int | None, typer.Option("--per-clip", min=1, help="LLM-written questions asked for, for each clip and kind (by length: 2 below 6 s to 7 from 30 s on).")
]
Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kinds", help="Exactly these kinds of questions, with commas: asr, pqa_template (from templates), pqa and cpqa (LLM-written) (pqa_template,cpqa)."
    ),
]
Style = Annotated[
    str | None, typer.Option("--style", help="whole: all questions of a clip in one request; stepwise: one at a time, for small models (by the model).")
]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Ask this often for a clip's questions, each time another draw (1).")]
Rounds = Annotated[int | None, typer.Option("--rounds", min=1, help="Draws for each question wanted, until one passes the filters (3).")]
Mix = Annotated[str | None, typer.Option("--mix", help="Weights of the contextual types, e.g. CE=6,C=1,CG=1: those that are left out are not asked.")]
QuestionLanguage = Annotated[str | None, typer.Option("--language", help="ISO 639 code of the LLM-written questions and answers (en).")]
Vad = Annotated[bool | None, typer.Option("--vad/--no-vad", help="Tell the LLM arousal, valence and dominance.")]
Emotions = Annotated[bool | None, typer.Option("--emotions/--no-emotions", help="Tell the LLM categorical emotion labels.")]
Opinions = Annotated[
    list[str] | None, typer.Option("--opinions", help="Whose opinions the LLM is told: human, maker, model; with commas (people's before models').")
]
SoftLabels = Annotated[bool | None, typer.Option("--soft-labels/--no-soft-labels", help="Tell the LLM where raters disagree.")]
Forms = Annotated[list[str] | None, typer.Option("--forms", help="Of template questions: word, sentence, choice; with commas (all).")]
SkipFilters = Annotated[list[str] | None, typer.Option("--skip-filter", help="Switch a filter off; with commas for several. A wrong name lists them.")]
Strict = Annotated[bool | None, typer.Option("--strict/--no-strict", help="Also filter what only small models do wrong (where the style is stepwise).")]
Temperature = Annotated[float | None, typer.Option("--llm-temperature", min=0, help="Of each request (0.4).")]
MaxTokens = Annotated[int | None, typer.Option("--llm-max-tokens", min=16, help="Of a reply; one that is longer is a failure (220 stepwise, 2000 whole).")]
Attempts = Annotated[int | None, typer.Option("--llm-attempts", min=1, help="Requests for one row before it fails with its reason (12).")]
ReplyFormat = Annotated[str | None, typer.Option("--llm-format", help="auto, json_schema, json_object or text: how JSON is asked for (auto).")]
PricesFile = Annotated[Path | None, typer.Option("--prices", help="YAML: MODEL: {input: …, output: …}, USD per million tokens.")]
MaxCost = Annotated[float | None, typer.Option("--max-cost", help="USD: nothing more is asked where the next request could pass it; needs --prices.")]
Transport = Annotated[str, typer.Option("--transport", help="live, or batch: OpenAI's Batch API.")]
Poll = Annotated[float, typer.Option("--poll", min=0, help="Seconds between two looks at a batch.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Ask nothing: say how many requests, tokens and USD it would take.")]
TextAudit = Annotated[
    bool | None, typer.Option("--text-audit/--no-text-audit", help="Let the same LLM answer from the words alone, and mark what it gets right text_answerable.")
]
TextBaseUrl = Annotated[str | None, typer.Option("--text-llm-base-url", help="Another endpoint for --text-audit.")]
TextModel = Annotated[str | None, typer.Option("--text-llm-model", help="Its name for the model.")]
TextAnswerable = Annotated[
    str | None, typer.Option("--text-answerable", help="keep, drop, or the largest share (0-1) of questions that the words alone answer (keep).")
]
Near = Annotated[float | None, typer.Option("--near", min=0, max=1, help="Cosine from which two questions are the same (0.9); 0: word for word only.")]
Contrast = Annotated[bool | None, typer.Option("--contrast/--no-contrast", help="Contrast sets where the same words were said in several feelings.")]
Conflict = Annotated[bool | None, typer.Option("--conflict/--no-conflict", help="Mark, and ask about, clips whose words and voice disagree.")]
Reuse = Annotated[Path | None, typer.Option("--reuse", help="Dataset folder whose LLM-written questions are taken over for the clips that it has.")]
LiveClips = Annotated[int | None, typer.Option("--live-clips", min=0, help="With --reuse: this many clips get new questions nevertheless.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Of wordings and requests (0).")]
Fields = Annotated[
    list[str] | None, typer.Option("--metadata-field", help="What the metadata block shows: emotion, vad, gender; repeat for several (emotion, vad).")
]
MetadataSource = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata-source", help="Whose opinions the metadata block shows: human, maker, model; repeat for several (those that make the reference labels)."
    ),
]
Numbers = Annotated[bool | None, typer.Option("--metadata-numbers/--no-metadata-numbers", help="VAD with its figures behind the words.")]
HideAsked = Annotated[bool | None, typer.Option("--hide-asked/--show-asked", help="Hide the field that a direct question asks for; the paper shows it.")]
Split = Annotated[str | None, typer.Option("--split", help="official: a corpus's own partition where it has one; speaker: always disjoint by speaker.")]
TestShare = Annotated[float | None, typer.Option("--test-share", help="Share of the clips that is tested on (0.25).")]
ValidationShare = Annotated[float | None, typer.Option("--validation-share", help="Share of the clips kept for validation (0).")]
TestSpeakers = Annotated[str | None, typer.Option("--test-speakers", help="Exactly these speakers are tested on, separated by commas.")]


def stage_recipe(run: Path, **overrides: Any) -> Recipe:
    """A stage's recipe: the run's own, if it was built from one, with this call's flags on top."""
    own = run / "recipe.yaml"
    recipe = Recipe.load(own if own.is_file() else {"run": run}, **overrides)
    return recipe.model_copy(update={"run": run})


def engine_of(name: str, address: str | None, workers: int, *, gpus: float = 0.0, device: str = "cpu") -> Any:
    """What runs a stage: None for this machine.

    Raises:
        RecipeError: no such engine, or options of one with the other.
    """
    if name not in ("local", "ray"):
        raise RecipeError(f"engine {name!r}: choose local or ray")
    if name == "local":
        if address is not None or gpus:
            raise RecipeError("--ray-address and --gpus belong to --engine ray")
        return None
    if device.startswith("cuda") and not gpus:
        raise RecipeError("on Ray a worker sees the GPUs that it asked for: give --gpus 1, or a fraction such as --gpus 0.5, with --device cuda")
    from cp_paraling_qa.ray_engine import RayEngine

    return RayEngine(address=address, workers=workers or None, gpus=gpus)


def llm_entry(base_url: str | None, model: str | None, off: bool | None, **more: Any) -> dict[str, Any] | LLMOptions | Literal["none"]:
    """Who writes the questions: what changes of it, or an answer of its own.

    Args:
        base_url: of the endpoint.
        model: its name there.
        off: True for nobody, False for the embedded model whoever it was before.
        more: how an endpoint is asked; None changes nothing.

    Raises:
        RecipeError: two answers at once.
    """
    if off is None:
        return {"base_url": base_url, "model": model, **more}
    flag = "--no-llm" if off else "--embedded-llm"
    if base_url or model:
        raise RecipeError(f"{flag} and an LLM endpoint exclude each other: drop one of them")
    if any(value is not None for value in more.values()):
        raise RecipeError(f"{flag} takes no options of an endpoint (--llm-…, --prices, --max-cost): drop one or the other")
    return "none" if off else LLMOptions()


def weights(mix: str | None) -> dict[str, float] | None:
    """CE=6,C=1 as a mapping.

    Raises:
        RecipeError: a weight that is no number.
    """
    if mix is None:
        return None
    pairs = [item.partition("=") for item in mix.split(",") if item.strip()]
    try:
        return {type.strip(): float(weight) for type, _, weight in pairs}
    except ValueError:
        raise RecipeError(f"--mix {mix}: give TYPE=WEIGHT with commas, e.g. CE=6,C=1") from None
