"""Samples and text → what `whisper_llm` takes."""

from __future__ import annotations

from typing import Any

from transformers import ProcessorMixin

from cp_paraling_qa.errors import ClipLengthError
from cp_paraling_qa.training.whisper_llm.counting import embeddings
from cp_paraling_qa.training.whisper_llm.templates import with_clips

AUDIO_TOKEN = "<|audio|>"


class WhisperLLMProcessor(ProcessorMixin):  # type: ignore[misc]
    """A Whisper feature extractor and a language model's tokenizer.

    Called as Qwen2-Audio's processor is: `processor(text=…, audio=…, sampling_rate=16_000, padding=True, return_tensors="pt")` gives input_ids, attention_mask,
    input_features (clips, mels, frames) and feature_attention_mask (clips, frames). One audio token in the text becomes as many as its clip takes.

    Args:
        feature_extractor: a WhisperFeatureExtractor.
        tokenizer: any; it has to know `audio_token`.
        chat_template: None is the tokenizer's own; either is made to take clips (see `templates`).
        audio_token: the text that stands for a clip.
        stack_size: as in the model's config.
        mask_padding: as in the model's config. Without it the mask counts the silence behind a clip as well, as the model does.
    """

    audio_kwargs = {"return_attention_mask": True}

    def __init__(
        self,
        feature_extractor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        audio_token: str = AUDIO_TOKEN,
        stack_size: int = 15,
        mask_padding: bool = True,
    ) -> None:
        self.audio_token, self.stack_size, self.mask_padding = audio_token, stack_size, mask_padding
        self.audio_token_id = tokenizer.convert_tokens_to_ids(audio_token)
        if self.audio_token_id is None or self.audio_token_id == tokenizer.unk_token_id:
            raise ValueError(f"the tokenizer does not know {audio_token}: add it as a special token")
        super().__init__(feature_extractor, tokenizer, chat_template=with_clips(tokenizer, audio_token, chat_template))

    def __call__(self, *args: Any, text: Any = None, **kwargs: Any) -> Any:
        """See the class. Texts that begin with the tokenizer's begin token, as rendered chats do, are given no second one.

        Raises:
            ClipLengthError: a clip longer than the extractor hears, or an empty one.
            ValueError: as many audio tokens as clips, or some texts with a begin token and some without.
        """
        bos, given = self.tokenizer.bos_token, "add_special_tokens" in {**kwargs, **kwargs.get("text_kwargs", {})}
        if text is not None and bos and not given:
            texts = [text] if isinstance(text, str) else list(text)
            begun = [isinstance(one, str) and one.startswith(bos) for one in texts]
            if any(begun) and not all(begun):
                raise ValueError(f"some texts begin with {bos} and some do not: render all with the chat template, or say add_special_tokens")
            if any(begun):
                kwargs["add_special_tokens"] = False
        return super().__call__(*args, text=text, **kwargs)

    def _process_audio(self, audio: Any, **kwargs: Any) -> tuple[dict[str, Any], list[str]]:
        """Features at full length, whatever padding and truncation the text is to have."""
        extractor = self.feature_extractor
        for number, clip in enumerate(audio):
            if not 0 < len(clip) <= extractor.n_samples:
                seconds, most = len(clip) / extractor.sampling_rate, extractor.n_samples / extractor.sampling_rate
                raise ClipLengthError(
                    f"clip {number} of the batch lasts {seconds:.2f} s; the encoder hears more than 0 and at most {most:g} s: split or drop it"
                )
        for name in ("max_length", "truncation", "pad_to_multiple_of"):
            kwargs.pop(name, None)
        features = extractor(audio, **{**kwargs, "padding": "max_length", "return_attention_mask": True})
        mask = features.pop("attention_mask")
        features["feature_attention_mask"] = mask if self.mask_padding else mask * 0 + 1
        counts = [int(embeddings(int(row.sum()), self.stack_size)) for row in features["feature_attention_mask"]]
        return features, [self.audio_token * count for count in counts]

    @property
    def model_input_names(self) -> list[str]:
        """Names of the tensors it makes."""
        return [*dict.fromkeys([*self.tokenizer.model_input_names, "input_features", "feature_attention_mask"])]
