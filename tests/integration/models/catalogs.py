"""The catalog that tests of one chat model share."""

__all__ = ["READER"]

READER = """\
models:
  reader:
    kind: chat
    provider: openai_compatible
    endpoint: env:READER_URL
    model: reader-2026-05
    parameters: {max_tokens: 60}
    price: {input_per_million: 1.00 USD, output_per_million: 4.00 USD}
    context_window: 4000
"""
"""A file that ends within the model, for whatever else a test says of it."""
