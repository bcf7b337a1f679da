"""Answer a dataset split with a speech LLM: `python trainer/predict.py --model PATH --dataset DIR --config NAME --out predictions.jsonl`. See `--help`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout this file stands in, installed or not

from cp_paraling_qa.training.predict import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
