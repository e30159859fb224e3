"""All pairs, in high dimension: tiles of matrix products, and near pairs by differences."""
