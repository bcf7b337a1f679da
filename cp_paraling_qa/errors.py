"""Every error this library raises on purpose.

    CPQAError
    ├── InputError            something the user handed in cannot be used as it is
    │   ├── CorpusError       a corpus folder, its metadata, or a label in it
    │   ├── AudioError        one clip's audio
    │   ├── LabelError        a label, axis or score outside its range
    │   ├── RecipeError       a recipe, flag or option
    │   └── DatasetError      a dataset folder, its rows or its splits
    ├── StageError            a stage cannot go on
    │   └── StorageError      writing failed: disk full, no permission
    ├── LLMError              the LLM endpoint cannot be used at all (a failed row is a counted reason, not an error)
    ├── TrainingError         a training or prediction run cannot start
    │   └── ClipLengthError   clips that the encoder would cut or cannot hear, by name
    ├── JudgeError            a metric was called with arguments that cannot be scored
    └── MissingExtraError     an optional package is needed; names the extra that brings it

A message names the item and the remedy. The command line prints it without a traceback and exits with 2.
"""

from __future__ import annotations


class CPQAError(Exception):
    """Base of all errors of this library."""


class InputError(CPQAError, ValueError):
    """Something the user handed in cannot be used as it is."""


class CorpusError(InputError):
    """A corpus folder, its metadata, or a label in it."""


class AudioError(InputError):
    """One clip's audio cannot be used.

    Args:
        reason: a short phrase that can be counted over many clips ("truncated").
        detail: what is special about this one ("header promises 3.2 s, file holds 1.1 s").
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class LabelError(InputError):
    """A label, axis or score outside its range."""


class RecipeError(InputError):
    """A recipe, flag or option."""


class DatasetError(InputError):
    """A dataset folder, its rows or its splits."""


class StageError(CPQAError):
    """A stage cannot go on."""


class StorageError(StageError, OSError):
    """Writing failed: disk full, no permission."""


class LLMError(CPQAError):
    """The LLM endpoint cannot be used at all."""


class TrainingError(CPQAError):
    """A training or prediction run cannot start."""


class ClipLengthError(TrainingError):
    """Clips that the encoder would cut or cannot hear."""


class JudgeError(CPQAError, ValueError):
    """A metric was called with arguments that cannot be scored."""


class MissingExtraError(CPQAError, ImportError):
    """An optional package is needed.

    Args:
        package: the package that could not be imported.
        extra: the extra of `cp-paraling-qa` that brings it.
        purpose: what it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package}: pip install 'cp-paraling-qa[{extra}]'")
