"""The dataset in its 2 × 2 variants: metadata rendering, splits, builder, card."""
