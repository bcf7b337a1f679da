"""Rows → batches: audio decoded, prompt rendered, labels on the answer and its end token alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cp_paraling_qa.audio import decode_audio
from cp_paraling_qa.errors import AudioError, DatasetError
from cp_paraling_qa.schema import SAMPLING_RATE
from cp_paraling_qa.training.families import Family
from cp_paraling_qa.training.rows import check_seconds

IGNORED = -100
"""The label of positions that carry no loss: prompt, audio, padding."""


def waveforms(rows: Sequence[Mapping[str, Any]], family: Family, processor: Any) -> list[Any]:
    """The decoded clips of the rows that have one: float32 of shape (n,), 16 kHz.

    Raises:
        ClipLengthError: a clip that the encoder would cut or cannot hear. Never truncates.
        DatasetError: a clip that does not decode, by name.
    """
    clips, seconds = [], {}
    for row in rows:
        if row.get("audio") is None:
            continue
        try:
            samples, rate = decode_audio(row["audio"])
        except AudioError as error:
            raise DatasetError(f"row {row.get('id')}, clip {row.get('clip_id')}: {error}") from error
        clips.append(samples)
        seconds[str(row.get("heard") or row.get("clip_id") or row.get("id"))] = len(samples) / rate
    check_seconds(seconds, family, processor)
    return clips


def prompts(rows: Sequence[Mapping[str, Any]], family: Family, processor: Any) -> list[str]:
    """The rows' prompts as the model reads them, up to where its answer begins; the same at training and at prediction.

    Raises:
        DatasetError: a row whose text holds the audio token, by name.
    """
    for row in rows:
        if family.audio_token in row["prompt"] + (row.get("answer") or ""):
            raise DatasetError(f"row {row.get('id')}: its text contains {family.audio_token}, which stands for audio; remove it from the question or answer")
    return [family.render(processor, row["prompt"], audio=row.get("audio") is not None) for row in rows]


def encode(texts: list[str], clips: list[Any], processor: Any, *, padding_side: str) -> dict[str, Any]:
    """One processor call for texts and clips, as tensors.

    No truncation is passed on: at this level it would reach the feature extractor and cut the audio.
    """
    audio = {"audio": clips, "sampling_rate": SAMPLING_RATE} if clips else {}
    return dict(processor(text=texts, **audio, return_tensors="pt", padding=True, padding_side=padding_side))


@dataclass
class AudioQACollator:
    """Training batches of audio questions.

    Attributes:
        processor: of the model; its extractor says how much of a clip is heard.
        family: of the model.
    """

    processor: Any
    family: Family

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A batch, padded on the right: input_ids, attention_mask, labels, input_features, feature_attention_mask.

        Raises:
            ClipLengthError: a clip that the encoder would cut or cannot hear.
            DatasetError: an answer that is empty or that does not tokenise as the text's end; a clip that does not decode. Each names its row.
        """
        import torch

        clips = waveforms(rows, self.family, self.processor)
        end = self.family.end_of_turn
        texts = [prompt + row["answer"] + end for prompt, row in zip(prompts(rows, self.family, self.processor), rows, strict=True)]
        batch = encode(texts, clips, self.processor, padding_side="right")
        ids, lengths = batch["input_ids"], batch["attention_mask"].sum(-1).tolist()
        labels = torch.full_like(ids, IGNORED)
        for number, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            answer = self._answer_ids(row)
            start = length - len(answer)
            if ids[number, start:length].tolist() != answer:
                raise DatasetError(
                    f"row {row['id']}: its answer does not tokenise as the end of the text, so its labels would be shifted; answer {row['answer']!r}"
                )
            labels[number, start:length] = ids[number, start:length]
        batch["labels"] = labels
        return batch

    def _answer_ids(self, row: Mapping[str, Any]) -> list[int]:
        if not row["answer"] or not row["answer"].strip():
            raise DatasetError(f"row {row['id']}: its answer is empty")
        ids: list[int] = self.processor.tokenizer(row["answer"] + self.family.end_of_turn, add_special_tokens=False)["input_ids"]
        return ids
