"""The nouns of SeekrFlow: alignment jobs, data jobs, ingestion, files."""
