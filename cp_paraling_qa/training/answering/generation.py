"""Answers of a speech LLM in memory: batches alike in length, a clip's questions together, the clip computed once.

**One prefill a clip.** All prompts begin alike (the template's system message), and those about one clip go on alike: the clip, the metadata block. What is common
goes through the model once; the cache that it leaves is repeated for each clip, then for each of a clip's questions, and generation goes on with the questions' own tokens:

    system message | padding | clip, metadata | padding | rest of question 1 → answer
    (once a batch)           (once a clip)    | rest of a longer question 2  → answer

The mask leaves the padding out and positions are counted on it, so every token sees what it would see in a row of its own. Families for which this does not hold
take plain batches, padded on the left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.errors import TrainingError
from cp_paraling_qa.training.answering.asked import fetch, lengths
from cp_paraling_qa.training.encoding import Encoded, Encoder
from cp_paraling_qa.training.families import family_of
from cp_paraling_qa.training.rows import check_seconds
from cp_paraling_qa.training.sampler import RowLength, sequence_length

_TOKENISED = 10_000  # prompts at a time
_WORTH = 64
"""Tokens that have to be saved for a forward pass of its own to be worth it."""


@dataclass
class Answerer:
    """A model that answers rows: greedy, so the same every time, and the same in any batch up to the rounding of float sums.

    Attributes:
        model: a speech LLM, with or without an adapter on it.
        processor: of the model.
        max_new_tokens: where an answer is cut that does not end by itself.
        min_new_tokens: below this an answer does not end; for timings.
        share: one prefill a clip where the family allows.
    """

    model: Any
    processor: Any
    max_new_tokens: int = 64
    min_new_tokens: int = 0
    share: bool = True
    encoder: Encoder = field(init=False)
    stops: list[int] = field(init=False)
    window: float = field(init=False)

    def __post_init__(self) -> None:
        from cp_paraling_qa.training.answering.greedy import window

        self.family = family_of(self.model.config)
        self.encoder = Encoder(self.processor, self.family)
        own = self.model.generation_config.eos_token_id
        self.stops = sorted({*self.family.stop_ids(self.processor), *([] if own is None else [own] if isinstance(own, int) else own)})
        self.window = window(self.model.config) if self.family.shares_clips else 0
        self.model.eval()

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """The answers to one batch of rows: `tokens` as text."""
        return [str(self.processor.tokenizer.decode(answer, skip_special_tokens=True)).strip() for answer in self.tokens(rows)]

    def tokens(self, rows: Sequence[Mapping[str, Any]]) -> list[list[int]]:
        """The answers to one batch of rows, each with `prompt` and `audio`, as token ids up to the end token.

        Raises:
            ClipLengthError: a clip that the encoder would cut or cannot hear, by name.
            DatasetError: a clip that does not decode, by name; a text that holds the audio token.
            TrainingError: the batch does not fit into the GPU's memory.
        """
        import torch

        from cp_paraling_qa.training.answering.greedy import last_logits
        from cp_paraling_qa.training.collator import by_clip

        names, samples = self.encoder.clips(rows)
        clips = self.encoder.features(samples)
        encoded = self.encoder.prompts(rows, dict(zip(names, clips.counts, strict=True)))
        groups = by_clip(encoded) if self.share else [[row] for row in encoded]
        # Gaps of padding make rows longer; those of a model with a sliding window have to stay within it.
        plain = 2 * max(len(row.prompt) for row in encoded) + self.max_new_tokens <= self.window
        if not plain:
            groups = [[row] for row in encoded]
        features = clips.pick([names.index(clip) for group in groups if (clip := group[0].clip) is not None])
        try:
            with torch.inference_mode(), last_logits(self.model):
                answers = self._shared(encoded, groups, features) if plain and self.share else self._padded(encoded, features, plain=plain)
        except torch.OutOfMemoryError as error:
            raise TrainingError(
                f"a batch of {len(rows)} rows does not fit into the GPU's memory: pass a smaller --batch_size or --token_budget; finished rows are kept"
            ) from error
        return [self._ended(answer) for answer in answers]

    def _padded(self, rows: Sequence[Encoded], features: Mapping[str, Any], *, plain: bool) -> list[list[int]]:
        """Each row a sequence of its own, from its first token on."""
        from cp_paraling_qa.training.batches import padded

        batch = padded(rows, self.processor.tokenizer.pad_token_id, side="left", labels=False)
        return self._generate(batch, rows, features, plain=plain)

    def _shared(self, rows: Sequence[Encoded], groups: Sequence[Sequence[Encoded]], features: dict[str, Any]) -> list[list[int]]:
        """What all prompts begin with once, then what each clip's prompts begin with once a clip, then the rows' own tokens."""
        from cp_paraling_qa.training.batches import common_prefix

        so_far = _Prefix.empty(self.model)
        begin = self._root(rows)
        if begin * (len(groups) - 1) < _WORTH:
            begin = 0
        if begin:
            so_far = self._ahead(so_far, [rows[0].prompt[:begin]], {})
            so_far.select([0] * len(groups))
        ends = [begin] * len(groups)
        if len(groups) < len(rows):
            ends = [common_prefix(group) for group in groups]
            so_far = self._ahead(so_far, [group[0].prompt[begin:end] for group, end in zip(groups, ends, strict=True)], features)
            group_of = {id(row): number for number, group in enumerate(groups) for row in group}
            mine = [group_of[id(row)] for row in rows]
            so_far.select(mine)
            ends, features = [ends[number] for number in mine], {}
        batch = so_far.followed_by([row.prompt[end:] for row, end in zip(rows, ends, strict=True)], self.processor.tokenizer.pad_token_id)
        if so_far.ids is not None:
            features = features | {"past_key_values": so_far.cache}
        return self._generate(batch, rows, features, plain=True)

    def _root(self, rows: Sequence[Encoded]) -> int:
        """How many tokens all prompts begin with, before any clip: the template's system message, mostly."""
        from cp_paraling_qa.training.batches import common_prefix

        audio = self.encoder.audio_id
        return min(common_prefix(rows), *(row.prompt.index(audio) for row in rows if row.clip is not None), len(rows[0].prompt))

    def _ahead(self, so_far: _Prefix, tokens: Sequence[list[int]], features: Mapping[str, Any]) -> _Prefix:
        """Runs the model over further tokens of every sequence, into the cache."""
        batch = so_far.followed_by(tokens, self.processor.tokenizer.pad_token_id)
        new = max(map(len, tokens))
        positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        inputs = {"input_ids": batch["input_ids"][:, -new:], "attention_mask": batch["attention_mask"], "position_ids": positions[:, -new:], **features}
        inputs |= self.family.text_tensors(inputs["input_ids"], self.processor)
        self.model(**{name: value.to(self.model.device) for name, value in inputs.items()}, past_key_values=so_far.cache, use_cache=True)
        return _Prefix(so_far.cache, batch["input_ids"], batch["attention_mask"])

    def _generate(self, batch: dict[str, Any], rows: Sequence[Encoded], more: Mapping[str, Any], *, plain: bool) -> list[list[int]]:
        import torch

        from cp_paraling_qa.training.answering.greedy import greedy

        # Padding repeats a token of the row's own: a model with a repetition penalty would else hold the padding token against its answers.
        own = torch.tensor([row.prompt[-1] for row in rows])[:, None]
        ids, mask = torch.where(batch["attention_mask"].bool(), batch["input_ids"], own), batch["attention_mask"]
        inputs = {"input_ids": ids, "attention_mask": mask, **more, **self.family.text_tensors(ids, self.processor)}
        inputs = {name: value if name == "past_key_values" else value.to(self.model.device) for name, value in inputs.items()}
        output = self.model.generate(**inputs, generation_config=self._settings(), custom_generate=greedy if plain else None)
        answers: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return answers

    def _settings(self) -> Any:
        """Greedy; what a checkpoint's own generation config says of penalties counts, what it says of sampling and beams does not."""
        from transformers import GenerationConfig

        return GenerationConfig(
            do_sample=False,
            num_beams=1,
            num_return_sequences=1,
            temperature=1.0,
            top_p=1.0,
            top_k=50,
            max_new_tokens=self.max_new_tokens,
            min_new_tokens=self.min_new_tokens or None,
            pad_token_id=self.processor.tokenizer.pad_token_id,
            eos_token_id=self.stops,
            return_dict_in_generate=False,
        )

    def _ended(self, answer: list[int]) -> list[int]:
        """Up to the end token, which some tokenizers do not call special."""
        return answer[: next((place for place, token in enumerate(answer) if token in self.stops), len(answer))]

    # Batches

    def plan(self, rows: Sequence[Mapping[str, Any]], *, batch_size: int = 16, token_budget: int | None = None) -> list[list[int]]:
        """Row numbers of every batch: alike in length, the longest first, so that what does not fit into memory fails at once; a clip's rows together.

        Args:
            rows: all rows.
            batch_size: most rows of a batch.
            token_budget: most tokens of a batch, padding and answers included; None for no such limit.

        Raises:
            ClipLengthError: clips that the encoder would cut or cannot hear, by name.
            DatasetError: a clip whose header cannot be read, by name.
            TrainingError: a row that alone is over the budget.
        """
        told = self._lengths(rows)

        def tokens(unit: Sequence[int]) -> int:
            return len(unit) * (max((sequence_length([told[n]]) for n in unit), default=0) + self.max_new_tokens)

        for number in range(len(told)):
            if token_budget is not None and (alone := tokens([number])) > token_budget:
                raise TrainingError(
                    f"row {number} alone has {alone} tokens with its answer, more than the budget of {token_budget}: pass a larger --token_budget"
                )

        def fits(unit: Sequence[int]) -> bool:
            return len(unit) <= batch_size and (token_budget is None or tokens(unit) <= token_budget)

        units: list[list[int]] = []
        open_units: dict[str, list[int]] = {}
        for number in sorted(range(len(told)), key=lambda n: (-sequence_length([told[n]]), n)):
            clip = told[number].clip if self.share and self.window else None
            unit = open_units.get(clip) if clip is not None else None
            if unit is None or not fits([*unit, number]):
                unit = []
                units.append(unit)
                if clip is not None:
                    open_units[clip] = unit
            unit.append(number)
        batches: list[list[int]] = []
        for unit in units:  # in the order of their longest rows
            if not batches or not fits([*batches[-1], *unit]):
                batches.append([])
            batches[-1] += unit
        return batches

    def _lengths(self, rows: Sequence[Mapping[str, Any]]) -> list[RowLength]:
        """Tokens of every prompt: a clip's positions from its header's seconds, which may be one or two off, and the text's."""
        asked = lengths(rows)
        check_seconds(asked.clips, self.family, self.processor)
        tokenizer, hears = self.processor.tokenizer, any(asked.seconds)
        per_second = self.encoder.positions_per_second() if hears else 0.0
        frame = len(tokenizer(self.family.render(self.processor, "", audio=hears), add_special_tokens=False)["input_ids"])
        told: list[RowLength] = []
        for start in range(0, len(asked.prompts), _TOKENISED):
            for ids in tokenizer(asked.prompts[start : start + _TOKENISED], add_special_tokens=False)["input_ids"]:
                told.append(RowLength(asked.names[len(told)], round(asked.seconds[len(told)] * per_second), frame + len(ids)))
        return told


