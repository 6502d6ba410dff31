"""The networks of MAISI: built, trained small on the drawn anatomy, and written as ONNX graphs."""
