"""Fine-tune a speech LLM: `accelerate launch trainer/sft.py [--config trainer/recipes/….yaml] [--option value …]`. See `--help`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout this file stands in, installed or not

from cp_paraling_qa.training.sft import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