@dataclass
class _Prefix:
    """What sequences begin with, and the cache that it left in the model. Padding may stand anywhere in it.

    Attributes:
        cache: keys and values.
        ids: (sequences, length); None for nothing yet.
        mask: the same shape, 0 on padding.
    """

    cache: Any
    ids: Any = None
    mask: Any = None

    @classmethod
    def empty(cls, model: Any) -> _Prefix:
        from transformers import DynamicCache

        return cls(DynamicCache(config=model.config))

    def select(self, order: list[int]) -> None:
        """These sequences, which may come several times, in place of the present ones."""
        import torch

        self.ids, self.mask = self.ids[order], self.mask[order]
        self.cache.batch_select_indices(torch.tensor(order, device=self.cache.layers[0].keys.device))

    def followed_by(self, tokens: Sequence[list[int]], pad_id: int) -> dict[str, Any]:
        """input_ids and attention_mask of the whole sequences, with further tokens of each, padded on the left, behind what is there."""
        import torch

        from cp_paraling_qa.training.batches import padded

        batch = padded([Encoded(row, []) for row in tokens], pad_id, side="left", labels=False)
        if self.ids is None:
            return batch
        return {"input_ids": torch.cat([self.ids, batch["input_ids"]], 1), "attention_mask": torch.cat([self.mask, batch["attention_mask"]], 1)}


