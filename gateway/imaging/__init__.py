"""Pure imaging rules: arrays in, values out; no files, no HTTP, no Triton."""
