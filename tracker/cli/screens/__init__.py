"""The live screens of `demo` and `top`."""
