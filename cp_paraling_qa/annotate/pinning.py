"""Which weights an annotator hears with: commits of Hub repositories, digests of folders, versions of packages. All of it stands in an annotator's `config`.

A name alone does not say it: Hub repositories change, and folders are trained anew. So a Hub id is resolved to a commit when an annotator is made, and a folder is
known by its content. The run writes the commit down (see `chosen`), so that a later call hears with the same weights although somebody pushed to `main`.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from cp_paraling_qa.errors import RecipeError, StageError
from cp_paraling_qa.schema import SAMPLING_RATE

COMMIT = re.compile(r"[0-9a-f]{40}")


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
    """The commit that a branch or tag of a Hub repository stands for: as the Hub says now, else as the local cache has it.

    Args:
        repository: owner/name.
        revision: branch, tag or commit; None for main.

    Returns:
        40 hex digits; None where the Hub cannot be asked and the cache does not know.

    Raises:
        RecipeError: the Hub knows no such repository or revision.
    """
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        if sha := HfApi().model_info(repository, revision=revision, timeout=20).sha:
            return str(sha)
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        at = f" at {revision}" if revision else ""
        raise RecipeError(
            f"{repository}: there is no such folder, and the Hub knows no such model{at} (private or gated ones need a login): {first_line(error)}"
        ) from None
    except Exception:  # offline, a proxy, a timeout, a server's fault: whatever it was, the cache may know
        pass
    cache = Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
    reference = cache / "refs" / (revision or "main")
    if reference.is_file():
        return reference.read_text(encoding="utf-8").strip()
    fetched = [path.name for path in (cache / "snapshots").glob("*") if COMMIT.fullmatch(path.name)]
    return fetched[0] if revision is None and len(fetched) == 1 else None  # what is fetched by its commit leaves no reference


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
            f"model {repository} cannot be loaded from the Hugging Face Hub ({first_line(error)}): "
            "check its name and the network, set HF_TOKEN where it is gated, or give the folder that its files lie in"
        ) from None


def folder_digest(folder: Path, names: Iterable[str] | None = None) -> str:
    """Identifies a folder's content, wherever it lies: names and bytes, all of them, since weights trained anew may differ in the middle alone.

    Args:
        folder: of a model.
        names: of the files that count; None for all but hidden ones.

    Returns:
        `local-` and 10 hex digits.

    Raises:
        StageError: no such folder.
    """
    if not folder.is_dir():
        raise StageError(f"model folder {folder} does not exist: give a folder, or the id of a repository as owner/name")
    if names is None:
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        names = [path.as_posix() for path in found if not any(part.startswith(".") for part in path.parts)]
    content = hashlib.sha256()
    for name in sorted(names):
        status = (folder / name).stat()
        content.update(f"{name} {status.st_size} {_file_hash(folder / name, status.st_size, status.st_mtime_ns)}\n".encode())
    return f"local-{content.hexdigest()[:10]}"


@functools.lru_cache(256)
def _file_hash(path: Path, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def first_line(error: BaseException, longest: int = 240) -> str:
    """What an error says, on one line; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:longest]


def require_rate(rate: int) -> None:
    """Refuses sound at another rate than the models were trained on.

    Raises:
        StageError: not 16 kHz.
    """
    if rate != SAMPLING_RATE:
        raise StageError(f"this recogniser hears {SAMPLING_RATE} Hz and was given {rate} Hz: resample first (`audio.resample`)")
