"""What Benchmarks/compare and Benchmarks/scale are made of; nothing but Python's standard library."""
