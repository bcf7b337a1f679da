"""Chat templates that take clips: the language model's own, with a few lines before it that turn a clip's block into its token."""

from __future__ import annotations

from typing import Any

from cp_paraling_qa.errors import TrainingError

_MARK = "{#- clips become text -#}"

# Contents that are lists of blocks become plain text, the clip's token on a line of its own; then the template goes on as if it had been given that.
# It is part of the template, not of the processor, so that other programs which read the saved template render the same.
_CLIPS_TO_TEXT = (
    "{%- set clips = namespace(turns=[]) -%}"
    "{%- for turn in messages -%}"
    "{%- if turn['content'] is string or not turn['content'] -%}"
    "{%- set clips.turns = clips.turns + [turn] -%}"
    "{%- else -%}"
    "{%- set said = namespace(text='') -%}"
    "{%- for block in turn['content'] -%}"
    "{%- if block['type'] == 'audio' -%}{%- set said.text = said.text + AUDIO + '\\n' -%}"
    "{%- else -%}{%- set said.text = said.text + block['text'] -%}{%- endif -%}"
    "{%- endfor -%}"
    "{%- set clips.turns = clips.turns + [dict(turn, content=said.text)] -%}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- set messages = clips.turns -%}"
)

_PLAIN = (
    "BOS"
    "{%- for turn in messages -%}"
    "{{- turn['role'] | capitalize + ': ' + turn['content'] -}}"
    "{%- if turn['role'] == 'assistant' -%}{{- eos_token -}}{%- endif -%}"
    "{{- '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}"
)


def with_clips(tokenizer: Any, audio_token: str, template: str | dict[str, str] | None = None) -> str:
    """A chat template made to take clips: the one that is given, else the tokenizer's own, else a plain one.

    A template that says `audio_token` itself is taken as it is. What is rendered holds all special tokens, so nothing is to be added when it is tokenised.

    Raises:
        TrainingError: several templates, none of them called default; no template and no end token, so that an answer would have no end.
    """
    template = template or tokenizer.chat_template
    if isinstance(template, dict):
        if "default" not in template:
            raise TrainingError(f"the tokenizer's chat templates are called {', '.join(template)}: rename one to default")
        template = template["default"]
    if template is None:
        template = _plain(tokenizer)
    if audio_token in template:
        return str(template)
    return _MARK + _CLIPS_TO_TEXT.replace("AUDIO", repr(audio_token)) + str(template)


def _plain(tokenizer: Any) -> str:
    """`User: …` and `Assistant: …` on lines of their own, for language models that were never taught to chat."""
    if tokenizer.eos_token is None:
        raise TrainingError("the tokenizer has neither a chat template nor an end token; set eos_token")
    begins = tokenizer.bos_token is not None and tokenizer("x")["input_ids"][:1] == [tokenizer.bos_token_id]
    return _PLAIN.replace("BOS", "{{- bos_token -}}" if begins else "")


_PROBE = "whisper-llm-probe"


def end_of_turn(processor: Any) -> str:
    """What ends an answer: the model learns to say it, and generation stops there.

    Read off the template: what it puts behind the answer of a short conversation, up to its first special token; the tokenizer's end token where that is nothing but space.

    Raises:
        TrainingError: neither says how an answer ends.
    """
    tokenizer = processor.tokenizer
    asked = {"role": "user", "content": [{"type": "text", "text": "?"}]}
    answered = {"role": "assistant", "content": [{"type": "text", "text": _PROBE}]}
    behind = str(processor.apply_chat_template([asked, answered], tokenize=False)).rpartition(_PROBE)[2].strip()
    special = {token for token in (*tokenizer.all_special_tokens, *map(str, tokenizer.get_added_vocab())) if token in behind}
    if special:
        first = min(special, key=lambda token: (behind.index(token), -len(token)))
        behind = behind[: behind.index(first) + len(first)]
    end = behind or str(tokenizer.eos_token or "")
    if not end:
        raise TrainingError("neither the chat template nor the tokenizer says how an answer ends; set eos_token in the tokenizer")
    return end
