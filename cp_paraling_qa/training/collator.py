"""Rows → training batches: clips heard, prompts rendered, labels on the answer and its end token alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cp_paraling_qa.training.batches import padded, shared
from cp_paraling_qa.training.encoding import Encoded, Encoder, clip_name
from cp_paraling_qa.training.families import Clips, Family
from cp_paraling_qa.training.hearing.tower_cache import TowerCache
from cp_paraling_qa.training.loss import STATES

_SILENCE_SECONDS = 0.5


@dataclass
class AudioQACollator:
    """Training batches of audio questions.

    Attributes:
        processor: of the model; its extractor says how much of a clip is heard.
        family: of the model.
        share: rows about one clip share one sequence; rows of text alone have one each.
        cache: outputs of a frozen tower, used in place of the clips' audio.
        always_audio: a batch of text alone gets half a second of silence without labels beside it, so that every process runs the tower in every step.
            Without it a process that has nothing to hear would leave the others waiting for its share of the tower's gradients or weights.
    """

    processor: Any
    family: Family
    share: bool = False
    cache: TowerCache | None = None
    always_audio: bool = False
    encoder: Encoder = field(init=False)

    def __post_init__(self) -> None:
        self.encoder = Encoder(self.processor, self.family)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A batch, padded on the right.

        Returns:
            input_ids, labels, and attention_mask or, where rows share sequences, position_ids and blocks: each of shape (sequences, longest); beside them what
            the family's features are called (input_features, feature_attention_mask, …), one clip behind the other as they stand in the text.

        Raises:
            ClipLengthError: a clip that the encoder would cut or cannot hear.
            DatasetError: an answer that is empty; a text that holds the audio token; a clip that does not decode. Each names its row.
        """
        names, clips = self._clips(rows)
        counts = dict(zip(names, clips.counts, strict=True))
        encoded = self.encoder.answered(rows, counts)
        if self.always_audio and not names:
            encoded.append(self._silence(clips))
        pad = self.processor.tokenizer.pad_token_id
        if self.share:
            groups = by_clip(encoded)
            batch, heard = shared(groups, pad), [group[0].clip for group in groups]
        else:
            batch, heard = padded(encoded, pad), [row.clip for row in encoded]
        order = [names.index(clip) if names else 0 for clip in heard if clip is not None]
        batch |= clips.pick(order)
        return batch | self.family.text_tensors(batch["input_ids"], self.processor)

    def _clips(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], Clips]:
        if self.cache is None:
            names, samples = self.encoder.clips(rows)
            return names, self.encoder.features(samples)
        names = list(dict.fromkeys(name for row in rows if (name := clip_name(row)) is not None))
        return names, self.cached(names) if names else Clips({}, [])

    def cached(self, names: Sequence[str]) -> Clips:
        """What stands for the clips where the tower's outputs come from the cache."""
        import torch

        assert self.cache is not None
        states = [self.cache.read(name) for name in names]
        lengths = [len(state) for state in states]
        joined = torch.nn.utils.rnn.pad_sequence(states, batch_first=True)
        return Clips({**self.family.stand_in(lengths), STATES: joined}, [self.family.audio_positions(length, self.processor) for length in lengths])

    def _silence(self, clips: Clips) -> Encoded:
        """A sequence of audio positions without labels; its features go into `clips`. With a cache it is any clip of it: no process may run the tower alone."""
        import numpy as np

        if self.cache is not None and self.cache.files:
            heard = self.cached([next(iter(self.cache.files))])
        else:
            rate = self.family.extractor(self.processor).sampling_rate
            heard = self.encoder.features([np.zeros(int(_SILENCE_SECONDS * rate), dtype=np.float32)])
        clips.tensors, clips.counts, clips.rows = heard.tensors, heard.counts, heard.rows
        audio = self.family.expand(self.processor, heard.counts[0])
        return Encoded([*audio, self.processor.tokenizer.pad_token_id], [], "silence", len(audio))


def by_clip(rows: Sequence[Encoded]) -> list[list[Encoded]]:
    """Rows about one clip together, in order of appearance; rows of text alone by themselves.

    Rows that hear the same clip but do not begin alike (one shows metadata before the clip, say) go apart.
    """
    from cp_paraling_qa.training.batches import common_prefix

    groups: list[list[Encoded]] = []
    for row in rows:
        for group in groups:
            if row.clip is not None and group[0].clip == row.clip and common_prefix([group[0], row]) >= row.audio_end:
                group.append(row)
                break
        else:
            groups.append([row])
    return groups
