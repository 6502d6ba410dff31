"""Pure imaging rules: arrays in, values out; no files, no HTTP, no Triton.

`dicom` reads a file and decodes its pixels, `radiograph` makes the film of them with the formulas of
`grey_scale`, `chest_xray` and `chest_xray_steps` turn the network's output into findings, and `overlay`,
`png` and `report` show them, and `results` writes them for archives and records.
"""
