"""What differs between families of speech LLMs, and what most of them share.

A family is an object with the few facts and steps that training and prediction need. `Family` does what a model with an audio tower, a projector and
a language model does; a family that differs overrides the one method in which it differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cp_paraling_qa.audio import MIN_SECONDS
from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.schema import SAMPLING_RATE, Seconds

if TYPE_CHECKING:
    import torch

LINEARS = "q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj"
"""Names of a Llama-type block's linear layers."""

_PROBE = "cpqa-probe-answer"
_TODAY = re.compile(r"""strftime_now\(\s*(["'])(.*?)\1\s*\)""")
_DATE = date(2025, 1, 1)
_TEXT_KEYS = {"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "labels"}


@dataclass
class Clips:
    """The audio of a batch as the model takes it.

    Attributes:
        tensors: keyword arguments of the model's forward, one clip behind the other in every tensor.
        counts: positions that each clip takes in the text.
        rows: rows that each clip takes in every tensor, where a long clip is cut into windows; None where each takes one.
    """

    tensors: dict[str, Any]
    counts: list[int]
    rows: list[int] | None = None

    def pick(self, order: Sequence[int]) -> dict[str, Any]:
        """The tensors of some clips, by number; the same clip may come twice."""
        if list(order) == list(range(len(self.counts))):
            return self.tensors
        rows = self.rows or [1] * len(self.counts)
        places = [row for clip in order for row in range(sum(rows[:clip]), sum(rows[: clip + 1]))]
        return {name: value[places] for name, value in self.tensors.items()}

    def joined(self, states: Sequence[Any]) -> list[Any]:
        """States of every row, each of shape (positions, width), as one of every clip."""
        import torch

        rest = iter(states)
        return [torch.cat([next(rest) for _ in range(count)]) for count in self.rows or [1] * len(self.counts)]


class Family:
    """One kind of speech LLM.

    Attributes:
        model_type: `config.model_type` of its checkpoints.
        tower: name, or end of the name, of the module that is the audio encoder.
        projector: the same for what maps the encoder's outputs to the language model's inputs.
        language_model: the same for the language model.
        lora_targets: regular expression over full module names for LoRA on the language model. It must not match the tower, whose layers are often called
            q_proj, k_proj, v_proj too.
        tower_lora_targets: the same for LoRA on the tower.
        shares_clips: whether one sequence can hold a clip once and many questions about it: the language model takes a 4-D attention mask and plain positions.
        caches_tower: whether the tower's outputs for a clip are the same in any batch, and can be given back to the model (`stand_in`, `tower_output`).
        auto_class: name of the transformers auto class that loads it.
        min_seconds: below this a clip yields no usable audio position.
        more_types: further values of `config.model_type` for which this is the family: a larger model of which this is a part.
        more_stops: tokens at which the family's models stop beside the end of turn, where the vocabulary has them.
        text_padding: keyword arguments of the processor that pad its texts. Some processors take `padding` for the audio too, whose full length the tower needs.
        untested: why no model of this family could be run where this was written; "" where its tests run.
    """

    model_type: str
    more_types: tuple[str, ...] = ()
    more_stops: tuple[str, ...] = ()
    text_padding: Mapping[str, Any] = {"padding": True}
    untested = ""
    tower = "audio_tower"
    projector = "multi_modal_projector"
    language_model = "language_model"
    lora_targets = rf".*language_model.*\.({LINEARS})"
    tower_lora_targets = r".*audio_tower.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
    shares_clips = True
    caches_tower = False
    auto_class = "AutoModelForMultimodalLM"
    min_seconds: Seconds = MIN_SECONDS

    # Text

    def messages(self, text: str, *, audio: bool = True) -> list[dict[str, Any]]:
        """One user turn: the clip, then the text. Keys that a template may test for ("audio" in block) stand only where they mean it."""
        blocks: list[dict[str, Any]] = [{"type": "audio"}] if audio else []
        return [{"role": "user", "content": [*blocks, {"type": "text", "text": text}]}]

    def render(self, processor: Any, text: str, *, audio: bool = True) -> str:
        """The prompt as the model reads it, up to where its answer begins. Training and prediction both call this, so they cannot differ."""
        return self._templated(processor, self.messages(text, audio=audio), add_generation_prompt=True)

    def _templated(self, processor: Any, messages: list[dict[str, Any]], **kwargs: Any) -> str:
        """By the processor's template, or its tokenizer's. Templates that write today's date (Granite, Llama) get one that stays: a prompt must not change overnight."""
        owner = processor if processor.chat_template else processor.tokenizer
        if "strftime_now" in str(owner.chat_template):
            kwargs["chat_template"] = _TODAY.sub(lambda found: repr(_DATE.strftime(found[2])), owner.chat_template)
        return str(owner.apply_chat_template(messages, tokenize=False, **kwargs))

    def encode(self, processor: Any, text: str) -> list[int]:
        """Token ids of a rendered text. Nothing is put in front or behind: the chat template wrote what belongs there."""
        return list(processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    def audio_token(self, processor: Any) -> str:
        """The text that stands for a clip in the prompt."""
        return str(processor.audio_token)

    def audio_token_id(self, processor: Any) -> int:
        """The id of one audio position."""
        return int(processor.tokenizer.convert_tokens_to_ids(self.audio_token(processor)))

    def end_of_turn(self, processor: Any) -> str:
        """What the chat template puts behind an answer: the model learns to say it, and generation stops there.

        Read off the template with a probe; the tokenizer's own end token where the template puts nothing there.

        Raises:
            TrainingError: neither says how an answer ends.
        """
        conversation = [*self.messages("?", audio=False), {"role": "assistant", "content": [{"type": "text", "text": _PROBE}]}]
        rendered = self._templated(processor, conversation)
        end = rendered.rpartition(_PROBE)[2].strip()
        end = end or str(processor.tokenizer.eos_token or "")
        if not end:
            raise TrainingError(f"{self.model_type}: neither the chat template nor the tokenizer says how an answer ends; set eos_token in the tokenizer")
        return end

    def stop_ids(self, processor: Any) -> list[int]:
        """Tokens at which generation stops."""
        tokenizer = processor.tokenizer
        ends = self.encode(processor, self.end_of_turn(processor))[:1]
        known = tokenizer.get_vocab() if self.more_stops else {}
        more = [known[token] for token in self.more_stops if token in known]
        return sorted({*ends, *more, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})

    def expand(self, processor: Any, count: int) -> list[int]:
        """The token ids that take the place of the one audio token of a prompt, for a clip of `count` positions."""
        return [self.audio_token_id(processor)] * count

    # Audio

    def extractor(self, processor: Any) -> Any:
        """What turns samples into features."""
        return processor.feature_extractor

    def hears(self, processor: Any) -> Seconds:
        """The most seconds the encoder hears. For a Whisper-type encoder the extractor's chunk: it cuts the rest without a word."""
        extractor = self.extractor(processor)
        return float(extractor.n_samples / extractor.sampling_rate)

    def features(self, processor: Any, clips: Sequence[Any]) -> Clips:
        """Features of the clips, by one call of the processor on nothing but audio tokens, so that its own count of positions is taken.

        No truncation is passed on: at this level it would reach the feature extractor and cut the audio.
        """
        token = self.audio_token(processor)
        out = processor(text=[token] * len(clips), audio=list(clips), sampling_rate=SAMPLING_RATE, return_tensors="pt", **self.text_padding)
        heard = (out["input_ids"] == self.audio_token_id(processor)) & out["attention_mask"].bool()
        return Clips({name: value for name, value in out.items() if name not in _TEXT_KEYS}, heard.sum(-1).tolist())

    def features_alone(self, processor: Any, clips: Sequence[Any], time: Mapping[str, int]) -> Clips:
        """For processors that pad waveforms: features of each clip by itself, then padded with zeros. In a common batch its last frames would hear the padding.

        Args:
            processor: of the model.
            clips: waveforms.
            time: name of a tensor → its axis of time; the others have one number a clip.
        """
        import torch

        alone = [Family.features(self, processor, [clip]) for clip in clips]
        tensors = {}
        for name in alone[0].tensors:
            parts = [one.tensors[name] for one in alone]
            if axis := time.get(name):
                longest = max(part.shape[axis] for part in parts)
                parts = [torch.nn.functional.pad(part, [0, 0] * (part.ndim - 1 - axis) + [0, longest - part.shape[axis]]) for part in parts]
            tensors[name] = torch.cat(parts)
        return Clips(tensors, [one.counts[0] for one in alone])

    def text_tensors(self, ids: torch.Tensor, processor: Any) -> dict[str, Any]:
        """Further inputs that follow from the token ids alone, such as token types; none for most."""
        return {}

    # Model

    def load(self, path: str, **kwargs: Any) -> Any:
        """The model.

        Raises:
            TrainingError: weights that the checkpoint does not hold: they would be random, and transformers only logs it.
        """
        model, told = self.model_class().from_pretrained(path, output_loading_info=True, **kwargs)
        if missing := sorted(told["missing_keys"]):
            raise TrainingError(
                f"{path}: no weights for {len(missing)} of the model's tensors ({missing[0]}, …): is this a whole checkpoint of {self.model_type}?"
            )
        return model

    def model_class(self) -> Any:
        """The class that builds the model: an auto class of transformers."""
        import transformers

        return getattr(transformers, self.auto_class)

    def load_processor(self, path: str, **kwargs: Any) -> Any:
        """The checkpoint's processor. `loading.load_processor` is what to call."""
        from transformers import AutoProcessor

        return AutoProcessor.from_pretrained(path, **kwargs)

    def fit_padding(self, processor: Any) -> None:
        """Gives the tokenizer another pad token where it has none, or one that stands for audio (GLM-ASR) or ends an answer (Granite); in place.

        Nothing depends on which: labels and masks go by place. But there is code elsewhere that tells padding by its token.
        """
        tokenizer = processor.tokenizer
        taken = {self.audio_token_id(processor)}
        if processor.chat_template or tokenizer.chat_template:
            taken |= set(self.encode(processor, self.end_of_turn(processor))[:1])
        if tokenizer.pad_token_id is None or tokenizer.pad_token_id in taken:
            free = [token for token in (tokenizer.unk_token, tokenizer.eos_token, *tokenizer.all_special_tokens) if token]
            free = [token for token in free if tokenizer.convert_tokens_to_ids(token) not in taken]
            tokenizer.pad_token = free[0] if free else tokenizer.eos_token

    def hollow(self, config: Any) -> Any:
        """The model of a config without memory for its weights (on the meta device): names, shapes, counts."""
        import torch

        with torch.device("meta"):
            return self.model_class().from_config(config)

    def tower_config(self, config: Any) -> Any:
        """The part of a model's config that describes its tower."""
        return config.audio_config

    def can_share(self, config: Any) -> bool:
        """Whether a model of this config can hold many questions in one sequence: not where some layers attend to a window, which our mask would undo."""
        language = config.get_text_config()
        kinds = getattr(language, "layer_types", None)
        windowed = getattr(language, "sliding_window", None) is not None if kinds is None else set(kinds) != {"full_attention"}
        return self.shares_clips and not windowed

    def prepare(self, model: Any) -> None:
        """Puts in what makes the model faster and changes nothing, in place: the trimmed tower where there is one."""

    def part(self, model: Any, name: str) -> Any:
        """The module of a part (`tower`, `projector`, `language_model`), under any wrapper.

        Raises:
            TrainingError: the model has no such part.
        """
        suffix = getattr(self, name)
        found = [module for path, module in model.named_modules() if path == suffix or path.endswith("." + suffix)]
        if not found:
            raise TrainingError(f"{self.model_type}: the model has no module called {suffix}")
        return found[0]

    # The tower's outputs, given back instead of computed

    @property
    def cached_part(self) -> str:
        """Name, or end of the name, of the module whose outputs are stored: the tower, or its last layer before what is trained as projector."""
        return self.tower

    def clip_states(self, output: Any, clips: Clips) -> list[Any]:
        """What `cached_part` said of each clip: shape (positions, width)."""
        states = getattr(output, "last_hidden_state", output)
        rows = [states[number, :length].contiguous() for number, length in enumerate(self.tower_lengths(clips.tensors))]
        return clips.joined(rows)

    def tower_lengths(self, tensors: Mapping[str, Any]) -> list[int]:
        """How many of the tower's output positions belong to each row of the features."""
        raise TrainingError(f"{self.model_type}: the tower's outputs cannot be cached")

    def tower_output(self, tower: Any, states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """What the tower would have returned for these arguments, from stored states of shape (clips, positions, width)."""
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        return BaseModelOutputWithPooling(last_hidden_state=states)

    def stand_in(self, lengths: Sequence[int]) -> dict[str, Any]:
        """Features that say no more than how long each clip is: what the model asks for where the tower's outputs are given. `lengths` as of `tower_lengths`."""
        raise TrainingError(f"{self.model_type}: the tower's outputs cannot be cached")

    def audio_positions(self, length: int, processor: Any) -> int:
        """Positions in the text of a clip with so many tower outputs."""
        return length

    @contextmanager
    def given_tower(self, model: Any, states: torch.Tensor) -> Iterator[None]:
        """Within this context the tower returns `states`, of shape (clips, positions, width), whatever it is asked."""
        tower = self.part(model, "tower")
        forward = tower.__dict__.get("forward")
        tower.forward = lambda *args, **kwargs: self.tower_output(tower, states, *args, **kwargs)
        try:
            yield
        finally:
            if forward is None:
                del tower.forward
            else:
                tower.forward = forward


def frame_mask(frames: Sequence[int]) -> torch.Tensor:
    """Masks over mel frames: int32 of shape (clips, most frames), 1 on each clip's own."""
    import torch

    each = torch.tensor(list(frames))
    return (torch.arange(int(each.max())) < each[:, None]).to(torch.int32)
