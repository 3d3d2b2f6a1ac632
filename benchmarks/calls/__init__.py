"""What a model call costs on our path, beside the vendor's library, pydantic-ai and LiteLLM; see `__main__`."""
