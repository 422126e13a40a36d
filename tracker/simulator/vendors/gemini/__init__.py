"""The Gemini Developer API's batches and files, simulated."""
