"""What a model thinks aloud before it answers."""

from __future__ import annotations

import re

_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)


def without_thought(text: str) -> str:
    """A text without the <think> block that it opens with; a block that never ends was cut off and leaves nothing.

    Example:
        >>> without_thought("<think>Angry? No.</think>sad"), without_thought("<think>Angry? Her voice")
        ('sad', '')
    """
    return _THOUGHT.sub("", text)
