"""The Gemini Developer API's batches."""