def predict(
    model: Any,
    processor: Any,
    rows: Sequence[Mapping[str, Any]],
    *,
    batch_size: int = 16,
    max_new_tokens: int = 64,
    min_new_tokens: int = 0,
    token_budget: int | None = None,
    share: bool = True,
    on_batch: Callable[[list[int], list[str]], None] | None = None,
    skip: frozenset[int] = frozenset(),
) -> list[str]:
    """The model's answer to every row: greedy, so the same every time, and the same in any batch (up to float rounding of the batched sums).

    Args:
        model: a speech LLM, with or without an adapter on it.
        processor: of the model.
        rows: each with `prompt` and `audio` (None for text alone), and `clip_id` or `id` for messages; a `datasets.Dataset` will do.
        batch_size: rows at a time.
        max_new_tokens: where an answer is cut that does not end by itself.
        min_new_tokens: below this an answer does not end.
        token_budget: most tokens of a batch, padding and answers included.
        share: compute what a clip's questions have in common once a clip; the same answers, sooner.
        on_batch: called with row numbers and answers of each finished batch.
        skip: numbers of rows that need no answer; theirs stays empty, unless it comes along: batches do not depend on what is skipped, so a run that was
            killed and goes on answers in the very same batches.

    Returns:
        One text a row, in the order of `rows`.

    Raises:
        ClipLengthError: clips that the encoder would cut or cannot hear, by name, before anything is predicted.
        DatasetError: a clip that does not decode, by name.
        TrainingError: a row over the budget; a batch that does not fit into memory.
    """
    answerer = Answerer(model, processor, max_new_tokens, min_new_tokens, share)
    answers = [""] * len(rows)
    for numbers in answerer.plan(rows, batch_size=batch_size, token_budget=token_budget):
        if skip.issuperset(numbers):
            continue
        texts = answerer(fetch(rows, numbers))
        for number, text in zip(numbers, texts, strict=True):
            answers[number] = text
        if on_batch:
            on_batch(numbers, texts)
    return answers
