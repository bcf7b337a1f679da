"""Which weights an annotator hears with: revisions of Hub repositories, fingerprints of folders, versions of packages. All of it stands in an annotator's `config`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from cp_paraling_qa.errors import StageError
from cp_paraling_qa.schema import SAMPLING_RATE
from cp_paraling_qa.stage import digest

_EDGE = 1 << 20
"""Bytes at either end of a large file that stand for it: weights of gigabytes are not read through just to name them."""


def package_version(package: str) -> str | None:
    """The installed version of a package; None where it is not installed.

    Example:
        >>> package_version("no-such-package-as-this") is None
        True
    """
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def hub_revision(repository: str, revision: str | None = None) -> str | None:
    """The commit that a branch or tag of a Hub repository stands for: as the local cache has it, and as the Hub says where the cache does not know.

    The cache comes first, so that a run does not hear anew because somebody else pushed to `main`.

    Args:
        repository: owner/name.
        revision: branch, tag or commit; None for main.

    Returns:
        40 hex digits; None where neither the cache nor the Hub knows, in which case the weights cannot be loaded either.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    cached = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "refs" / (revision or "main")
    if cached.is_file():
        return cached.read_text(encoding="utf-8").strip()
    if constants.HF_HUB_OFFLINE:
        return None
    try:
        return HfApi().model_info(repository, revision=revision, timeout=10).sha
    except (HfHubHTTPError, OSError, ValueError):
        return None


def hub_folder(repository: str, revision: str | None, patterns: Sequence[str] | None = None) -> Path:
    """A Hub repository's files on this machine, downloaded where they are not there yet.

    Args:
        repository: owner/name.
        revision: commit; None for what main is.
        patterns: of the files that are needed; None for all.

    Raises:
        StageError: not in the cache and not to be had; says what can be done.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=None if patterns is None else list(patterns)))
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        raise StageError(
            f"model {repository} cannot be loaded from the Hugging Face Hub ({str(error).strip().splitlines()[0]}): "
            "check its name and the network, set HF_TOKEN where it is gated, or give the folder that its files lie in"
        ) from None


def folder_fingerprint(folder: Path) -> str:
    """A folder's content in 16 hex digits behind `local-`: names, sizes, and of each file its bytes, or its first and last megabyte where it is larger than two.

    Raises:
        StageError: no such folder.
    """
    import hashlib

    if not folder.is_dir():
        raise StageError(f"model folder {folder} does not exist: give a folder, or the id of a repository as owner/name")
    seen = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not any(part.startswith(".") for part in p.relative_to(folder).parts)):
        with open(path, "rb") as file:
            content, size = hashlib.sha256(file.read(_EDGE)), path.stat().st_size
            file.seek(max(_EDGE, size - _EDGE))
            content.update(file.read())
        seen.append([path.relative_to(folder).as_posix(), size, content.hexdigest()])
    return f"local-{digest(seen)}"


def require_rate(rate: int) -> None:
    """Refuses sound at another rate than the models were trained on.

    Raises:
        StageError: not 16 kHz.
    """
    if rate != SAMPLING_RATE:
        raise StageError(f"this recogniser hears {SAMPLING_RATE} Hz and was given {rate} Hz: resample first (`audio.resample`)")
